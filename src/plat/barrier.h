/* SPDX-License-Identifier: MIT */
/*
 * A barrier that one makes for all: where two each store and then look at what
 * the other has stored, and one of the two is rare, the rare one makes it and
 * the other needs none of its own.
 */
#ifndef WEFT_SRC_PLAT_BARRIER_H
#define WEFT_SRC_PLAT_BARRIER_H

#include "base/base.h"

/*
 * Every thread of the process passes a full barrier between the call and the
 * return of this. False: the kernel cannot do that. Keeps errno.
 */
bool weft__barrier_all(void);

/* Where those pass it who make none: after the store, before the look. */
static inline void weft__barrier_here(void)
{
	__asm__ volatile("" ::: "memory");
}

#endif
