/* SPDX-License-Identifier: MIT */
/* Panics in the tasks of a group, where nobody catches them. */
#include "test.h"

#include <weft/flight.h>
#include <weft/group.h>
#include <weft/once.h>
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

/* ---- flights ---- */

static int panic_in_flight(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)arg;
	(void)value;
	weft_panic("in a flight");
}

static void catch_it(void *flight)
{
	weft_flight_do_ctx(flight, NULL, weft_key_u64(1), panic_in_flight,
			   NULL);
}

TEST_TRAP(flight_that_aborts_on_panic_ends_the_process_though_a_caller_would_catch,
	  "panic: in a flight\n\ntask ")
{
	weft_flight f = {.abort_on_panic = true};

	weft_try(catch_it, &f, NULL);
	_Exit(3);
}

TEST_TRAP(flight_panic_that_no_caller_catches_ends_the_process,
	  "panic: in a flight\n\nthread ")
{
	weft_flight f = {0};

	catch_it(&f);
}

TEST_TRAP(flight_do_chan_wants_a_channel,
	  "panic: flight: the channel is not one of weft_result\n")
{
	weft_flight f = {0};

	weft_flight_do_chan(&f, weft_key_u64(1), panic_in_flight, NULL, NULL);
}

TEST_TRAP(flight_do_chan_wants_a_channel_of_results,
	  "panic: flight: the channel is not one of weft_result\n")
{
	weft_flight f = {0};
	weft_chan c;

	CHECK_EQ(weft_chan_init(&c, 4, 1), 0);
	weft_flight_do_chan(&f, weft_key_u64(1), panic_in_flight, NULL, &c);
}

/* ---- drops that panic ---- */

static void panic_in_drop(void *unused)
{
	(void)unused;
	weft_panic("in a drop");
}

static int store(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	weft_panic("in a flight");
}

static void ask(void *flight)
{
	weft_flight_do(flight, weft_key_u64(1), store, flight);
}

TEST_TRAP(flight_drop_that_panics_ends_the_process_though_a_caller_would_catch,
	  "panic: in a drop\n\nthread ")
{
	weft_flight f = {.drop = panic_in_drop};

	weft_try(ask, &f, NULL);
	_Exit(3);
}

static void do_nothing(void *unused)
{
	(void)unused;
}

static void call_once(void *func)
{
	weft_once_func_call(func);
}

TEST_TRAP(once_drop_that_panics_ends_the_process_though_a_caller_would_catch,
	  "panic: in a drop\n\nthread ")
{
	weft_once_func f;

	weft_once_func_init_drop(&f, do_nothing, NULL, panic_in_drop);
	weft_try(call_once, &f, NULL);
	_Exit(3);
}
