/* SPDX-License-Identifier: MIT */
/* In place of src/sched/trace.h: nothing is traced. */
#ifndef WEFT_TEST_MODEL_TRACE_H
#define WEFT_TEST_MODEL_TRACE_H

#include "sched/sched.h"

static inline void weft__trace_wake(weft__task *task)
{
	(void)task;
}

#endif
