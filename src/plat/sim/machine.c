/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/sim/machine.h"

#include "base/trap.h"
#include "plat/cpu.h"
#include "plat/sim/choice.h"
#include "plat/stack.h"
#include "plat/unwind.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	STEP_NS = 10,		/* passes from point to point … */
	YIELD_NS = 200,		/* … with a yield … */
	CLOCK_NS = 500,		/* … and with a look at the clock: some only look */
	LATE_NS = 1000000,	/* so late everybody may be for a deadline … */
	LATE_ONE_IN = 8192,	/* … but seldom is */
	POLL_EVERY = 64,	/* steps */
	POLL_MS = 1000,		/* of real time, for what comes from outside */
	IDLE_JUMPS = 10000,	/* of the clock with no thread but one awake … */
	IDLE_PATIENCE = 100,	/* … so many of which it is awake in time */
	IDLE_SHARE = 64,	/* and how much later it is with each from then on */
	STEPS_MAX = 20000000,
	SETTLE_STEPS = 100000,
	PROCS_LEAST = 2,
	PROCS_MOST = 4,
	STACK_BYTES = WEFT__STACK_BYTES,
	GUARD_BYTES = 4096,
};

static struct {
	bool active;
	bool inside;		/* in the machine itself: M3 */
	uint64_t steps;
	uint64_t steps_max;
	uint64_t points;	/* those where the running thread may be preempted */
	uint32_t procs;
	bool scheduler;		/* … the scheduler's own are among them */
	weft_time now;
	weft_time next_deadline;	/* nobody blocked has an earlier one */
	weft__sim_thread *current;
	weft__sim_thread *threads;	/* by their numbers */
	weft__sim_thread *ended;	/* on its stack until others run */
	uint32_t started;
	uint32_t runnable;
	uint32_t pollers;
	uint64_t idle_jumps;
	weft_duration idle_late;
	weft__sim_thread *idle_thread;
	bool idle_library;	/* … is weft's own */
	bool trace;
	void *place;		/* where the running thread called the machine */
	bool others_ran;	/* than idle_thread, since the clock jumped */
	void (*stuck)(const char *what);
	bool reporting;		/* … is what it does */
	weft__sim_thread first;
} machine;

uint64_t *weft__sim_pulse;

/* Of the real thread: does it run the simulated ones? */
static _Thread_local bool runs_world;

bool weft__sim_active(void)
{
	if (machine.active && !runs_world)
		weft__fatal("weft-sim: called by a thread that the world has "
			    "not started: see weft/sim.h");
	return machine.active && !machine.inside;
}

bool weft__sim_reporting(void)
{
	return machine.reporting;
}

weft__sim_thread *weft__sim_self(void)
{
	return machine.current;
}

weft__sim_thread *weft__sim_threads(void)
{
	return machine.threads;
}

weft_time weft__sim_now(void)
{
	return machine.now;
}

uint64_t weft__sim_steps(void)
{
	return machine.steps;
}

uint64_t weft__sim_points(void)
{
	return machine.points;
}

uint32_t weft__sim_procs(void)
{
	return machine.procs;
}

static _Noreturn void stuck(const char *what)
{
	machine.reporting = true;
	machine.stuck(what);
	abort();
}

/* ---- from thread to thread ---- */

static void commit_nothing(void *unused, void *unused_too)
{
	(void)unused;
	(void)unused_too;
}

/* What the sanitizers want to know of the stack that is being left. */
static void describe_stack(weft__sim_thread *self)
{
#if WEFT__ASAN
	uintptr_t sp = weft__cpu_stack_pointer();

	self->context.low = self->stack_low;
	self->context.size_bytes = self->stack_bytes;
	if (weft__stack_holds(sp)) {
		self->context.low = (char *)weft__stack_low(sp) +
				    WEFT__GUARD_BYTES;
		self->context.size_bytes = WEFT__STACK_USABLE_BYTES;
	}
#endif
#if WEFT__TSAN
	self->context.fiber = __tsan_get_current_fiber();
#endif
	(void)self;
}

