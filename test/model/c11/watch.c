/* SPDX-License-Identifier: MIT */
/*
 * Who looks at the descriptors: src/sched/poller.c with runtime.c, worker.c,
 * queue.c and monitor.c; F5 and F7 to F11. WORKERS look for tasks, and fall asleep;
 * PROCS of them may run at a time.
 *
 *	POLLER		whose it is to look, at first: THEIRS, the workers', and
 *			the thread, if it matters, sleeps; OURS, the thread's,
 *			which is then asked for it; NEW, nobody has waited yet
 *	MAIN		main waits, since before, for what it makes ready itself;
 *			0: it does not
 *	WAITERS		plain threads begin to wait, for a descriptor each that is
 *			ready as soon as it is armed
 *	SLEEPERS	tasks wait for a descriptor each, since before
 *	ASKERS		tasks that are there from the start begin to wait when they
 *			run, for a descriptor each that becomes ready some time,
 *	ASKS		so often
 *	PUTTERS		plain threads put a task each into the global queue
 *	PUTS		main puts so many
 *	BUSY		that task runs until main was told, who begins to wait
 *			when it runs, and has the monitor look: another worker
 *			has to watch
 *	LOOKS		the monitor looks so often before main's descriptor is
 *			ready
 *	STOPS		the runtime is stopped, while main waits. Without WORKERS:
 *			the thread ends, while others begin to wait
 *	STARTS		it was stopped before, and starts while the thread is on
 *			its way back to the set
 *	LATE		the thread tells main and the tasks, before there is any
 *			runtime; main starts one, and stops it when they have run
 *
 * At the end everybody was told, each task has run once, and never were two in the
 * set.
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
#include "plat/pollset.h"

#include <errno.h>

#define weft__stack_self() model_stack_self()
static weft__stack *model_stack_self(void);

#include "sched/queue.c"

#define weft__monitor_start() true
#define weft__monitor_stop() (void)0
#include "sched/runtime.c"
#undef weft__monitor_start
#undef weft__monitor_stop

#include "sched/worker.c"

#include "sched/monitor.c"

#define start poller_start
#include "sched/poller.c"
#undef start

#ifndef PROCS
#define PROCS 1
#endif
#ifndef WAITERS
#define WAITERS 0
#endif
#ifndef SLEEPERS
#define SLEEPERS 0
#endif
#ifndef ASKERS
#define ASKERS 0
#endif
#ifndef ASKS
#define ASKS 1
#endif
#ifndef PUTTERS
#define PUTTERS 0
#endif
#ifndef PUTS
#define PUTS 0
#endif
#ifndef BUSY
#define BUSY 0
#endif
#ifndef LOOKS
#define LOOKS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef STARTS
#define STARTS 0
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef MAIN
#define MAIN 1
#endif
#ifndef POLLER
#define POLLER THEIRS
#endif

enum {
	NEW = THEIRS + 1,
	THREADS = 6,
	TASKS = PUTTERS + PUTS + SLEEPERS + ASKERS,
	FIRST_ASKER = TASKS - ASKERS,
	ASKED_FOR = 1 + WAITERS + SLEEPERS,	/* the first of those */
	DESCRIPTORS = ASKED_FOR + ASKERS,	/* the first is main's */
	ENDED = 0x100,
	IN = 1,			/* what is waited for */
	LOOK_NS = 2000,		/* from one look at the clock to the next */
};

static struct {
	weft__worker *worker;	/* NULL: it is none */
	weft__stack stack;	/* of the task that it runs */
	weft_time now;
	void *end[5];
} threads[THREADS];

static weft__task tasks[TASKS + 1];
static weft__stack stack;	/* of the tasks that wait */
static weft__fd_waiter sleepers[SLEEPERS + 1];
static struct asker {
	weft__fd_waiter w;
	uint32_t asked;		/* atomic: so often */
} askers[ASKERS + 1];
static weft__fd_waiter mine;	/* main's */
static uint32_t taken[TASKS + 1];
static uint32_t ran;
static uint32_t busy, told;
static uint32_t wakes[WORKERS + 1];

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

