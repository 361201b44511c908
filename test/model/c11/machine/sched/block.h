/* SPDX-License-Identifier: MIT */
/* In place of src/sched/block.h: nothing is kept. */
#ifndef WEFT_TEST_MODEL_BLOCK_H
#define WEFT_TEST_MODEL_BLOCK_H

#include "base/alloc.h"
#include "sched/sched.h"

static inline void *weft__block_alloc(const weft__stack *self, size_t size_bytes)
{
	(void)self;
	return weft__alloc(size_bytes);
}

static inline bool weft__block_is_kept(const weft__stack *self, size_t size_bytes)
{
	(void)self, (void)size_bytes;
	return false;
}

static inline void weft__block_free(const weft__stack *self, void *block,
				    bool is_kept)
{
	(void)self, (void)is_kept;
	weft__free(block);
}

#ifdef MODEL_REAL_SCHED
static inline void weft__blocks_free(void)
{
}

static inline void weft__block_flush(weft__worker *w)
{
	(void)w;
}

static inline weft_time weft__block_trim(weft_time now)
{
	(void)now;
	return WEFT_NEVER;
}
#endif

#endif