/* A thread that has ended is on its stack until another one runs. */
static void release(weft__sim_thread *t)
{
	weft__context_fini(&t->context);
#if WEFT__ASAN
	/* Its last frames were never left. */
	__asan_unpoison_memory_region(t->stack_low, t->stack_bytes);
#endif
	munmap(t->memory, STACK_BYTES + GUARD_BYTES);
	free(t);
}

static void release_ended(void)
{
	weft__sim_thread *t = machine.ended;

	machine.ended = NULL;
	if (t != NULL)
		release(t);
}

static void switch_to(weft__sim_thread *to)
{
	weft__sim_thread *self = machine.current;
	weft__exceptions *exceptions = weft__exceptions_self();

	if (to == self)
		return;
	self->errno_value = weft__errno_get();
	if (exceptions != NULL)
		self->exceptions = *exceptions;
	describe_stack(self);
	machine.current = to;
	machine.others_ran |= to != machine.idle_thread;
	weft__context_switch(&self->context, &to->context, commit_nothing, NULL,
			     NULL);
	weft__errno_set(self->errno_value);
	if (exceptions != NULL)
		*exceptions = self->exceptions;
	release_ended();
}

/* ---- who can run ---- */

static void make_runnable(weft__sim_thread *t, bool timed_out)
{
	machine.pollers -= t->epoll >= 0;
	machine.runnable++;
	t->state = WEFT__SIM_RUNNABLE;
	t->timed_out = timed_out;
	t->key = NULL;
	t->deadline = WEFT_NEVER;
	t->epoll = -1;
	weft__sim_choice_woken();
}

/* Wake those whose deadline has come, and find the next one. */
static void expire(void)
{
	machine.next_deadline = WEFT_NEVER;
	for (weft__sim_thread *t = machine.threads; t != NULL; t = t->next) {
		if (t->state != WEFT__SIM_BLOCKED)
			continue;
		if (t->deadline <= machine.now)
			make_runnable(t, true);
		else if (t->deadline < machine.next_deadline)
			machine.next_deadline = t->deadline;
	}
}

static void pass(weft_duration ns)
{
	machine.now += ns;
	if (machine.now < machine.next_deadline &&
	    machine.next_deadline - machine.now < LATE_NS &&
	    weft__sim_chance(LATE_ONE_IN))
		machine.now = machine.next_deadline;
	if (machine.now >= machine.next_deadline)
		expire();
}

/* Wake those whose descriptors are ready, or become so in that time. */
static void look_at_descriptors(int milliseconds)
{
	int saved_errno = weft__errno_get();

	for (weft__sim_thread *t = machine.threads; t != NULL; t = t->next) {
		struct pollfd set = {.fd = t->epoll, .events = POLLIN};

		if (t->state == WEFT__SIM_BLOCKED && t->epoll >= 0 &&
		    poll(&set, 1, milliseconds) > 0)
			make_runnable(t, false);
	}
	weft__errno_set(saved_errno);
}

static weft_time first_deadline(const weft__sim_thread *but)
{
	weft_time first = WEFT_NEVER;

	for (weft__sim_thread *t = machine.threads; t != NULL; t = t->next)
		if (t != but && t->state == WEFT__SIM_BLOCKED &&
		    t->deadline < first)
			first = t->deadline;
	return first;
}

/*
 * The monitor looks again and again at a worker whose task blocks it: should
 * nobody else have run for long, and nobody else's deadline be to come, then
 * nobody else ever will. If there is one, each look is later than the last
 * by a share, so that an hour takes about a thousand of them. A thread of the
 * user's that does so has its reasons.
 */
