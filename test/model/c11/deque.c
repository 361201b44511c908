/* SPDX-License-Identifier: MIT */
/*
 * src/sched/deque.c: D1, D2, D3. The owner pushes and pops, two thieves steal;
 * at the end every task has been taken once. There are two slots at first, so
 * that with three tasks they are replaced, and used again.
 */
#include "explore.h"

#include "sched/deque.c"

#include <stdalign.h>

enum { THIEVES = 2 };

struct weft__task {
	int number;		/* plain: the taker must see it */
	uint32_t taken;
};

static weft__task tasks[PUSHES];
static weft__deque d;

void *weft__pages_map(size_t size)
{
	return model_new(size);
}

static void take(weft__task *task)
{
	if (task == NULL)
		return;
	model_check(task->number == 1 + task - tasks);	/* D1 */
	model_check(weft_atomic_xchg(&task->taken, 1, relaxed) == 0);	/* D2 */
}

static void *owner(void *unused)
{
	for (int i = 0; i < PUSHES; i++) {
		tasks[i].number = i + 1;
		model_check(weft__deque_push(&d, &tasks[i]));
		if (i == 1 && POPS_BETWEEN)
			take(weft__deque_pop(&d));
	}
	take(weft__deque_pop(&d));
	return unused;
}

static void *thief(void *unused)
{
	for (int i = 0; i < STEALS; i++)
		take(weft__deque_steal(&d));
	return unused;
}

int main(void)
{
	pthread_t threads[1 + THIEVES];
	weft__task *task;

	pthread_create(&threads[0], NULL, owner, NULL);
	for (int i = 0; i < THIEVES; i++)
		pthread_create(&threads[1 + i], NULL, thief, NULL);
	for (int i = 0; i < 1 + THIEVES; i++)
		pthread_join(threads[i], NULL);
	while ((task = weft__deque_pop(&d)) != NULL)
		take(task);
	for (int i = 0; i < PUSHES; i++)
		model_check(tasks[i].taken == 1);
	return 0;
}
