/* SPDX-License-Identifier: MIT */
/*
 * The monitor: a thread that keeps the others going. Once a tick it looks for
 * workers that do not come back from their task while others wait, and lends
 * their place; it fires timers that such a worker is late with, and those of
 * plain threads; it gives memory back that nobody needs any more. It sleeps when
 * everybody does.
 */
#include "sched/sched.h"

#include "plat/futex.h"
#include "sched/block.h"
#include "sched/census.h"
#include "sched/dump.h"
#include "sched/poller.h"
#include "sched/trace.h"

enum {
	TICK_NS = 1000000,
	/*
	 * A worker in the same task for so long is stuck if it sleeps in the
	 * kernel (longer than it would for a lock of ours), …
	 */
	SLEEPING_NS = 1500000,
	/*
	 * … and for so long if it computes and so do all: more threads do not
	 * make them faster, but keep short tasks from waiting for the end of
	 * long ones.
	 */
	COMPUTING_NS = 5 * 1000000,
	/*
	 * Tasks that take so long on average are no hand-overs: whoever is woken
	 * by one had better not wait for its end, and to wake a worker for him
	 * costs a fraction of that.
	 */
	LONG_NS = 50 * 1000,
	QUIET_TICKS = 2,	/* all idle for so long: sleep deeply */
	LAST_TICKS = 10,	/* so old may be what is known of a worker */
	/*
	 * Look for a deadlock so long after a plain thread has parked: threads
	 * that hand something to and fro do not rouse the monitor each time.
	 */
	TOLD_NS = 50 * 1000000,
	STARVING_NS = 1000000000,	/* nobody has run: see whether it ends */
};

/* What one look has found. */
typedef struct {
	weft_time now;
	bool progress;	/* some worker has come to another task since the last */
} look;

/*
 * How long are w's tasks? As it was while it runs none: how long it has slept is
 * known once it is awake. What began long ago says nothing of now.
 */
static void judge(weft__worker *w, uint32_t tick, weft_time now)
{
	weft_duration elapsed = now - w->judged_at, busy;
	uint64_t slept = weft_atomic_load(&w->slept, relaxed);
	uint32_t tasks = (tick - w->judged_tick) / 2 + 1;
	int32_t most;
	bool eager;

	if (tick % 2 == 0 || elapsed < TICK_NS / 2)
		return;
	busy = elapsed - (weft_duration)(slept - w->judged_slept);
	eager = busy >= (weft_duration)tasks * LONG_NS &&
		elapsed < LAST_TICKS * TICK_NS;
	most = weft_atomic_load(&w->eager, relaxed) > 0 ? WEFT__EAGER_MOST : 1;
	weft_atomic_store(&w->eager, eager ? most : 0, relaxed);
	w->judged_tick = tick;
	w->judged_slept = slept;
	w->judged_at = now;
}

/* Note whether w is in the same task as at the last look. */
static void look_at(weft__worker *w, look *l)
{
	uint32_t tick = weft_atomic_load(&w->tick, relaxed);

	judge(w, tick, l->now);
	if (tick != w->seen_tick) {
		w->seen_tick = tick;
		w->seen_since = l->now;
		l->progress = true;
	} else if (tick % 2 == 1) {
		weft_atomic_store(&w->stale_tick, tick, relaxed);
	}
	weft__worker_forget_weight(w);
	while (weft_atomic_load(&w->timers.next, relaxed) <= l->now - TICK_NS &&
	       weft__timers_run(&w->timers, l->now))
		;
}

static bool is_stuck(weft__worker *w, const look *l)
{
	weft_duration age = l->now - w->seen_since;

	if (w->seen_tick % 2 == 0 || age < SLEEPING_NS)
		return false;
	if (age >= COMPUTING_NS && !l->progress)
		return true;
	return weft__thread_sleeps(weft_atomic_load(&w->thread_id, relaxed));
}

/* Somebody waits to run. False: nobody does, and no thread can be had for it. */
static bool find_runners(const look *l)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);

	for (uint32_t i = 0; i < count; i++) {
		weft__worker *w = weft__rt.workers[i];

		if (!weft_atomic_load(&w->stuck, relaxed) && is_stuck(w, l))
			weft__runtime_stick(w, w->seen_tick);
		if (weft_atomic_load(&w->stuck, relaxed))
			weft__worker_hand_over(w);
	}
	weft__runtime_wake_worker();
	return l->progress || !weft__runtime_starves();
}

static weft_time starving_since;	/* the monitor's */

static void look_around(weft_time now)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);
	look l = {.now = now};

	weft__clock_move(now);
	for (uint32_t i = 0; i < count; i++)
		look_at(weft__rt.workers[i], &l);
	weft__runtime_retry_threads();	/* S4: its lock */
	if (weft__poller_neglected(TICK_NS, now)) {
		weft__poller_look();
		weft__runtime_want_watcher();
	}
	if (!weft__runtime_has_work(NULL) || find_runners(&l))
		starving_since = now;
	if (now - starving_since < STARVING_NS)
		return;
	weft__deadlock_look();	/* K4 */
	starving_since = now;
}

