/* SPDX-License-Identifier: MIT */
/*
 * Which of its own ready tasks a worker goes on with: in its loop, and where a
 * task that parks makes room for the next one.
 */
#ifndef WEFT_SRC_SCHED_PICK_H
#define WEFT_SRC_SCHED_PICK_H

#include "sched/sched.h"

enum {
	WEFT__FAIR_EVERY = 64,	/* picks; then the oldest come first */
	WEFT__STREAK_MAX = 32,	/* picks in a row from the next slot */
	WEFT__TIMERS_EVERY = 8,	/* picks, of which FAIR_EVERY are some: the
				   clock costs as much as a task */
	WEFT__MANY_READY = 32,	/* more than are warm … */
	WEFT__FEW_READY = 12,	/* … and of a crowd's these are, when they are left */
};

/* Fetch those that come some places further on. Returns task, which is one. */
__attribute__((returns_nonnull)) weft__task *
weft__worker_fetch_ahead(weft__worker *w, uint32_t behind, bool many,
			 weft__task *task);

static inline weft__task *weft__take_next(weft__worker *w)
{
	if (weft_atomic_load(&w->next, relaxed) == NULL)
		return NULL;
	return weft_atomic_xchg(&w->next, NULL, acquire);	/* S3 */
}

static inline weft__task *weft__take_ring(weft__worker *w)
{
	uint32_t behind, rest;
	weft__task *task = weft__ring_take_own(&w->ready, &behind, &rest);

	if (unlikely(rest > WEFT__FEW_READY) &&
	    (rest > WEFT__MANY_READY || w->crowd > 0))
		return weft__worker_fetch_ahead(w, behind, rest > WEFT__MANY_READY,
						task);
	return task;
}

/* The next slot comes last for once. */
weft__task *weft__pick_others_first(weft__worker *w);

/* From the next slot, or the ring. */
static inline __attribute__((always_inline)) weft__task *
weft__pick_free(weft__worker *w)
{
	weft__task *task;

	if (unlikely(w->next_streak >= WEFT__STREAK_MAX))
		return weft__pick_others_first(w);
	task = weft__take_next(w);
	if (task != NULL) {
		w->next_streak++;
		return task;
	}
	w->next_streak = 0;
	return weft__take_ring(w);
}

/* Where pinned ones are ready too. */
weft__task *weft__pick_of_both(weft__worker *w);

static inline __attribute__((always_inline)) weft__task *
weft__pick_ready(weft__worker *w)
{
	return unlikely(weft_atomic_load(&w->pinned_count, relaxed) > 0) ?
		       weft__pick_of_both(w) :
		       weft__pick_free(w);
}

/* The same when it is time to look at the timers too, or at the oldest. */
weft__task *weft__worker_take_late(weft__worker *w);

/* For who switches there directly; NULL: to the loop, for it or for others. */
static inline __attribute__((always_inline)) weft__task *
weft__worker_take_ready(weft__worker *w)
{
	if (unlikely((w->picks + 1) % WEFT__TIMERS_EVERY == 0))
		return weft__worker_take_late(w);
	w->picks++;
	return weft__pick_ready(w);
}

#endif
