/* SPDX-License-Identifier: MIT */
/* The queues of a worker: what is taken from them can be read, by whomever. */
#include "door.h"
#include "proc.h"
#include "test.h"

#include <weft/waitgroup.h>

enum { TASKS = 2000 };

static weft__task tasks[TASKS];
static weft__ring ring;
static weft__deque deque;

static void nothing(weft__task *task)
{
	(void)task;
}

static void nothing_else(weft__task *task)
{
	CHECK(task != NULL);
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

static weft__start start_from(void *fn, void *site, weft__task *task)
{
	const weft__origin *o = weft__origin_of(nothing, fn, site);

	CHECK(o != NULL);
	return weft__start_from(o, task, task);
}

/* By turns one that has memory of its own, and one that has not. */
static weft__start start_of(weft__task *task)
{
	if ((task - tasks) % 2 == 0)
		return weft__start_of_task(task);
	return start_from(&tasks[(task - tasks) % 7], &deque, task);
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
	CHECK(task->object == task->arg);
	CHECK(task->fn == &tasks[((weft__task *)task->arg - tasks) % 7]);
	CHECK(task->site == &deque);
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
		put(start_from(tasks, &deque, in_order(i)));
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

TEST(origin_has_one_number_and_keeps_it)
{
	const weft__origin *first = weft__origin_of(nothing, tasks, &deque);

	CHECK(first != NULL && first != weft__origins);
	CHECK(weft__origin_of(nothing, tasks, &deque) == first);
	CHECK(weft__origin_of(nothing, tasks, &ring) != first);
	CHECK(weft__origin_of(nothing, &tasks[1], &deque) != first);
	CHECK(weft__origin_of(nothing_else, tasks, &deque) != first);
	CHECK(weft__origin_of(nothing, tasks, &deque) == first);
	CHECK(weft__origin_is(first, nothing, tasks, &deque));
	CHECK(!weft__origin_is(first, nothing, &tasks[1], &deque));
}

/* All that have no place are told so, and none that has one loses it. */
TEST(origins_are_as_many_as_have_places)
{
	const weft__origin *first = weft__origin_of(nothing, tasks, &deque);
	size_t placed = 0;

	for (uintptr_t i = 1; i < WEFT__ORIGINS; i++) {
		void *one = (void *)(i * 16);

		placed += weft__origin_of(nothing, one, &ring) != NULL;
		placed += weft__origin_of(nothing, &ring, one) != NULL;
	}
	CHECK_LT(WEFT__ORIGINS * 9 / 10, placed);
	CHECK_LT(placed, WEFT__ORIGINS);
	CHECK(weft__origin_of(nothing, tasks, &deque) == first);
	for (int i = 0; i < TASKS; i++)
		if (weft__origin_of(nothing, &tasks[i], &tasks[i]) == NULL)
			return;
	CHECK(!"all found a place");
}

enum { MANY = 3 * WEFT__ORIGINS };

static uint32_t begun[MANY];
static weft_waitgroup ended;

static void *object_of(uintptr_t i)
{
	return (void *)(i % 3 == 0 ? i << (64 - 14) : i << 20);
}

static void look_at_itself(weft__task *task)
{
	uintptr_t i = (uintptr_t)task->arg;

	CHECK(task->fn == &tasks[i % TASKS] && task->site == &begun[i]);
	CHECK(task->object == object_of(i));
	CHECK_EQ(weft_atomic_add(&begun[i], 1, relaxed), 0);
	weft_waitgroup_done(&ended);
}

/* Whether or not they have a number, or their object has room beside it. */
TEST_FLAVOURS(tasks_from_any_number_of_places_know_their_own)
{
	weft_waitgroup_add(&ended, MANY);
	for (uintptr_t i = 0; i < MANY; i++)
		CHECK_EQ(weft__task_start(look_at_itself, object_of(i),
					  &tasks[i % TASKS], (void *)i,
					  &begun[i]),
			 0);
	weft_waitgroup_wait(&ended);
}

TEST_FLAVOURS(task_that_is_stolen_from_a_deque_can_be_read)
{
	test_start(fill_deque, NULL);
	check_all(steal_from_deque);
	test_join_all();
}
