/* SPDX-License-Identifier: MIT */
#include "sched/task.h"

#include <weft/task.h>

#include "base/alloc.h"
#include "base/trap.h"
#include "sched/dump.h"
#include "sched/sched.h"
#include "sched/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t started_outside;	/* atomic: by plain threads */

/* ---- starting ---- */

static inline weft__worker *worker_self(void)
{
	weft__stack *self = weft__stack_self();

	return self != NULL ? self->worker : NULL;
}

static __attribute__((noinline)) int call_for_help(weft__worker *w)
{
	weft__worker_hint_fresh(w);
	return 0;
}

/*
 * There is room. It is counted first: who counts ended ones and then started ones
 * finds each of the former in the latter.
 */
static inline int push(weft__worker *w, weft__start start)
{
	weft__bump(&w->started);
	return weft__deque_push(&w->fresh, start) > 1 &&
			       weft_atomic_load(&weft__rt.room, relaxed)
		       ? call_for_help(w)
		       : 0;
}

/* One that has memory of its own. */
static void submit(weft__worker *w, weft__task *task)
{
	if (unlikely(weft__rt.traced))
		weft__trace_start(w, task);
	if (w != NULL && weft__deque_make_room(&w->fresh)) {
		push(w, weft__start_of_task(task));
	} else {
		weft_atomic_add(&started_outside, 1, relaxed);
		weft__queue_put_one(task);
	}
}

/*
 * Where w has the origin of these two, if it has started it lately. Functions begin
 * at multiples of 16, and the calls of a loop that was unrolled are some 32 bytes
 * from each other.
 */
static inline const weft__origin **recent(weft__worker *w, void *fn, void *site)
{
	return &w->origins[(((uintptr_t)site ^ (uintptr_t)fn >> 1) >> 3) %
			   WEFT__RECENT];
}

/* By a plain thread, or traced, or of an origin not at hand, or without room. */
static __attribute__((noinline)) int start_slow(weft__task_entry *entry,
						void *object, void *fn,
						void *arg, void *site)
{
	weft__worker *w = worker_self();
	const weft__origin *o;
	weft__task *task;

	if (w == NULL && weft__runtime_start() != 0)
		return -ENOMEM;
	if (w != NULL && !weft__rt.traced && weft__start_fits(object) &&
	    (o = weft__origin_of(entry, fn, site)) != NULL &&
	    weft__deque_make_room(&w->fresh)) {
		*recent(w, fn, site) = o;
		return push(w, weft__start_from(o, arg, object));
	}
	task = weft__task_alloc(w);
	if (task == NULL)
		return -ENOMEM;
	*task = (weft__task){
		.entry = entry,
		.fn = fn,
		.arg = arg,
		.object = object,
		.site = site,
	};
	submit(w, task);
	return 0;
}

/* Whatever takes a frame is apart: all it needs is in registers. */
int weft__task_start(weft__task_entry *entry, void *object, void *fn, void *arg,
		     void *site)
{
	weft__worker *w = worker_self();
	const weft__origin *o;

	if (likely(w != NULL && !weft__rt.traced)) {
		o = *recent(w, fn, site);
		if (likely(weft__origin_is(o, entry, fn, site)) &&
		    likely(weft__start_fits(object)) &&
		    likely(weft__deque_has_room(&w->fresh)))
			return push(w, weft__start_from(o, arg, object));
	}
	return start_slow(entry, object, fn, arg, site);
}

void weft__task_start_embedded(weft__task *task, weft__task_entry *entry,
			       void *object, void *fn, void *arg, void *site)
{
	*task = (weft__task){
		.entry = entry,
		.fn = fn,
		.arg = arg,
		.object = object,
		.site = site,
		.flags = WEFT__TASK_EMBEDDED,
	};
	submit(worker_self(), task);
}

static void run_fn(weft__task *task)
{
	weft_fn fn = __extension__(weft_fn) task->fn;

	fn(task->arg);
}

int weft_go(weft_fn fn, void *arg)
{
	if (unlikely(fn == NULL))
		weft__fatal("go of nil func value");
	return weft__task_start(run_fn, NULL, __extension__(void *) fn, arg,
				__builtin_return_address(0));
}

/* A task and its argument in one block. */
typedef struct {
	weft__task task;
	max_align_t copy[];
} task_with_copy;

static void free_block(task_with_copy **block)
{
	weft__free(*block);
}