static void end_thread(void)
{
	__builtin_longjmp(threads[model_self()].end, 1);
}

/*
 * The futex, for workers and the poller: who looks at the word after it has begun
 * to count the wakes misses none, like who is queued before it looks. ENDED: and
 * that is all.
 */
static uint32_t *wakes_of(const uint32_t *word)
{
	uint32_t i = 0;

	while (word != &poller.duty && word != &weft__rt.workers[i]->sleep)
		i++;
	return word == &poller.duty ? &wakes[WORKERS] : &wakes[i];
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
		end_thread();
	return true;
}

void weft__futex_wake(const uint32_t *word, int count)
{
	(void)count;
	weft_atomic_add(wakes_of(word), 1, release);
}

static void *poller_thread(void *unused)
{
	if (__builtin_setjmp(threads[model_self()].end) != 0)
		return NULL;
	return poller_main(unused);
}

int weft__thread_start(weft__thread *thread, const char *name,
		       void *(*run)(void *), void *arg)
{
	(void)name;
	return pthread_create(&thread->handle, NULL,
			      run == poller_main ? poller_thread : run, arg);
}

void weft__thread_join(const weft__thread *thread)
{
	pthread_join(thread->handle, NULL);
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

int weft__fork_watch(void)
{
	return 0;
}

/* ---- the set ---- */

/*
 * A word: which descriptors are ready, which are armed, and whether there is a ring
 * that was not told yet. What is told is so no more: ONESHOT, and the bell's edge.
 * A look that does not sleep may miss what comes meanwhile.
 */
enum {
	BELL = 1 << 16,
	SET_ENDED = 1 << 17,
};

#define READY(fd) (1u << (fd))
#define ARMED(fd) (1u << (fd) << 8)

static uint32_t set;
static uint32_t set_life;	/* plain: odd, it is open */
static uint64_t tags[DESCRIPTORS];	/* plain; 0: it is not in the set */
static int inside;		/* F7 */

const uint32_t weft__poll_always;

int weft__pollset_open(weft__pollset *p)
{
	p->epoll = DESCRIPTORS;
	p->bell = DESCRIPTORS + 1;
	model_check(set_life++ % 2 == 0);
	return 0;
}

void weft__pollset_close(weft__pollset *p)
{
	(void)p;
	model_check(set_life++ % 2 == 1);
}

static int arm_for_in(int fd, uint64_t tag)
{
	model_check(set_life % 2 == 1);
	if (tags[fd] != tag + 1)
		tags[fd] = tag + 1;
	weft_atomic_or(&set, ARMED(fd), acq_rel);
	return 0;
}

int weft__pollset_add(weft__pollset *p, int fd, uint32_t events, uint64_t tag)
{
	(void)p, (void)events;
	return tags[fd] != 0 ? -EEXIST : arm_for_in(fd, tag);
}

int weft__pollset_change(weft__pollset *p, int fd, uint32_t events, uint64_t tag)
{
	(void)p, (void)events;
	return tags[fd] == 0 ? -ENOENT : arm_for_in(fd, tag);
}

void weft__pollset_ring(weft__pollset *p)
{
	(void)p;
	model_check(set_life % 2 == 1);
	weft_atomic_or(&set, BELL, acq_rel);
}

int weft__poll_several(struct pollfd *fds, int count)
{
	uint32_t word = weft_atomic_load(&set, acquire);
	int found = 0;

	for (int i = 0; i < count; i++) {
		fds[i].revents = word & READY(fds[i].fd) ? IN : 0;
		found += fds[i].revents != 0;
	}
	return found;
}

/* A plain variable: who comes in without knowing of who was in before races. */
static void count_inside(int by)
{
	inside += by;
	model_check(inside <= 1);
}

/* What is not armed any more, or rung, once it is told. */
static uint32_t to_tell(uint32_t word)
{
	return (word & BELL) | ((word << 8) & word & 0xff00);
}

int weft__pollset_wait(weft__pollset *p, weft__pollset_event *events, int max,
		       weft_time deadline)
{
	uint32_t word, what;
	int n = 0;

	(void)p, (void)max;
	model_check(set_life % 2 == 1);
	count_inside(1);
	if (deadline == 0)
		word = weft_atomic_load(&set, acquire);
	else
		model_await((word = weft_atomic_load(&set, acquire)) & SET_ENDED ||
			    to_tell(word) != 0);
	if (deadline != 0 && word & SET_ENDED)
		end_thread();
	what = to_tell(word);
	if (what != 0)
		weft_atomic_and(&set, ~what, acq_rel);
	if (what & BELL)
		events[n++].tag = WEFT__POLLSET_BELL;
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (what & ARMED(fd))
			events[n++] = (weft__pollset_event){tags[fd] - 1, IN};
	count_inside(-1);
	return n;
}

/* ---- what else the files name ---- */

bool weft__thread_sleeps(int thread_id)
{
	(void)thread_id;
	return false;
}

weft_time weft__stack_trim(weft_time now)
{
	(void)now;
	return WEFT_NEVER;
}

/* No thread sleeps at a waiter here. */
uint32_t weft__claim_slow(weft__waiter *w, uint32_t outcome, uint32_t old)
{
	while (old < WEFT__PARKED_THREAD &&
	       !weft_atomic_cas(&w->state, &old, outcome, acq_rel, relaxed))
		;
	return old;
}

int weft__cpu_count(void)
{
	return PROCS;
}

int weft__thread_no_cancel(void)
{
	return 0;
}

void weft__thread_cancel_as(const int *before)
{
	(void)before;
}

void weft__fault_install(weft__fault_describe *describe)
{
	(void)describe;
}

void weft__thread_note_signals(void)
{
}

void weft__dump_prepare(void)
{
}

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
NEVER_CALLED(weft__task *, weft__task_alloc_slow, weft__worker *w)
NEVER_CALLED(void, weft__task_free_loose, weft__task *task)
NEVER_CALLED(_Noreturn void, weft_panic, const char *format, ...)
NEVER_CALLED(_Noreturn void, weft__fork_fail, void)
NEVER_CALLED(void, weft__wake_slow, weft__task *first, weft__task *last,
	     weft__waiter *w)
NEVER_CALLED(bool, weft__task_describe, uintptr_t address, char *text, size_t size)
NEVER_CALLED(void, weft__dump_if_asked, void)
NEVER_CALLED(void, weft__deadlock_look, void)
NEVER_CALLED(void, weft__pollset_remove, weft__pollset *p, int fd)
NEVER_CALLED(int, weft__close, int fd, int *rest)
NEVER_CALLED(void, weft__close_rest, int rest)

/* ---- waiting ---- */

static void begin(weft__fd_waiter *w, int fd)
{
	*w = (weft__fd_waiter){.fd = fd, .events = IN};
	weft__waiter_init(&w->waiter, NULL);
	model_check(weft__poller_begin(w) == 0);
}

static void end(weft__fd_waiter *w)
{
	model_await(weft_atomic_load(&w->waiter.state, acquire) ==
		    WEFT__NOTIFIED);
	model_check(w->waiter.result == IN);
	weft__poller_end(w);
	model_reuse(w, sizeof *w);	/* P2 */
}

static void *waiter(void *fd)
{
	weft__fd_waiter w;

	begin(&w, (int)(uintptr_t)fd);
	end(&w);
	return NULL;
}

/* It has parked already, and goes on when a worker takes it. */
static void begin_task(weft__task *task, weft__fd_waiter *w, int fd)
{
	task->stack = &stack;
	begin(w, fd);
	w->waiter.task = task;
	w->waiter.state = WEFT__PARKED_TASK;
}

/* ---- the tasks ---- */

/* Begins to wait. True: it is parked, and a worker takes it again. */
static bool ask(weft__task *task, struct asker *a)
{
	uint32_t waiting = WEFT__WAITING;

	task->stack = &stack;
	begin(&a->w, ASKED_FOR + (int)(a - askers));
	a->w.waiter.task = task;
	weft_atomic_store(&a->asked, a->asked + 1, release);
	return weft_atomic_cas(&a->w.waiter.state, &waiting, WEFT__PARKED_TASK,
			       acq_rel, acquire);
}

/* Was told, and reads what is there. */
static void read_asked(struct asker *a)
{
	uint32_t bit = READY(ASKED_FOR + (int)(a - askers));

	end(&a->w);
	model_check(weft_atomic_and(&set, ~bit, acq_rel) & bit);	/* F11 */
}

static void run_asker(weft__task *task, struct asker *a)
{
	if (a->asked > 0)
		read_asked(a);
	while (a->asked < ASKS) {
		if (ask(task, a))
			return;
		read_asked(a);
	}
	weft_atomic_add(&ran, 1, release);
}

static void run(weft__task *task)
{
	int i = (int)(task - tasks);

	if (i >= FIRST_ASKER) {
		run_asker(task, &askers[i - FIRST_ASKER]);
		return;
	}
	model_check(weft_atomic_xchg(&taken[i], 1, relaxed) == 0);
	if (i >= PUTTERS + PUTS)
		end(&sleepers[i - PUTTERS - PUTS]);
	if (BUSY) {
		weft_atomic_store(&busy, 1, release);
		model_await(weft_atomic_load(&told, acquire) == 1);
	}
	weft_atomic_add(&ran, 1, release);
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
	if (__builtin_setjmp(threads[model_self()].end) != 0)
		return NULL;
	while ((task = weft__worker_find(w, &room)) != NULL)
		run(task);
	return NULL;
}

static void *putter(void *task)
{
	weft__task_list list = {0};

	weft__task_list_push(&list, task);
	weft__queue_put(&list);
	return NULL;
}

static void *monitor(void *unused)
{
	for (int i = 0; i < LOOKS; i++)
		look_around(WEFT_SECOND);
	return unused;
}

/* ---- all of it ---- */

static void report(void)
{
}

/* Main's descriptor, and those of the tasks. */
static void get_ready(void)
{
	uint32_t all = READY(0);

	for (int i = 0; i < SLEEPERS; i++)
		all |= READY(1 + WAITERS + i);
	weft_atomic_or(&set, all, acq_rel);
}

static void begin_before(void)
{
	for (int i = 0; i < WAITERS; i++)
		set |= READY(1 + i);
	if (POLLER == THEIRS) {
		weft__pollset_open(&poller.set);
		poller.running = true;
		poller.duty = THEIRS;
		if (STOPS)
			weft__thread_start(&poller.thread, NULL, poller_main, NULL);
	}
	if (POLLER != NEW && (MAIN || POLLER == OURS))
		begin(&mine, 0);
	for (int i = 0; i < SLEEPERS; i++)
		begin_task(&tasks[PUTTERS + PUTS + i], &sleepers[i],
			   1 + WAITERS + i);
	if (ASKERS > 0)
		weft__rt.running = 1;	/* nobody is to start it */
	for (int i = 0; i < ASKERS; i++)
		(void)putter(&tasks[FIRST_ASKER + i]);
	if (!MAIN && POLLER == OURS) {	/* it has only started the thread */
		get_ready();
		end(&mine);
	}
}

/* What is asked for again becomes ready when it is. */
static void answer(void)
{
	for (uint32_t n = 1; n <= ASKS; n++)
		for (int i = 0; i < ASKERS; i++) {
			if (n > 1)
				model_await(weft_atomic_load(&askers[i].asked,
							     acquire) >= n);
			weft_atomic_or(&set, READY(ASKED_FOR + i), acq_rel);
		}
}

/* As start() of runtime.c does it. */
static void start_workers(void)
{
	weft__rt.procs = PROCS;
	for (uint32_t i = 0; i < WORKERS; i++)
		worker_new(i);
	weft__lock_take(&weft__rt.lock);
	for (int i = 0; i < WORKERS; i++)
		worker_start(false);
	update_room();
	weft__lock_drop(&weft__rt.lock);
	weft_atomic_store(&weft__rt.running, 1, seq_cst);
}

static int start_others(pthread_t thread[])
{
	int n = 0;

	for (int i = 0; i < PUTTERS; i++)
		pthread_create(&thread[n++], NULL, putter, &tasks[i]);
	for (int i = 0; i < WAITERS; i++)
		pthread_create(&thread[n++], NULL, waiter, (void *)(uintptr_t)(1 + i));
	if (LOOKS > 0)
		pthread_create(&thread[n++], NULL, monitor, NULL);
	return n;
}

static void stop_workers_and_start(void)
{
	bool before = model_choose(2) == 1;

	if (before)
		get_ready();
	weft__runtime_stop(report);
	if (STARTS)
		model_check(weft__runtime_start() == 0);
	if (!before)
		get_ready();
}

/* All workers but one sleep, and that one does not come back to look. */
static void wait_beside_busy(void)
{
	model_await(weft_atomic_load(&busy, acquire) == 1);
	begin(&mine, 0);
	look_around(WEFT_SECOND);	/* finds nothing yet */
	get_ready();
	end(&mine);
	weft_atomic_store(&told, 1, release);
}

/* Whoever sleeps now would do so for ever. */
static void end_threads(void)
{
	for (int i = 0; i <= WORKERS; i++)
		weft_atomic_or(&wakes[i], ENDED, release);
	weft_atomic_or(&set, SET_ENDED, release);
	for (int i = 0; i < WORKERS; i++)
		if (weft__rt.workers[i]->has_thread)
			weft__thread_join(&weft__rt.workers[i]->thread);
	if ((POLLER != THEIRS || STOPS) && poller.running)
		weft__thread_join(&poller.thread);
}

/* The thread ends while others begin to wait (F5), unless it is found to tell: F9. */
static void end_poller(pthread_t thread[], int n)
{
	weft__runtime_stop(report);
	while (n > 0)
		pthread_join(thread[--n], NULL);
	weft__runtime_stop(report);
	end_threads();
}

static void wait_and_end(pthread_t thread[], int n)
{
	if (POLLER == OURS)
		weft__poller_hand_over();
	for (int i = 0; i < PUTS; i++)
		(void)putter(&tasks[PUTTERS + i]);
	answer();
	if (BUSY)
		wait_beside_busy();
	if (LOOKS > 0)
		pthread_join(thread[--n], NULL);
	if (STOPS)
		stop_workers_and_start();
	else if (MAIN && POLLER != NEW)
		get_ready();
	while (n > 0)
		pthread_join(thread[--n], NULL);
	model_await(weft_atomic_load(&ran, acquire) == TASKS);
	if (MAIN && POLLER != NEW)
		end(&mine);
	end_threads();
}

static void start_late(void)
{
	get_ready();
	end(&mine);
	model_check(weft__runtime_start() == 0);
	model_await(weft_atomic_load(&ran, acquire) == TASKS);
	weft__runtime_stop(report);
	end_threads();
}

int main(void)
{
	pthread_t thread[THREADS];
	int n;

	begin_before();
	if (LATE) {
		start_late();
		return 0;
	}
	if (WORKERS > 0 && !STARTS)
		start_workers();
	n = start_others(thread);
	if (WORKERS > 0)
		wait_and_end(thread, n);
	else
		end_poller(thread, n);
	return 0;
}
