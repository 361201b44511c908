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

/* With the lock. */
static void insert(weft__timers *timers, weft__alarm *alarm, weft_time when)
{
	weft__wheel_insert(&timers->wheel, &alarm->node, when);
	if (when < weft_atomic_load(&timers->next, relaxed))
		publish_next(timers, when);
}

void weft__timers_add(weft__timers *timers, weft__timer *timer, weft_time when,
		      void (*fire)(weft__timer *, weft__wakeups *))
{
	weft__lock_take(&timers->lock);
	timer->alarm.fire = fire;
	weft_atomic_store(&timer->owner, timers, relaxed);
	insert(timers, &timer->alarm, when);
	weft__lock_drop(&timers->lock);
}

/*
 * T3  A task that nobody but the clock can wake has its place in the wheel
 *     itself, in fields that it needs only until it begins; it is put there
 *     after the switch, as P3 has it, so who takes it out may resume it. What
 *     is due is then woken without a look at its stack, whose page has not been
 *     touched for as long as it slept.
 */
void weft__timers_add_nap(weft__timers *timers, weft__task *task, weft_time end)
{
	weft__lock_take(&timers->lock);
	task->nap.fire = NULL;
	insert(timers, &task->nap, end);
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
		weft__wheel_remove(&owner->wheel, &timer->alarm.node);
		weft_atomic_store(&timer->owner, NULL, relaxed);
		stopped(owner, timer->alarm.node.key);
	}
	weft__lock_drop(&owner->lock);
	return armed;
}

static void fire(weft__alarm *alarm, weft__wakeups *wakeups)
{
	weft__timer *timer;

	if (alarm->fire == NULL) {
		weft__wakeups_add_task(wakeups, weft__container(alarm, weft__task,
								nap));
		return;
	}
	timer = weft__container(alarm, weft__timer, alarm);
	alarm->fire(timer, wakeups);
	weft_atomic_store(&timer->owner, NULL, release);	/* T1 */
}

/* With the lock. Returns how many were fired; *steps: that many more may be. */
static size_t fire_due(weft__timers *timers, weft_time now, int *steps,
		       weft__wakeups *wakeups)
{
	weft__wheel_node *first;
	size_t fired = 0;

	while (*steps > 0 &&
	       (first = weft__wheel_take(&timers->wheel, now, steps)) != NULL) {
		fire(weft__container(first, weft__alarm, node), wakeups);
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
