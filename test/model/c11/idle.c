/* SPDX-License-Identifier: MIT */
/*
 * The idle workers: src/sched/worker.c, runtime.c, queue.c and monitor.c; S4, S5
 * and S7. PROCS of WORKERS may run at a time; STARTED have a thread at first, and
 * look for tasks, or sleep.
 *
 *	PUTTERS		plain threads put a task each into the global queue
 *	PINNERS		plain threads make a task ready that is pinned to the
 *			first worker
 *	KEEPS		the first worker is in a task that has made so many ready
 *			(FRESH: has started so many), and waits for them. Thieves
 *			think that such tasks are not worth stealing. Another
 *			worker has to run them, by the monitor's LOOKS-th look
 *			since then
 *
 * At the end each task has run once.
 */
#define MODEL_REAL_SCHED

#include "explore.h"
#include "sched/sched.h"
#include "sched/block.h"
#include "sched/dump.h"
#include "sched/fork.h"
#include "sched/poller.h"
#include "sched/trace.h"

#include "plat/futex.h"
#include "plat/pages.h"

#define weft__stack_self() model_stack_self()
static weft__stack *model_stack_self(void);

#include "sched/queue.c"

#include "sched/runtime.c"

#include "sched/worker.c"

#include "sched/monitor.c"

#ifndef STARTED
#define STARTED WORKERS
#endif
#ifndef PUTTERS
#define PUTTERS 0
#endif
#ifndef PINNERS
#define PINNERS 0
#endif
#ifndef KEEPS
#define KEEPS 0
#endif
#ifndef FRESH
#define FRESH 0
#endif
#ifndef LOOKS
#define LOOKS 0
#endif

enum {
	THREADS = 6,
	TASKS = PUTTERS + PINNERS + (KEEPS > 0) + KEEPS,
	ENDED = 0x100,
	LOOK_NS = 2000,		/* from one look at the clock to the next */
	OTHER_TICK = 8,		/* than that of the first worker */
};

static struct {
	weft__worker *worker;	/* NULL: it is none */
	weft__stack stack;	/* of the task that it runs */
	weft_time now;
	void *end[5];
} threads[THREADS];

static weft__task tasks[TASKS];
static weft__stack stacks[TASKS];	/* of those that are ready */
static uint32_t taken[TASKS];
static uint32_t ran;
static uint32_t keeping;
static uint32_t wakes[WORKERS];

/* ---- what the scheduler stands on ---- */

static weft__stack *model_stack_self(void)
{
	return threads[model_self()].worker != NULL ?
		       &threads[model_self()].stack :
		       NULL;
}

/* Time goes on for each thread, and is otherwise of no matter. */
weft_time weft_now(void)
{
	return threads[model_self()].now += LOOK_NS;
}

/*
 * The futex, for workers: who looks at the word after it has begun to count the
 * wakes misses none, like who is queued before it looks. ENDED: and that is all.
 */
static uint32_t *wakes_of(const uint32_t *word)
{
	uint32_t i = 0;

	while (word != &weft__rt.workers[i]->sleep)
		i++;
	return &wakes[i];
}

bool weft__futex_wait(const uint32_t *word, uint32_t value, weft_time deadline)
{
	uint32_t *mine = wakes_of(word), before, after;

	(void)deadline;
	before = after = weft_atomic_load(mine, acquire);
	if (weft_atomic_load(word, relaxed) != value)
		return true;
	if (before < ENDED)
		model_await((after = weft_atomic_load(mine, acquire)) != before);
	if (after >= ENDED)
		__builtin_longjmp(threads[model_self()].end, 1);
	return true;
}

void weft__futex_wake(const uint32_t *word, int count)
{
	(void)count;
	weft_atomic_add(wakes_of(word), 1, release);
}

int weft__thread_start(weft__thread *thread, const char *name,
		       void *(*run)(void *), void *arg)
{
	(void)name;
	return pthread_create(&thread->handle, NULL, run, arg);
}

void weft__thread_join(const weft__thread *thread)
{
	pthread_join(thread->handle, NULL);
}

bool weft__thread_sleeps(int thread_id)
{
	(void)thread_id;
	return false;
}

void *weft__pages_map(size_t size_bytes)
{
	return model_new(size_bytes);
}

void weft__timers_init(weft__timers *timers)
{
	timers->next = WEFT_NEVER;
}

bool weft__timers_run(weft__timers *timers, weft_time now)
{
	(void)timers, (void)now;
	return false;
}

weft_time weft__stack_trim(weft_time now)
{
	(void)now;
	return WEFT_NEVER;
}

/* For what is handed over. */
weft__task *weft__task_alloc_slow(weft__worker *w)
{
	(void)w;
	return model_new(sizeof(weft__task));
}

void weft__task_free_loose(weft__task *task)
{
	(void)task;
}

/* Nobody waits for a descriptor: that is watch.c. */
bool weft__poller_has_duty(void)
{
	return false;
}

bool weft__poller_wanted(void)
{
	return false;
}

bool weft__poller_look(void)
{
	return false;
}

void weft__poller_arm_all(void)
{
}

bool weft__poller_neglected(weft_duration age, weft_time now)
{
	(void)age, (void)now;
	return false;
}

/* What else the files name, and nobody comes to. */
const uint32_t weft__layout[1];
uint32_t weft__fork_mark;

