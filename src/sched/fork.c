/* SPDX-License-Identifier: MIT */
#include "sched/fork.h"

#include "base/trap.h"
#include "sched/sched.h"

#include <errno.h>

uint32_t weft__fork_mark;

/*
 * In the child, on the thread or task that has called fork(). A task that
 * waits, yields or ends looks whether its worker is stuck before it goes on,
 * and is caught there: that costs the others nothing. Who starts a task or
 * wakes one looks whether there is room for another worker, and that the
 * runtime runs.
 */
static void in_child(void)
{
	weft__stack *self = weft__stack_self();

	weft_atomic_store(&weft__fork_mark, 1, relaxed);
	weft_atomic_store(&weft__rt.running, 0, relaxed);
	weft_atomic_store(&weft__rt.room, 0, relaxed);
	weft__rt.traced = false;
	if (self != NULL)
		weft_atomic_store(&self->worker->stuck, 1, relaxed);
}

int weft__fork_watch(void)
{
	static weft__lock lock;
	static bool watched;

	weft__lock_take(&lock);
	if (!watched)
		watched = weft__thread_at_fork(in_child) == 0;
	weft__lock_drop(&lock);
	return watched ? 0 : -ENOMEM;
}

void weft__fork_fail(void)
{
	weft__fatal("weft: used in the child of a fork: its tasks and workers "
		    "are in the parent; exec, or start weft after the fork");
}