static void jump(void)
{
	weft_time others = first_deadline(machine.idle_thread);
	weft_time then = machine.next_deadline;

	if (machine.others_ran || !machine.idle_library)
		machine.idle_jumps = 0;
	if (machine.idle_jumps++ < IDLE_PATIENCE)
		machine.idle_late = 0;
	else if (others != WEFT_NEVER)
		machine.idle_late +=
			(then - machine.now + machine.idle_late) / IDLE_SHARE;
	else if (machine.idle_jumps > IDLE_JUMPS)
		stuck("deadlock");
	machine.others_ran = false;
	machine.now = others - then < machine.idle_late
			      ? others
			      : then + machine.idle_late;
	expire();
	for (weft__sim_thread *t = machine.threads; t != NULL; t = t->next)
		if (t->state == WEFT__SIM_RUNNABLE) {
			machine.idle_thread = t;
			machine.idle_library = t->library;
		}
}

/* Everybody sleeps. */
static void idle(void)
{
	look_at_descriptors(0);
	if (machine.runnable > 0)
		return;
	if (machine.next_deadline != WEFT_NEVER) {
		jump();
		return;
	}
	if (machine.pollers > 0)
		look_at_descriptors(POLL_MS);
	if (machine.runnable == 0)
		stuck("deadlock");
}

/* WEFT_SIM_TRACE: the place is that of the call into the machine. */
static void show_switch(weft__sim_kind kind, const weft__sim_thread *to)
{
	static const char *const why[] = {"is preempted at", "sleeps at",
					  "yields at"};
	const weft__sim_thread *self = machine.current;
	char where[128];

	weft__unwind_describe(machine.place, where, sizeof where);
	fprintf(stderr,
		"weft-sim: step %" PRIu64 ": %" PRIu32 " \"%s\" %s %s; "
		"%" PRIu32 " \"%s\" goes on\n",
		machine.steps, self->id, self->name, why[kind], where, to->id,
		to->name);
}

/*
 * Change to the thread that is chosen. The running one, if it can run, is the
 * first alternative, or the last if it has yielded; the others come in the
 * order of their numbers, from its own on.
 */
static void reschedule(weft__sim_kind kind, const volatile void *address,
		       unsigned int point)
{
	weft__sim_thread *self = machine.current, *t;
	weft__sim_alternatives a = {
		.kind = kind,
		.address = (uintptr_t)address,
		.point = point,
	};

	while (machine.runnable == 0)
		idle();
	a.n = machine.runnable;
	a.threads = malloc(a.n * sizeof(weft__sim_thread *));
	if (a.threads == NULL)
		stuck("no memory");
	a.n = 0;
	if (kind == WEFT__SIM_PREEMPT)
		a.threads[a.n++] = self;
	for (t = self->next; t != NULL; t = t->next)
		if (t->state == WEFT__SIM_RUNNABLE)
			a.threads[a.n++] = t;
	/* A detached one that ends is in the list no more. */
	for (t = machine.threads; t != NULL && t->id < self->id; t = t->next)
		if (t->state == WEFT__SIM_RUNNABLE)
			a.threads[a.n++] = t;
	if (kind != WEFT__SIM_PREEMPT && self->state == WEFT__SIM_RUNNABLE)
		a.threads[a.n++] = self;
	t = a.threads[weft__sim_choose(&a)];
	free(a.threads);
	if (machine.trace && t != self)
		show_switch(kind, t);
	switch_to(t);
}

/* ---- points ---- */

static void step(weft_duration ns)
{
	if (++machine.steps > machine.steps_max)
		stuck("it does not end");
	if (weft__sim_pulse != NULL)
		++*weft__sim_pulse;
	pass(ns);
	if (machine.pollers > 0 && machine.steps % POLL_EVERY == 0)
		look_at_descriptors(0);
}

void weft_sim_point_at(const volatile void *address, unsigned int kind)
{
	if (!weft__sim_active())
		return;
	machine.inside = true;
	machine.place = __builtin_return_address(0);
	step(STEP_NS);
	if ((machine.scheduler || !(kind & WEFT__SIM_SCHEDULER)) &&
	    weft__sim_choice_wanted(machine.current, ++machine.points,
				    machine.runnable == 1))
		reschedule(WEFT__SIM_PREEMPT, address, kind);
	machine.inside = false;
}

void weft_sim_point(void)
{
	weft_sim_point_at(NULL, WEFT__SIM_WRITES);
}

bool weft_sim_inside(void)
{
	return machine.active;
}

