/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TEST_OPEN_FRAMES_H
#define WEFT_TEST_OPEN_FRAMES_H

#include <weft/base.h>

void panic_in_the_open(void *unused);
int start_in_the_open(weft_fn fn);

#endif
