/* SPDX-License-Identifier: MIT */
/*
 * In place of src/plat/barrier.h: a barrier on either side is a step on one
 * place, which all of them make. Whoever comes second acquires what the first
 * one released. So the two sides are what the kernel promises of them, and two
 * of the same side besides, which is more than it promises, and is not used.
 */
#ifndef WEFT_TEST_MODEL_BARRIER_H
#define WEFT_TEST_MODEL_BARRIER_H

#include "base/base.h"

static uint32_t barrier;

static inline bool weft__barrier_all(void)
{
	weft_atomic_add(&barrier, 1, acq_rel);
	return true;
}

static inline void weft__barrier_here(void)
{
	weft_atomic_add(&barrier, 1, acq_rel);
}

#endif
