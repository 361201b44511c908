/* SPDX-License-Identifier: MIT */
/*
 * The deque of a worker's fresh tasks: its owner pushes and pops at the
 * bottom, thieves steal at the top (Chase and Lev, "Dynamic circular
 * work-stealing deque", SPAA 2005; orders after Lê et al., "Correct and
 * efficient work-stealing for weak memory models", PPoPP 2013, with seq_cst
 * accesses in place of their fences).
 *
 * What is in it are not tasks but what starts one (start.h): slots are small, and
 * a million starts in a row are written one behind the other, and read so.
 *
 * D1  Starts are at the indices [top, bottom); top only grows.
 * D2  Pop announces its claim on the last index (bottom, seq_cst) before it
 *     looks at top, steal looks at top before bottom, both seq_cst: when one
 *     start is left at least one of the two sees the other's move, and the CAS
 *     on top decides. Without the total order both can take the same one.
 * D3  A thief may read a slot that the owner is overwriting, after a whole
 *     round of the ring, and so a mixture of two starts; top has moved then, its
 *     CAS fails, and what it read is not used. So each word of a slot is atomic,
 *     and the slot is not.
 * D4  Every store to bottom is a release, also where pop puts back what it took
 *     away to announce: a thief with an old top may read that one, and goes on
 *     to the slots. (By C11 the release of the push before it would do; C++20
 *     has done away with that rule.)
 * D5  Slots stay mapped for ever, but what is in those that have been left, for
 *     larger or for smaller ones, is thrown away at once (by the kernel, which
 *     has all CPUs see before that they were left). So a thief that has read one
 *     looks whether the slots are still the same before its CAS: then it read
 *     what was there. They may be the same again: smaller ones are
 *     taken while the deque is empty, and since whoever takes the last start
 *     moves top, a top from before that fails in the CAS.
 */
#ifndef WEFT_SRC_SCHED_DEQUE_H
#define WEFT_SRC_SCHED_DEQUE_H

#include "sched/start.h"

enum { WEFT__DEQUE_KEPT = 1024 };	/* so many have room in one that is empty */

typedef struct weft__slots weft__slots;
struct weft__slots {
	int64_t mask;		/* its capacity, a power of two, less 1 */
	weft__slots *smaller;	/* half of it; NULL: the first */
	weft__slots *larger;	/* twice of it, NULL: there is none yet */
	size_t touched_bytes;	/* no more of it than that has memory */
	weft__start slot[];	/* atomic, each of its words: D3 */
};

typedef struct weft__deque {
	int64_t top;		/* atomic: thieves */
	int64_t bottom __attribute__((aligned(WEFT__CACHE_LINE)));
				/* atomic: the owner */
	int64_t top_seen;	/* the owner's last look at top */
	weft__slots *slots;	/* atomic */
} weft__deque;

static inline void weft__slot_write(weft__start *slot, weft__start start)
{
	weft_atomic_store(&slot->arg, start.arg, relaxed);
	weft_atomic_store(&slot->what, start.what, relaxed);
}

static inline weft__start *weft__slot_at(weft__slots *s, int64_t index)
{
	return &s->slot[index & s->mask];
}

/* The owner's: is there room for one more, by its last look at top? */
static inline bool weft__deque_has_room(const weft__deque *d)
{
	const weft__slots *s = weft_atomic_load(&d->slots, relaxed);

	return likely(s != NULL) &&
	       likely(weft_atomic_load(&d->bottom, relaxed) - d->top_seen <=
		      s->mask);
}

/* The owner's: make room for one more if there is none. False: no memory. */
bool weft__deque_make_room(weft__deque *d);

/*
 * The owner's, when there is room. Returns how many there are then, at most: it
 * does not look at top.
 */
static inline int64_t weft__deque_push(weft__deque *d, weft__start start)
{
	weft__slots *slots = weft_atomic_load(&d->slots, relaxed);
	int64_t bottom = weft_atomic_load(&d->bottom, relaxed);

	weft__slot_write(weft__slot_at(slots, bottom), start);
	/* Release: who sees the index sees the slot, and what it points to. */
	weft_atomic_store(&d->bottom, bottom + 1, release);
	return bottom + 1 - d->top_seen;
}

/*
 * The owner's, and anybody's: take a start. Returns a task that has not begun,
 * *room if it had no memory of its own; NULL: empty, or another was faster.
 */
weft__task *weft__deque_pop(weft__deque *d, weft__task *room);
weft__task *weft__deque_steal(weft__deque *d, weft__task *room);

/* Anybody's: take a start and do not begin it. weft__start_given(): was there one? */
weft__start weft__deque_take(weft__deque *d);

/*
 * The owner's, or in place of it while it sleeps. is_slack: it is empty, and has
 * more memory than it needs for that; trim: give a part of it back.
 */
bool weft__deque_is_slack(const weft__deque *d);
void weft__deque_trim(weft__deque *d);

/* How many tasks, more or less; exact for the owner without thieves. */
int64_t weft__deque_count(const weft__deque *d);

#endif
