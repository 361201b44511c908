/* SPDX-License-Identifier: MIT */
/*
 * Stacks, and the switches between them: the loop that runs tasks, parking and
 * yielding.
 */
#include "sched/block.h"
#include "sched/fork.h"
#include "sched/park.h"
#include "sched/pick.h"
#include "sched/sched.h"
#include "sched/trace.h"

#include <string.h>

enum {
	SPARES_LIST = 16,	/* in each list that a worker makes */
	YIELD_TO = 64,		/* tasks that one yield lets run, at most */
	DEPOT_KEPT = 256,	/* stacks that stay there for the next load */
	TRIM_BATCHES = 8,	/* given back by one look of the monitor */
	FETCH_SPARE_BYTES = 512,	/* of a stack that is about to be used */
};

/* Stacks for all workers, each suspended in its loop, or new. */
static weft__depot depot;

_Static_assert((int)SPARES_LIST <= (int)WEFT__STACK_BATCH,
	       "no list is too long to be given back");
/* For a report that comes upon the task as it ends: census.c reads no more of it. */
_Static_assert(sizeof(weft__batch) <= offsetof(weft__task, object),
	       "the batch of a spare leaves its last task's object and site");

/* Where a stack begins: R1 of trace.h. */
static void loop(void *stack);
static void traced_loop(void *stack);

static void begin_in_loop(weft__stack *s, char *low)
{
	weft__context_init(&s->context, low + WEFT__GUARD_BYTES, s,
			   weft__rt.traced ? traced_loop : loop, s);
}

/* ---- spare stacks ---- */

/* w's list is long enough. */
static WEFT_PRIV_COLD void spares_keep(weft__worker *w)
{
	w->spares->batch.count = w->spare_count;
	weft__depot_keep(&depot, &w->kept_spares, &w->spares->batch);
	w->spares = NULL;
	w->spare_count = 0;
}

static void spare_push(weft__worker *w, weft__stack *s)
{
	if (unlikely(w->spare_count >= SPARES_LIST))
		spares_keep(w);
	s->next = w->spares;
	w->spares = s;
	w->spare_count++;
}

void weft__stack_flush(weft__worker *w)
{
	if (w->spares != NULL)
		spares_keep(w);
	weft__depot_keep(&depot, &w->kept_spares, NULL);
}

static weft__stack *stack_new(char *low)
{
	weft__stack *s = weft__stack_at((uintptr_t)low);

	*s = (weft__stack){0};
	begin_in_loop(s, low);
	return s;
}

/* Few at a time while there are few, so that a small program stays small. */
static void carve_spares(weft__worker *w)
{
	size_t have = weft__stack_count();
	int want = have == 0 ? 1 : have < 4 ? 2
		   : have < WEFT__STACK_BATCH / 2 ? (int)have
						  : WEFT__STACK_BATCH / 2;
	char *low[WEFT__STACK_BATCH];
	int got = weft__stack_carve(low, want);

	while (got-- > 0)
		spare_push(w, stack_new(low[got]));
}

static weft__stack *first_of(weft__batch *b)
{
	return b != NULL ? weft__container(b, weft__stack, batch) : NULL;
}

/* Another list, when w has come to the end of its own. */
static WEFT_PRIV_COLD void spares_take(weft__worker *w)
{
	bool cold = w->kept_spares == NULL;
	weft__batch *b = weft__depot_take_kept(&depot, &w->kept_spares);

	w->spare_count = b != NULL ? (uint32_t)b->count : 0;
	w->cold_spares = cold ? w->spare_count : 0;
	w->spares = first_of(b);
	if (b == NULL)
		carve_spares(w);
}

/* The next one was left long ago: have it when it is needed. */
static __attribute__((noinline)) void spares_fetch(weft__worker *w)
{
	char *top = (char *)w->spares;

	w->cold_spares = w->spare_count;
	if (top == NULL)
		return;
	for (int i = -FETCH_SPARE_BYTES; i <= 0; i += WEFT__CACHE_LINE)
		__builtin_prefetch(top + i, 1);
}

weft__stack *weft__stack_get(weft__worker *w)
{
	weft__stack *s;

	if (unlikely(w->spares == NULL))
		spares_take(w);
	s = w->spares;
	if (unlikely(s == NULL))
		return NULL;
	w->spares = s->next;
	if (unlikely(--w->spare_count < w->cold_spares))
		spares_fetch(w);
	return s;
}

