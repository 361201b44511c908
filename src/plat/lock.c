/* SPDX-License-Identifier: MIT */
#include "plat/lock.h"

#include "plat/cpu.h"
#include "plat/futex.h"

/*
 * The sections are a few dozen instructions: a holder that is running is done
 * within these rounds, one that was preempted is not worth waiting for.
 */
enum { SPIN_ROUNDS = 40 };

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
	while (weft_atomic_xchg(&l->word, 2, acquire) != 0)	/* L1 */
		weft__futex_wait(&l->word, 2, WEFT_NEVER);
}

void weft__lock_drop_slow(weft__lock *l)
{
	weft__futex_wake(&l->word, 1);	/* L2 */
}
