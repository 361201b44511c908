/* SPDX-License-Identifier: MIT */
/* Panics that nobody catches: what is run, what is printed, how it ends. */
#include "test.h"

#include <weft/cond.h>
#include <weft/flight.h>
#include <weft/group.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/panic.h>
#include <weft/waitgroup.h>

#include "no_tables.h"
#include "trap/open_frames.h"

#include <pthread.h>
#include <stdio.h>

static void say(void *text)
{
	fputs(text, stderr);
}

static void panic_here(void *arg)
{
	(void)arg;
	weft_task_name("digger");
	WEFT_DEFER(say, "second ");
	WEFT_DEFER(say, "first ");
	weft_panic("hole in %s", "the wall");
}

static void wait_for_ever(void)
{
	weft_mutex m = {0};

	weft_mutex_lock(&m);
	weft_mutex_lock(&m);
}

static void in_task(weft_fn fn)
{
	CHECK_EQ(weft_go(fn, NULL), 0);
	wait_for_ever();
}

TEST_TRAP(panic_of_a_task_runs_its_defers_and_says_all,
	  "first second panic: hole in the wall\n"
	  "\ntask \"digger\", started at 0x")
{
	in_task(panic_here);
}

TEST_TRAP(panic_of_a_task_prints_its_stack, "panic_in_the_open+0x")
{
	in_task(panic_in_the_open);
}

__attribute__((noinline)) static void panic_in_private(void *unused)
{
	(void)unused;
	weft_panic("in private");
}

TEST_TRAP(panic_of_a_task_names_functions_that_are_not_exported,
	  "panic_in_private+0x")
{
	in_task(panic_in_private);
}

TEST_TRAP(panic_of_a_task_prints_where_it_was_started, "start_in_the_open+0x")
{
	CHECK_EQ(start_in_the_open(panic_here), 0);
	wait_for_ever();
}

TEST_TRAP(panic_of_a_plain_thread_says_so, "panic: hole in the wall\n\nthread ")
{
	panic_here(NULL);
}

TEST_TRAP(panic_with_a_value_says_which, "panic: value 0x10\n")
{
	weft_panic_value((void *)16);
}

static void panic_again(void *unused)
{
	(void)unused;
	weft_panic("in a defer");
}

static void panic_twice(void *unused)
{
	(void)unused;
	WEFT_DEFER(say, "both ");
	WEFT_DEFER(panic_again, NULL);
	weft_panic("at first");
}

TEST_TRAP(a_panic_in_a_defer_is_reported_after_the_first,
	  "both panic: at first\n\tpanic: in a defer\n")
{
	in_task(panic_twice);
}

__attribute__((noinline)) static void panic_for_both(const char *what)
{
	weft_panic("%s", what);
}

__attribute__((noinline)) static void panic_inside(void *unused)
{
	(void)unused;
	panic_for_both("inside");
}

static void panic_twice_in_one_place(void *unused)
{
	(void)unused;
	WEFT_DEFER(panic_inside, NULL);
	panic_for_both("outside");
}

TEST_TRAP(a_panic_in_a_defer_prints_its_own_stack_if_raised_in_the_same_place,
	  " panic_inside")
{
	in_task(panic_twice_in_one_place);
}

static void exit_then_panic(void *unused)
{
	(void)unused;
	WEFT_DEFER(panic_again, NULL);
	weft_exit();
}

TEST_TRAP(a_panic_during_an_exit_is_not_swallowed, "panic: in a defer\n")
{
	in_task(exit_then_panic);
}

TEST_TRAP(a_second_task_that_panics_meanwhile_does_not_mix_in,
	  "panic: hole in the wall\n\n")
{
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_go(panic_here, NULL), 0);
	wait_for_ever();
}

TEST_TRAP(a_thread_that_is_being_cancelled_reports_its_panic, "panic: at last\n")
{
	pthread_cancel(pthread_self());
	weft_panic("at last");
}

TEST_TRAP(a_thread_that_is_being_cancelled_reports_its_misuse,
	  "fatal error: sync: unlock of unlocked mutex")
{
	weft_mutex m = {0};

	pthread_cancel(pthread_self());
	weft_mutex_unlock(&m);
}

