/* SPDX-License-Identifier: MIT */
/* In place of src/sched/trace.h: nothing is traced. */
#ifndef WEFT_TEST_MODEL_TRACE_H
#define WEFT_TEST_MODEL_TRACE_H

#include "sched/sched.h"

static inline void weft__trace_wake(weft__task *task)
{
	(void)task;
}

#ifdef MODEL_REAL_SCHED
static inline void weft__trace_open(void)
{
}

static inline void weft__trace_worker(weft__worker *w)
{
	(void)w;
}

static inline void weft__trace_steal(weft__worker *w, const weft__worker *v,
				     uint64_t n)
{
	(void)w, (void)v, (void)n;
}
#endif

#endif
