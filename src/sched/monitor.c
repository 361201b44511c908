/* SPDX-License-Identifier: MIT */
/*
 * The monitor: a thread that keeps the others going. Once a tick it looks for
 * workers that do not come back from their task while others wait, and lends
 * their place; it fires timers that such a worker is late with, and those of
 * plain threads. It sleeps when everybody does.
 */
#include "sched/sched.h"

#include "plat/futex.h"

enum {
	TICK_NS = 1000000,
	/*
	 * A worker asleep in the kernel is stuck at the second look. One that
	 * computes gets this long: more threads do not make it faster, but
	 * they keep short tasks from waiting for the end of a long one.
	 */
	COMPUTING_NS = 10 * 1000000,
	QUIET_TICKS = 10,	/* all idle for so long: sleep deeply */
};

/* Has w been in the same task since the last look? Looks, and remembers. */
static bool same_task(weft__worker *w, weft_time now)
{
	uint32_t tick = weft_atomic_load(&w->tick, relaxed);

	if (tick % 2 == 1 && tick == w->seen_tick) {
		weft_atomic_store(&w->stale_tick, tick, relaxed);
		return true;
	}
	w->seen_tick = tick;
	w->seen_since = now;
	return false;
}

static bool is_blocked(const weft__worker *w, weft_time now)
{
	return now - w->seen_since >= COMPUTING_NS ||
	       weft__thread_sleeps(
		       weft_atomic_load(&w->thread_id, relaxed));
}

static void look_at(weft__worker *w, weft_time now)
{
	bool same = same_task(w, now);

	if (weft_atomic_load(&w->timers.next, relaxed) <= now - TICK_NS)
		weft__timers_run(&w->timers, now);
	if (same && !weft_atomic_load(&w->stuck, relaxed) &&
	    weft__runtime_has_work(NULL) && is_blocked(w, now))
		weft__runtime_stick(w);
}

static void look_around(weft_time now)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);

	for (uint32_t i = 0; i < count; i++)
		look_at(weft__rt.workers[i], now);
	if (weft__runtime_has_work(NULL))
		weft__runtime_wake_worker();
}

/* All workers asleep for a while: sleep until one is woken. */
static void sleep_deeply(void)
{
	bool deep;

	weft__lock_take(&weft__rt.lock);
	deep = weft__rt.idle_count == weft__rt.live_count &&
	       !weft_atomic_load(&weft__rt.stopping, relaxed);
	/* seq_cst, before timers.next is read: see weft__monitor_rouse(). */
	weft_atomic_store(&weft__rt.monitor_word, deep, seq_cst);
	weft__lock_drop(&weft__rt.lock);
	while (weft_atomic_load(&weft__rt.monitor_word, acquire) == 1)
		if (!weft__futex_wait(&weft__rt.monitor_word, 1,
				      weft_atomic_load(&weft__rt.timers.next,
						       seq_cst)))
			break;
	weft_atomic_store(&weft__rt.monitor_word, 0, relaxed);
}

static bool all_idle(void)
{
	bool idle;

	weft__lock_take(&weft__rt.lock);
	idle = weft__rt.idle_count == weft__rt.live_count;
	weft__lock_drop(&weft__rt.lock);
	return idle;
}

static weft_time next_look(void)
{
	weft_time tick = weft_now() + TICK_NS;
	weft_time timer = weft_atomic_load(&weft__rt.timers.next, relaxed);

	return timer < tick ? timer : tick;
}

void *weft__monitor_main(void *unused)
{
	uint32_t quiet = 0;

	(void)unused;
	while (!weft_atomic_load(&weft__rt.monitor_stop, acquire)) {
		quiet = all_idle() ? quiet + 1 : 0;
		if (quiet > QUIET_TICKS) {
			sleep_deeply();
			quiet = 0;
		} else {
			weft__futex_wait(&weft__rt.monitor_stop, 0, next_look());
		}
		weft__timers_run(&weft__rt.timers, weft_now());
		look_around(weft_now());
	}
	return NULL;
}

void weft__monitor_stop(void)
{
	weft_atomic_store(&weft__rt.monitor_stop, 1, seq_cst);
	weft__futex_wake(&weft__rt.monitor_stop, 1);
	weft_atomic_store(&weft__rt.monitor_word, 0, seq_cst);
	weft__futex_wake(&weft__rt.monitor_word, 1);
	weft__thread_join(weft__rt.monitor);
	weft_atomic_store(&weft__rt.monitor_stop, 0, relaxed);
}

void weft__monitor_rouse(void)
{
	weft_atomic_store(&weft__rt.monitor_word, 0, seq_cst);
	weft__futex_wake(&weft__rt.monitor_word, 1);
}
