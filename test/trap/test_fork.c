/* SPDX-License-Identifier: MIT */
/*
 * What the child of a fork cannot do: it dies, with one line, and its parent
 * goes on. The parent then dies too, for the harness.
 */
#define _GNU_SOURCE
#include "child.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/ctx.h>
#include <weft/fd.h>
#include <weft/mutex.h>
#include <weft/waitgroup.h>

#include <poll.h>
#include <stdlib.h>

#define DIES "fatal error: weft: used in the child of a fork"

static void nothing(void *arg)
{
	(void)arg;
}

static void start_the_runtime(void)
{
	test_start_task(nothing, NULL);
	test_join_all();
}

static void dies_in_child(weft_fn fn, void *arg)
{
	int status = in_child(fn, arg);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		_exit(1);
	/* The parent has lost nothing. */
	test_start_task(nothing, NULL);
}

static _Noreturn void die(void)
{
	test_join_all();
	abort();
}

/* ---- of a plain thread ---- */

static void start_a_task(void *arg)
{
	CHECK_EQ(weft_go(nothing, arg), 0);
}

TEST_TRAP(child_of_a_thread_starts_a_task, DIES)
{
	start_the_runtime();
	dies_in_child(start_a_task, NULL);
	die();
}

static int return_zero(void *arg)
{
	(void)arg;
	return 0;
}

static void run_a_task(void *arg)
{
	weft_run(return_zero, arg);
}

TEST_TRAP(child_of_a_thread_calls_run, DIES)
{
	start_the_runtime();
	dies_in_child(run_a_task, NULL);
	die();
}

static void receive(void *arg)
{
	int value;

	weft_chan_recv(arg, &value);
}

static void send(void *arg)
{
	int value = 1;

	weft_chan_send(arg, &value);
}

TEST_TRAP(child_of_a_thread_wakes_a_task, DIES)
{
	weft_chan c;

	CHECK_EQ(weft_chan_init(&c, sizeof(int), 0), 0);
	test_start_task(receive, &c);
	weft_sleep(NULL, WEFT_MS(20));	/* it waits now, or has yet to run */
	dies_in_child(send, &c);
	weft_chan_close(&c);
	die();
}

static void wait_for_ever(void *arg)
{
	weft_wait_fd(NULL, *(int *)arg, POLLIN);
}

TEST_TRAP(child_of_a_thread_waits_for_a_descriptor, DIES)
{
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	start_the_runtime();
	dies_in_child(wait_for_ever, ends);
	die();
}

/* The thread that waits for descriptors runs, but no worker. */
TEST_TRAP(child_of_a_thread_waits_for_a_descriptor_as_its_parent_has, DIES)
{
	weft_ctx ctx;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(1));
	CHECK_EQ(weft_wait_fd(&ctx, ends[0], POLLIN), -ETIMEDOUT);
	weft_ctx_fini(&ctx);
	dies_in_child(wait_for_ever, ends);
	die();
}

/* ---- of a task ---- */

static void fork_here(void *fn)
{
	dies_in_child(*(weft_fn *)fn, NULL);
}

static void fork_as_a_task(weft_fn fn)
{
	test_start_task(fork_here, &fn);
	test_join_all();
	die();
}

static void go_to_sleep(void *arg)
{
	(void)arg;
	weft_sleep(NULL, WEFT_SECOND);
}

TEST_TRAP(child_of_a_task_waits, DIES)
{
	fork_as_a_task(go_to_sleep);
}

static void start_and_yield(void *arg)
{
	CHECK_EQ(weft_go(nothing, arg), 0);
	weft_yield();
}

TEST_TRAP(child_of_a_task_lets_another_run, DIES)
{
	fork_as_a_task(start_and_yield);
}

static void fork_and_return(void *arg)
{
	pid_t child = fork();
	int status;

	(void)arg;
	if (child == 0)
		return;
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		_exit(1);
}

TEST_TRAP(child_of_a_task_returns_from_it, DIES)
{
	test_start_task(fork_and_return, NULL);
	die();
}
