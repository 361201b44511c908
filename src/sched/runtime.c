/* SPDX-License-Identifier: MIT */
/*
 * The workers as a whole: starting and stopping their threads, who sleeps and
 * who is woken, and who lends whose place.
 *
 * At most procs workers should run at a time: live, not idle, not stuck. A
 * worker is stuck while its task blocks the thread and others wait; it counts
 * as not running then, so that there is room for one more. Nothing is taken
 * from it by that: it keeps its queues, which others may empty (S3), and when
 * its task comes back it goes on, perhaps as one more than procs for a while.
 */
#include "sched/sched.h"

#include "plat/barrier.h"
#include "plat/futex.h"
#include "plat/pages.h"
#include "sched/block.h"
#include "sched/census.h"
#include "sched/dump.h"
#include "sched/fork.h"
#include "sched/poller.h"
#include "sched/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

weft__runtime weft__rt = {.timers = {.next = WEFT_NEVER}};

/* In every program, for its debugger. */
__attribute__((used)) static const uint32_t *const layout = weft__layout;

static weft__lock starting;	/* held while threads are started or joined */

/* ---- counting; with weft__rt.lock held ---- */

static uint32_t running(void)
{
	return weft__rt.live_count - weft__rt.idle_count - weft__rt.stuck_count;
}

/*
 * While the runtime stops, a worker that runs will look for work once more
 * before it leaves: a new thread is for when all are stuck. Otherwise plain
 * threads that wake tasks all the time would have us join threads for ever.
 */
static bool may_start_thread(void)
{
	bool stopping = weft_atomic_load(&weft__rt.stopping, relaxed);

	if (stopping && (running() > 0 || weft__rt.live_count == 0))
		return false;
	return !weft__rt.no_threads;
}

/* seq_cst: the other half of S4. */
static void update_room(void)
{
	bool room = !weft__rt.closed && running() < weft__rt.procs &&
		    (weft__rt.idle != NULL || may_start_thread());

	weft_atomic_store(&weft__rt.room, room, seq_cst);
}

static void idle_push(weft__worker *w)
{
	w->idle = true;
	w->idle_next = weft__rt.idle;
	weft__rt.idle = w;
	weft__rt.idle_count++;
}

static void idle_remove(weft__worker *w)
{
	weft__worker **link = &weft__rt.idle;

	while (*link != w)
		link = &(*link)->idle_next;
	*link = w->idle_next;
	w->idle = false;
	weft__rt.idle_count--;
}

static void clear_stuck(weft__worker *w)
{
	if (weft_atomic_load(&w->stuck, relaxed)) {
		weft_atomic_store(&w->stuck, 0, relaxed);
		weft__rt.stuck_count--;
	}
}

/* ---- worker threads ---- */

static weft__worker *worker_new(uint32_t index)
{
	/* No call of the system for the first, and no page of it if unused. */
	static weft__worker first;
	weft__worker *w = index == 0 ? &first : weft__pages_map(sizeof *w);

	if (w == NULL)
		return NULL;
	w->timers.next = WEFT_NEVER;
	for (int i = 0; i < WEFT__RECENT; i++)
		w->origins[i] = weft__origins;	/* of no origin yet */
	w->random = index;	/* all else of it is zero */
	weft__rt.workers[index] = w;
	weft__trace_worker(w);
	weft_atomic_store(&weft__rt.worker_count, index + 1, release);
	return w;
}

/* A worker without a thread, or NULL. */
static weft__worker *worker_find_free(void)
{
	uint32_t count = weft__rt.worker_count;

	for (uint32_t i = 0; i < count; i++)
		if (!weft__rt.workers[i]->live && !weft__rt.workers[i]->has_thread)
			return weft__rt.workers[i];
	return count < WEFT__WORKERS_MAX ? worker_new(count) : NULL;
}

/* One more worker, which begins by searching if searching; NULL: none. */
static weft__worker *worker_start(bool searching)
{
	weft__worker *w = worker_find_free();

	if (w == NULL)
		return NULL;
	w->searching = searching;
	if (weft__thread_start(&w->thread, "weft worker", weft__worker_main,
			       w) != 0) {
		w->searching = false;
		return NULL;
	}
	w->has_thread = true;
	w->live = true;
	weft__rt.live_count++;
	return w;
}

