/* SPDX-License-Identifier: MIT */
/*
 * Parking as a part of the function that waits: what leads to the switch is called
 * and comes back, and the switch is where the function is.
 *
 * For a processor predicts where a ret goes by the calls that it has seen. Who
 * goes on where it parked returns by calls that were made before others waited
 * and went on: often these had the same, and else each ret on the way to the
 * user's code costs some 20 cycles. So there are as few as can be.
 */
#ifndef WEFT_SRC_SCHED_PARK_H
#define WEFT_SRC_SCHED_PARK_H

#include "sched/sched.h"

/* Where a task's worker goes on, and what is to be given back to the task. */
typedef struct {
	const weft__context *to;
	int errno_value;
} weft__departure;

/* Self's task is about to be switched from, to wait for a claim of w. */
weft__departure weft__task_depart(weft__stack *self, weft__waiter *w);

/* The commits of P3, and of P5. */
void weft__commit_park(void *waiter, void *worker);
void weft__commit_park_alone(void *waiter, void *worker);

static inline bool weft__has_exceptions(const weft__worker *w)
{
	const weft__exceptions *e = w->exceptions;

	return e != NULL && (e->caught != NULL || e->uncaught != 0);
}

/* Has self's task more to do, or to keep, than most when it parks? */
static inline bool weft__keeps_more(const weft__stack *self)
{
	return weft__rt.traced || weft__has_exceptions(self->worker);
}

static inline void weft__go_on(weft__stack *self)
{
	weft_atomic_store(&self->waiter, NULL, relaxed);	/* N2 */
	__asm__ volatile("" ::: "memory");	/* before all that follows */
}

/* Park self's task, which keeps no more than most. Returns the outcome. */
static inline __attribute__((always_inline)) uint32_t
weft__task_park_here(weft__stack *self, weft__waiter *w,
		     void (*commit)(void *, void *))
{
	weft__departure d = weft__task_depart(self, w);

	weft__context_switch(&self->context, d.to, commit, w, self->worker);
	weft__go_on(self);
	*self->worker->errno_address = d.errno_value;
	return weft_atomic_load(&w->state, acquire);
}

/* The same in full: of a thread too, and for who has an outcome already. */
uint32_t weft__park_alone_slow(weft__waiter *w);

/* Is there nothing but to switch from self, of a task, for w? */
static inline bool weft__parks_plainly(const weft__stack *self, const weft__waiter *w)
{
	return likely(self != NULL) && likely(!weft__keeps_more(self)) &&
	       likely(weft_atomic_load(&w->state, relaxed) == WEFT__WAITING);
}

/* weft__park(). */
static inline __attribute__((always_inline)) uint32_t
weft__park_here(weft__waiter *w, weft_time deadline)
{
	weft__stack *self = weft__stack_self();

	if (likely(deadline == WEFT_NEVER) && weft__parks_plainly(self, w))
		return weft__task_park_here(self, w, weft__commit_park);
	return weft__park(w, deadline);
}

/*
 * The same without a deadline, for who is claimed under one lock only, that of
 * the queue which it is in: P5. self is the caller's stack, NULL on a thread.
 */
static inline __attribute__((always_inline)) uint32_t
weft__park_alone_on(weft__stack *self, weft__waiter *w)
{
	if (weft__parks_plainly(self, w))
		return weft__task_park_here(self, w, weft__commit_park_alone);
	return weft__park_alone_slow(w);
}

static inline __attribute__((always_inline)) uint32_t weft__park_alone(weft__waiter *w)
{
	return weft__park_alone_on(weft__stack_self(), w);
}

#endif
