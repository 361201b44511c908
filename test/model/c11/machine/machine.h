/* SPDX-License-Identifier: MIT */
/*
 * What the harnesses of the primitives stand on, included once by each: the
 * real waiters and the real parking lot, on a small scheduler and futex.
 */
#ifndef WEFT_TEST_MODEL_MACHINE_H
#define WEFT_TEST_MODEL_MACHINE_H

#include "../explore.h"
#include "kernel.h"
#include "sched/sched.h"

#include "sched/lot.c"
#include "sched/waiter.c"

/* Nobody panics or exits. */
void weft__guard_begin(void)
{
}

void weft__guard_end(void)
{
}

/* ---- tasks ---- */

enum { MODEL_THREADS_MAX = 8 };

struct weft__stack {
	weft__task task;
	uint32_t ready;		/* atomic: how often it was made ready … */
	uint32_t resumed;	/* … and went on */
	int registers;		/* plain: what a switch saves, and loads again */
};

static struct weft__stack model_stacks[MODEL_THREADS_MAX];

weft__stack *weft__stack_self(void)
{
#ifdef MODEL_THREADS_ONLY
	return NULL;
#else
	return &model_stacks[model_self()];
#endif
}

/* The switch, commit_park…() of switch.c, and the resumption by a worker. */
uint32_t weft__task_park(weft__stack *self, weft__waiter *w, bool alone)
{
	uint32_t parked = alone ? WEFT__PARKED_ALONE : WEFT__PARKED_TASK;
	uint32_t state = WEFT__WAITING;

	w->task = &self->task;
	w->task->stack = self;
#ifndef MARKED_BEFORE_SWITCH
	self->registers++;	/* saved by the switch */
#endif
	if (!weft_atomic_cas(&w->state, &state, parked, release, acquire))
		return state;
#ifdef MARKED_BEFORE_SWITCH
	self->registers++;
#endif
	self->resumed++;
	model_await(weft_atomic_load(&self->ready, acquire) == self->resumed);
	return weft_atomic_load(&w->state, acquire);
}

uint32_t weft__task_park_timed(weft__stack *self, weft__waiter *w,
			       weft_time deadline)
{
	(void)deadline;
	return weft__task_park(self, w, false);
}

/* Whoever reads PARKED_TASK may resume it: P3. So the registers are there. */
void weft__ready(weft__task *task)
{
	task->stack->registers++;
	weft_atomic_add(&task->stack->ready, 1, release);
}

void weft__ready_all(weft__task_list *tasks)
{
	for (weft__task *task = tasks->first, *next; task != NULL; task = next) {
		next = task->next;
		weft__ready(task);
	}
}

void weft__runtime_push_pinned(weft__task *task)
{
	weft__ready(task);
}

/* ---- misuse ---- */

#define MODEL_WRONG(what)                                                      \
	do {                                                                   \
		model_check(!what);                                            \
		__builtin_unreachable();                                       \
	} while (0)

/* Nobody here lets time pass. */
void weft__task_sleep(weft__stack *self, const weft__why *why, weft_time end)
{
	(void)self, (void)why, (void)end;
	MODEL_WRONG("sleep");
}

_Noreturn void weft__fatal(const char *format, ...)
{
	(void)format;
	MODEL_WRONG("fatal");
}

_Noreturn void weft_panic(const char *format, ...)
{
	(void)format;
	MODEL_WRONG("panic");
}

#endif
