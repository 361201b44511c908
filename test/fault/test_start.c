/* SPDX-License-Identifier: MIT */
/* Everything that starts a task, and waiting, without memory or threads. */
#include "fault.h"

#include "gate.h"
#include "proc.h"

#include <weft/ctx.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static uint32_t counter;

static void count_one(void *arg)
{
	(void)arg;
	weft_atomic_add(&counter, 1, release);
}

static bool counted(uint32_t n)
{
	return weft_atomic_load(&counter, acquire) == n;
}

/* Whatever has failed before, there is nothing left of it. */
static void check_all_works(void)
{
	uint32_t before = weft_atomic_load(&counter, relaxed);

	for (uint32_t i = 0; i < 100; i++)
		CHECK_EQ(weft_go(count_one, NULL), 0);
	test_until(counted(before + 100));
	test_until(weft_task_count() == 0);
}

static void check_error(int err, bool failed)
{
	CHECK(err == 0 || err == -ENOMEM);
	CHECK(err == 0 || failed);
}

/* ---- weft_go ---- */

static void go(void)
{
	uint32_t started = 0;
	int err = 0;

	fault_begin();
	for (int i = 0; i < 300 && err == 0; i++) {
		err = weft_go(count_one, NULL);
		started += err == 0;
	}
	test_until(counted(started));
	check_error(err, fault_end());
	check_all_works();
}

TEST(go_without_memory_returns_enomem_and_starts_nothing)
{
	fault_each(go);
}

static int go_from_a_task(void *arg)
{
	uint32_t *started = arg;
	int err = 0;

	fault_begin();
	while (*started < 20000 && err == 0) {
		err = weft_go(count_one, NULL);
		*started += err == 0;
	}
	return err;
}

static void go_inside_run(void)
{
	uint32_t started = 0;
	int err;

	one_worker();	/* so that they pile up and need memory */
	err = weft_run(go_from_a_task, &started);
	check_error(err, fault_end());
	CHECK(counted(started));
	check_all_works();
}

TEST(go_of_a_task_without_memory_returns_enomem_and_starts_nothing)
{
	fault_each(go_inside_run);
}

/* ---- weft_go_copy ---- */

static void check_copy(void *arg)
{
	CHECK(strcmp(arg, "a parcel") == 0);
	count_one(NULL);
}

static void go_copy(void)
{
	int err;

	fault_begin();
	err = weft_go_copy(check_copy, "a parcel", sizeof "a parcel");
	if (err == 0)
		test_until(counted(1));
	check_error(err, fault_end());
	test_until(fault_blocks() == 0);
	check_all_works();
}

TEST(go_copy_without_memory_returns_enomem_and_keeps_no_block)
{
	fault_each(go_copy);
}

/* ---- weft_run ---- */

static int start_three(void *arg)
{
	uint32_t *started = arg;

	for (int i = 0; i < 3; i++)
		if (weft_go(count_one, NULL) == 0)
			++*started;
	return 42;
}

static void run(void)
{
	uint32_t started = 0;
	int result;

	fault_begin();
	result = weft_run(start_three, &started);
	CHECK(result == 42 || (fault_end() && result == -ENOMEM));
	fault_end();
	CHECK(counted(started));
	CHECK_EQ(weft_task_count(), 0);
	started = 0;
	counter = 0;
	CHECK_EQ(weft_run(start_three, &started), 42);
	CHECK(counted(3));
	check_all_works();
}

TEST(run_without_memory_returns_enomem_or_runs)
{
	fault_each(run);
}

/* ---- weft_waitgroup_go ---- */

static void waitgroup_go(void)
{
	weft_waitgroup wg = {0};
	int err;

	fault_begin();
	err = weft_waitgroup_go(&wg, count_one, NULL);
	weft_waitgroup_wait(&wg);
	CHECK(counted(err == 0));
	check_error(err, fault_end());
	CHECK_EQ(weft_waitgroup_go(&wg, count_one, NULL), 0);
	weft_waitgroup_wait(&wg);
	CHECK(counted(1 + (err == 0)));
	check_all_works();
}