static void run_fn_with_copy(weft__task *task)
{
	__attribute__((cleanup(free_block))) task_with_copy *block =
		weft__container(task, task_with_copy, task);
	weft_fn fn = __extension__(weft_fn) task->fn;

	fn(block->copy);
}

int weft_go_copy(weft_fn fn, const void *arg, size_t size)
{
	task_with_copy *block;

	if (unlikely(fn == NULL))
		weft__fatal("go of nil func value");
	if (weft__runtime_start() != 0 ||
	    size > PTRDIFF_MAX - sizeof *block)
		return -ENOMEM;
	block = weft__alloc(sizeof *block + size);
	if (block == NULL)
		return -ENOMEM;
	if (size > 0)
		memcpy(block->copy, arg, size);
	weft__task_start_embedded(&block->task, run_fn_with_copy, NULL,
				  __extension__(void *) fn, NULL,
				  __builtin_return_address(0));
	return 0;
}

/* ---- about tasks ---- */

int weft_errno(void)
{
	return weft__errno_get();
}

weft__task *weft__task_self(void)
{
	weft__stack *self = weft__stack_self();

	return self != NULL ? self->task : NULL;
}

void weft_task_name(const char *name)
{
	weft__stack *self = weft__stack_self();

	if (self == NULL)
		return;
	self->task->flags |= WEFT__TASK_NAMED;
	self->name = name;
}

uint64_t weft__started_outside(void)
{
	return weft_atomic_load(&started_outside, relaxed);
}

size_t weft_task_count(void)
{
	uint32_t workers = weft_atomic_load(&weft__rt.worker_count, acquire);
	uint64_t count = weft_atomic_load(&started_outside, relaxed);

	for (uint32_t i = 0; i < workers; i++) {
		weft__worker *w = weft__rt.workers[i];

		/* Ended first: a task that ends meanwhile was started. */
		count -= weft_atomic_load(&w->ended, relaxed);
		count += weft_atomic_load(&w->started, relaxed);
	}
	return (int64_t)count > 0 ? (size_t)count : 0;
}

/* For the report of a stack overflow: no locks, no allocation. */
bool weft__task_describe(uintptr_t address, char *text, size_t size)
{
	weft__stack *s;
	weft__task *task;

	if (!weft__stack_holds(address))
		return false;
	s = weft__stack_at(address);
	task = weft_atomic_load(&s->task, relaxed);
	snprintf(text, size, "task \"%s\", started at %p",
		 s->name != NULL ? s->name : "unnamed",
		 task != NULL ? task->site : NULL);
	return true;
}

/* ---- weft_run ---- */

struct run {
	int (*fn)(void *);
	void *arg;
	int result;
	weft__waiter waiter;
};

static void run_over(struct run **over)
{
	weft__wakeups wakeups = {0};

	weft__guard_end();
	weft__claim(&(*over)->waiter, WEFT__NOTIFIED, &wakeups);
	weft__wake(&wakeups);
}

static void run_main(void *arg)
{
	__attribute__((cleanup(run_over))) struct run *run = arg;

	weft__guard_begin();
	run->result = run->fn(run->arg);
}

static const weft__why why_run = {.text = "weft_run", .object = WEFT__OF_NOTHING};

int weft_run(int (*fn)(void *), void *arg)
{
	struct run run = {.fn = fn, .arg = arg, .result = WEFT_ERR_EXITED};

	if (weft__stack_self() != NULL)
		weft__fatal("weft_run called by a task");
	if (fn == NULL)
		weft__fatal("go of nil func value");
	weft__waiter_init(&run.waiter, &why_run);
	if (weft_go(run_main, &run) != 0)
		return -ENOMEM;
	weft__park(&run.waiter, WEFT_NEVER);
	/*
	 * What plain threads have made ready meanwhile runs on without us: to
	 * wait for that too would be to wait for ever if they go on so.
	 */
	if (!weft__runtime_stop(weft__leaks_report))
		(void)weft__runtime_start();
	else
		weft__trace_flush();
	return run.result;
}

/* ---- timers of whoever calls ---- */

int weft__timer_start(weft__timer *timer, weft_time when,
		      void (*fire)(weft__timer *, weft__wakeups *))
{
	weft__worker *w = worker_self();

	if (w != NULL) {
		weft__timers_add(&w->timers, timer, when, fire);
		return 0;
	}
	if (weft__runtime_start() != 0)
		return -ENOMEM;
	weft__timers_add(&weft__rt.timers, timer, when, fire);
	weft__monitor_rouse();
	return 0;
}
