/* SPDX-License-Identifier: MIT */
/*
 * Memory for what comes and goes with each call of something: blocks of one
 * size, of which a worker keeps a few until it sleeps. They are the heap's, so
 * that one may be let go where it was not got. self is the caller's stack, NULL
 * on a plain thread.
 */
#ifndef WEFT_SRC_SCHED_BLOCK_H
#define WEFT_SRC_SCHED_BLOCK_H

#include "base/alloc.h"
#include "sched/sched.h"

enum { WEFT__BLOCK_BYTES = 256 };

/* None for a sanitizer, which is to see who uses one that was let go. */
#if WEFT__ASAN || WEFT__TSAN
enum { WEFT__BLOCKS_KEPT = 0 };
#else
enum { WEFT__BLOCKS_KEPT = 32 };
#endif

typedef struct weft__block weft__block;
struct weft__block {
	weft__block *next;
};

/* size_bytes are for any block; those that are small enough cost little. */
static inline void *weft__block_alloc(const weft__stack *self, size_t size_bytes)
{
	weft__worker *w = self != NULL ? self->worker : NULL;
	weft__block *b;

	if (unlikely(size_bytes > WEFT__BLOCK_BYTES))
		return weft__alloc(size_bytes);
	if (unlikely(w == NULL || (b = w->blocks) == NULL))
		return weft__alloc(WEFT__BLOCK_BYTES);
	w->blocks = b->next;
	w->block_count--;
	return b;
}

static inline void weft__block_free(const weft__stack *self, void *block,
				    size_t size_bytes)
{
	weft__worker *w = self != NULL ? self->worker : NULL;
	weft__block *b = block;

	if (unlikely(size_bytes > WEFT__BLOCK_BYTES || w == NULL ||
		     w->block_count >= WEFT__BLOCKS_KEPT)) {
		weft__free(block);
		return;
	}
	b->next = w->blocks;
	w->blocks = b;
	w->block_count++;
}

/* Give back those that w keeps. */
void weft__block_flush(weft__worker *w);

#endif
