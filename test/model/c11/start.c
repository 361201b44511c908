/* SPDX-License-Identifier: MIT */
/*
 * src/sched/start.c: O1, O2. Starters look up an origin each, of which some are
 * the same, in a table with few places, and hand their starts to who takes them;
 * what that finds is what was meant. Who has no place is told.
 */
#include "explore.h"

#include "sched/start.c"

enum { STARTERS = 2, ALL = STARTERS * LOOKUPS };

static weft__start starts[ALL];
static uint32_t handed[ALL];
static int functions[ORIGINS];

static void run(weft__task *task)
{
	(void)task;
}

/* What the i-th start starts; the second starter begins elsewhere. */
static int *fn_of(int i)
{
	return &functions[(i + i / LOOKUPS * APART) % ORIGINS];
}

static void *starter(void *first)
{
	for (int i = *(int *)first, n = i + LOOKUPS; i < n; i++) {
		const weft__origin *o =
			weft__origin_of(run, fn_of(i), functions);

		if (o == NULL) {
			model_check(ORIGINS > 1);	/* one: a place for each who meets */
			continue;
		}
		starts[i] = weft__start_from(o, &starts[i], &functions);
		weft_atomic_store(&handed[i], 1, release);
	}
	return NULL;
}

static void *taker(void *unused)
{
	weft__task room;

	for (int i = 0; i < ALL; i++) {
		if (!weft_atomic_load(&handed[i], acquire))
			continue;
		model_check(weft__start_begin(starts[i], &room) == &room);
		model_check(room.entry == run && room.fn == fn_of(i) &&
			    room.site == functions &&
			    room.object == &functions && room.arg == &starts[i]);
	}
	return unused;
}

int main(void)
{
	pthread_t threads[1 + STARTERS];
	int first[STARTERS] = {0, LOOKUPS};

	for (int i = 0; i < STARTERS; i++)
		pthread_create(&threads[i], NULL, starter, &first[i]);
	pthread_create(&threads[STARTERS], NULL, taker, NULL);
	for (int i = 0; i < 1 + STARTERS; i++)
		pthread_join(threads[i], NULL);
	taker(NULL);
	return 0;
}
