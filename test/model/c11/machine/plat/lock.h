/* SPDX-License-Identifier: MIT */
/*
 * In place of src/plat/lock.h: a lock that is what that one promises. Its own
 * text is explored by plain_lock.c, with MODEL_REAL_LOCK.
 */
#ifdef MODEL_REAL_LOCK
#include "../../../../../src/plat/lock.h"
#else
#ifndef WEFT_TEST_MODEL_LOCK_H
#define WEFT_TEST_MODEL_LOCK_H

#include "base/base.h"
#include "../../explore.h"

typedef struct {
	uint32_t word;
} weft__lock;

static inline void weft__lock_take(weft__lock *l)
{
	uint32_t unlocked = 0;

	model_await(weft_atomic_cas(&l->word, &unlocked, 1, acquire, relaxed));
}

static inline bool weft__lock_try(weft__lock *l)
{
	uint32_t unlocked = 0;

	return weft_atomic_cas(&l->word, &unlocked, 1, acquire, relaxed);
}

static inline void weft__lock_drop(weft__lock *l)
{
	weft_atomic_store(&l->word, 0, release);
}

#endif
#endif
