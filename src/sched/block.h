/* SPDX-License-Identifier: MIT */
/*
 * Memory for what comes and goes with each call of something: blocks of one
 * size, of which a worker keeps two lists, and hands others to all (depot.h).
 * They are the heap's, so that one may be let go where it was not got. self is
 * the caller's stack, NULL on a plain thread.
 */
#ifndef WEFT_SRC_SCHED_BLOCK_H
#define WEFT_SRC_SCHED_BLOCK_H

#include "base/alloc.h"
#include "sched/depot.h"
#include "sched/sched.h"

enum { WEFT__BLOCK_BYTES = 256 };

/* Not for a sanitizer, which is to see who uses one that was let go. */
#if WEFT__ASAN || WEFT__TSAN
enum { WEFT__BLOCKS_ARE_KEPT = 0 };
#else
enum { WEFT__BLOCKS_ARE_KEPT = 1 };
#endif
enum { WEFT__BLOCKS_LIST = 32 };

typedef struct weft__block weft__block;
struct weft__block {
	weft__batch batch;	/* in the first of a list */
	weft__block *next;
};

extern weft__depot weft__blocks;	/* those for all */

/* w has no block at hand. */
WEFT_PRIV_COLD void *weft__block_alloc_slow(weft__worker *w);
/* w's list is long enough. */
WEFT_PRIV_COLD void weft__blocks_keep(weft__worker *w);

/*
 * Is a block of so many bytes, that self gets, one of those that are kept? Only
 * workers take them, so there are never more than were once in use together.
 */
static inline bool weft__block_is_kept(const weft__stack *self, size_t size_bytes)
{
	return WEFT__BLOCKS_ARE_KEPT && self != NULL &&
	       size_bytes <= WEFT__BLOCK_BYTES;
}

/* size_bytes are for any block; those that are small enough cost little. */
static inline void *weft__block_alloc(const weft__stack *self, size_t size_bytes)
{
	weft__worker *w;
	weft__block *b;

	if (unlikely(!weft__block_is_kept(self, size_bytes)))
		return weft__alloc(size_bytes);
	w = self->worker;
	if (unlikely((b = w->blocks) == NULL))
		return weft__block_alloc_slow(w);
	w->blocks = b->next;
	w->block_count--;
	return b;
}

static inline void weft__block_free(const weft__stack *self, void *block,
				    bool is_kept)
{
	weft__worker *w;
	weft__block *b = block;

	if (unlikely(!is_kept || self == NULL)) {
		weft__free(block);
		return;
	}
	w = self->worker;
	if (unlikely(w->block_count >= WEFT__BLOCKS_LIST))
		weft__blocks_keep(w);
	b->next = w->blocks;
	w->blocks = b;
	w->block_count++;
}

/* Give those that w keeps to all. */
void weft__block_flush(weft__worker *w);

/* The monitor's, like weft__stack_trim(). */
weft_time weft__block_trim(weft_time now);

/* All that are left, when there are no workers any more. */
void weft__blocks_free(void);

#endif