uint32_t weft_sim_choose(uint32_t n)
{
	weft__sim_alternatives a = {.kind = WEFT__SIM_VALUE, .n = n};

	return weft__sim_active() && n > 1 ? weft__sim_choose(&a) : 0;
}

weft_time weft__sim_clock(void)
{
	if (weft__sim_active()) {
		machine.inside = true;
		pass(CLOCK_NS);
		machine.inside = false;
		weft_sim_point_at(NULL, 0);
	}
	return machine.now;
}

static void yield(unsigned int point, void *place)
{
	if (!weft__sim_active())
		return;
	machine.inside = true;
	machine.place = place;
	step(YIELD_NS);
	weft__sim_choice_yields(machine.current);
	if (machine.runnable > 1)
		reschedule(WEFT__SIM_YIELD, NULL, point);
	machine.inside = false;
}

void weft__sim_yield(void)
{
	yield(WEFT__SIM_LIBRARY, __builtin_return_address(0));
}

void weft__sim_yield_of_user(void)
{
	yield(0, __builtin_return_address(0));
}

/* ---- sleeping and waking ---- */

static bool block(const void *key, weft_time deadline, int epoll,
		  const char *reason)
{
	weft__sim_thread *self = machine.current;

	self->state = WEFT__SIM_BLOCKED;
	self->key = key;
	self->deadline = deadline;
	self->epoll = epoll;
	self->reason = reason;
	machine.runnable--;
	machine.pollers += epoll >= 0;
	if (deadline < machine.next_deadline)
		machine.next_deadline = deadline;
	if (deadline <= machine.now)
		expire();
	reschedule(WEFT__SIM_SWITCH, NULL, 0);
	return !self->timed_out;
}

bool weft__sim_block(const void *key, weft_time deadline, const char *reason)
{
	bool woken;

	machine.inside = true;
	machine.place = __builtin_return_address(0);
	woken = block(key, deadline, -1, reason);
	machine.inside = false;
	return woken;
}

bool weft__sim_block_epoll(int epoll, weft_time deadline)
{
	bool woken;

	machine.inside = true;
	woken = block(NULL, deadline, epoll, "descriptors");
	machine.inside = false;
	return woken;
}

static weft__sim_thread *sleeper(const void *key, uint32_t which)
{
	weft__sim_thread *t = machine.threads;

	for (; t != NULL; t = t->next)
		if (t->state == WEFT__SIM_BLOCKED && t->key == key &&
		    which-- == 0)
			return t;
	return NULL;
}

static uint32_t sleepers(const void *key)
{
	uint32_t n = 0;

	for (weft__sim_thread *t = machine.threads; t != NULL; t = t->next)
		n += t->state == WEFT__SIM_BLOCKED && t->key == key;
	return n;
}

static void wake(const void *key, uint32_t count)
{
	uint32_t n = sleepers(key);
	weft__sim_alternatives a = {.kind = WEFT__SIM_VALUE};

	for (; n > 0 && count > 0; n--, count--) {
		a.n = n;
		make_runnable(sleeper(key, count < n ? weft__sim_choose(&a) : 0),
			      false);
	}
}

void weft__sim_wake(const void *key, uint32_t count)
{
	machine.inside = true;
	wake(key, count);
	machine.inside = false;
}

/* ---- threads ---- */

static void append(weft__sim_thread *t)
{
	weft__sim_thread **end = &machine.threads;

	while (*end != NULL)
		end = &(*end)->next;
	*end = t;
	t->id = machine.started++;
	t->epoll = -1;
	t->deadline = WEFT_NEVER;
	machine.runnable++;
	weft__sim_choice_started(t);
}

static void drop(weft__sim_thread *t)
{
	weft__sim_thread **link = &machine.threads;

	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
}

static void entry(void *thread)
{
	weft__sim_thread *t = thread;
	weft__exceptions *exceptions = weft__exceptions_self();

	weft__errno_set(0);
	if (exceptions != NULL)
		*exceptions = (weft__exceptions){0};
	release_ended();
	machine.inside = false;
	weft__sim_exit(t->run(t->arg));
}

