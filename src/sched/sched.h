/* SPDX-License-Identifier: MIT */
/*
 * Workers, stacks and tasks, as the files of this folder share them.
 *
 * A worker is a thread that runs loop() on some stack of the region. The loop
 * calls fresh tasks as functions. When a task parks, stack, loop frame and
 * task stay together as they are, and the worker goes on on another stack:
 * that of a task that is ready, or a spare one, which is one suspended in its
 * own loop(). So there are as many stacks as parked tasks, plus those that
 * run, plus spares; a task that has not begun has none.
 *
 * S1  A stack is run by at most one thread at a time, and self->worker is that
 *     thread's worker: it is written by whoever switches to the stack, before
 *     the switch. After a switch, or a call of a task, it may be another one:
 *     nothing read from a worker is kept across.
 * S2  A task that is ready is in exactly one queue: the next slot or ready
 *     ring of a worker, or the global queue. One that is fresh is in a
 *     worker's deque or the global queue.
 * S3  Every queue can be emptied by others while its worker is busy: the ring
 *     and the deque at any time, the next slot once the monitor has seen that
 *     its worker does not come back, or that worker has woken somebody for it.
 * S4  A worker goes to sleep only after it has announced that (seq_cst) and
 *     then looked into every queue once more; whoever puts a task in the
 *     global queue looks for sleepers (seq_cst) after that. So one of the two
 *     sees the other. A worker that fills its own queue does not pay for that
 *     order: it will look there itself, and should it block instead, others
 *     are awake for it by the second look of the monitor's, two ticks,
 *     whatever thieves thought of its tasks before. A look takes the runtime's
 *     lock between what it notes and its own look for sleepers: who has not
 *     announced by then finds the note.
 * S6  The runtime stops only with the global queue empty: who stops it clears
 *     running (seq_cst) and then looks there, who puts something in looks at
 *     running (seq_cst) after that. No worker meets it cleared, for starting
 *     would wait for who joins it: they are joined before it is, and the first,
 *     which is started before it is set, waits for that. Nobody else uses the
 *     runtime before; so if the monitor cannot be had then, there is nothing to
 *     be waited for. The monitor may meet it cleared in the moment it is
 *     started, and the poller at other times, and are not joined then: F9 of
 *     poller.c.
 * S7  A task that is pinned and ready is in the list of the worker it has
 *     parked on, which only that worker empties. The list is under the
 *     runtime's lock, as idle and live are: who puts a task in and finds the
 *     worker asleep wakes it; a worker that falls asleep, or leaves, looks
 *     there after it has said so. Nobody else is woken for it, nor lends it a
 *     place. A worker that has left has no thread to go back to: then the task
 *     goes to the global queue, and is pinned wherever it runs next.
 */
#ifndef WEFT_SRC_SCHED_SCHED_H
#define WEFT_SRC_SCHED_SCHED_H

#include "plat/context.h"
#include "plat/cpu.h"
#include "plat/fault.h"
#include "plat/lock.h"
#include "plat/stack.h"
#include "plat/thread.h"
#include "sched/deque.h"
#include "sched/depot.h"
#include "sched/panic.h"
#include "sched/ring.h"
#include "sched/task.h"
#include "sched/timer.h"

#include <weft/task.h>

/* Points of the scheduler's own: see weft/sim.h. */
#ifdef WEFT_SIM
#undef WEFT_PRIV_POINT_WHERE
#define WEFT_PRIV_POINT_WHERE 6
#endif

typedef struct weft__worker weft__worker;
typedef struct weft__stack weft__stack;

/* Tasks in a row; its functions are with the global queue, below. */
typedef struct {
	weft__task *first;
	weft__task *last;
	size_t count;
} weft__task_list;

/* What a trace has to remember of a task: trace.h. */
typedef struct {
	weft_time since;	/* it runs since then … */
	const char *reason;	/* … or waits, for that */
	uint32_t wakes;		/* how often it was woken … */
	bool woken;		/* … and that it was, just now */
} weft__trace_state;

/*
 * What a stack has at its top. What is touched of a task that is woken, and ends,
 * has one line of the cache: all to the first word of flow.
 */
