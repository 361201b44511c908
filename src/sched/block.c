/* SPDX-License-Identifier: MIT */
#include "sched/block.h"

enum {
	DEPOT_KEPT = 256,	/* blocks that stay there for the next load */
	TRIM_BATCHES = 32,	/* given back by one look of the monitor */
};

weft__depot weft__blocks;

void weft__blocks_keep(weft__worker *w)
{
	w->blocks->batch.count = w->block_count;
	weft__depot_keep(&weft__blocks, &w->kept_blocks, &w->blocks->batch);
	w->blocks = NULL;
	w->block_count = 0;
}

void weft__block_flush(weft__worker *w)
{
	if (w->blocks != NULL)
		weft__blocks_keep(w);
	weft__depot_keep(&weft__blocks, &w->kept_blocks, NULL);
}

void *weft__block_alloc_slow(weft__worker *w)
{
	weft__batch *b = weft__depot_take_kept(&weft__blocks, &w->kept_blocks);
	weft__block *first;

	if (b == NULL)
		return weft__alloc(WEFT__BLOCK_BYTES);
	first = weft__container(b, weft__block, batch);
	w->block_count = (uint32_t)b->count - 1;
	w->blocks = first->next;
	return first;
}

static void free_list(weft__batch *first)
{
	weft__block *b = weft__container(first, weft__block, batch), *next;

	for (; b != NULL; b = next) {
		next = b->next;
		weft__free(b);
	}
}

/* One list of what is to be given back. False: there is none. */
static bool free_cut(void)
{
	weft__batch *b = weft__blocks.cut;

	if (b == NULL)
		return false;
	weft__blocks.cut = b->below;
	free_list(b);
	return true;
}

weft_time weft__block_trim(weft_time now)
{
	if (weft__blocks.cut == NULL)
		return weft__depot_trim(&weft__blocks, DEPOT_KEPT, now);
	for (int i = 0; i < TRIM_BATCHES && free_cut(); i++)
		;
	return now;
}

void weft__blocks_free(void)
{
	weft__batch *b;

	while (free_cut())
		;
	while ((b = weft__depot_take(&weft__blocks)) != NULL)
		free_list(b);
}