#define NEVER_CALLED(result, name, ...)                                        \
	result name(__VA_ARGS__)                                               \
	{                                                                      \
		explore_wrong(#name " is called");                             \
	}
NEVER_CALLED(size_t, weft__pages_unit, void)
NEVER_CALLED(void, weft__pages_discard, void *pages, size_t size_bytes,
	     size_t keep_bytes)
NEVER_CALLED(_Noreturn void, weft_panic, const char *format, ...)
NEVER_CALLED(_Noreturn void, weft__fork_fail, void)
NEVER_CALLED(int, weft__fork_watch, void)
NEVER_CALLED(int, weft__cpu_count, void)
NEVER_CALLED(int, weft__thread_no_cancel, void)
NEVER_CALLED(void, weft__thread_cancel_as, const int *before)
NEVER_CALLED(bool, weft__task_describe, uintptr_t address, char *text, size_t size)
NEVER_CALLED(void, weft__fault_install, weft__fault_describe *describe)
NEVER_CALLED(void, weft__thread_note_signals, void)
NEVER_CALLED(void, weft__dump_prepare, void)
NEVER_CALLED(void, weft__dump_if_asked, void)
NEVER_CALLED(bool, weft__dump_is_asked, void)
NEVER_CALLED(void, weft__deadlock_look, void)
NEVER_CALLED(void, weft__poller_hand_over, void)
NEVER_CALLED(void, weft__poller_stop, void)
NEVER_CALLED(bool, weft__poller_watch_begin, void)
NEVER_CALLED(bool, weft__poller_watch_wait, weft_time deadline)
NEVER_CALLED(void, weft__poller_watch_end, void)
NEVER_CALLED(void, weft__poller_ring, void)

/* ---- the tasks ---- */

/* One that has no memory of its own says by its arg which it is. */
static void run(weft__task *task)
{
	if (task->arg != NULL)
		task = task->arg;
	model_check(weft_atomic_xchg(&taken[task - tasks], 1, relaxed) == 0);
	weft_atomic_add(&ran, 1, relaxed);
}

static weft__start start_of(int i)
{
	return weft__start_from(weft__origin_of(run, tasks, tasks), &tasks[i],
				NULL);
}

static void put(weft__worker *w, weft__start start)
{
	model_check(weft__deque_make_room(&w->fresh));
	weft__deque_push(&w->fresh, start);
}

static void tick(weft__worker *w)
{
	weft_atomic_store(&w->tick, w->tick + 1, relaxed);
}

/* The task of KEEPS, which is the last. */
static void keep_busy(weft__worker *w)
{
	tick(w);
	for (int i = 0; i < KEEPS; i++)
		if (FRESH)
			put(w, start_of(i));
		else
			weft__ready(&tasks[i]);
	weft_atomic_store(&keeping, 1, release);
	model_await(weft_atomic_load(&ran, relaxed) == KEEPS);
	run(&tasks[KEEPS]);
}

/* At the gate, where nobody waits here: all begin with the runtime. */
void weft__thread_yield(void)
{
}

/* What the loop on a worker's stack does, but for the stacks. */
void *weft__worker_main(void *worker)
{
	weft__worker *w = worker;
	weft__task room, *task;

	threads[model_self()].worker = threads[model_self()].stack.worker = w;
	if (KEEPS > 0 && w == weft__rt.workers[0]) {
		keep_busy(w);
		return NULL;
	}
	if (__builtin_setjmp(threads[model_self()].end) != 0)
		return NULL;
	while ((task = weft__worker_find(w, &room)) != NULL) {
		tick(w);
		run(task);
		tick(w);
	}
	return NULL;
}

/* ---- the threads ---- */

static void *putter(void *task)
{
	weft__task_list list = {0};

	weft__task_list_push(&list, task);
	weft__queue_put(&list);
	return NULL;
}

static void *pinner(void *task)
{
	weft__runtime_push_pinned(task);
	return NULL;
}

static void *monitor(void *unused)
{
	model_await(weft_atomic_load(&keeping, acquire) == 1);
	for (int i = 0; i < LOOKS; i++)
		look_around((i + 1) * TICK_NS);
	return unused;
}

static void prepare(weft__worker *first)
{
	first->quick = first->tiny = 1;
	first->quick_tick = first->tiny_bottom = OTHER_TICK;
	for (int i = PUTTERS; i < TASKS; i++) {
		stacks[i].worker = first;
		tasks[i].stack = FRESH ? NULL : &stacks[i];
	}
}

/* As start() of runtime.c does it. */
static void start_workers(void)
{
	weft__rt.procs = PROCS;
	weft__rt.running = 1;
	for (uint32_t i = 0; i < WORKERS; i++)
		worker_new(i);
	prepare(weft__rt.workers[0]);
	weft__lock_take(&weft__rt.lock);
	for (int i = 0; i < STARTED; i++)
		worker_start(false);
	update_room();
	weft__lock_drop(&weft__rt.lock);
}

static void start_others(pthread_t thread[])
{
	for (int i = 0; i < PUTTERS; i++)
		pthread_create(&thread[i], NULL, putter, &tasks[i]);
	for (int i = PUTTERS; i < PUTTERS + PINNERS; i++)
		pthread_create(&thread[i], NULL, pinner, &tasks[i]);
	if (LOOKS > 0)
		pthread_create(&thread[0], NULL, monitor, NULL);
}

int main(void)
{
	pthread_t thread[THREADS];

	start_workers();
	start_others(thread);
	for (int i = 0; i < PUTTERS + PINNERS + (LOOKS > 0); i++)
		pthread_join(thread[i], NULL);
	model_await(weft_atomic_load(&ran, relaxed) == TASKS);
	for (int i = 0; i < WORKERS; i++)
		weft_atomic_or(&wakes[i], ENDED, release);
	for (int i = 0; i < WORKERS; i++)
		if (weft__rt.workers[i]->has_thread)
			weft__thread_join(&weft__rt.workers[i]->thread);
	return 0;
}