/*
 * The timers that nobody else looks at while all sleep: of plain threads, and
 * what a worker left behind when its thread was stopped.
 */
weft_time weft__timers_next(void)
{
	weft_time next = weft_atomic_load(&weft__rt.timers.next, seq_cst);
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);

	for (uint32_t i = 0; i < count; i++) {
		weft_time when = weft_atomic_load(
			&weft__rt.workers[i]->timers.next, relaxed);

		if (when < next)
			next = when;
	}
	return next;
}

/* K3. seq_cst: before the look. */
static void look_as_told(void)
{
	uint32_t told = WEFT__MONITOR_TOLD;

	if (weft_atomic_cas(&weft__rt.monitor_word, &told, WEFT__MONITOR_DEEP,
			    seq_cst, relaxed))
		weft__deadlock_look();
}

/* One sleep, deep or told. False: then has come, or a timer is due. */
static bool sleep_on(uint32_t word, weft_time then)
{
	weft_time timer = weft__timers_next();
	weft_time end = timer < then ? timer : then;
	weft_time look = word == WEFT__MONITOR_TOLD ? weft_now() + TOLD_NS
						    : WEFT_NEVER;

	if (weft__futex_wait(&weft__rt.monitor_word, word,
			     look < end ? look : end))
		return true;
	if (look < end)
		look_as_told();
	return look < end;
}

static weft_time trim_all(weft_time now)
{
	weft_time stacks = weft__stack_trim(now);
	weft_time blocks = weft__block_trim(now);
	weft_time queues = weft__runtime_trim(now);
	weft_time next = stacks < blocks ? stacks : blocks;

	return next < queues ? next : queues;
}

/*
 * All workers asleep for a while: sleep until one is woken, or until there is
 * memory to be given back.
 */
static void sleep_deeply(void)
{
	weft_time then = WEFT_NEVER;
	uint32_t word;
	bool deep;

	weft__lock_take(&weft__rt.lock);
	deep = weft__rt.idle_count == weft__rt.live_count &&
	       !weft_atomic_load(&weft__rt.stopping, relaxed) &&
	       !weft_atomic_load(&weft__rt.monitor_stop, relaxed);
	/*
	 * seq_cst, before timers.next and what was asked for are read: who
	 * rouses the monitor has set that before the word.
	 */
	weft_atomic_store(&weft__rt.monitor_word,
			  deep ? WEFT__MONITOR_DEEP : WEFT__MONITOR_AWAKE,
			  seq_cst);
	weft__lock_drop(&weft__rt.lock);
	if (deep) {
		weft__trace_flush();
		weft__deadlock_look();
		/* Not sooner: a worker that leaves something later ends the sleep. */
		then = trim_all(weft_now());
	}
	do
		word = weft_atomic_load(&weft__rt.monitor_word, acquire);
	while (word != WEFT__MONITOR_AWAKE && !weft__dump_is_asked() &&
	       sleep_on(word, then));
	weft_atomic_store(&weft__rt.monitor_word, WEFT__MONITOR_AWAKE, relaxed);
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
		weft__dump_if_asked();
		weft__trace_tick(weft_now());
		while (weft__timers_run(&weft__rt.timers, weft_now()))
			;
		look_around(weft_now());
		trim_all(weft_now());
	}
	return NULL;
}

bool weft__monitor_start(void)
{
	weft_atomic_store(&weft__rt.monitor_word, WEFT__MONITOR_AWAKE, relaxed);
	starving_since = weft_now();
	return weft__thread_start(&weft__rt.monitor, "weft monitor",
				  weft__monitor_main, NULL) == 0;
}

void weft__monitor_stop(void)
{
	weft_atomic_store(&weft__rt.monitor_stop, 1, seq_cst);
	weft__futex_wake(&weft__rt.monitor_stop, 1);
	weft_atomic_store(&weft__rt.monitor_word, WEFT__MONITOR_AWAKE, seq_cst);
	weft__futex_wake(&weft__rt.monitor_word, 1);
	weft__thread_join(&weft__rt.monitor);
	weft_atomic_store(&weft__rt.monitor_stop, 0, relaxed);
}

void weft__monitor_rouse(void)
{
	weft_atomic_store(&weft__rt.monitor_word, WEFT__MONITOR_AWAKE, seq_cst);
	weft__futex_wake(&weft__rt.monitor_word, 1);
}

void weft__monitor_tell(weft_time deadline)
{
	uint32_t deep = WEFT__MONITOR_DEEP;

	if (deadline == WEFT_NEVER &&
	    weft_atomic_cas(&weft__rt.monitor_word, &deep, WEFT__MONITOR_TOLD,
			    relaxed, relaxed))
		weft__futex_wake(&weft__rt.monitor_word, 1);
}
