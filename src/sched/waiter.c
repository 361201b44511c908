/* SPDX-License-Identifier: MIT */
#include "sched/waiter.h"

#include "plat/futex.h"
#include "sched/census.h"
#include "sched/park.h"
#include "sched/sched.h"
#include "sched/trace.h"

static bool is_outcome(uint32_t state)
{
	return state > WEFT__PARKED_THREAD;
}

uint32_t weft__claim_slow(weft__waiter *w, uint32_t outcome, uint32_t old)
{
	uint32_t new;

	do {
		if (is_outcome(old))
			break;	/* P1 */
		new = old == WEFT__PARKED_THREAD ? outcome | WEFT__PENDING
						 : outcome;
	} while (!weft_atomic_cas(&w->state, &old, new, acq_rel, relaxed));
	return old;
}

/* The claimer's list is done with w: the thread may leave. */
static void wake_thread(weft__waiter *w)
{
	uint32_t state = weft_atomic_load(&w->state, relaxed);

	weft_atomic_store(&w->state, state & ~(uint32_t)WEFT__PENDING, release);
	weft__futex_wake(&w->state, 1);	/* the address only: w may be gone */
}

/* One at least is pinned. */
static WEFT_PRIV_COLD void wake_each(weft__task *task, const weft__task *last)
{
	weft__task_list tasks = {0};
	weft__task *next;

	for (;; task = next) {
		next = task->next;	/* of the last one it means nothing */
		if (weft__task_pinned(task))
			weft__runtime_push_pinned(task);
		else
			weft__task_list_push(&tasks, task);
		if (task == last)
			break;
	}
	if (tasks.count > 0)
		weft__ready_all(&tasks);
}

static void wake_tasks(weft__task *first, weft__task *last)
{
	weft__task_list tasks = {first, last, 1};
	bool pinned = weft__task_pinned(last);

	last->next = NULL;
	for (weft__task *task = first; task != last; task = task->next) {
		pinned |= weft__task_pinned(task);
		tasks.count++;
	}
	if (unlikely(weft__rt.traced))
		for (weft__task *task = first; task != NULL; task = task->next)
			weft__trace_wake(task);
	if (unlikely(pinned))
		wake_each(first, last);
	else
		weft__ready_all(&tasks);
}

void weft__wake_slow(weft__task *first, weft__task *last, weft__waiter *w)
{
	weft__waiter *next;

	for (; w != NULL; w = next) {
		next = w->claimed;
		wake_thread(w);
	}
	if (first != NULL)
		wake_tasks(first, last);
}

/*
 * Not if a plain thread does it, which may have to start the workers: the lock
 * for that comes before a bucket's. Nor threads, each of which is a call of the
 * kernel: whoever wants the locks would wait for that.
 */
void weft__wake_early_slow(weft__wakeups *wakeups)
{
	weft__task *first = wakeups->first, *last = wakeups->last;

	if (first == NULL || weft__stack_self() == NULL)
		return;
	wakeups->first = wakeups->last = NULL;
	wake_tasks(first, last);
}

static uint32_t sleep_until_claimed(weft__waiter *w, weft_time deadline)
{
	uint32_t state;

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

static __attribute__((noinline)) uint32_t park_thread(weft__waiter *w,
						      weft_time deadline)
{
	uint32_t state = WEFT__WAITING;
	weft__parked_thread self;

	if (!weft_atomic_cas(&w->state, &state, WEFT__PARKED_THREAD, release,
			     acquire))
		return state;
	weft__census_enter(&self, w, deadline);
	state = sleep_until_claimed(w, deadline);
	weft__census_leave(&self);
	return state;
}

void weft__sleep(const weft__why *why, weft_time end)
{
	weft__stack *self = weft__stack_self();
	weft__waiter w;

	if (likely(self != NULL && !weft__rt.traced)) {
		weft__task_sleep(self, why, end);
		return;
	}
	weft__waiter_init(&w, why);
	weft__park(&w, end);
}

static inline uint32_t park(weft__waiter *w, weft_time deadline, bool alone)
{
	uint32_t state = weft_atomic_load(&w->state, acquire);
	weft__stack *self;

	if (is_outcome(state))
		return state;
	self = weft__stack_self();
	if (self == NULL)
		return park_thread(w, deadline);
	if (deadline != WEFT_NEVER)
		return weft__task_park_timed(self, w, deadline);
	return weft__task_park(self, w, alone);
}

uint32_t weft__park(weft__waiter *w, weft_time deadline)
{
	return park(w, deadline, false);
}

uint32_t weft__park_alone_slow(weft__waiter *w)
{
	return park(w, WEFT_NEVER, true);
}
