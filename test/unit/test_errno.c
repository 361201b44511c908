/* SPDX-License-Identifier: MIT */
/*
 * errno and thread-local variables across a switch: what
 * docs/decisions/errno.md promises. Built three ways: by gcc and clang as
 * everything is, and once more together with the library with link-time
 * optimisation, where a compiler sees through every call that it may.
 */
#define _GNU_SOURCE
#include "test.h"

#include <weft/mutex.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { TASKS = 40, ROUNDS = 300 };

static __thread int local;	/* the number of who has run last here */

/*
 * "Code that reads it in another function than the one that waited": kept a
 * function of its own, whatever the compiler thinks of it.
 */
static __attribute__((noinline)) int errno_now(void)
{
	__asm__ volatile("" ::: "memory");
	return errno;
}

static __attribute__((noinline)) void set_errno(int value)
{
	__asm__ volatile("" ::: "memory");
	errno = value;
}

static __attribute__((noinline)) int *local_now(void)
{
	int *address = &local;

	__asm__ volatile("" : "+r"(address));
	return address;
}

static uint32_t moved;	/* atomic: how often a task has changed threads */
static weft_mutex mutex;

static void wait_somehow(void)
{
	switch (test_random() % 4) {
	case 0:
		weft_sleep(NULL, WEFT_US(1 + test_random() % 20));
		break;
	case 1:
		weft_mutex_lock(&mutex);
		weft_yield();
		weft_mutex_unlock(&mutex);
		break;
	default:
		weft_yield();
	}
}

static void keep_errno(void *arg)
{
	int number = *(int *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		int *before = local_now();

		set_errno(number);
		wait_somehow();
		CHECK_EQ(errno_now(), number);
		if (local_now() != before)
			weft_atomic_add(&moved, 1, relaxed);
	}
}

TEST_FLAVOURS(errno_keeps_its_value_across_a_wait)
{
	static int numbers[TASKS];

	test_limit(40);
	for (int i = 0; i < TASKS; i++) {
		numbers[i] = 1000 + i;
		test_start(keep_errno, &numbers[i]);
	}
	test_join_all();
}

/* Otherwise the case above would have shown little. */
TEST(errno_keeps_its_value_on_another_thread)
{
	static int numbers[TASKS];

	setenv("WEFT_PROCS", "4", 1);
	test_limit(60);
	while (weft_atomic_load(&moved, relaxed) < 20) {
		for (int i = 0; i < TASKS; i++) {
			numbers[i] = 1000 + i;
			test_start_task(keep_errno, &numbers[i]);
		}
		test_join_all();
	}
}

/*
 * Wait, fail, and look, all in one function: the address of errno itself would
 * be that of the first thread.
 */
static void read_after_wait(void *arg)
{
	char byte;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(read(-1, &byte, 1), -1);
		CHECK_EQ(weft_errno(), EBADF);
		wait_somehow();
		CHECK_EQ(weft_errno(), EBADF);
		CHECK_EQ(chdir("/proc/self/no/such/place"), -1);
		CHECK_EQ(weft_errno(), ENOENT);
		wait_somehow();
		CHECK_EQ(weft_errno(), ENOENT);
	}
	(void)arg;
}

TEST_FLAVOURS(weft_errno_is_right_in_the_function_that_waited)
{
	test_limit(40);
	for (int i = 0; i < TASKS; i++)
		test_start(read_after_wait, NULL);
	test_join_all();
}

/* A pinned task may do what others may not: hold an address across a wait. */
static void hold_an_address(void *arg)
{
	int number = *(int *)arg;
	int *mine;

	weft_pin();
	mine = local_now();
	for (int i = 0; i < ROUNDS; i++) {
		errno = number;
		wait_somehow();
		CHECK_EQ(errno, number);
		CHECK(local_now() == mine);
	}
	weft_unpin();
}

TEST_FLAVOURS(a_pinned_task_may_keep_the_address_of_what_is_its_threads)
{
	static int numbers[TASKS];

	test_limit(40);
	for (int i = 0; i < TASKS; i++) {
		numbers[i] = 1000 + i;
		test_start(hold_an_address, &numbers[i]);
	}
	test_join_all();
}
