/* SPDX-License-Identifier: MIT */
/* In place of src/sync/spin.h: one CPU, so that nobody spins. */
#ifndef WEFT_TEST_MODEL_SPIN_H
#define WEFT_TEST_MODEL_SPIN_H

#include "plat/cpu.h"

enum { WEFT__SPIN_ROUNDS = 0 };

static inline bool weft__many_cpus(void)
{
	return false;
}

#endif
