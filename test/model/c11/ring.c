/* SPDX-License-Identifier: MIT */
/*
 * src/sched/ring.c: R1, R2. The owner puts TASKS into two places, and takes
 * where it finds no room; two others take; at the end each has been taken once.
 * That head is moved by a release and looked at with acquire (R2) keeps a slot's
 * reading before its writing: a case of load buffering, which is not explored.
 */
#include "explore.h"

#include "sched/ring.c"

struct weft__task {
	int number;		/* plain: the taker must see it */
	uint32_t taken;
};

static weft__task tasks[TASKS];
static weft__ring r;

static void run(weft__task *task)
{
	model_check(task->number == 1 + task - tasks);	/* R1 */
	model_check(weft_atomic_xchg(&task->taken, 1, relaxed) == 0);
}

static void take(uint32_t count)
{
	weft__task *taken[2];
	uint32_t n = weft__ring_take(&r, taken, count);

	for (uint32_t i = 0; i < n; i++)
		run(taken[i]);
}

static void take_own(void)
{
	uint32_t behind, rest;
	weft__task *task = weft__ring_take_own(&r, &behind, &rest);

	model_check(rest < WEFT__RING_CAPACITY);
	if (task != NULL)
		run(task);
}

static void *owner(void *unused)
{
	for (int i = 0; i < TASKS; i++) {
		tasks[i].number = i + 1;
		if (!weft__ring_put(&r, &tasks[i])) {
			take_own();
			model_check(weft__ring_put(&r, &tasks[i]));	/* R2 */
		}
	}
	return unused;
}

static void *taker(void *count)
{
	take(*(uint32_t *)count);
	return NULL;
}

int main(void)
{
	uint32_t counts[] = {1, 2};
	pthread_t threads[3];

	pthread_create(&threads[0], NULL, owner, NULL);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[1 + i], NULL, taker, &counts[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	take(2);
	for (int i = 0; i < TASKS; i++)
		model_check(tasks[i].taken == 1);
	return 0;
}
