/* SPDX-License-Identifier: MIT */
/*
 * The lock for the library's own short critical sections. All bytes zero is
 * unlocked. A thread that meets it locked spins for a moment and then sleeps.
 * Nothing may be waited for, and no task switched, while one is held.
 *
 *	word	meaning
 *	0	unlocked
 *	1	locked, nobody sleeps
 *	2	locked, somebody may sleep: whoever unlocks wakes one
 *
 * L1  Who takes the lock after having slept leaves 2 behind, never 1: it
 *     cannot know whether others sleep. (With 1 the last of three threads
 *     sleeps for ever; two threads do not show it. Drepper, "Futexes are
 *     tricky", 2011.)
 * L2  Unlocking uses the address only after the exchange: the memory may be
 *     freed by the next owner at once.
 */
#ifndef WEFT_SRC_PLAT_LOCK_H
#define WEFT_SRC_PLAT_LOCK_H

#include "base/base.h"

typedef struct {
	uint32_t word;
} weft__lock;

WEFT_PRIV_COLD void weft__lock_take_slow(weft__lock *l);
WEFT_PRIV_COLD void weft__lock_drop_slow(weft__lock *l);

static inline void weft__lock_take(weft__lock *l)
{
	uint32_t unlocked = 0;

	if (unlikely(!weft_atomic_cas(&l->word, &unlocked, 1, acquire, relaxed)))
		weft__lock_take_slow(l);
}

static inline void weft__lock_drop(weft__lock *l)
{
	if (unlikely(weft_atomic_xchg(&l->word, 0, release) == 2))
		weft__lock_drop_slow(l);
}

#endif
