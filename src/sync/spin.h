/* SPDX-License-Identifier: MIT */
/* How long a lock is tried for before its wait begins. */
#ifndef WEFT_SRC_SYNC_SPIN_H
#define WEFT_SRC_SYNC_SPIN_H

#include "base/base.h"
#include "plat/cpu.h"

/* Measured, not derived. */
enum { WEFT__SPIN_ROUNDS = 40 };

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

#endif