TEST(waitgroup_go_without_memory_returns_enomem_and_counts_nothing)
{
	fault_each(waitgroup_go);
}

/* ---- weft_ctx_after_start ---- */

static void after(void)
{
	weft_ctx_after a = {0}, b = {0};
	weft_ctx ctx;
	int err;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_MINUTE);
	fault_begin();
	err = weft_ctx_after_start(&a, &ctx, count_one, NULL);
	check_error(err, fault_end());
	CHECK_EQ(weft_ctx_after_start(&b, &ctx, count_one, NULL), 0);
	weft_ctx_fini(&ctx);
	test_until(counted(1 + (err == 0)));
	check_all_works();
}

TEST(after_start_without_memory_returns_enomem_and_never_runs)
{
	fault_each(after);
}

static void after_that_fires(void)
{
	weft_ctx_after a = {0};
	weft_ctx ctx;
	int err;

	weft_ctx_init(&ctx, NULL);
	fault_begin();
	err = weft_ctx_after_start(&a, &ctx, count_one, NULL);
	weft_ctx_cancel(&ctx, 0);	/* nothing may be needed for this */
	if (err == 0)
		test_until(counted(1));
	check_error(err, fault_end());
	weft_ctx_fini(&ctx);
	CHECK(counted(err == 0));
	check_all_works();
}

TEST(after_that_was_started_runs_without_memory)
{
	fault_each(after_that_fires);
}

/* ---- waiting ---- */

enum { WAITERS = 40 };
static gate gates[WAITERS];

static void wait_at(void *arg)
{
	gate_wait(arg);
	count_one(NULL);
}

/* Stacks, workers and a larger lot are wanted here; all can be done without. */
static void wait_for_a_thread(void)
{
	int opened = 0;

	for (int i = 0; i < WAITERS; i++)
		CHECK_EQ(weft_go(wait_at, &gates[i]), 0);
	fault_begin();
	while (opened < WAITERS)
		for (int i = 0; i < WAITERS; i++)
			if (weft_atomic_load(&gates[i].waiting, acquire) == 1 &&
			    !gates[i].open) {
				gate_open(&gates[i]);
				opened++;
			} else {
				weft_yield();
			}
	test_until(counted(WAITERS));
	fault_end();
	check_all_works();
}

TEST(waiting_needs_no_memory_where_threads_wake)
{
	fault_each(wait_for_a_thread);
}

struct pair {
	gate ping, pong;
};
static struct pair pairs[WAITERS];

static void wait_and_wake(void *arg)
{
	struct pair *p = arg;

	gate_wait(&p->ping);
	gate_open(&p->pong);
	count_one(NULL);
}

static void wake_and_wait(void *arg)
{
	struct pair *p = arg;

	gate_open(&p->ping);
	gate_wait(&p->pong);
	count_one(NULL);
}

static void wait_for_tasks(void)
{
	for (int i = 0; i < WAITERS; i++)
		CHECK_EQ(weft_go(wait_and_wake, &pairs[i]), 0);
	fault_begin();
	for (int i = 0; i < WAITERS; i++)
		while (weft_go(wake_and_wait, &pairs[i]) != 0)
			fault_end();
	test_until(counted(2 * WAITERS));
	fault_end();
	check_all_works();
}

static void wait_for_tasks_without_stacks(void)
{
	fault_stacks_only();
	wait_for_tasks();
}

TEST(waiting_needs_no_stack_where_tasks_wake)
{
	fault_each(wait_for_tasks_without_stacks);
}

/* With neither stacks nor threads for ever, who would wake may never run. */
TEST(waiting_survives_a_failure_where_tasks_wake)
{
	fault_each_single(wait_for_tasks);
}

static void sleep_a_little(void *arg)
{
	CHECK_EQ(weft_sleep(NULL, WEFT_US(test_random() % 2000)), 0);
	count_one(arg);
}

