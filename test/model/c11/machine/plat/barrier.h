/* SPDX-License-Identifier: MIT */
/*
 * In place of src/plat/barrier.h: for each two threads there is a place on which
 * both make a step, the one for all and the one that passes. Whoever comes
 * second acquires what the first one has released. So these two are what the
 * kernel promises of them, and two of the same side are ordered by nothing.
 */
#ifndef WEFT_TEST_MODEL_BARRIER_H
#define WEFT_TEST_MODEL_BARRIER_H

#include "base/base.h"
#include "../../explore.h"

#ifndef LOCKERS
#define LOCKERS 0
#endif

static uint32_t barriers[LOCKERS + 1][LOCKERS + 1];

static inline bool weft__barrier_all(void)
{
	for (unsigned i = 1; i <= LOCKERS; i++)
		if (i != model_self())
			weft_atomic_add(&barriers[model_self()][i], 1, acq_rel);
	return true;
}

static inline void weft__barrier_here(void)
{
	for (unsigned i = 1; i <= LOCKERS; i++)
		if (i != model_self())
			weft_atomic_add(&barriers[i][model_self()], 1, acq_rel);
}

static inline void weft__barrier_prepare(void)
{
}

#endif
