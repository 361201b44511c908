/* SPDX-License-Identifier: MIT */
/* A pinned task and its thread, by everything that could part them. */
#define _GNU_SOURCE
#include "door.h"
#include "gate.h"
#include "proc.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/mutex.h>
#include <weft/waitgroup.h>

#include <pthread.h>
#include <stdlib.h>

enum { PINNED = 8, ROUNDS = 200 };

static __thread uint32_t local;	/* of a thread: who was here last */

/* Out of line: the address must be that of the thread which runs now. */
static __attribute__((noinline)) uint32_t *local_now(void)
{
	uint32_t *address = &local;

	__asm__ volatile("" : "+r"(address));
	return address;
}

static __attribute__((noinline)) int thread_now(void)
{
	return weft__thread_id();
}

/* Others, that move from worker to worker and keep both busy. */
static bool over;

static void move_about(void *arg)
{
	(void)arg;
	while (!weft_atomic_load(&over, relaxed)) {
		weft_yield();
		weft_sleep(NULL, WEFT_US(10));
	}
}

static void wait_somehow(weft_mutex *m)
{
	switch (test_random() % 4) {
	case 0:
		weft_yield();
		break;
	case 1:
		weft_sleep(NULL, WEFT_US(test_random() % 50));
		break;
	case 2:
		weft_mutex_lock(m);
		weft_yield();
		weft_mutex_unlock(m);
		break;
	default:
		weft_sleep(NULL, 1);
	}
}

static weft_mutex shared;

static void stay(void *arg)
{
	uint32_t *address;
	int thread;

	(void)arg;
	wait_somehow(&shared);
	weft_pin();
	address = local_now();
	thread = thread_now();
	for (int i = 0; i < ROUNDS; i++) {
		wait_somehow(&shared);
		CHECK_EQ(thread_now(), thread);
		CHECK(local_now() == address);
	}
	weft_unpin();
}

TEST_FLAVOURS(a_pinned_task_stays_on_its_thread_through_every_wait)
{
	test_limit(40);
	for (int i = 0; i < PINNED; i++)
		test_start_task(move_about, NULL);
	for (int i = 0; i < PINNED; i++)
		test_start(stay, NULL);
	stay(NULL);
	weft_atomic_store(&over, true, relaxed);
	test_join_all();
}

/* ---- one by one, by who wakes ---- */

typedef struct {
	gate pinned, go_on;
	bool nested;
} visit;

static void be_woken(void *arg)
{
	visit *v = arg;
	int thread;

	weft_pin();
	if (v->nested) {
		weft_pin();
		weft_unpin();
	}
	thread = thread_now();
	gate_open(&v->pinned);
	gate_wait(&v->go_on);
	CHECK_EQ(thread_now(), thread);
	weft_unpin();
}

TEST_FLAVOURS(a_pinned_task_is_woken_on_its_thread_by_whomever)
{
	for (int i = 0; i < ROUNDS; i++) {
		visit v = {.nested = i % 2};

		test_start_task(be_woken, &v);
		gate_wait(&v.pinned);
		test_until(weft_atomic_load(&v.go_on.waiting, acquire) == 1);
		gate_open(&v.go_on);
		test_join_all();
	}
}

TEST(many_pinned_tasks_woken_at_once_go_back_each_to_its_own)
{
	enum { MANY = 100 };
	visit *all = calloc(MANY, sizeof *all);

	for (int i = 0; i < MANY; i++)
		test_start_task(be_woken, &all[i]);
	for (int i = 0; i < MANY; i++)
		test_until(weft_atomic_load(&all[i].go_on.waiting, acquire) == 1);
	for (int i = 0; i < MANY; i++)
		gate_open(&all[i].go_on);
	test_join_all();
	free(all);
}

/* ---- and the others ---- */

static void add_one(void *arg)
{
	weft_atomic_add((uint32_t *)arg, 1, relaxed);
}