struct weft__stack {
	weft__context context;
	weft__worker *worker;	/* S1 */
	weft__task *task;	/* atomic: who runs on it, NULL: the loop */
	weft__waiter *waiter;	/* atomic: what the task is parked on … */
	weft_time since;	/* atomic: … from that time on, coarsely */
	weft__stack *next;	/* in a list of spares */
	weft__flow flow;	/* the task's; all zero between tasks */
	union {
		weft__task copy;	/* the task until it waits, or for it:
					   call() */
		weft__batch batch;	/* of a spare: depot.h */
	};
	const char *name;	/* the task's name, NULL: none */
	weft__trace_state trace;
} __attribute__((aligned(WEFT__CACHE_LINE)));

struct weft__worker {
	/* What the worker itself uses all the time. */
	weft__task *next;	/* atomic: the task to run next; S3 */
	uint32_t next_streak;	/* how often in a row it came from there */
	uint32_t picks;		/* how often it has looked for a task */
	uint32_t tick;		/* atomic: odd while a task runs */
	weft__task *free_tasks;
	uint32_t free_task_count;
	uint32_t block_count;
	struct weft__block *blocks;	/* block.h */
	uint32_t spare_count;
	uint32_t crowd;		/* so many more ready ones are fetched ahead */
	weft__stack *spares;
	uint64_t started;	/* atomic: tasks started here … */
	uint64_t ended;		/* atomic: … and ended here */
	uint32_t random;
	uint32_t cold_spares;	/* the last so many were left long ago */
	int *errno_address;	/* of its thread */
	weft__exceptions *exceptions;	/* of its thread; NULL: no C++ here */
	uint32_t yielded;	/* a task did: so many others first */
	bool searching;		/* counted in runtime.searching */
	bool blocking;		/* between weft_blocking_begin and _end */
	int64_t stolen;		/* how many at its last steal of fresh ones … */
	weft_time stolen_at;	/* … when … */
	weft__worker *stolen_from;	/* … and from whom */
	int64_t weighed;	/* how many stolen ones it has run … */
	weft_duration weighed_for;	/* … in how long */
	uint64_t steals;	/* atomic: how often it has stolen … */
	uint64_t stolen_tasks;	/* atomic: … and how many */
	uint64_t sleeps;	/* atomic: how often it has slept … */
	uint64_t slept;		/* atomic: … and for how long */
	struct weft__trace_buffer *trace;	/* NULL: not traced */
	const weft__origin *origins[WEFT__RECENT];	/* of those started here
							   lately: task.c */
	weft__deque fresh;
	weft__ring ready;
	weft__batch *kept_spares;	/* a list besides … */
	weft__batch *kept_blocks;	/* … and one of blocks: depot.h */

	/* What others look at. */
	weft__timers timers __attribute__((aligned(WEFT__CACHE_LINE)));
	uint32_t sleep;		/* futex: 1 while it sleeps */
	uint32_t stuck;		/* atomic: others have its place */
	uint32_t tiny;		/* atomic: fresh ones are not worth stealing … */
	int64_t tiny_bottom;	/* atomic: … while this bottom moves … */
	uint32_t quick;		/* atomic: and ready ones are not … */
	uint32_t quick_tick;	/* atomic: … while this tick moves */
	uint32_t stale_tick;	/* atomic: the same at two of its looks */
	int32_t eager;		/* atomic: it may have so many others woken … */
	uint32_t eager_tick;	/* atomic: … and last did, in the task of then */
	uint32_t seen_tick;	/* the monitor's last look … */
	weft_time seen_since;	/* … and since when it was the same */
	uint32_t judged_tick;	/* how long its tasks are was last … */
	uint64_t judged_slept;
	weft_time judged_at;	/* … decided then */
	weft_time needed_at;	/* atomic: when it last had a long queue; 0: that
				   was given back … */
	uint64_t started_before;	/* … and started when it last slept */
	weft__worker *idle_next;	/* in runtime.idle */
	bool idle;
	weft__task_list pinned;	/* ready, to run here only: S7 … */
	uint32_t pinned_count;	/* atomic: … how many */
	bool live;		/* counted in runtime.live_count */
	bool has_thread;	/* to be joined */
	weft__thread thread;
	int thread_id;		/* atomic */
	weft__context thread_context;	/* of the thread's own stack */
	bool leaving;		/* its thread is to end */

