/* SPDX-License-Identifier: MIT */
/*
 * The child of a fork has one thread, and a copy of queues whose workers are
 * in the parent. It may do everything that needs no runtime; the rest stops it
 * with one line instead of a wait for ever.
 *
 * K1  What all share and nobody owns, the parking lot, the list of parked
 *     threads and the table of copies, is made new in the child: another thread
 *     may have had its lock, or be half through a change; and who is in a list
 *     lies on a stack that the C library gives to the next thread.
 *     Tempting, and not done: to take those locks before the fork, and to drop
 *     them after it. The parent then sleeps for ever where a handler that
 *     interrupted their owner forks, to run a debugger say; and those who are
 *     gone would still be in the lists.
 * K2  So an object's mark may say that somebody waits, or was woken, where nobody
 *     is (Q2). In the child of a fork a mark without a queue is no proof of a
 *     copy; and where a mark alone would keep others out, who comes looks into
 *     the queue and takes it off: M7, R7, S4, and the adds of a wait group.
 */
#ifndef WEFT_SRC_SCHED_FORK_H
#define WEFT_SRC_SCHED_FORK_H

#include "base/base.h"

extern WEFT__OURS uint32_t weft__fork_mark;	/* atomic */
extern uint32_t weft__fork_heard;	/* atomic */

/*
 * There will be tasks, or a thread of ours: a child of a fork is without from
 * now on. 0, or -ENOMEM where forks are not heard of.
 */
int weft__fork_watch(void);

/* A child is to be heard of: K1. 0 or -ENOMEM. */
WEFT_PRIV_COLD int weft__fork_hear(void);

/*
 * The same for plain threads, without any task: the first time that one sleeps. There
 * is no constructor for it, since who uses nothing of weft pays nothing. So one fork is
 * not heard of: while the first waiter ever is queued, and does not sleep yet.
 */
static inline void weft__fork_heed(void)
{
	if (unlikely(!weft_atomic_load(&weft__fork_heard, relaxed)))
		(void)weft__fork_hear();
}

/* K1, for the table in copies.c. */
void weft__copies_in_child(void);

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
