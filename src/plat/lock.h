/* SPDX-License-Identifier: MIT */
/*
 * The lock for the library's own short critical sections. All bytes zero is
 * unlocked. A thread that meets it locked spins for a moment and then sleeps.
 * Nothing may be waited for, and no task switched, while one is held.
 *
 *	word	meaning
 *	0	unlocked
 *	1	locked
 *	2	locked, and somebody may sleep: whoever unlocks wakes one
 *
 * While it is locked the word only goes from 1 to 2. So unlocking could read it
 * and store 0, where an exchange would take longer than the rest of lock and
 * unlock, but for a 2 that is written in between and lost. Whoever turns 1 into
 * 2 therefore counts its arrival, once for all locks, before it sleeps; and
 * whoever unlocks reads the count before and after.
 *
 * L1  Who takes the lock after having slept leaves 2 behind, never 1: it
 *     cannot know whether others sleep. (With 1 the last of three threads
 *     sleeps for ever; two threads do not show it. Drepper, "Futexes are
 *     tricky", 2011.)
 * L2  No 2 is lost without a wake. Was the arrival counted in what was read
 *     before, then so was the 2 written, by release and acquire, and is read
 *     after it. Else it is Dekker's pair: the sleeper counts and looks at the
 *     word, the other stores 0 and looks at the count. The sleeper has the
 *     kernel make the barrier for both in between, so one sees the other: the
 *     sleeper finds no 2 of before, and does not sleep, or the count has
 *     changed. The count never goes back; that it comes round in between would
 *     take 2^32 arrivals.
 *     Tempting and wrong: no barrier, as a CPU stores in order. It does, but
 *     looks meanwhile: the 0 is on its way still when the count is found as it
 *     was; the sleeper counts, finds its 2, and sleeps.
 * L3  Who finds 2 already may sleep on that: either the owner has left it, and
 *     reads its own, or another has turned 1 into it, and does not come to rest
 *     before a wake is certain: it finds the word changed and tries again, with
 *     2, or L2 holds for it. (So that one must not be kept from running for
 *     long, as an owner must not; it holds up who sleeps on its 2.)
 * L4  Where the kernel has no such barrier, who has turned 1 into 2 looks again
 *     every now and then, until it has the lock. It is enough that these do, by L3.
 * L5  Unlocking uses the address only after the store: the memory may be freed
 *     by the next owner at once.
 *
 * Explored as C11 allows it: test/model/c11/lock.c.
 */
#ifndef WEFT_SRC_PLAT_LOCK_H
#define WEFT_SRC_PLAT_LOCK_H

#include "base/base.h"
#include "plat/barrier.h"

typedef struct {
	uint32_t word;
} weft__lock;

/* Changes seldom: on a line of its own, all CPUs keep a copy. */
extern WEFT__OURS struct weft__lock_arrivals {
	uint32_t count;
} __attribute__((aligned(WEFT__CACHE_LINE))) weft__lock_arrivals;

WEFT_PRIV_COLD void weft__lock_take_slow(weft__lock *l);
WEFT_PRIV_COLD void weft__lock_drop_slow(weft__lock *l);

static inline bool weft__lock_try(weft__lock *l)
{
	uint32_t unlocked = 0;

	return weft_atomic_cas(&l->word, &unlocked, 1, acquire, relaxed);
}

static inline void weft__lock_take(weft__lock *l)
{
	if (unlikely(!weft__lock_try(l)))
		weft__lock_take_slow(l);
}

static inline void weft__lock_drop(weft__lock *l)
{
	uint32_t before = weft_atomic_load(&weft__lock_arrivals.count, acquire);
	uint32_t word = weft_atomic_load(&l->word, relaxed);	/* L2 */

	weft_atomic_store(&l->word, 0, release);
	weft__barrier_here();
	if (unlikely(word == 2 ||
		     weft_atomic_load(&weft__lock_arrivals.count, relaxed) !=
			     before))
		weft__lock_drop_slow(l);
}

#endif
