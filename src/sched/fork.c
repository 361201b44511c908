/* SPDX-License-Identifier: MIT */
#include "sched/fork.h"

#include "base/trap.h"
#include "sched/block.h"
#include "sched/census.h"
#include "sched/lot.h"
#include "sched/sched.h"
#include "sched/span.h"

#include <errno.h>

uint32_t weft__fork_mark;
uint32_t weft__fork_heard;
static uint32_t watched;	/* atomic */

/*
 * What was in the parent is not to be had here. A task that waits, yields or
 * ends looks whether its worker is stuck before it goes on, and is caught there:
 * that costs the others nothing. Who starts a task or wakes one looks whether
 * there is room for another worker, and that the runtime runs.
 */
static void lose_runtime(void)
{
	weft__stack *self = weft__stack_self();

	weft_atomic_store(&weft__fork_mark, 1, relaxed);
	weft_atomic_store(&weft__rt.running, 0, relaxed);
	weft_atomic_store(&weft__rt.room, 0, relaxed);
	weft__rt.lock = (weft__lock){0};	/* for who counts */
	weft__blocks = (weft__depot){0};	/* for flights that nobody shares */
	weft__rt.traced = weft__spans = false;
	if (self != NULL)
		weft_atomic_store(&self->worker->stuck, 1, relaxed);
}

/* In the child, on the thread or task that has called fork(). */
static void in_child(void)
{
	weft__lot_in_child();	/* K1 */
	weft__census_in_child();
	weft__copies_in_child();
	if (weft_atomic_load(&watched, relaxed))
		lose_runtime();
}

/* Two at a time ask twice: what is new in the child is made new again. */
int weft__fork_hear(void)
{
	if (weft__thread_at_fork(in_child) != 0)
		return -ENOMEM;
	weft_atomic_store(&weft__fork_heard, 1, relaxed);
	return 0;
}

int weft__fork_watch(void)
{
	weft_atomic_store(&watched, 1, relaxed);
	return weft_atomic_load(&weft__fork_heard, relaxed) ? 0
							    : weft__fork_hear();
}

void weft__fork_fail(void)
{
	weft__fatal("weft: used in the child of a fork: its tasks and workers "
		    "are in the parent; exec, or start weft after the fork");
}
