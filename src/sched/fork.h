/* SPDX-License-Identifier: MIT */
/*
 * The child of a fork has one thread, and a copy of queues whose workers are
 * in the parent. It may do everything that needs no runtime; the rest stops it
 * with one line instead of a wait for ever.
 */
#ifndef WEFT_SRC_SCHED_FORK_H
#define WEFT_SRC_SCHED_FORK_H

#include "base/base.h"

extern uint32_t weft__fork_mark;	/* atomic */

/* Notice a fork from now on. 0 or -ENOMEM. Cheap when called again. */
int weft__fork_watch(void);

static inline bool weft__forked(void)
{
	return weft_atomic_load(&weft__fork_mark, relaxed) != 0;
}

WEFT_PRIV_COLD _Noreturn void weft__fork_fail(void);

/* Before a lock is taken that a thread of the parent may have held. */
static inline void weft__fork_check(void)
{
	if (unlikely(weft__forked()))
		weft__fork_fail();
}

#endif