/* ---- giving memory back: the monitor's ---- */

/* They were finished to be given back; as new ones they stay after all. */
static void keep_batch(char *low[], int count)
{
	weft__stack *list = NULL, *s;

	for (int i = 0; i < count; i++) {
		s = stack_new(low[i]);
		s->next = list;
		list = s;
	}
	list->batch.count = (size_t)count;
	weft__depot_give(&depot, &list->batch);
}

/* False: there is nothing left to give, or no memory to note it in. */
static bool give_back_batch(void)
{
	char *low[WEFT__STACK_BATCH];
	weft__batch *b;
	int n = 0;

	while ((b = depot.cut) != NULL && n + b->count <= WEFT__STACK_BATCH) {
		depot.cut = b->below;
		for (weft__stack *s = first_of(b); s != NULL; s = s->next) {
			weft__context_fini(&s->context);
			low[n++] = (char *)weft__stack_low((uintptr_t)s);
		}
	}
	if (n == 0 || weft__stack_give_back(low, n))
		return n > 0;
	keep_batch(low, n);
	return false;
}

weft_time weft__stack_trim(weft_time now)
{
	if (depot.cut == NULL)
		return weft__depot_trim(&depot, DEPOT_KEPT, now);
	for (int i = 0; i < TRIM_BATCHES && give_back_batch(); i++)
		;
	return now;
}

/* ---- commits: on the stack that was switched to, for the one left ---- */

static void commit_spare(void *stack, void *worker)
{
	weft__worker *w = worker;

	spare_push(w, stack);
}

static void push_ready(weft__worker *w, weft__task *task)
{
	if (unlikely(weft__task_pinned(task)))
		weft__runtime_push_pinned(task);
	else
		weft__worker_push_ready(w, task);
}

static inline void commit(weft__waiter *w, weft__worker *worker, uint32_t parked)
{
	uint32_t state = WEFT__WAITING;

	/* P3. Release: the task's context is there for who resumes it. */
	if (!weft_atomic_cas(&w->state, &state, parked, release, acquire))
		push_ready(worker, w->task);
}

void weft__commit_park(void *waiter, void *worker)
{
	commit(waiter, worker, WEFT__PARKED_TASK);
}

void weft__commit_park_alone(void *waiter, void *worker)
{
	commit(waiter, worker, WEFT__PARKED_ALONE);
}

/* T3 */
static void commit_sleep(void *waiter, void *worker)
{
	weft__waiter *w = waiter;
	weft__worker *on = worker;

	weft_atomic_store(&w->state, WEFT__ASLEEP, release);
	weft__timers_add_nap(&on->timers, w->task, w->end);
}

static const weft__why yield_why = {.text = "yield", .object = WEFT__OF_NOTHING};

weft__waiter weft__yielded = {.state = WEFT__NOTIFIED, .why = &yield_why};

/* For a census, like that of parking; P3 holds, as it comes after the switch. */
static void commit_yield(void *stack, void *worker)
{
	weft__stack *s = stack;

	weft_atomic_store(&s->since, weft_atomic_load(&weft__rt.now, relaxed),
			  release);	/* N3 */
	weft_atomic_store(&s->waiter, &weft__yielded, release);
	push_ready(worker, s->task);
}

/* The thread's own stack goes on, the loop it leaves is spare. */
static void commit_leave(void *stack, void *unused)
{
	weft__stack *s = stack;

	(void)unused;
	s->next = NULL;
	s->batch.count = 1;
	weft__depot_give(&depot, &s->batch);
}

/* The frames on it are no more: it begins anew. */
static void commit_abandoned(void *stack, void *worker)
{
	char *low = (char *)weft__stack_low((uintptr_t)stack);
	weft__stack *s = stack;

	weft__context_fini(&s->context);
	begin_in_loop(s, low);
	commit_spare(s, worker);
}

static void commit_nothing(void *unused, void *unused_too)
{
	(void)unused;
	(void)unused_too;
}

/* ---- the loop ---- */

static void tick(weft__worker *w, uint32_t by)
{
	weft_atomic_store(&w->tick, w->tick + by, relaxed);
}

