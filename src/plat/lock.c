/* SPDX-License-Identifier: MIT */
#include "plat/lock.h"

#include "plat/cpu.h"
#include "plat/futex.h"

/*
 * The sections are a few dozen instructions: a holder that is running is done
 * within these rounds, one that was preempted is not worth waiting for.
 */
enum { SPIN_ROUNDS = 40 };

#define LOOK_AGAIN WEFT_MS(1)	/* where nobody can be certain to be woken */

uint32_t weft__lock_sleepers[WEFT__LOCK_PLACES]
	__attribute__((aligned(WEFT__CACHE_LINE)));

static void sleep_for(weft__lock *l)
{
	uint32_t *sleepers = weft__lock_place(l);
	bool certain;

	weft_atomic_add(sleepers, 1, relaxed);
	certain = weft__barrier_all();	/* L1 */
	while (weft_atomic_xchg(&l->word, 2, acquire) != 0)
		weft__futex_wait(&l->word, 2,
				 certain ? WEFT_NEVER : weft_now() + LOOK_AGAIN);
	weft_atomic_sub(sleepers, 1, relaxed);
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
	sleep_for(l);
}

void weft__lock_drop_slow(weft__lock *l)
{
	weft__futex_wake(&l->word, 1);	/* L2 */
}