	/* The thieves'. */
	weft_time watched_at __attribute__((aligned(WEFT__CACHE_LINE)));
				/* atomic: since when one has watched it … */
	uint32_t watched_tick;	/* atomic: … and its tick then */
};

enum {
	WEFT__WORKERS_MAX = 256,
	/*
	 * So often in a tick a worker may have another one woken for what is in
	 * its next slot, and each time it helps; once only if it did not.
	 */
	WEFT__EAGER_MOST = 4,
	WEFT__COLOURS = 8,		/* of stacks: see weft__stack_at() */
	WEFT__COLOUR_BYTES = 128,
	WEFT__TASK_NAMED = 8,		/* its stack has its name */
	WEFT__TASK_PIN = 0x100,		/* times how often it is pinned */
};

/* ---- the runtime: runtime.c ---- */

typedef struct {
	/* Read by all, written seldom. */
	uint32_t room __attribute__((aligned(WEFT__CACHE_LINE)));
				/* atomic: one more worker could run */
	uint32_t searching;	/* atomic: workers looking for work */
	uint32_t running;	/* atomic: the worker threads are there */
	uint32_t stopping;	/* atomic: they leave when nothing is to do */
	uint32_t worker_count;	/* atomic: of workers[] in use */
	uint32_t procs;		/* how many should run at a time */
	bool traced;		/* since before the first worker: trace.h */
	weft_time now;		/* atomic: the coarse time, see census.h */
	weft__worker *workers[WEFT__WORKERS_MAX];

	/* Under lock: who sleeps, who is stuck. */
	weft__lock lock;
	weft__worker *idle;
	weft__worker *watcher;	/* sleeps at the descriptors, or NULL */
	uint32_t live_count;	/* workers with a thread */
	uint32_t idle_count;
	uint32_t stuck_count;
	bool closed;		/* no more threads: all are joined */
	bool no_threads;	/* none could be had this tick */
	uint32_t monitor_word;	/* futex: weft__monitor_state */
	uint32_t monitor_stop;	/* futex: 1: leave */
	weft__thread monitor;
	weft__timers timers;	/* of plain threads; the monitor runs them */
} weft__runtime;

extern WEFT__OURS weft__runtime weft__rt;

/* What a task is parked on that has yielded: it has been claimed. */
extern weft__waiter weft__yielded;

extern const uint32_t weft__layout[];	/* see layout.c */

/* What a worker calls first: S6. False: there is no monitor; leave. */
bool weft__runtime_let_in(void);

/* The calling worker has nothing to do: sleep. False: leave, for good. */
bool weft__runtime_idle(weft__worker *w);

/* Some queue has more than its worker can take on: have another worker run. */
WEFT_PRIV_COLD void weft__runtime_wake_worker(void);

/* Have a pinned task run where it must: S7. And take one of w's, or NULL. */
WEFT_PRIV_COLD void weft__runtime_push_pinned(weft__task *task);
WEFT_PRIV_COLD weft__task *weft__runtime_take_pinned(weft__worker *w);

/* A worker that was stuck is back. */
WEFT_PRIV_COLD void weft__runtime_unstick(weft__worker *w);
/* w blocks, or was seen to, in the task of that tick. */
WEFT_PRIV_COLD void weft__runtime_stick(weft__worker *w, uint32_t tick);

/* If nobody watches the descriptors, have one of those who sleep do it. */
void weft__runtime_want_watcher(void);

/* Perhaps threads can be had again. */
void weft__runtime_retry_threads(void);

/* Every worker is stuck, and another could not be had. */
bool weft__runtime_starves(void);

/* More workers run than should: this one may sleep, or leave work alone. */
bool weft__runtime_surplus(void);

/* Does a task wait that others than its worker should run, or any of w's? */
bool weft__runtime_has_work(weft__worker *w);

/* What nobody has needed for so long is given back. */
#define WEFT__TRIM_AFTER (1 * WEFT_SECOND)

