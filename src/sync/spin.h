/* SPDX-License-Identifier: MIT */
/* How long a lock is tried for before its wait begins. */
#ifndef WEFT_SRC_SYNC_SPIN_H
#define WEFT_SRC_SYNC_SPIN_H

#include "base/base.h"
#include "plat/cpu.h"

/* About a microsecond and a half in all. Measured, not derived. */
enum { WEFT__SPIN_PAUSES_MOST = 32 };

/* With one CPU the holder does not run while somebody spins. */
static inline bool weft__many_cpus(void)
{
	static int cpus;
	int n = weft_atomic_load(&cpus, relaxed);

	if (n == 0) {
		n = weft__cpu_count();
		weft_atomic_store(&cpus, n, relaxed);
	}
	return n > 1;
}

/*
 * Pause for twice as long as the last time, first for *pauses = 1: each look at
 * the lock takes its line from the holder. False: that was long enough.
 */
static inline bool weft__spin(uint32_t *pauses)
{
	if (*pauses > WEFT__SPIN_PAUSES_MOST || !weft__many_cpus())
		return false;
	for (uint32_t i = 0; i < *pauses; i++)
		weft__cpu_pause();
	*pauses *= 2;
	return true;
}

#endif
