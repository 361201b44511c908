/* SPDX-License-Identifier: MIT */
/* The queues of a worker: what is taken from them can be read, by whomever. */
#include "door.h"
#include "proc.h"
#include "test.h"

enum { TASKS = 2000 };

static weft__task tasks[TASKS];
static weft__ring ring;
static weft__deque deque;

static void nothing(weft__task *task)
{
	(void)task;
}

static weft__task *write_task(int i)
{
	tasks[i].arg = &tasks[i];	/* plain, just before it is put */
	return &tasks[i];
}

static void fill_ring(void *unused)
{
	(void)unused;
	for (int i = 0; i < TASKS; i++) {
		weft__task *task = write_task(i);

		while (!weft__ring_put(&ring, task))
			weft_yield();
	}
}

/* By turns one that has memory of its own, and one that has not. */
static weft__start start_of(weft__task *task)
{
	if ((task - tasks) % 2 == 0)
		return (weft__start){.object = task};
	return (weft__start){.entry = nothing, .arg = task, .site = task};
}

static void put(weft__start start)
{
	CHECK(weft__deque_make_room(&deque));
	weft__deque_push(&deque, start);
}

static void fill_deque(void *unused)
{
	(void)unused;
	for (int i = 0; i < TASKS; i++)
		put(start_of(write_task(i)));
}

static weft__task *take_from_ring(void)
{
	weft__task *task;

	return weft__ring_take(&ring, &task, 1) == 1 ? task : NULL;
}

static weft__task *steal_from_deque(void)
{
	weft__task room, *task = weft__deque_steal(&deque, &room);

	if (task != &room)
		return task;
	CHECK(task->entry == nothing);
	CHECK(task->site == task->arg);
	CHECK(task->stack == NULL);
	return task->arg;
}

/* In order, because nobody else takes any. */
static void check_all(weft__task *(*take)(void))
{
	for (int i = 0; i < TASKS; i++) {
		weft__task *task;

		while ((task = take()) == NULL)
			weft_yield();
		CHECK(task == &tasks[i]);
		CHECK(task->arg == task);
	}
}

TEST_FLAVOURS(task_that_is_taken_from_a_ring_can_be_read)
{
	test_start(fill_ring, NULL);
	check_all(take_from_ring);
	test_join_all();
}

static void *in_order(int i)
{
	return &tasks[i % TASKS];
}

static void push_many(int count)
{
	for (int i = 0; i < count; i++)
		put((weft__start){.entry = nothing, .arg = in_order(i)});
}

TEST(deque_that_is_empty_gives_memory_back_and_can_be_used_again)
{
	int count = 1000 * 1000;
	size_t before = resident_bytes(), most;
	weft__task room;

	for (int round = 0; round < 2; round++) {
		push_many(count);
		most = resident_bytes();
		if (test_slowdown() == 1)	/* what it has grown out of is gone */
			CHECK_LT(most - before,
				 (size_t)count * sizeof(weft__start) * 5 / 4);
		CHECK(!weft__deque_is_slack(&deque));
		weft__deque_trim(&deque);	/* it is not empty */
		for (int i = count - 1; i >= 0; i--) {
			CHECK(weft__deque_pop(&deque, &room) == &room);
			CHECK(room.arg == in_order(i));
		}
		while (weft__deque_is_slack(&deque))
			weft__deque_trim(&deque);
		if (test_slowdown() == 1)
			CHECK_LT(resident_bytes() - before, (most - before) / 8);
	}
}

TEST_FLAVOURS(task_that_is_stolen_from_a_deque_can_be_read)
{
	test_start(fill_deque, NULL);
	check_all(steal_from_deque);
	test_join_all();
}
