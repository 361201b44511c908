/* SPDX-License-Identifier: MIT */
#include "sched/block.h"

void weft__block_flush(weft__worker *w)
{
	weft__block *b;

	while ((b = w->blocks) != NULL) {
		w->blocks = b->next;
		weft__free(b);
	}
	w->block_count = 0;
}
