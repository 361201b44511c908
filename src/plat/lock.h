/* SPDX-License-Identifier: MIT */
/*
 * The lock for the library's own short critical sections. All bytes zero is
 * unlocked. A thread that meets it locked spins for a moment and then sleeps.
 * Nothing may be waited for, and no task switched, while one is held.
 *
 *	word	meaning
 *	0	unlocked
 *	1	locked
 *	2	locked, and somebody has slept for it, or is about to
 *
 * Whoever is about to sleep counts itself first, where the lock's address says,
 * and then looks at the word; whoever unlocks stores 0 and then looks there.
 *
 * L1  One of the two sees the other, so nobody sleeps for a lock that is free.
 *     It is Dekker's pair, and needs a barrier on both sides: the sleeper has
 *     the kernel make it for all threads, between its count and its look. Each
 *     unlocking thread passes that either after its store, which the sleeper
 *     then sees, or before its look, which then sees the count. So the common
 *     side is two plain accesses: a locked one would take longer than the rest
 *     of lock and unlock. While somebody is counted every unlock there wakes
 *     one, so one that was overtaken is woken again.
 *     Tempting and wrong: to do without, as a CPU stores in order. It does, but
 *     looks meanwhile: the 0 is on its way still when the count is found to be
 *     none; the sleeper counts itself, finds 1, and sleeps.
 *     Where the kernel has no such call, sleepers look again now and then.
 * L2  Unlocking uses the address only after the store: the memory may be freed
 *     by the next owner at once. The counts are not part of any lock.
 */
#ifndef WEFT_SRC_PLAT_LOCK_H
#define WEFT_SRC_PLAT_LOCK_H

#include "base/base.h"
#include "plat/barrier.h"

typedef struct {
	uint32_t word;
} weft__lock;

/* How many sleep, or are about to, for the locks that share a place. */
enum { WEFT__LOCK_PLACES = 64 };

extern uint32_t weft__lock_sleepers[WEFT__LOCK_PLACES];

static inline uint32_t *weft__lock_place(const weft__lock *l)
{
	return &weft__lock_sleepers[(uintptr_t)l / WEFT__CACHE_LINE %
				    WEFT__LOCK_PLACES];
}

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
	const uint32_t *sleepers = weft__lock_place(l);

	weft_atomic_store(&l->word, 0, release);
	weft__barrier_here();	/* L1 */
	if (unlikely(weft_atomic_load(sleepers, relaxed) != 0))
		weft__lock_drop_slow(l);
}

#endif