/* ---- sleeping and waking ---- */

/* The monitor sleeps deeply only while every worker sleeps. */
static void rouse_monitor(void)
{
	if (weft_atomic_load(&weft__rt.monitor_word, relaxed) !=
	    WEFT__MONITOR_AWAKE) {
		weft_atomic_store(&weft__rt.monitor_word, WEFT__MONITOR_AWAKE,
				  relaxed);
		weft__futex_wake(&weft__rt.monitor_word, 1);
	}
}

/* With the lock held. */
static void end_sleep(weft__worker *w)
{
	weft_atomic_store(&w->sleep, 0, release);
	if (w == weft__rt.watcher)
		weft__poller_ring();
	else
		weft__futex_wake(&w->sleep, 1);
}

static void wake_idle(weft__worker *w)
{
	idle_remove(w);
	end_sleep(w);
	rouse_monitor();
}

void weft__runtime_want_watcher(void)
{
	weft__lock_take(&weft__rt.lock);
	if (weft__rt.watcher == NULL && weft__rt.idle != NULL) {
		wake_idle(weft__rt.idle);
		update_room();
	}
	weft__lock_drop(&weft__rt.lock);
}

void weft__runtime_push_pinned(weft__task *task)
{
	weft__worker *w = task->stack->worker;
	weft__task_list list = {0};
	bool live;

	weft__lock_take(&weft__rt.lock);
	live = w->live;
	weft__task_list_push(live ? &w->pinned : &list, task);
	weft_atomic_store(&w->pinned_count, (uint32_t)w->pinned.count, relaxed);
	if (live && w->idle) {
		wake_idle(w);
		update_room();
	}
	weft__lock_drop(&weft__rt.lock);
	if (!live)
		weft__queue_put(&list);
}

weft__task *weft__runtime_take_pinned(weft__worker *w)
{
	weft__task *task;

	weft__lock_take(&weft__rt.lock);
	task = weft__task_list_pop(&w->pinned);
	weft_atomic_store(&w->pinned_count, (uint32_t)w->pinned.count, relaxed);
	weft__lock_drop(&weft__rt.lock);
	return task;
}

/*
 * One more worker, to search, if procs allow: a sleeper, or a new thread.
 * False: there is no room, or no thread could be had.
 */
static bool wake_one(void)
{
	weft__worker *w = NULL;

	weft__lock_take(&weft__rt.lock);
	if (!weft__rt.closed && running() < weft__rt.procs) {
		w = weft__rt.idle;
		if (w == NULL && may_start_thread()) {
			w = worker_start(true);
			weft__rt.no_threads = w == NULL;
		} else if (w != NULL) {
			w->searching = true;
			wake_idle(w);
		}
	}
	if (w != NULL)
		rouse_monitor();
	update_room();
	weft__lock_drop(&weft__rt.lock);
	return w != NULL;
}

/*
 * One searcher at a time is enough: when it finds something it has the next
 * one woken, if there is more.
 *
 * S5  Who finds searching set does nothing. That is safe because a searcher
 *     looks into the global queue after it has ceased to be one (in
 *     search_end, or in idle before it sleeps), and so does one who claimed
 *     the search here and could wake nobody: the loop. The first worker begins
 *     as one, so that no second is started for the first task.
 */
void weft__runtime_wake_worker(void)
{
	uint32_t none;

	do {
		none = 0;
		if (!weft_atomic_load(&weft__rt.room, seq_cst) ||
		    weft_atomic_load(&weft__rt.searching, seq_cst) != 0 ||
		    !weft_atomic_cas(&weft__rt.searching, &none, 1, seq_cst,
				     seq_cst))
			return;
		if (wake_one())
			return;
		weft_atomic_sub(&weft__rt.searching, 1, seq_cst);
	} while (weft_atomic_load(&weft__rt.room, seq_cst) &&
		 weft__queue_count() > 0);
}

/* Awake again, woken or not, after a sleep that began at since. */
static void idle_leave(weft__worker *w, weft_time since)
{
	weft_time now = weft_now();

	weft__clock_move(now);
	weft__bump_by(&w->slept, (uint64_t)(now - since));
	weft__lock_take(&weft__rt.lock);
	if (w->idle) {
		idle_remove(w);
		update_room();
		rouse_monitor();
	}
	if (weft__rt.watcher == w)
		weft__rt.watcher = NULL;
	weft__lock_drop(&weft__rt.lock);
}

