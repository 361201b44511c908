/* SPDX-License-Identifier: MIT */
/*
 * The FIFO of a worker's ready tasks: bounded; its owner puts, everybody
 * takes, also several at once (the form of Go's run queue).
 *
 * R1  Tasks are at the indices [head, tail). Only the owner moves tail, after
 *     it has written the slot (release); head only grows, by a CAS of whoever
 *     takes, after it has read the slots.
 * R2  The owner puts only while tail - head < capacity, by a head that is not
 *     too large: so a slot that somebody reads is not overwritten unless head
 *     has moved past it, and then that somebody's CAS fails.
 */
#ifndef WEFT_SRC_SCHED_RING_H
#define WEFT_SRC_SCHED_RING_H

#include "base/base.h"

typedef struct weft__task weft__task;

/* A thousand that are woken at once stay with the worker that woke them. */
enum { WEFT__RING_CAPACITY = 1024 };

typedef struct weft__ring {
	uint32_t head __attribute__((aligned(WEFT__CACHE_LINE)));	/* atomic */
	uint32_t tail __attribute__((aligned(WEFT__CACHE_LINE)));	/* atomic */
	uint32_t head_seen;	/* the owner's last look at head */
	weft__task *slot[WEFT__RING_CAPACITY];
} weft__ring;

/* The owner's. False: full. */
bool weft__ring_put(weft__ring *r, weft__task *task);

/*
 * Take up to count tasks (at most the capacity) from the front. Returns how
 * many; 0 also when another was faster, for who is not the owner.
 */
uint32_t weft__ring_take(weft__ring *r, weft__task *tasks[], uint32_t count);

/*
 * The owner's: the first, NULL: none. *behind is where the one after it is, and
 * *rest how many there are from there on; others may take these at any time.
 */
static inline weft__task *weft__ring_take_own(weft__ring *r, uint32_t *behind,
					      uint32_t *rest)
{
	uint32_t head = weft_atomic_load(&r->head, acquire);
	uint32_t tail = weft_atomic_load(&r->tail, relaxed);
	weft__task *task;

	*rest = 0;
	while (head != tail) {
		task = weft_atomic_load(&r->slot[head % WEFT__RING_CAPACITY],
					relaxed);
		if (unlikely(!weft_atomic_cas(&r->head, &head, head + 1,
					      acq_rel, acquire)))
			continue;
		*behind = head + 1;
		*rest = tail - *behind;
		return task;
	}
	return NULL;
}

/* How many tasks, more or less. */
static inline uint32_t weft__ring_count(const weft__ring *r)
{
	uint32_t head = weft_atomic_load(&r->head, seq_cst);

	return weft_atomic_load(&r->tail, seq_cst) - head;
}

/* The owner's. True: there is none, and none will come but by the owner. */
static inline bool weft__ring_empty(const weft__ring *r)
{
	return weft_atomic_load(&r->head, relaxed) ==
	       weft_atomic_load(&r->tail, relaxed);
}

/* The owner's, for a hint: the one at an index that take_own() has told of. */
static inline weft__task *weft__ring_peek(const weft__ring *r, uint32_t at)
{
	return weft_atomic_load(&r->slot[at % WEFT__RING_CAPACITY], relaxed);
}

#endif
