/* SPDX-License-Identifier: MIT */
/*
 * src/sched/deque.c: D1 to D5. The owner pushes and pops, two thieves steal; at
 * the end everything has been taken once. There are two slots at first, so
 * that with three they are replaced, and used again.
 */
#include "explore.h"

#ifndef TRIMS
#define TRIMS 0
#endif
#ifndef KEPT
#define KEPT 1024
#endif

#include "sched/deque.c"

#include "sched/start.c"

enum { THIEVES = 2 };

typedef struct {
	int number;		/* plain: the taker must see it */
	uint32_t taken;
} thing;

static thing things[PUSHES + TRIMS];
static weft__deque d;

void *weft__pages_map(size_t size)
{
	return model_new(size);
}

size_t weft__pages_unit(void)
{
	return sizeof(weft__slots);
}

/* Word for word: a thief may be reading them (D5). */
void weft__pages_discard(void *pages, size_t size_bytes, size_t keep_bytes)
{
	uintptr_t *words = pages;

	for (size_t i = keep_bytes / sizeof *words;
	     i < size_bytes / sizeof *words; i++)
		weft_atomic_store(&words[i], 0, release);
}

static void run(weft__task *task)
{
	(void)task;
}

static void take(weft__task *task, const weft__task *room)
{
	thing *t;

	if (task == NULL)
		return;
	t = task->arg;
	model_check(task == room && task->object == t);	/* D3 */
	model_check(task->entry == run && task->fn == things &&
		    task->site == &d);
	model_check(t->number == 1 + t - things);	/* D1 */
	model_check(weft_atomic_xchg(&t->taken, 1, relaxed) == 0);	/* D2 */
}

static void push(int i)
{
	const weft__origin *o = weft__origin_of(run, things, &d);

	model_check(o != NULL);
	things[i].number = i + 1;
	model_check(weft__deque_make_room(&d));
	weft__deque_push(&d, weft__start_from(o, &things[i], &things[i]));
}

static void *owner(void *unused)
{
	weft__task room;

	for (int i = 0; i < PUSHES; i++) {
		push(i);
		if (i == 1 && POPS_BETWEEN)
			take(weft__deque_pop(&d, &room), &room);
	}
	take(weft__deque_pop(&d, &room), &room);
	if (TRIMS) {
		take(weft__deque_pop(&d, &room), &room);
		while (weft__deque_is_slack(&d))
			weft__deque_trim(&d);
		push(PUSHES);
	}
	return unused;
}

static void *thief(void *unused)
{
	weft__task room;

	for (int i = 0; i < STEALS; i++)
		take(weft__deque_steal(&d, &room), &room);
	return unused;
}

int main(void)
{
	pthread_t threads[1 + THIEVES];
	weft__task room, *task;

	pthread_create(&threads[0], NULL, owner, NULL);
	for (int i = 0; i < THIEVES; i++)
		pthread_create(&threads[1 + i], NULL, thief, NULL);
	for (int i = 0; i < 1 + THIEVES; i++)
		pthread_join(threads[i], NULL);
	while ((task = weft__deque_pop(&d, &room)) != NULL)
		take(task, &room);
	for (int i = 0; i < PUSHES + TRIMS; i++)
		model_check(things[i].taken == 1);
	return 0;
}
