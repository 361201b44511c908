/* SPDX-License-Identifier: MIT */
#include "sched/waiter.h"

#include "plat/futex.h"
#include "sched/sched.h"

static bool is_outcome(uint32_t state)
{
	return state > WEFT__PARKED_THREAD;
}

bool weft__claim(weft__waiter *w, uint32_t outcome, weft__wakeups *wakeups)
{
	uint32_t old = weft_atomic_load(&w->state, relaxed);
	uint32_t new;

	/*
	 * Release: the waiter sees what we did before. Acquire: we see the
	 * context of a task that has parked.
	 */
	do {
		if (is_outcome(old))
			return false;	/* P1 */
		new = old == WEFT__PARKED_THREAD ? outcome | WEFT__PENDING
						 : outcome;
	} while (!weft_atomic_cas(&w->state, &old, new, acq_rel, relaxed));
	if (old == WEFT__WAITING)
		return true;	/* P2 */
	w->claimed = NULL;	/* P4 */
	if (wakeups->last != NULL)
		wakeups->last->claimed = w;
	else
		wakeups->first = w;
	wakeups->last = w;
	return true;
}

/* The claimer's list is done with w: the thread may leave. */
static void wake_thread(weft__waiter *w, uint32_t state)
{
	weft_atomic_store(&w->state, state & ~(uint32_t)WEFT__PENDING, release);
	weft__futex_wake(&w->state, 1);	/* the address only: w may be gone */
}

void weft__wake(weft__wakeups *wakeups)
{
	weft__waiter *w = wakeups->first, *next;
	weft__task_list tasks = {0};

	*wakeups = (weft__wakeups){0};
	for (; w != NULL; w = next) {
		uint32_t state = weft_atomic_load(&w->state, relaxed);

		next = w->claimed;
		if (state & WEFT__PENDING)
			wake_thread(w, state);
		else
			weft__task_list_push(&tasks, w->task);
	}
	if (tasks.count > 0)
		weft__ready(&tasks);
}

static uint32_t park_thread(weft__waiter *w, weft_time deadline)
{
	uint32_t state = WEFT__WAITING;

	if (!weft_atomic_cas(&w->state, &state, WEFT__PARKED_THREAD, release,
			     acquire))
		return state;
	for (;;) {
		bool in_time = true;

		state = weft_atomic_load(&w->state, acquire);
		if (state & WEFT__PENDING)
			weft__futex_wait(&w->state, state, WEFT_NEVER);
		else if (is_outcome(state))
			return state;
		else
			in_time = weft__futex_wait(&w->state, state, deadline);
		if (!in_time &&
		    weft_atomic_cas(&w->state, &state, WEFT__TIMEDOUT, acquire,
				    acquire))
			return WEFT__TIMEDOUT;
	}
}

uint32_t weft__park(weft__waiter *w, weft_time deadline)
{
	uint32_t state = weft_atomic_load(&w->state, acquire);
	weft__stack *self;

	if (is_outcome(state))
		return state;
	self = weft__stack_self();
	if (self == NULL)
		return park_thread(w, deadline);
	weft__task_park(self, w, deadline);
	return weft_atomic_load(&w->state, acquire);
}
