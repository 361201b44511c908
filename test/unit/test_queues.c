/* SPDX-License-Identifier: MIT */
/* The queues of a worker: what is taken from them can be read, by whomever. */
#include "door.h"
#include "test.h"

enum { TASKS = 2000 };

static weft__task tasks[TASKS];
static weft__ring ring;
static weft__deque deque;

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

static void fill_deque(void *unused)
{
	(void)unused;
	for (int i = 0; i < TASKS; i++)
		CHECK(weft__deque_push(&deque, write_task(i)));
}

static weft__task *take_from_ring(void)
{
	weft__task *task;

	return weft__ring_take(&ring, &task, 1) == 1 ? task : NULL;
}

static weft__task *steal_from_deque(void)
{
	return weft__deque_steal(&deque);
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

TEST_FLAVOURS(task_that_is_stolen_from_a_deque_can_be_read)
{
	test_start(fill_deque, NULL);
	check_all(steal_from_deque);
	test_join_all();
}
