/* SPDX-License-Identifier: MIT */
/* Groups without memory for their tasks. */
#include "fault.h"

#include "gate.h"

#include <weft/group.h>

#include <errno.h>

static uint32_t counter;

static int count_one(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	weft_atomic_add(&counter, 1, release);
	return 0;
}

static int count_copy(weft_ctx *ctx, void *arg)
{
	CHECK_EQ(*(int *)arg, 17);
	return count_one(ctx, NULL);
}

static void check_works(void)
{
	weft_group g = {0};

	counter = 0;
	for (int i = 0; i < 100; i++)
		weft_group_go(&g, count_one, NULL);
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(counter, 100);
	test_until(weft_task_count() == 0);
	test_until(fault_blocks() == 0);
}

static int wait_for_gate(weft_ctx *ctx, void *gate)
{
	(void)ctx;
	gate_wait(gate);
	return 0;
}

/* As many can run at once as may, and no more. */
static void check_slots(weft_group *g, int limit)
{
	gate gate = {0};

	for (int i = 0; i < limit; i++)
		CHECK(weft_group_try_go(g, wait_for_gate, &gate));
	CHECK(!weft_group_try_go(g, wait_for_gate, &gate));
	gate_open(&gate);
	weft_group_wait(g);
}

/* Ten tasks, of which some may not have been started, with a limit or not. */
static void go_ten(int limit, bool copy)
{
	int value = 17, err;
	bool failed;
	weft_group g;

	weft_group_init(&g, NULL);
	weft_group_set_limit(&g, limit);
	fault_begin();
	for (int i = 0; i < 10; i++)
		if (copy)
			weft_group_go_copy(&g, count_copy, &value, sizeof value);
		else
			weft_group_go(&g, count_one, NULL);
	err = weft_group_wait(&g);
	failed = fault_end();
	CHECK(err == 0 || (failed && err == -ENOMEM));
	if (err == 0)
		CHECK_EQ(counter, 10);
	else
		CHECK_LT(counter, 10);
	CHECK_EQ(weft_group_wait(&g), err);
	if (limit > 0)
		check_slots(&g, limit);
	check_works();
}

static void go_free(void)
{
	go_ten(-1, false);
}

static void go_limited(void)
{
	go_ten(2, false);
}

static void go_free_copy(void)
{
	go_ten(-1, true);
}

static void go_limited_copy(void)
{
	go_ten(2, true);
}

TEST(group_go_without_memory_makes_the_error_of_the_group)
{
	fault_each(go_free);
}

TEST(group_go_with_a_limit_without_memory_gives_the_slot_back)
{
	fault_each(go_limited);
}

TEST(group_go_copy_without_memory_keeps_no_block)
{
	fault_each(go_free_copy);
}

TEST(group_go_copy_with_a_limit_without_memory_keeps_no_block)
{
	fault_each(go_limited_copy);
}

static int until_cancelled(weft_ctx *ctx, void *arg)
{
	(void)arg;
	weft_atomic_add(&counter, 1, release);
	return weft_ctx_wait(ctx);
}

/* A task that cannot be started cancels those that were. */
static void go_beside_a_waiter(void)
{
	weft_group g;
	int err;

	weft_group_init(&g, NULL);
	weft_group_go(&g, until_cancelled, NULL);
	test_until(weft_atomic_load(&counter, acquire) == 1);
	fault_begin();
	for (int i = 0; i < 30; i++)
		weft_group_go_copy(&g, until_cancelled, &i, sizeof i);
	fault_end();
	weft_ctx_cancel(weft_group_ctx(&g), 0);	/* unless it has been */
	err = weft_group_wait(&g);
	CHECK(err == -ENOMEM || err == -ECANCELED);
	CHECK_EQ(weft_ctx_cause(weft_group_ctx(&g)), err);
	check_works();
}

TEST(group_go_without_memory_cancels_the_others)
{
	fault_each(go_beside_a_waiter);
}

/* ---- those that tell ---- */

static void try_go(void)
{
	uint32_t started = 0;
	weft_group g = {0};
	bool failed;

	weft_group_set_limit(&g, 20);
	fault_begin();
	for (int i = 0; i < 10; i++)
		started += weft_group_try_go(&g, count_one, NULL);
	CHECK_EQ(weft_group_wait(&g), 0);
	failed = fault_end();
	CHECK_EQ(counter, started);
	CHECK(started == 10 || failed);
	for (int i = 0; i < 20; i++)	/* no slot is missing */
		weft_group_go(&g, count_one, NULL);
	CHECK_EQ(weft_group_wait(&g), 0);
	check_works();
}

TEST(group_try_go_without_memory_returns_false_and_leaves_the_group)
{
	fault_each(try_go);
}

static void go_ctx(void)
{
	uint32_t started = 0;
	weft_group g = {0};
	bool failed;
	int err = 0;

	weft_group_set_limit(&g, 2);
	fault_begin();
	for (int i = 0; i < 10; i++) {
		int e = weft_group_go_ctx(&g, NULL, count_one, NULL);

		started += e == 0;
		err = e != 0 ? e : err;
	}
	CHECK_EQ(weft_group_wait(&g), 0);
	failed = fault_end();
	CHECK_EQ(counter, started);
	CHECK(err == 0 || (failed && err == -ENOMEM));
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_group_go_ctx(&g, NULL, count_one, NULL), 0);
	CHECK_EQ(weft_group_wait(&g), 0);
	check_works();
}

TEST(group_go_ctx_without_memory_returns_enomem_and_leaves_the_group)
{
	fault_each(go_ctx);
}
