/* SPDX-License-Identifier: MIT */
/* Panics in the tasks of a group, where nobody catches them. */
#include "test.h"

#include <weft/group.h>
#include <weft/panic.h>
#include <weft/waitgroup.h>

#include <stdio.h>
#include <stdlib.h>

static int panic_now(weft_ctx *ctx, void *unused)
{
	(void)ctx;
	(void)unused;
	weft_panic("in a group");
}

static void wait_and_leave(weft_group *g)
{
	weft_group_wait(g);
	_Exit(3);	/* the wait was let go while the process died */
}

TEST_TRAP(group_task_that_panics_ends_the_process_and_no_wait,
	  "panic: in a group\n\ntask ")
{
	weft_group g;

	weft_group_init(&g, NULL);
	weft_group_go(&g, panic_now, NULL);
	wait_and_leave(&g);
}

TEST_TRAP(group_wait_raises_a_panic_that_nobody_catches,
	  "panic: in a group\n\nthread ")
{
	weft_group g = {0};

	weft_group_set_panic(&g, WEFT_PANIC_PROPAGATE);
	weft_group_go(&g, panic_now, NULL);
	wait_and_leave(&g);
}

static void wait_for(void *wg)
{
	weft_waitgroup_wait(wg);
	_Exit(3);
}

static void panic_in_waitgroup(void *unused)
{
	(void)unused;
	weft_panic("in a wait group");
}

TEST_TRAP(waitgroup_task_that_panics_ends_the_process_and_no_wait,
	  "panic: in a wait group\n")
{
	weft_waitgroup wg = {0};

	CHECK_EQ(weft_waitgroup_go(&wg, panic_in_waitgroup, NULL), 0);
	wait_for(&wg);
}

TEST_TRAP(group_fini_prints_a_panic_that_no_wait_has_raised,
	  "weft: a group ended with a panic that no wait has raised: "
	  "in a group\n0x")
{
	weft_group g = {0};
	weft_panic_info info;

	weft_group_set_panic(&g, WEFT_PANIC_PROPAGATE);
	weft_group_go(&g, panic_now, NULL);
	test_until(weft_group_panic(&g, &info));
	weft_group_fini(&g);
	abort();
}
