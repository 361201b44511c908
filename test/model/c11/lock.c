/* SPDX-License-Identifier: MIT */
/*
 * src/plat/lock.c, the real one: L1 to L3, L5, and that it is a lock. LOCKERS
 * take and drop it; whoever is the last inside frees it, having dropped it.
 */
#define MODEL_REAL_LOCK
#include "explore.h"
#include "machine/kernel.h"

#include "plat/lock.c"

static weft__lock *l;
static int inside, left = LOCKERS;	/* plain: under the lock */

static void *locker(void *unused)
{
	bool last;

	weft__lock_take(l);
	model_check(++inside == 1);
	last = --left == 0;
	inside--;
	weft__lock_drop(l);
	if (last)
		model_free(l, sizeof *l);	/* L5 */
	return unused;
}

int main(void)
{
	pthread_t threads[LOCKERS];

	l = model_new(sizeof *l);
	for (int i = 0; i < LOCKERS; i++)
		pthread_create(&threads[i], NULL, locker, NULL);
	for (int i = 0; i < LOCKERS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