/* A task has left its last frame but ours, in whatever way. */
static inline void ended(weft__stack *self)
{
	weft__task *task = self->task;
	weft__worker *w = self->worker;	/* S1: perhaps another one */

	weft_atomic_store(&self->task, NULL, relaxed);
	self->flow.mutexes = 0;
	w->blocking = false;
	weft__bump(&w->ended);
	if (unlikely(task->flags & WEFT__TASK_NAMED))
		self->name = NULL;
	if (!(task->flags & WEFT__TASK_EMBEDDED))
		weft__task_free(w, task);
}

/* It did not return: weft_exit(), or a thread's own pthread_exit(). */
static inline void left(const bool *returned)
{
	if (unlikely(!*returned))
		weft__stack_abandon();
}

/*
 * An embedded task's memory may be gone as soon as its function says so, and most
 * that were in a deque have none: to queues and waiters the copy on the stack
 * stands for it.
 */
static inline __attribute__((always_inline)) void
call(weft__stack *self, weft__task *task, bool traced)
{
	__attribute__((cleanup(left))) bool returned = false;
	bool embedded = task->flags & WEFT__TASK_EMBEDDED;

	tick(self->worker, 1);
	if (embedded && task != &self->copy)
		self->copy = *task;
	weft_atomic_store(&self->task, embedded ? &self->copy : task, relaxed);
	if (traced)
		weft__trace_run(self);
	task->entry(task);
	returned = true;
	tick(self->worker, 1);
	if (traced)
		weft__trace_end(self, "returned");
	ended(self);
}

/* A part of the loop, as parking is of its caller: park.h. */
static inline __attribute__((always_inline)) void resume(weft__stack *self,
							 weft__task *task)
{
	weft__stack *to = task->stack;
	weft__worker *w = self->worker;

	tick(w, 1);
	to->worker = w;
	weft__context_switch(&self->context, &to->context, commit_spare, self,
			     w);
	/* A worker whose task has parked goes on here. */
	tick(self->worker, 1);
}

static void leave(weft__stack *self)
{
	weft__worker *w = self->worker;

	w->leaving = true;
	weft__context_switch(&self->context, &w->thread_context, commit_leave,
			     self, NULL);
	/* Some worker goes on here, having left a task. */
	tick(self->worker, 1);
}

static inline __attribute__((always_inline)) void
run_loop(weft__stack *self, bool traced)
{
	weft__task *task;

	tick(self->worker, 1);
	for (;;) {
		task = weft__worker_find(self->worker, &self->copy);
		if (task == NULL)
			leave(self);
		else if (task->stack == NULL)
			call(self, task, traced);
		else
			resume(self, task);
	}
}

static void loop(void *stack)
{
	run_loop(stack, false);
}

static void traced_loop(void *stack)
{
	run_loop(stack, true);
}

/* ---- the worker's thread ---- */

/*
 * Leave the thread's own stack for to, and come back when w leaves for good or
 * has no other stack to go on with. The tick is odd on the way, like that of a
 * worker whose task parks: who lands makes it even.
 */
static void leave_thread(weft__worker *w, weft__stack *to)
{
	tick(w, 1);
	to->worker = w;
	weft__context_switch(&w->thread_context, &to->context, commit_nothing,
			     NULL, NULL);
	if (!w->leaving)
		tick(w, 1);
}

/*
 * A fresh task without a stack to run it on: it runs here, on the thread's own
 * stack, and is a plain thread to whatever it calls. Should it wait, this
 * thread sleeps; slower, not wrong.
 */
static void enter(void *arg)
{
	weft__task *task = arg;

	if (task->object != NULL)
		weft__guard_begin();	/* ends with the try */
	task->entry(task);
}

static void call_on_thread(weft__worker *w, weft__task *task)
{
	bool embedded = task->flags & WEFT__TASK_EMBEDDED;

	tick(w, 1);
	weft__try_exit(enter, task);
	tick(w, 1);
	weft__bump(&w->ended);
	if (!embedded)
		weft__task_free(w, task);
}

/* What loop() does, where no stack can be had for it. */
static void run_on_thread(weft__worker *w)
{
	weft__task room, *task = weft__worker_find(w, &room);

	if (task == NULL)
		w->leaving = true;
	else if (task->stack == NULL)
		call_on_thread(w, task);
	else
		leave_thread(w, task->stack);
}

