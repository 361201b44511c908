/* SPDX-License-Identifier: MIT */
#include "sched/timer.h"

#include "sched/sched.h"

void weft__timers_init(weft__timers *timers)
{
	*timers = (weft__timers){.next = WEFT_NEVER};
}

static void publish_next(weft__timers *timers)
{
	weft__heap_node *first = timers->heap.root;

	weft_atomic_store(&timers->next, first ? first->key : WEFT_NEVER,
			  seq_cst);
}

void weft__timers_add(weft__timers *timers, weft__timer *timer, weft_time when,
		      void (*fire)(weft__timer *, weft__wakeups *))
{
	weft__lock_take(&timers->lock);
	timer->fire = fire;
	weft_atomic_store(&timer->owner, timers, relaxed);
	weft__heap_insert(&timers->heap, &timer->node, when);
	publish_next(timers);
	weft__lock_drop(&timers->lock);
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
		weft__heap_remove(&owner->heap, &timer->node);
		weft_atomic_store(&timer->owner, NULL, relaxed);
		publish_next(owner);
	}
	weft__lock_drop(&owner->lock);
	return armed;
}

size_t weft__timers_run(weft__timers *timers, weft_time now)
{
	weft__wakeups wakeups = {0};
	weft__heap_node *first;
	size_t fired = 0;

	if (weft_atomic_load(&timers->next, relaxed) > now)
		return 0;
	weft__lock_take(&timers->lock);
	while ((first = timers->heap.root) != NULL && first->key <= now) {
		weft__timer *timer = weft__container(first, weft__timer, node);

		weft__heap_remove(&timers->heap, first);
		timer->fire(timer, &wakeups);
		weft_atomic_store(&timer->owner, NULL, release);	/* T1 */
		fired++;
	}
	publish_next(timers);
	weft__lock_drop(&timers->lock);
	weft__wake(&wakeups);
	return fired;
}