/* Is w to sleep at the descriptors? Not if it was woken just now. */
static bool watch_begin(weft__worker *w)
{
	bool watches;

	if (!weft__poller_has_duty())
		return false;
	weft__lock_take(&weft__rt.lock);
	watches = w->idle && weft__poller_watch_begin();
	if (watches)
		weft__rt.watcher = w;
	weft__lock_drop(&weft__rt.lock);
	return watches;
}

static void idle_watch(weft__worker *w, weft_time since)
{
	while (weft_atomic_load(&w->sleep, acquire) == 1)
		if (!weft__poller_watch_wait(
			    weft_atomic_load(&w->timers.next, seq_cst)))
			break;
	idle_leave(w, since);
	weft__poller_watch_end();
}

static bool idle_quit(weft__worker *w)
{
	bool quit;

	weft__lock_take(&weft__rt.lock);
	/* Else it was woken just now. S7: not with a task of its own. */
	quit = w->idle && w->pinned.count == 0;
	if (quit) {
		idle_remove(w);
		w->live = false;
		weft__rt.live_count--;
		update_room();
	}
	weft__lock_drop(&weft__rt.lock);
	return quit;
}

/* Has w needed a long queue since it slept last? */
static void note_need(weft__worker *w, weft_time now)
{
	if (unlikely(w->started - w->started_before > WEFT__DEQUE_KEPT))
		weft_atomic_store(&w->needed_at, now, relaxed);
	w->started_before = w->started;
}

bool weft__runtime_idle(weft__worker *w)
{
	weft_time since = weft_now();
	bool room;

	weft_atomic_store(&w->sleep, 1, relaxed);
	note_need(w, since);	/* the monitor looks when all are idle */
	weft__lock_take(&weft__rt.lock);
	clear_stuck(w);
	idle_push(w);
	if (w->searching) {
		w->searching = false;
		weft_atomic_sub(&weft__rt.searching, 1, seq_cst);
	}
	update_room();
	room = weft_atomic_load(&weft__rt.room, relaxed);
	weft__lock_drop(&weft__rt.lock);

	/* Without room procs others run: they will look. S4 otherwise. */
	if ((room && weft__runtime_has_work(w)) ||
	    weft_atomic_load(&w->pinned_count, relaxed) > 0) {	/* S7 */
		idle_leave(w, since);
		return true;
	}
	if (weft_atomic_load(&weft__rt.stopping, seq_cst) && idle_quit(w))
		return false;
	weft__bump(&w->sleeps);
	weft__block_flush(w);
	if (watch_begin(w)) {
		idle_watch(w, since);
		return true;
	}
	while (weft_atomic_load(&w->sleep, acquire) == 1)
		if (!weft__futex_wait(&w->sleep, 1,
				      weft_atomic_load(&w->timers.next, seq_cst)))
			break;
	idle_leave(w, since);
	return true;
}

/*
 * With the lock, so that w, which sleeps, sleeps on: give a part of its queue back,
 * if it has not needed it for a while. Returns when to come again.
 */
static weft_time trim(weft__worker *w, weft_time now)
{
	weft_time needed_at = weft_atomic_load(&w->needed_at, relaxed);

	if (needed_at == 0)
		return WEFT_NEVER;
	if (now - needed_at < WEFT__TRIM_AFTER)
		return needed_at + WEFT__TRIM_AFTER;
	weft__deque_trim(&w->fresh);
	if (weft__deque_is_slack(&w->fresh))
		return now;
	weft_atomic_store(&w->needed_at, 0, relaxed);
	return WEFT_NEVER;
}

/* One part of one at a time, so that nobody waits for the lock. */
weft_time weft__runtime_trim(weft_time now)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);
	weft_time next = WEFT_NEVER, then;

	for (uint32_t i = 0; i < count && next > now; i++) {
		weft__worker *w = weft__rt.workers[i];

		if (weft_atomic_load(&w->needed_at, relaxed) == 0)
			continue;
		weft__lock_take(&weft__rt.lock);
		then = w->idle || !w->live ? trim(w, now) : WEFT_NEVER;
		weft__lock_drop(&weft__rt.lock);
		next = then < next ? then : next;
	}
	return next;
}