void *weft__worker_main(void *worker)
{
	/* Untouched till there is one, unless the compiler probes or clears it. */
	weft__signal_stack for_signals;
	weft__worker *w = worker;
	weft__stack *to;

	if (!weft__runtime_let_in())	/* S6 */
		return NULL;
	weft_atomic_store(&w->thread_id, weft__thread_id(), relaxed);
	w->errno_address = weft__errno_address();
	w->exceptions = weft__exceptions_self();
	weft__thread_prepare(&for_signals);
	weft__thread_take_signals();
	weft__context_init_thread(&w->thread_context);
	w->leaving = false;
	while (!w->leaving) {
		to = weft__stack_get(w);
		if (likely(to != NULL))
			leave_thread(w, to);
		else
			run_on_thread(w);
	}
	weft__stack_flush(w);
	weft__task_flush(w);
	weft__block_flush(w);
	weft__thread_unprepare();
	return NULL;
}

/* ---- leaving a task's stack ---- */

/*
 * Where w goes on when its task leaves: on a ready task's stack, in a loop, or,
 * when there is no stack, on that of its thread.
 */
static inline __attribute__((always_inline)) const weft__context *
choose_next(weft__worker *w)
{
	weft__stack *to;
	weft__task *task = NULL;

	if (unlikely(weft_atomic_load(&w->stuck, relaxed)))
		weft__fork_check();	/* and to the loop, which sees to it */
	else
		task = weft__worker_take_ready(w);
	to = task != NULL ? task->stack : weft__stack_get(w);
	if (unlikely(to == NULL))
		return &w->thread_context;
	if (task != NULL)
		tick(w, 2);
	to->worker = w;
	return &to->context;
}

/* The same where it would take more room than it saves time. */
static __attribute__((noinline)) const weft__context *next_context(weft__worker *w)
{
	return choose_next(w);
}

/* Beside a waiter, so that one without has less to be fetched when it wakes. */
typedef struct {
	weft__timer timer;
	weft__waiter *waiter;
} timeout;

static void fire_timeout(weft__timer *timer, weft__wakeups *wakeups)
{
	weft__claim(weft__container(timer, timeout, timer)->waiter,
		    WEFT__TIMEDOUT, wakeups);
}

/*
 * What belongs to a thread and must follow the task that leaves it: errno, and
 * the exceptions of C++ that are being thrown or handled. The next task begins
 * with none of those, and who has had none finds none where it lands.
 */
typedef struct {
	int errno_value;
	weft__exceptions exceptions;
} thread_state;

static inline thread_state state_leave(weft__worker *w)
{
	thread_state state = {.errno_value = *w->errno_address};

	if (w->exceptions != NULL) {
		state.exceptions = *w->exceptions;
		*w->exceptions = (weft__exceptions){0};
	}
	return state;
}

/* On the worker that the task has come to. */
static inline void state_land(weft__worker *w, const thread_state *state)
{
	*w->errno_address = state->errno_value;
	if (w->exceptions != NULL)
		*w->exceptions = state->exceptions;
}

/*
 * Self's task waits for the first time and gets memory of its own, if there is
 * any: who is to wake it, and the queues that it then goes through, do not have to
 * touch a page of its stack for it.
 */
static __attribute__((noinline)) weft__task *settle(weft__stack *self,
						    weft__worker *w)
{
	weft__task *task = weft__task_alloc(w);

	if (task == NULL)
		return self->task;
	*task = self->copy;
	task->flags &= ~(uint32_t)WEFT__TASK_EMBEDDED;
	weft_atomic_store(&self->task, task, relaxed);
	return task;
}

/* What is the same for all who wait, before the switch. */
static inline void note_wait(weft__stack *self, weft__waiter *w)
{
	w->task = self->task;
	if (w->task == &self->copy)
		w->task = settle(self, self->worker);
	w->task->stack = self;
	weft_atomic_store(&self->since, weft_atomic_load(&weft__rt.now, relaxed),
			  release);	/* N3 */
	weft_atomic_store(&self->waiter, w, relaxed);
}

static inline void check_mutexes(const weft__stack *self, const weft__waiter *w)
{
	if (unlikely(self->flow.mutexes != 0) && !weft__task_pinned(self->task))
		weft__debug_report(w->why);
}

static inline __attribute__((always_inline)) uint32_t
park(weft__stack *self, weft__waiter *w, weft_time deadline,
     void (*commit)(void *, void *))
{
	bool timed = commit == weft__commit_park && deadline != WEFT_NEVER;
	weft__worker *worker = self->worker;
	const weft__context *to;
	thread_state state;
	timeout t;

	check_mutexes(self, w);
	to = next_context(worker);
	state = state_leave(worker);
	note_wait(self, w);
	if (timed) {
		t.waiter = w;
		weft__timers_add(&worker->timers, &t.timer, deadline,
				 fire_timeout);
	}
	weft__context_switch(&self->context, to, commit, w, worker);
	weft__go_on(self);
	if (timed)
		weft__timer_stop(&t.timer);
	state_land(self->worker, &state);
	return weft_atomic_load(&w->state, acquire);
}