static void sleep_all(void)
{
	for (int i = 0; i < WAITERS; i++)
		CHECK_EQ(weft_go(sleep_a_little, NULL), 0);
	fault_begin();
	test_until(counted(WAITERS));
	fault_end();
	check_all_works();
}

TEST(sleeping_needs_no_memory)
{
	fault_each(sleep_all);
}

/* ---- a start that fails while its first worker runs ---- */

static gate left;

/* Whatever starts the runtime if it does not run. */
static void start_from_a_task(void *unused)
{
	weft_ctx_after after = {0};
	weft_ctx ctx;

	gate_wait(&left);
	weft_ctx_init(&ctx, NULL);
	CHECK_EQ(weft_ctx_after_start(&after, &ctx, count_one, NULL), 0);
	CHECK(weft_ctx_after_stop(&after));
	weft_ctx_fini(&ctx);
	count_one(unused);
}

static int leave_one_behind(void *unused)
{
	CHECK_EQ(weft_go(start_from_a_task, unused), 0);
	test_until(left.waiting == 1);
	return 0;
}

static bool no_thread(bool started)
{
	return !started;
}

/* The first one works before anybody knows that there is one; no second. */
static bool one_thread(bool started)
{
	static int threads;

	if (started)
		usleep(20000);
	return !started && threads++ != 0;
}

TEST(start_that_fails_is_not_waited_for_by_its_own_worker)
{
	test_limit(20);
	one_worker();
	CHECK_EQ(weft_run(leave_one_behind, NULL), 0);
	fault_on_thread = no_thread;
	gate_open(&left);	/* in the queue, and nobody there to run it */
	CHECK(counted(0));
	fault_on_thread = one_thread;
	CHECK_EQ(weft_go(count_one, NULL), -ENOMEM);
	CHECK(counted(0));
	fault_on_thread = NULL;
	CHECK_EQ(weft_go(count_one, NULL), 0);
	test_until(counted(2));
	check_all_works();
}

static int begun;

static bool second_fails(bool started)
{
	return !started && ++begun == 2;
}

/* Whoever has put something in the queue calls for a worker after that. */
TEST(start_that_fails_leaves_no_worker_without_a_monitor)
{
	test_limit(20);
	one_worker();
	CHECK_EQ(weft_run(leave_one_behind, NULL), 0);
	fault_on_thread = second_fails;
	gate_open(&left);
	CHECK_EQ(begun, 2);
	CHECK(counted(0));
	fault_on_thread = NULL;
	CHECK_EQ(weft_go(count_one, NULL), 0);
	test_until(counted(2));
	check_all_works();
}

/* ---- others who come while a start fails ---- */

static uint32_t others_may;	/* atomic */

static void block(void *unused)
{
	(void)unused;
	while (!weft_atomic_load(&others_may, acquire))
		usleep(1000);
	count_one(unused);
}

static void *start_others(void *unused)
{
	while (!weft_atomic_load(&left.open, acquire))
		usleep(1000);
	CHECK_EQ(weft_go(block, NULL), 0);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_go(count_one, NULL), 0);
	return unused;
}

/* No second one, and others come before that is known. */
static bool one_thread_and_others(bool started)
{
	static int threads;

	if (started || threads++ != 1)
		return false;
	weft_atomic_store(&left.open, 1, release);
	usleep(20000);
	return true;
}

TEST(start_that_fails_keeps_nobody_and_others_start_anew)
{
	pthread_t others;

	test_limit(20);
	one_worker();
	CHECK_EQ(pthread_create(&others, NULL, start_others, NULL), 0);
	fault_on_thread = one_thread_and_others;
	CHECK_EQ(weft_go(count_one, NULL), -ENOMEM);
	test_until(counted(20));	/* beside the one that blocks */
	weft_atomic_store(&others_may, 1, release);
	test_until(counted(21));
	CHECK_EQ(pthread_join(others, NULL), 0);
	fault_on_thread = NULL;
	check_all_works();
}
