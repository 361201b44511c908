/* SPDX-License-Identifier: MIT */
/*
 * The deque of a worker's fresh tasks: its owner pushes and pops at the
 * bottom, thieves steal at the top (Chase and Lev, "Dynamic circular
 * work-stealing deque", SPAA 2005; orders after Lê et al., "Correct and
 * efficient work-stealing for weak memory models", PPoPP 2013, with seq_cst
 * accesses in place of their fences).
 *
 * D1  Tasks are at the indices [top, bottom); top only grows.
 * D2  Pop announces its claim on the last index (bottom, seq_cst) before it
 *     looks at top, steal looks at top before bottom, both seq_cst: when one
 *     task is left at least one of the two sees the other's move, and the CAS
 *     on top decides. Without the total order both can take the same task.
 * D3  A thief may read a slot that the owner is overwriting, after a whole
 *     round of the ring; top has moved then, its CAS fails, and what it read
 *     is not used.
 * D4  Every store to bottom is a release, also where pop puts back what it took
 *     away to announce: a thief with an old top may read that one, and goes on
 *     to the slots. (By C11 the release of the push before it would do; C++20
 *     has done away with that rule.)
 */
#ifndef WEFT_SRC_SCHED_DEQUE_H
#define WEFT_SRC_SCHED_DEQUE_H

#include "base/base.h"

typedef struct weft__task weft__task;
struct weft__slots;

typedef struct weft__deque {
	int64_t top;		/* atomic: thieves */
	int64_t bottom __attribute__((aligned(WEFT__CACHE_LINE)));
				/* atomic: the owner */
	int64_t top_seen;	/* the owner's last look at top */
	struct weft__slots *slots;	/* atomic */
} weft__deque;

/* The owner's. False: no memory for more room, nothing was pushed. */
bool weft__deque_push(weft__deque *d, weft__task *task);
weft__task *weft__deque_pop(weft__deque *d);

/* Anybody's. NULL: empty, or another was faster. */
weft__task *weft__deque_steal(weft__deque *d);

/* How many tasks, more or less; exact for the owner without thieves. */
int64_t weft__deque_count(const weft__deque *d);

/* At least so many, by what the owner knows without touching top. */
static inline int64_t weft__deque_count_bound(const weft__deque *d)
{
	return weft_atomic_load(&d->bottom, relaxed) - d->top_seen;
}

#endif