weft__departure weft__task_depart(weft__stack *self, weft__waiter *w)
{
	weft__worker *worker = self->worker;
	weft__departure d;

	check_mutexes(self, w);
	d.to = choose_next(worker);
	d.errno_value = *worker->errno_address;
	note_wait(self, w);
	return d;
}

/* Out of the way of those that are not traced. */
static WEFT_PRIV_COLD uint32_t park_traced(weft__stack *self, weft__waiter *w,
					   weft_time deadline)
{
	uint32_t outcome;

	weft__trace_park(self, w);
	outcome = park(self, w, deadline, weft__commit_park);
	weft__trace_go_on(self);
	return outcome;
}

/* Apart, so that who has neither saves nothing for a deadline or exceptions. */
uint32_t weft__task_park_timed(weft__stack *self, weft__waiter *w,
			       weft_time deadline)
{
	if (unlikely(weft__rt.traced))
		return park_traced(self, w, deadline);
	return park(self, w, deadline, weft__commit_park);
}

uint32_t weft__task_park(weft__stack *self, weft__waiter *w, bool alone)
{
	if (unlikely(weft__keeps_more(self)))
		return weft__task_park_timed(self, w, WEFT_NEVER);
	return weft__task_park_here(self, w, alone ? weft__commit_park_alone
						   : weft__commit_park);
}

void weft__task_sleep(weft__stack *self, const weft__why *why, weft_time end)
{
	weft__waiter w;

	w.state = WEFT__WAITING;
	w.why = why;
	w.end = end;
	park(self, &w, end, commit_sleep);
}

void weft__stack_abandon(void)
{
	weft__stack *self = weft__stack_self();
	weft__worker *w = self->worker;
	const weft__context *to;

	if (unlikely(weft__rt.traced))
		weft__trace_end(self, "left");
	ended(self);
	memset(&self->flow, 0, sizeof self->flow);
	to = next_context(w);
	(void)state_leave(w);
	weft__context_abandon(to, commit_abandoned, self, w);
}

/* Let at most count others run that would come after the caller. */
static inline __attribute__((always_inline)) void yield(weft__stack *self,
							uint32_t count)
{
	weft__worker *w = self->worker;
	const weft__context *to;
	thread_state state;

	w->yielded = count;
	to = next_context(w);
	state = state_leave(w);
	self->task->stack = self;
	weft__context_switch(&self->context, to, commit_yield, self, w);
	weft__go_on(self);
	state_land(self->worker, &state);
}

static WEFT_PRIV_COLD void yield_traced(weft__stack *self)
{
	weft__trace_yield(self);
	yield(self, YIELD_TO);
	weft__trace_go_on(self);
}

void weft_yield(void)
{
	weft__stack *self = weft__stack_self();

	if (self == NULL) {
		weft__thread_yield();
		return;
	}
	WEFT_PRIV_YIELD();
	if (!weft__worker_has_work(self->worker) && weft__queue_count() == 0)
		return;
	if (unlikely(weft__rt.traced))
		yield_traced(self);
	else
		yield(self, YIELD_TO);
}

/* ---- letting others run first ---- */

bool weft__task_help(size_t count)
{
	weft__stack *self = weft__stack_self();

	if (self == NULL || unlikely(weft__rt.traced) ||
	    unlikely(self->flow.mutexes != 0 || weft__task_pinned(self->task)) ||
	    !weft__worker_may_help(self->worker))
		return false;
	yield(self, count < YIELD_TO ? (uint32_t)count : YIELD_TO);
	return true;
}

/* ---- staying on a thread ---- */

void weft_pin(void)
{
	weft__stack *self = weft__stack_self();

	if (self != NULL)
		self->task->flags += WEFT__TASK_PIN;
}

void weft_unpin(void)
{
	weft__stack *self = weft__stack_self();

	if (self == NULL)
		return;
	if (!weft__task_pinned(self->task))
		weft_panic("weft_unpin without weft_pin");
	self->task->flags -= WEFT__TASK_PIN;
}