void weft__runtime_retry_threads(void)
{
	weft__lock_take(&weft__rt.lock);
	if (weft__rt.no_threads) {
		weft__rt.no_threads = false;
		update_room();
	}
	weft__lock_drop(&weft__rt.lock);
}

bool weft__runtime_starves(void)
{
	bool starves;

	weft__lock_take(&weft__rt.lock);
	starves = weft__rt.no_threads && weft__rt.idle_count == 0 &&
		  running() == 0;
	weft__lock_drop(&weft__rt.lock);
	return starves;
}

bool weft__runtime_surplus(void)
{
	uint32_t count;

	if (likely(weft_atomic_load(&weft__rt.worker_count, relaxed) <=
		   weft__rt.procs))
		return false;
	weft__lock_take(&weft__rt.lock);
	count = running();
	weft__lock_drop(&weft__rt.lock);
	return count > weft__rt.procs;
}

/* ---- blocking ---- */

void weft__runtime_stick(weft__worker *w, uint32_t tick)
{
	weft__lock_take(&weft__rt.lock);
	if (w->live && !w->idle && !weft_atomic_load(&w->stuck, relaxed) &&
	    weft_atomic_load(&w->tick, relaxed) == tick) {
		weft_atomic_store(&w->stuck, 1, relaxed);
		weft__rt.stuck_count++;
		update_room();
	}
	weft__lock_drop(&weft__rt.lock);
}

void weft__runtime_unstick(weft__worker *w)
{
	weft__fork_check();
	weft__lock_take(&weft__rt.lock);
	clear_stuck(w);
	update_room();
	weft__lock_drop(&weft__rt.lock);
}

void weft_blocking_begin(void)
{
	weft__stack *self = weft__stack_self();
	weft__worker *w;

	if (self == NULL)
		return;
	weft__poller_arm_all();	/* F10 */
	w = self->worker;
	w->blocking = true;
	weft__runtime_stick(w, w->tick);
	if (weft__runtime_has_work(w))
		weft__runtime_wake_worker();
}

void weft_blocking_end(void)
{
	weft__stack *self = weft__stack_self();

	if (self == NULL)
		return;
	if (!self->worker->blocking)
		weft_panic("weft_blocking_end without weft_blocking_begin");
	self->worker->blocking = false;
	weft__runtime_unstick(self->worker);
}

/* ---- start and stop ---- */

static uint32_t procs_wanted(void)
{
	const char *text = getenv("WEFT_PROCS");
	char *end;
	long procs;

	if (text != NULL && *text != 0) {
		procs = strtol(text, &end, 10);
		if (*end == 0 && procs >= 1 && procs <= WEFT__WORKERS_MAX / 2)
			return (uint32_t)procs;
		fprintf(stderr, "weft: WEFT_PROCS=%s is not a number from 1 to %d; "
				"using the CPUs there are\n",
			text, WEFT__WORKERS_MAX / 2);
	}
	procs = weft__cpu_count();
	return procs > WEFT__WORKERS_MAX / 2 ? WEFT__WORKERS_MAX / 2
					     : (uint32_t)procs;
}

/* Have every sleeper look at stopping. */
static void wake_all(void)
{
	weft__worker *w;

	weft__lock_take(&weft__rt.lock);
	for (w = weft__rt.idle; w != NULL; w = w->idle_next)
		end_sleep(w);
	update_room();
	weft__lock_drop(&weft__rt.lock);
}

/*
 * Workers leave when they find nothing to do, so that all that can run does.
 * One that runs may still start another, which is why they are counted anew
 * after each join.
 */
static weft__worker *worker_to_join(void)
{
	weft__worker *found = NULL;

	weft__lock_take(&weft__rt.lock);
	for (uint32_t i = 0; i < weft__rt.worker_count; i++)
		if (weft__rt.workers[i]->has_thread)
			found = weft__rt.workers[i];
	weft__rt.closed = found == NULL;
	update_room();
	weft__lock_drop(&weft__rt.lock);
	return found;
}

