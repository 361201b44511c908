/* SPDX-License-Identifier: MIT */
/*
 * Timers. Each worker has its own, and the monitor those of plain threads.
 */
#ifndef WEFT_SRC_SCHED_TIMER_H
#define WEFT_SRC_SCHED_TIMER_H

#include "base/wheel.h"
#include "plat/lock.h"
#include "sched/waiter.h"

typedef struct weft__timers {
	weft__lock lock;
	weft__wheel wheel;
	weft_time next;		/* atomic: none is due before; WEFT_NEVER: none is */
} weft__timers;

void weft__timers_init(weft__timers *timers);

/*
 * Call fire(timer, wakeups) soon after the time when. fire runs on a worker or
 * on the monitor, under the lock of the timers: it may claim waiters into
 * wakeups, which are woken after the lock was dropped, and start tasks, and
 * nothing else; it may not stop or start a timer. Starts the runtime if need
 * be; returns 0 or -ENOMEM (never when a task calls).
 */
int weft__timer_start(weft__timer *timer, weft_time when,
		      void (*fire)(weft__timer *timer,
				   weft__wakeups *wakeups));

/*
 * After this fire is not called and not running. Returns true if it was
 * prevented, false if it has run or the timer was never started (its owner
 * field is NULL). Every timer that was started must be stopped before its
 * memory goes, also one that has fired: see T1 in timer.c.
 */
bool weft__timer_stop(weft__timer *timer);

enum { WEFT__TIMER_STEPS = 64 };	/* T2 */

/*
 * Fire what is due. Returns true if that is not known yet of all timers: call it
 * again soon.
 */
bool weft__timers_run(weft__timers *timers, weft_time now);

#endif
