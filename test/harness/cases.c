/* SPDX-License-Identifier: MIT */
/* Cases that end in every way there is; test_harness.py knows which is which. */
#define _GNU_SOURCE
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t sum;

static void add_one(void *arg)
{
	(void)arg;
	weft_atomic_add(&sum, 1, relaxed);
}

TEST(passes)
{
	CHECK(test_random() != test_random());
	CHECK_EQ(1 + 1, 2);
	CHECK_NE(1, 2);
	CHECK_LT(-1, 1);
	CHECK_LE(1, 1);
}

TEST_FLAVOURS(joins)
{
	for (int i = 0; i < 100; i++)
		test_start(add_one, NULL);
	test_join_all();
	CHECK_EQ(sum, 100);
}

static int tasks;

static void ask_where(void *arg)
{
	(void)arg;
	/* A task would count itself. */
	if (weft_task_count() > 0)
		weft_atomic_add(&tasks, 1, relaxed);
}

TEST(threads_are_what_a_plain_case_starts)
{
	test_start(ask_where, NULL);
	test_join_all();
	CHECK_EQ(tasks, 0);
}

TEST(fails)
{
	CHECK(1 + 1 == 3);
}

TEST(fails_with_operands)
{
	CHECK_EQ(40 + 2, 6 * 9);
}

static void fail(void *arg)
{
	(void)arg;
	CHECK_LT(2, 1);
}

TEST_FLAVOURS(fails_beside)
{
	test_start(fail, NULL);
	test_join_all();
}

TEST(hangs)
{
	test_limit(1);
	for (;;)
		pause();
}

TEST(crashes)
{
	raise(SIGBUS);
}

TEST(exits)
{
	exit(5);
}

TEST(prints)
{
	printf("to stdout\n");
	fprintf(stderr, "ok not_a_case\n");
}

TEST(prints_much_and_fails)
{
	for (int i = 0; i < 10000; i++)
		fprintf(stderr, "line %d\n", i);
	CHECK(false);
}

TEST(skips)
{
	test_skip("for a reason");
}

static void wait_for_ever(void *arg)
{
	(void)arg;
	weft_sleep(NULL, WEFT_NEVER);
}

TEST_FLAVOURS(leaks_a_task)
{
	CHECK_EQ(weft_go(wait_for_ever, NULL), 0);
}

TEST_TRAP(traps, "the right words")
{
	fprintf(stderr, "these are the right words\n");
	abort();
}

TEST_TRAP(traps_with_other_words, "the right words")
{
	fprintf(stderr, "wrong ones\n");
	abort();
}

TEST_TRAP(traps_by_another_signal, "the right words")
{
	fprintf(stderr, "the right words\n");
	raise(SIGTERM);
}

TEST_TRAP(traps_not_at_all, "the right words")
{
	fprintf(stderr, "the right words\n");
}

TEST(shows_its_random_numbers)
{
	fprintf(stderr, "random %" PRIu64 "\n", test_random());
	CHECK(test_seed() == 0);
}
