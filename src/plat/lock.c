/* SPDX-License-Identifier: MIT */
#include "plat/lock.h"

#include "plat/cpu.h"
#include "plat/futex.h"

/*
 * The sections are a few dozen instructions: a holder that is running is done
 * within these rounds, one that was preempted is not worth waiting for.
 */
enum { SPIN_ROUNDS = 40 };

#define LOOK_AGAIN WEFT_MS(1)	/* L4 */

struct weft__lock_arrivals weft__lock_arrivals;

/* Returns whether who drops the lock is certain to see that somebody sleeps. */
static bool arrive(void)
{
	weft_atomic_add(&weft__lock_arrivals.count, 1, release);
	return weft__barrier_all();	/* L2 */
}

static void sleep_for(weft__lock *l)
{
	bool certain = true;
	uint32_t found;

	while ((found = weft_atomic_xchg(&l->word, 2, acquire)) != 0) {
		if (found == 1)	/* L3 */
			certain = arrive();
		weft__futex_wait(&l->word, 2,
				 certain ? WEFT_NEVER : weft_now() + LOOK_AGAIN);
	}
}

void weft__lock_take_slow(weft__lock *l)
{
	for (int i = 0; i < SPIN_ROUNDS; i++) {
		uint32_t word = weft_atomic_load(&l->word, relaxed);

		if (word == 0 &&
		    weft_atomic_cas(&l->word, &word, 1, acquire, relaxed))
			return;
		if (word == 2)
			break;
		weft__cpu_pause();
	}
	sleep_for(l);	/* L1 */
}

void weft__lock_drop_slow(weft__lock *l)
{
	weft__futex_wake(&l->word, 1);	/* L5 */
}
