/* SPDX-License-Identifier: MIT */
/* In place of src/sync/spin.h: one CPU, so that nobody spins. */
#ifndef WEFT_TEST_MODEL_SPIN_H
#define WEFT_TEST_MODEL_SPIN_H

#include "plat/cpu.h"

static inline bool weft__spin(uint32_t *pauses)
{
	(void)pauses;
	return false;
}

#endif
