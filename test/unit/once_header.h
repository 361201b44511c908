/* SPDX-License-Identifier: MIT */
/* Functions that run once, shared by two files: for test_once_endings.c. */
#ifndef WEFT_TEST_ONCE_HEADER_H
#define WEFT_TEST_ONCE_HEADER_H

#include <weft/once.h>

WEFT_ONCE_FUNC_DECLARE(shared_start_up);
WEFT_ONCE_VALUE_DECLARE(int, shared_answer);
WEFT_ONCE_VALUES_DECLARE(const char *, int, shared_pair);

/* How many of their bodies have run. */
int shared_calls(void);

#endif