static weft__sim_thread *thread_new(void)
{
	weft__sim_thread *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->memory = mmap(NULL, STACK_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->memory == MAP_FAILED) {
		free(t);
		return NULL;
	}
	mprotect(t->memory, GUARD_BYTES, PROT_NONE);
	t->stack_low = t->memory + GUARD_BYTES;
	t->stack_bytes = STACK_BYTES;
	return t;
}

weft__sim_thread *weft__sim_start(const char *name, void *(*run)(void *),
				  void *arg)
{
	int saved_errno = weft__errno_get();
	weft__sim_thread *t;

	machine.inside = true;
	t = thread_new();
	if (t != NULL) {
		t->run = run;
		t->arg = arg;
		snprintf(t->name, sizeof t->name, "%s", name);
		weft__context_init(&t->context, t->stack_low,
				   t->stack_low + STACK_BYTES, entry, t);
		append(t);
	}
	machine.inside = false;
	weft__errno_set(saved_errno);
	weft_sim_point();
	return t;
}

void weft__sim_exit(void *result)
{
	weft__sim_thread *self = machine.current;

	machine.inside = true;
	self->result = result;
	self->state = WEFT__SIM_ENDED;
	machine.runnable--;
	if (self->detached) {
		drop(self);
		machine.ended = self;
	} else {
		wake(self, UINT32_MAX);
	}
	reschedule(WEFT__SIM_SWITCH, NULL, 0);
	__builtin_unreachable();
}

void *weft__sim_join(weft__sim_thread *t)
{
	void *result;

	machine.inside = true;
	while (t->state != WEFT__SIM_ENDED)
		(void)block(t, WEFT_NEVER, -1, "thread to end");
	result = t->result;
	drop(t);
	release(t);
	machine.inside = false;
	return result;
}

void weft__sim_detach(weft__sim_thread *t)
{
	t->detached = true;
	if (t->state == WEFT__SIM_ENDED) {
		drop(t);
		release(t);
	}
}

/* ---- the world ---- */

/* Its stack is that of the caller's thread. */
static void first_thread(void)
{
	weft__sim_thread *t = &machine.first;
	pthread_attr_t attr;
	void *low;

	*t = (weft__sim_thread){.name = "main"};
	if (pthread_getattr_np(pthread_self(), &attr) == 0) {
		pthread_attr_getstack(&attr, &low, &t->stack_bytes);
		t->stack_low = low;
		pthread_attr_destroy(&attr);
	}
	machine.current = t;
	append(t);
}

/* What is on its way gets where it is going: nothing is lost half done. */
static void settle(void)
{
	uint64_t end = machine.steps + SETTLE_STEPS;

	while (machine.runnable > 1 && machine.steps < end)
		weft__sim_yield();
}

/* Three who are in each other's way need three workers; two are found sooner. */
static uint32_t usual_procs(void)
{
	const weft__sim_plan *plan = &weft__sim_planned;

	return plan->mode == WEFT_SIM_EXHAUSTIVE
		       ? PROCS_LEAST
		       : PROCS_LEAST + (uint32_t)(plan->seed %
						  (PROCS_MOST - PROCS_LEAST + 1));
}

void weft__sim_world(const weft_sim *options, void (*fn)(void *), void *arg,
		     void (*stuck_)(const char *what))
{
	const char *trace = getenv("WEFT_SIM_TRACE");

	memset(&machine, 0, sizeof machine);
	machine.now = WEFT_SECOND;
	machine.next_deadline = WEFT_NEVER;
	machine.steps_max = options->steps != 0 ? options->steps : STEPS_MAX;
	machine.procs = options->procs != 0 ? options->procs : usual_procs();
	machine.scheduler = options->scheduler;
	machine.trace = trace != NULL && *trace != 0 && strcmp(trace, "0") != 0;
	machine.stuck = stuck_;
	weft__sim_choice_begin();
	first_thread();
	runs_world = true;
	machine.active = true;
	fn(arg);
	settle();
	machine.active = false;
}
