/* SPDX-License-Identifier: MIT */
/*
 * In place of src/sched/park.h: everybody parks by what is for all, in waiter.c,
 * and the switch is in machine.h.
 */
#ifndef WEFT_TEST_MODEL_PARK_H
#define WEFT_TEST_MODEL_PARK_H

#include "sched/sched.h"
#include "sched/waiter.h"

uint32_t weft__park_alone_slow(weft__waiter *w);

static inline uint32_t weft__park_here(weft__waiter *w, weft_time deadline)
{
	return weft__park(w, deadline);
}

static inline uint32_t weft__park_alone(weft__waiter *w)
{
	return weft__park_alone_slow(w);
}

static inline uint32_t weft__park_alone_on(weft__stack *self, weft__waiter *w)
{
	(void)self;
	return weft__park_alone_slow(w);
}

#endif
