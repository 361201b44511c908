/* SPDX-License-Identifier: MIT */
/*
 * Who puts a task in the global queue against a worker that falls asleep: S4
 * and S5 of src/sched/sched.h and runtime.c. The steps are those of queue.c,
 * runtime.c and worker.c, with their names, for procs workers that have nothing
 * but the global queue; threads are there already, and nobody is stuck. PUTTERS
 * put a task each; a worker sleeps until stopped. At the end every task has run.
 */
#include "explore.h"
#include "machine/kernel.h"
#include "plat/lock.h"

#ifndef COUNT_ORDER
#define COUNT_ORDER seq_cst
#endif
#ifndef ROOM_ORDER
#define ROOM_ORDER seq_cst
#endif
#ifndef PUBLISH_ORDER
#define PUBLISH_ORDER seq_cst
#endif
#ifndef ANNOUNCE_ORDER
#define ANNOUNCE_ORDER seq_cst
#endif

/* Names of orders are not replaced where they are pasted: so once before. */
#define load_by(p, order) weft_atomic_load((p), order)
#define store_by(p, v, order) weft_atomic_store((p), (v), order)

enum { PROCS = WORKERS };

typedef struct worker worker;
struct worker {
	bool searching;
	bool idle;
	uint32_t sleep;
	worker *idle_next;
};

static struct {
	uint32_t room;
	uint32_t searching;
	uint32_t stopping;
	weft__lock lock;
	worker *idle;
	uint32_t idle_count;
} rt;

static struct {
	weft__lock lock;
	uint32_t tasks;		/* plain */
	uint32_t count;
} queue;

static worker workers[WORKERS];
static uint32_t ran;

/* ---- runtime.c ---- */

static uint32_t running(void)
{
	return WORKERS - rt.idle_count;
}

static void update_room(void)
{
	store_by(&rt.room, running() < PROCS && rt.idle != NULL, ANNOUNCE_ORDER);
}

static void idle_push(worker *w)
{
	w->idle = true;
	w->idle_next = rt.idle;
	rt.idle = w;
	rt.idle_count++;
}

static void idle_remove(worker *w)
{
	worker **link = &rt.idle;

	while (*link != w)
		link = &(*link)->idle_next;
	*link = w->idle_next;
	w->idle = false;
	rt.idle_count--;
}

static void wake_idle(worker *w)
{
	idle_remove(w);
	weft_atomic_store(&w->sleep, 0, release);
	weft__futex_wake(&w->sleep, 1);
}

static bool wake_one(void)
{
	worker *w = NULL;

	weft__lock_take(&rt.lock);
	if (running() < PROCS) {
		w = rt.idle;
		if (w != NULL) {
			w->searching = true;
			wake_idle(w);
		}
	}
	update_room();
	weft__lock_drop(&rt.lock);
	return w != NULL;
}

static uint32_t queue_count(void)
{
	return load_by(&queue.count, COUNT_ORDER);
}

static void wake_worker(void)
{
	uint32_t none;

	do {
		none = 0;
		if (!load_by(&rt.room, ROOM_ORDER) ||
		    weft_atomic_load(&rt.searching, seq_cst) != 0 ||
		    !weft_atomic_cas(&rt.searching, &none, 1, seq_cst, seq_cst))
			return;
		if (wake_one())
			return;
		weft_atomic_sub(&rt.searching, 1, seq_cst);
	} while (weft_atomic_load(&rt.room, seq_cst) && queue_count() > 0);
}

static void idle_leave(worker *w)
{
	weft__lock_take(&rt.lock);
	if (w->idle) {
		idle_remove(w);
		update_room();
	}
	weft__lock_drop(&rt.lock);
}

static bool go_idle(worker *w)
{
	bool room;

#ifdef LOOKS_BEFORE_ANNOUNCING
	bool work = queue_count() > 0;
#endif
	weft_atomic_store(&w->sleep, 1, relaxed);
	weft__lock_take(&rt.lock);
	idle_push(w);
	if (w->searching) {
		w->searching = false;
		weft_atomic_sub(&rt.searching, 1, seq_cst);
	}
	update_room();
	room = weft_atomic_load(&rt.room, relaxed);
	weft__lock_drop(&rt.lock);
#ifdef LOOKS_BEFORE_ANNOUNCING
	if (room && work) {
#else
	if (room && queue_count() > 0) {
#endif
		idle_leave(w);
		return true;
	}
	if (weft_atomic_load(&rt.stopping, seq_cst))
		return false;
	while (weft_atomic_load(&w->sleep, acquire) == 1)
		weft__futex_wait(&w->sleep, 1, WEFT_NEVER);
	idle_leave(w);
	return !weft_atomic_load(&rt.stopping, seq_cst);
}

/* ---- queue.c ---- */

static void publish_count(void)
{
	store_by(&queue.count, queue.tasks, PUBLISH_ORDER);	/* S4 */
}

static void queue_put(void)
{
	weft__lock_take(&queue.lock);
	queue.tasks++;
	publish_count();
	weft__lock_drop(&queue.lock);
	wake_worker();
}

static bool queue_take(void)
{
	bool taken;

	if (queue_count() == 0)
		return false;
	weft__lock_take(&queue.lock);
	taken = queue.tasks > 0;
	queue.tasks -= taken;
	publish_count();
	weft__lock_drop(&queue.lock);
	return taken;
}

/* ---- worker.c ---- */

static void search_begin(worker *w)
{
	uint32_t none = 0;

	if (!w->searching && PROCS > 1)
		w->searching = weft_atomic_cas(&rt.searching, &none, 1, seq_cst,
					       relaxed);
}

static void search_end(worker *w)
{
	w->searching = false;
	if (weft_atomic_sub(&rt.searching, 1, seq_cst) == 1 &&
	    weft_atomic_load(&rt.room, seq_cst) && queue_count() > 0)
		wake_worker();
}

static bool find(worker *w)
{
	for (;;) {
		bool found = queue_take();

		if (!found) {
			search_begin(w);
			if (w->searching)
				found = queue_take();
		}
		if (found)
			break;
		if (!go_idle(w))
			return false;
	}
	if (w->searching)
		search_end(w);
	return true;
}

static void *work(void *w)
{
	while (find(w))
		weft_atomic_add(&ran, 1, relaxed);
	return NULL;
}

static void *putter(void *unused)
{
	queue_put();
	return unused;
}

/* Once all have run: what weft__runtime_stop() does to those who sleep. */
static void stop(void)
{
	model_await(weft_atomic_load(&ran, relaxed) == PUTTERS);
	weft_atomic_store(&rt.stopping, 1, seq_cst);
	weft__lock_take(&rt.lock);
	while (rt.idle != NULL)
		wake_idle(rt.idle);
	update_room();
	weft__lock_drop(&rt.lock);
}

int main(void)
{
	pthread_t threads[WORKERS + PUTTERS];

	for (int i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, work, &workers[i]);
	for (int i = 0; i < PUTTERS; i++)
		pthread_create(&threads[WORKERS + i], NULL, putter, NULL);
	stop();
	for (int i = 0; i < WORKERS + PUTTERS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