/*
 * The monitor's: give back memory of queues, of workers that sleep.
 * Returns when to call it again; WEFT_NEVER: not before some worker has run.
 */
weft_time weft__runtime_trim(weft_time now);

/*
 * Stop and join the worker threads, once nothing can run, and the monitor; call
 * report. False, without that: a plain thread has made a task ready meanwhile.
 */
bool weft__runtime_stop(void (*report)(void));

/* ---- the monitor: monitor.c ---- */

enum weft__monitor_state {
	WEFT__MONITOR_AWAKE,
	WEFT__MONITOR_DEEP,	/* asleep until somebody wakes it … */
	WEFT__MONITOR_TOLD,	/* … and is to look for a deadlock in a while */
};

bool weft__monitor_start(void);
void weft__monitor_stop(void);
/* When the next of all timers is due. */
weft_time weft__timers_next(void);
/* It has a timer to look at. */
void weft__monitor_rouse(void);
/* It sleeps deeply, and a plain thread parks: perhaps the last one, K3. */
WEFT_PRIV_COLD void weft__monitor_tell(weft_time deadline);

/* ---- workers: worker.c ---- */

void *weft__worker_main(void *worker);

/*
 * The next task for w, sleeping until there is one; in *room if it has not begun
 * and has no memory of its own. NULL: leave. First from its own queues, where others
 * have their turn now and then, NULL if there is none; then from anywhere.
 */
weft__task *weft__worker_find_own(weft__worker *w, weft__task *room);
weft__task *weft__worker_find_more(weft__worker *w, weft__task *room);

static inline weft__task *weft__worker_find(weft__worker *w, weft__task *room)
{
	weft__task *task = weft__worker_find_own(w, room);

	return likely(task != NULL) ? task : weft__worker_find_more(w, room);
}
void weft__worker_push_ready(weft__worker *w, weft__task *task);
/*
 * May a task of w's let those run that w has not begun? Not if others that are
 * ready would be put off by it.
 */
bool weft__worker_may_help(weft__worker *w);
bool weft__worker_has_work(weft__worker *w);
/*
 * A worker has more fresh tasks than it can take on at once, or more ready ones:
 * others may help.
 */
void weft__worker_hint_fresh(weft__worker *w);
void weft__worker_hint_ready(weft__worker *w);
/*
 * w does not come back from its task, perhaps for long, and those who steal from
 * it may be busy with a part: what is ready there, and some of what is fresh,
 * goes where all look now and then.
 */
void weft__worker_hand_over(weft__worker *w);
/* What thieves think of w was true a tick ago: let them look anew. */
void weft__worker_forget_weight(weft__worker *w);

/* ---- the global queue: queue.c ---- */

static inline void weft__task_list_push(weft__task_list *list, weft__task *task)
{
	task->next = NULL;
	if (list->last != NULL)
		list->last->next = task;
	else
		list->first = task;
	list->last = task;
	list->count++;
}

static inline weft__task *weft__task_list_pop(weft__task_list *list)
{
	weft__task *task = list->first;

	if (task != NULL) {
		list->first = task->next;
		if (list->first == NULL)
			list->last = NULL;
		list->count--;
	}
	return task;
}

/* Move the list there, and see to it that somebody runs it (S4, S6). */
void weft__queue_put(weft__task_list *list);
/* The same for one; apart, so that those who seldom do it make no list. */
__attribute__((noinline)) void weft__queue_put_one(weft__task *task);
/* The same for ready ones, at least one, at the cost of one. */
void weft__queue_put_ready(weft__task_list *list);
/* Take up to count: ready ones, then fresh ones, each in their order. */
weft__task_list weft__queue_take(size_t count);
/* The oldest fresh one, or NULL. */
weft__task *weft__queue_take_fresh(void);
size_t weft__queue_count(void);	/* seq_cst */

/* weft__ready() for several, none of them pinned. */
void weft__ready_all(weft__task_list *tasks);

/* ---- stacks and switching: switch.c ---- */

