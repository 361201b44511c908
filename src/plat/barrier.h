/* SPDX-License-Identifier: MIT */
/*
 * A barrier that one makes for all. Two each store and then look at what the
 * other has stored; where one of the two is rare, it makes the barrier for
 * both, and the other needs none of its own.
 */
#ifndef WEFT_SRC_PLAT_BARRIER_H
#define WEFT_SRC_PLAT_BARRIER_H

#include "base/base.h"

/*
 * Every thread of the process passes a full barrier between the call and the
 * return of this. False: the kernel cannot do that, or not yet. Keeps errno.
 */
bool weft__barrier_all(void);

/*
 * The first of these in a process takes the kernel 15 to 50 ms, but microseconds
 * as long as there is one thread only: so before the first one is started.
 */
void weft__barrier_prepare(void);

/*
 * Where those pass it who make none, between their store and their look: each
 * either before the one who makes it, who then sees the store, or after, and
 * then sees what that one has stored before. Costs nothing.
 */
static inline void weft__barrier_here(void)
{
	__asm__ volatile("" ::: "memory");
}

#endif
