/* SPDX-License-Identifier: MIT */
#include "sched/timer.h"

#include "plat/whim.h"
#include "sched/sched.h"

void weft__timers_init(weft__timers *timers)
{
	*timers = (weft__timers){.next = WEFT_NEVER};
}

static void publish_next(weft__timers *timers, weft_time next)
{
	weft_atomic_store(&timers->next, next, seq_cst);
}

void weft__timers_add(weft__timers *timers, weft__timer *timer, weft_time when,
		      void (*fire)(weft__timer *, weft__wakeups *))
{
	weft__lock_take(&timers->lock);
	timer->fire = fire;
	weft_atomic_store(&timer->owner, timers, relaxed);
	weft__wheel_insert(&timers->wheel, &timer->node, when);
	if (when < weft_atomic_load(&timers->next, relaxed))
		publish_next(timers, when);
	weft__lock_drop(&timers->lock);
}

/*
 * Was it the first of all that was stopped? If not, next stays: should it be too
 * early already, because many were about, it does so until they are run.
 */
static void stopped(weft__timers *timers, weft_time when)
{
	if (when == weft_atomic_load(&timers->next, relaxed) ||
	    weft__wheel_empty(&timers->wheel))
		publish_next(timers, weft__wheel_next(&timers->wheel));
}

/*
 * T1  owner becomes NULL under the lock, after fire has returned. So who stops
 *     a timer either sees NULL, and fire is over, or takes the lock and thereby
 *     waits for fire. Clearing owner before fire is the tempting wrong version:
 *     a waiter that was notified meanwhile stops its timer, sees NULL, returns,
 *     and fire claims a waiter that is no more.
 */
bool weft__timer_stop(weft__timer *timer)
{
	weft__timers *owner = weft_atomic_load(&timer->owner, acquire);
	bool armed;

	if (owner == NULL)
		return false;
	weft__lock_take(&owner->lock);
	armed = weft_atomic_load(&timer->owner, relaxed) != NULL;
	if (armed) {
		weft__wheel_remove(&owner->wheel, &timer->node);
		weft_atomic_store(&timer->owner, NULL, relaxed);
		stopped(owner, timer->node.key);
	}
	weft__lock_drop(&owner->lock);
	return armed;
}

/* With the lock. Returns how many were fired; *steps: that many more may be. */
static size_t fire_due(weft__timers *timers, weft_time now, int *steps,
		       weft__wakeups *wakeups)
{
	weft__wheel_node *first;
	size_t fired = 0;

	while (*steps > 0 &&
	       (first = weft__wheel_take(&timers->wheel, now, steps)) != NULL) {
		weft__timer *timer = weft__container(first, weft__timer, node);

		timer->fire(timer, wakeups);
		weft_atomic_store(&timer->owner, NULL, release);	/* T1 */
		fired++;
		--*steps;
	}
	return fired;
}

/*
 * T2  The lock is held for STEPS timers at a time, fired or put elsewhere in the
 *     wheel. What is due is fired in one go. But who has only been putting timers
 *     elsewhere, which are stopped before they are due more often than not, may
 *     have tasks to run first: the rest is for its next look, or the monitor's.
 */
bool weft__timers_run(weft__timers *timers, weft_time now)
{
	size_t fired;
	int steps;

	do {
		weft__wakeups wakeups = {0};

		if (weft_atomic_load(&timers->next, relaxed) > now)
			return false;
		steps = weft__whim(true) ? WEFT__TIMER_STEPS : 1;
		weft__lock_take(&timers->lock);
		fired = fire_due(timers, now, &steps, &wakeups);
		publish_next(timers, weft__wheel_next(&timers->wheel));
		weft__lock_drop(&timers->lock);
		weft__wake(&wakeups);
	} while (fired > 0);
	return steps == 0;
}