/* The one that address is on. */
static inline weft__stack *weft__stack_at(uintptr_t address)
{
	uintptr_t n = address / WEFT__STACK_BYTES;
	/* Coloured, so that the tops of all stacks do not share cache sets. */
	uintptr_t colour = n % WEFT__COLOURS;
	char *p = (char *)(n * WEFT__STACK_BYTES - colour * WEFT__COLOUR_BYTES);

	/* The constant last: so the compiler sees that this is not NULL. */
	return (weft__stack *)(p + WEFT__STACK_BYTES - sizeof(weft__stack));
}

/* The stack that the caller runs on, NULL on a plain thread. */
static inline weft__stack *weft__stack_self(void)
{
	uintptr_t sp = weft__cpu_stack_pointer();

	if (!weft__stack_holds(sp))
		return NULL;
	return weft__stack_at(sp);
}

/* weft__flow_mark() of who runs on self, NULL: on a plain thread. */
static inline uint32_t weft__flow_mark_on(const weft__stack *self)
{
	uintptr_t base = weft_atomic_load(&weft__stacks.base, relaxed);

	if (unlikely(self == NULL))
		return weft__flow_mark();
	return (uint32_t)(((uintptr_t)self - base) / WEFT__STACK_BYTES) + 1;
}

/* weft__guard_begin() and _end() of who runs on self, likewise. */
static inline void weft__guard_begin_on(weft__stack *self)
{
	if (likely(self != NULL))
		self->flow.guards++;
	else
		weft__guard_begin();
}

static inline void weft__guard_end_on(weft__stack *self)
{
	if (likely(self != NULL))
		self->flow.guards--;
	else
		weft__guard_end();
}

/* Park self's task on w, alone or not (P5). Returns the outcome. */
uint32_t weft__task_park(weft__stack *self, weft__waiter *w, bool alone);
uint32_t weft__task_park_timed(weft__stack *self, weft__waiter *w,
			       weft_time deadline);

/* Let self's task sleep. */
void weft__task_sleep(weft__stack *self, const weft__why *why, weft_time end);

/* A stack suspended in its loop: a spare, or a new one, or NULL. */
weft__stack *weft__stack_get(weft__worker *w);
/* End the calling task where it is: its frames are gone, for good. */
_Noreturn WEFT_PRIV_COLD void weft__stack_abandon(void);
static inline bool weft__task_pinned(const weft__task *task)
{
	return task->flags >= WEFT__TASK_PIN;
}

/* Give the spares that w keeps to all. */
void weft__stack_flush(weft__worker *w);

/*
 * The monitor's: give memory of stacks back that nobody has needed lately, a
 * part of it each time. Returns when to call it again; WEFT_NEVER: not before
 * some worker has run.
 */
weft_time weft__stack_trim(weft_time now);

/* ---- memory of tasks: taskpool.c ---- */

/* w has no free one, or is NULL: a plain thread. */
weft__task *weft__task_alloc_slow(weft__worker *w);

static inline weft__task *weft__task_alloc(weft__worker *w)
{
	weft__task *task = w != NULL ? w->free_tasks : NULL;

	if (unlikely(task == NULL))
		return weft__task_alloc_slow(w);
	w->free_tasks = task->next;
	w->free_task_count--;
	__builtin_prefetch(task->next, 1);	/* the next one's line */
	return task;
}

void weft__task_free(weft__worker *w, weft__task *task);
/* For who is no worker, or not of it. */
void weft__task_free_loose(weft__task *task);
void weft__task_flush(weft__worker *w);

/* How many tasks were started by plain threads. */
uint64_t weft__started_outside(void);

/* Who runs on the stack that holds address; false: it is on none. */
bool weft__task_describe(uintptr_t address, char *text, size_t size);

/* ---- timers ---- */

void weft__timers_add(weft__timers *timers, weft__timer *timer, weft_time when,
		      void (*fire)(weft__timer *, weft__wakeups *));
/* Make task ready then, which is off its stack: T3. */
void weft__timers_add_nap(weft__timers *timers, weft__task *task, weft_time end);

/* Count without a locked instruction: one writer, many readers. */
static inline void weft__bump_by(uint64_t *counter, uint64_t n)
{
	weft_atomic_store(counter, weft_atomic_load(counter, relaxed) + n,
			  relaxed);
}

static inline void weft__bump(uint64_t *counter)
{
	weft__bump_by(counter, 1);
}

#endif