static void worker_join(weft__worker *w)
{
	weft__thread_join(&w->thread);
	weft__lock_take(&weft__rt.lock);
	w->has_thread = false;
	weft__lock_drop(&weft__rt.lock);
}

static void stop_workers(void)
{
	weft__worker *w;

	weft_atomic_store(&weft__rt.stopping, 1, seq_cst);
	wake_all();
	while ((w = worker_to_join()) != NULL)
		worker_join(w);
}

/*
 * S6: what the first worker waits for. No lock: whoever starts it would hold that
 * while it comes, and it is open in a moment, but for the time a thread takes.
 */
static uint32_t gate;	/* futex */

enum { SHUT, AWAITED, OPEN, FAILED, GATE_LOOKS = 64 };

static void gate_set(uint32_t state)
{
	if (weft_atomic_xchg(&gate, state, acq_rel) == AWAITED)
		weft__futex_wake(&gate, 1);
}

static uint32_t gate_look(void)
{
	return weft_atomic_load(&gate, acquire);
}

bool weft__runtime_let_in(void)
{
	uint32_t state = gate_look();

	for (int i = 0; i < GATE_LOOKS && state == SHUT; i++) {
		weft__thread_yield();
		state = gate_look();
	}
	if (state == SHUT)
		weft_atomic_cas(&gate, &state, AWAITED, acquire, acquire);
	while ((state = gate_look()) == AWAITED)
		weft__futex_wait(&gate, AWAITED, WEFT_NEVER);
	return state == OPEN;
}

/* The first worker, who searches: S5. */
static weft__worker *first_start(void)
{
	weft__worker *w;

	weft__lock_take(&weft__rt.lock);
	weft__rt.no_threads = false;
	w = worker_start(true);
	if (w != NULL)
		weft_atomic_add(&weft__rt.searching, 1, relaxed);
	weft__rt.closed = w == NULL;
	update_room();
	weft__lock_drop(&weft__rt.lock);
	return w;
}

static void first_take_back(weft__worker *w)
{
	weft__lock_take(&weft__rt.lock);
	weft_atomic_sub(&weft__rt.searching, 1, relaxed);
	w->searching = false;
	w->live = false;
	weft__rt.live_count--;
	weft__rt.closed = true;
	update_room();
	weft__lock_drop(&weft__rt.lock);
	gate_set(FAILED);
	worker_join(w);
}

/* Both or none, before anybody can count on them. */
static bool threads_start(void)
{
	weft__worker *w = first_start();

	if (w == NULL)
		return false;
	if (weft__monitor_start())
		return true;
	first_take_back(w);
	return false;
}

static int start(void)
{
	if (weft__fork_watch() != 0)
		return -ENOMEM;
	weft__rt.procs = procs_wanted();
	weft__fault_install(weft__task_describe);
	weft__thread_note_signals();
	weft__clock_move(weft_now());
	weft__dump_prepare();
	weft__barrier_prepare();
	weft__trace_open();
	weft_atomic_store(&weft__rt.stopping, 0, relaxed);
	weft_atomic_store(&gate, SHUT, relaxed);
	if (!threads_start())
		return -ENOMEM;
	weft_atomic_store(&weft__rt.running, 1, seq_cst);
	gate_set(OPEN);
	weft__poller_hand_over();
	return 0;
}

int weft__runtime_start(void)
{
	int err = 0;

	if (likely(weft_atomic_load(&weft__rt.running, acquire)))
		return 0;
	weft__fork_check();
	WEFT__UNCANCELLED();
	weft__lock_take(&starting);
	if (!weft_atomic_load(&weft__rt.running, relaxed))
		err = start();
	weft__lock_drop(&starting);
	return err;
}

bool weft__runtime_stop(void (*report)(void))
{
	WEFT__UNCANCELLED();
	bool empty;

	weft__lock_take(&starting);
	if (weft_atomic_load(&weft__rt.running, relaxed)) {
		stop_workers();
		weft__monitor_stop();
		weft__blocks_free();
		weft_atomic_store(&weft__rt.running, 0, seq_cst);	/* S6 */
	}
	weft__poller_stop();
	empty = weft__queue_count() == 0;
	if (empty)
		report();	/* nothing runs, nor can it be started */
	weft__lock_drop(&starting);
	return empty;
}