static int pin_and_let_others_run(void *arg)
{
	uint32_t *count = arg;
	weft_waitgroup wg = {0};

	weft_pin();
	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft_waitgroup_go(&wg, add_one, count), 0);
	weft_waitgroup_wait(&wg);
	CHECK_EQ(weft_atomic_load(count, relaxed), 100);
	return 0;	/* unpinned by that */
}

TEST(others_run_on_the_thread_while_a_pinned_task_waits)
{
	uint32_t count = 0;

	one_worker();
	CHECK_EQ(weft_run(pin_and_let_others_run, &count), 0);
	CHECK_EQ(weft_task_count(), 0);
}

static bool stop;

static void yield_on(void *arg)
{
	if (arg != NULL)
		weft_pin();
	while (!weft_atomic_load(&stop, relaxed))
		weft_yield();
}

static void set_stop(void *arg)
{
	(void)arg;
	weft_yield();
	weft_sleep(NULL, WEFT_US(100));
	weft_atomic_store(&stop, true, relaxed);
}

/* One worker, and all who would have it yield for ever. */
TEST(pinned_tasks_that_yield_leave_others_their_turn)
{
	one_worker();
	for (int i = 0; i < 3; i++)
		test_start_task(yield_on, &stop);
	test_start_task(set_stop, NULL);
	test_join_all();
}

static void pin_and_stop(void *arg)
{
	weft_pin();
	set_stop(arg);
}

TEST(tasks_that_yield_leave_a_pinned_one_its_turn)
{
	one_worker();
	for (int i = 0; i < 3; i++)
		test_start_task(yield_on, NULL);
	test_start_task(pin_and_stop, NULL);
	test_join_all();
}

static void leave_pinned(void *arg)
{
	weft_pin();
	weft_pin();
	add_one(arg);
}

static void is_free(void *arg)
{
	CHECK(!weft__task_pinned(weft__task_self()));
	add_one(arg);
}

TEST(a_task_that_ends_pinned_pins_nobody_else)
{
	uint32_t count = 0;

	one_worker();
	for (int i = 0; i < 50; i++) {
		test_start_task(leave_pinned, &count);
		test_start_task(is_free, &count);
	}
	test_join_all();
	CHECK_EQ(count, 100);
}

TEST(pin_on_a_plain_thread_does_nothing)
{
	weft_unpin();
	weft_pin();
	weft_yield();
	weft_unpin();
	weft_unpin();
}

/* ---- weft_run's end ---- */

static gate leaked_gate;
static uint32_t leaked_ended;

static void leaked(void *arg)
{
	weft_pin();
	gate_wait(&leaked_gate);
	weft_yield();
	add_one(arg);
}

static int leak(void *arg)
{
	CHECK_EQ(weft_go(leaked, arg), 0);
	test_until(weft_atomic_load(&leaked_gate.waiting, acquire) == 1);
	return 0;
}

TEST(a_pinned_task_that_outlives_its_thread_goes_on_elsewhere)
{
	CHECK_EQ(weft_run(leak, &leaked_ended), 0);
	gate_open(&leaked_gate);
	test_until(weft_atomic_load(&leaked_ended, relaxed) == 1);
	test_until(weft_task_count() == 0);
}

static void wake_late(void *arg)
{
	weft_yield();
	gate_open(arg);
}

static int end_while_pinned_are_woken(void *arg)
{
	CHECK_EQ(weft_go(leaked, arg), 0);
	test_until(weft_atomic_load(&leaked_gate.waiting, acquire) == 1);
	CHECK_EQ(weft_go(wake_late, &leaked_gate), 0);
	return 0;
}

TEST(run_runs_pinned_tasks_to_their_end)
{
	for (uint32_t i = 1; i <= 50; i++) {
		leaked_gate = (gate){0};
		CHECK_EQ(weft_run(end_while_pinned_are_woken, &leaked_ended), 0);
		CHECK_EQ(weft_task_count(), 0);
		CHECK_EQ(leaked_ended, i);
	}
}
