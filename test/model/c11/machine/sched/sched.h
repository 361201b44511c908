/* SPDX-License-Identifier: MIT */
/*
 * In place of src/sched/sched.h, for src/sched/waiter.c: a scheduler in which
 * every thread of the harness is a task with a worker of its own, which runs
 * nothing else. A task that is ready is so for its worker's eyes alone.
 *
 * With MODEL_THREADS they are plain threads instead, and sleep in the futex of
 * machine.h. With MODEL_REAL_SCHED it is that file, for the scheduler's own text.
 */
#ifdef MODEL_REAL_SCHED
#include "../../../../../src/sched/sched.h"
#else
#ifndef WEFT_TEST_MODEL_SCHED_H
#define WEFT_TEST_MODEL_SCHED_H

#include "../../explore.h"
#include "sched/task.h"

typedef struct weft__stack weft__stack;

typedef struct {
	weft__task *first;
	weft__task *last;
	size_t count;
} weft__task_list;

static const struct {
	bool traced;
} weft__rt;

/* Of the calling thread; NULL: it is no task. */
weft__stack *weft__stack_self(void);
#define weft__flow_mark_on(self) weft__flow_mark()
#define weft__guard_begin_on(self) weft__guard_begin()
#define weft__guard_end_on(self) weft__guard_end()
uint32_t weft__task_park(weft__stack *self, weft__waiter *w, bool alone);
uint32_t weft__task_park_timed(weft__stack *self, weft__waiter *w,
			       weft_time deadline);
void weft__ready_all(weft__task_list *tasks);
void weft__runtime_push_pinned(weft__task *task);

static inline bool weft__task_pinned(const weft__task *task)
{
	(void)task;
	return false;
}

static inline void weft__task_list_push(weft__task_list *list, weft__task *task)
{
	task->next = list->first;
	list->first = task;
	list->count++;
}

#endif
#endif
