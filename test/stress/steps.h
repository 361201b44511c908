/* SPDX-License-Identifier: MIT */
/* Steps of every kind, as the seed says, that keep books. */
#ifndef WEFT_TEST_STEPS_H
#define WEFT_TEST_STEPS_H

#include "test.h"

/* Before the first step of a round. */
void steps_begin(void);

/* Take steps until then; for many tasks and threads at once. */
void steps_take(weft_time end);

/* When all who took steps have returned: check that the books balance. */
void steps_balance(void);

/* How many there were of each kind, since the process began. */
void steps_print(void);

#endif
