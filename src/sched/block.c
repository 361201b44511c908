/* SPDX-License-Identifier: MIT */
#include "sched/block.h"

#include "base/alloc.h"
#include "sched/sched.h"

/* None for a sanitizer, which is to see who uses one that was let go. */
#if WEFT__ASAN || WEFT__TSAN
enum { KEPT_MAX = 0 };
#else
enum { KEPT_MAX = 32 };
#endif

struct weft__block {
	weft__block *next;
};

static weft__worker *worker_self(void)
{
	weft__stack *self = weft__stack_self();

	return self != NULL ? self->worker : NULL;
}

void *weft__block_alloc(size_t size_bytes)
{
	weft__worker *w = worker_self();
	weft__block *b;

	if (size_bytes > WEFT__BLOCK_BYTES)
		return weft__alloc(size_bytes);
	if (w == NULL || (b = w->blocks) == NULL)
		return weft__alloc(WEFT__BLOCK_BYTES);
	w->blocks = b->next;
	w->block_count--;
	return b;
}

void weft__block_free(void *block, size_t size_bytes)
{
	weft__worker *w = worker_self();
	weft__block *b = block;

	if (size_bytes > WEFT__BLOCK_BYTES || w == NULL ||
	    w->block_count >= KEPT_MAX) {
		weft__free(block);
		return;
	}
	b->next = w->blocks;
	w->blocks = b;
	w->block_count++;
}

void weft__block_flush(weft__worker *w)
{
	weft__block *b;

	while ((b = w->blocks) != NULL) {
		w->blocks = b->next;
		weft__free(b);
	}
	w->block_count = 0;
}
