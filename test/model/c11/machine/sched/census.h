/* SPDX-License-Identifier: MIT */
/* In place of src/sched/census.h: nobody asks who sleeps. */
#ifndef WEFT_TEST_MODEL_CENSUS_H
#define WEFT_TEST_MODEL_CENSUS_H

#include "sched/waiter.h"

typedef int weft__parked_thread;

static inline void weft__census_enter(weft__parked_thread *self, weft__waiter *w,
				      weft_time deadline)
{
	(void)self, (void)w, (void)deadline;
}

static inline void weft__census_leave(weft__parked_thread *self)
{
	(void)self;
}

static inline void weft__clock_move(weft_time now)
{
	(void)now;
}

#endif