/* abort() writes out no buffers. */
static void give_stderr_a_buffer(void)
{
	CHECK_EQ(setvbuf(stderr, NULL, _IOFBF, 1 << 16), 0);
}

TEST_TRAP(panic_is_reported_though_stderr_has_a_buffer, "panic: hole in the wall\n")
{
	give_stderr_a_buffer();
	panic_here(NULL);
}

TEST_TRAP(misuse_is_reported_though_stderr_has_a_buffer,
	  "fatal error: sync: unlock of unlocked mutex")
{
	weft_mutex m = {0};

	give_stderr_a_buffer();
	weft_mutex_unlock(&m);
}

/* ---- others would wait for what the unwinder cannot leave ---- */

#define STUCK "fatal error: a panic or exit cannot leave 0x"

static int exit_with_error(weft_ctx *ctx, void *unused)
{
	(void)ctx;
	exit_without_tables(unused);
	return 0;
}

static int exit_with_value(weft_ctx *ctx, void *unused, void **value)
{
	(void)value;
	return exit_with_error(ctx, unused);
}

static int exit_of_run(void *unused)
{
	return exit_with_error(NULL, unused);
}

static void once_panic(void *unused)
{
	weft_once o = {0};

	(void)unused;
	weft_once_do(&o, panic_without_tables, NULL);
}

TEST_TRAP(a_once_cannot_be_left_without_tables, STUCK)
{
	weft_try(once_panic, NULL, NULL);
}

static void once_exit(void *unused)
{
	weft_once o = {0};

	(void)unused;
	weft_once_do(&o, exit_without_tables, NULL);
}

TEST_TRAP(a_once_in_a_task_cannot_be_left_without_tables, STUCK)
{
	in_task(once_exit);
}

TEST_TRAP(what_cannot_be_left_has_a_name, " exit_without_tables+0x")
{
	once_exit(NULL);
}

TEST_TRAP(an_attempt_cannot_be_left_without_tables, STUCK)
{
	weft_once o = {0};

	weft_once_try(&o, exit_of_run, NULL);
}

TEST_TRAP(a_once_func_cannot_be_left_without_tables, STUCK)
{
	weft_once_func f;

	weft_once_func_init(&f, exit_without_tables, NULL);
	weft_once_func_call(&f);
}

static void flight_do(void *unused)
{
	weft_flight f = {0};

	(void)unused;
	weft_flight_do(&f, weft_key_u64(1), exit_with_value, NULL);
}

TEST_TRAP(a_flight_cannot_be_left_without_tables, STUCK)
{
	flight_do(NULL);
}

TEST_TRAP(a_flight_in_a_task_cannot_be_left_without_tables, STUCK)
{
	in_task(flight_do);
}

TEST_TRAP(a_flight_of_a_task_of_its_own_cannot_be_left_without_tables, STUCK)
{
	weft_flight f = {.abort_on_panic = true};
	weft_ctx ctx = {0};

	weft_flight_do_ctx(&f, &ctx, weft_key_u64(1), exit_with_value, NULL);
}

TEST_TRAP(a_group_cannot_be_left_without_tables, STUCK)
{
	weft_group g = {0};

	weft_group_go(&g, exit_with_error, NULL);
	weft_group_wait(&g);
}

static void sleep_and_exit(void *unused)
{
	weft_sleep(NULL, WEFT_MS(1));
	exit_without_tables(unused);
}

TEST_TRAP(a_wait_group_cannot_be_left_without_tables, STUCK)
{
	weft_waitgroup wg = {0};

	CHECK_EQ(weft_waitgroup_go(&wg, sleep_and_exit, NULL), 0);
	weft_waitgroup_wait(&wg);
}

static void do_nothing(void *unused)
{
	(void)unused;
}

TEST_TRAP(an_unlock_cannot_be_left_without_tables, STUCK)
{
	weft_cond c;

	weft_cond_init_locker(&c, (weft_locker){.lock = do_nothing,
						.unlock = exit_without_tables});
	weft_cond_wait(&c);
}

TEST_TRAP(a_run_cannot_be_left_without_tables, STUCK)
{
	weft_run(exit_of_run, NULL);
}
