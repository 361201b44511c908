/* SPDX-License-Identifier: MIT */
/*
 * An intrusive pairing heap, smallest key first: nothing is allocated, so that
 * arming a timer cannot fail. Insert is O(1), taking a node out O(log n)
 * amortised (Fredman et al., "The pairing heap", Algorithmica 1986).
 *
 * prev is the left sibling, or the parent for a first child; NULL at the root.
 */
#ifndef WEFT_SRC_BASE_HEAP_H
#define WEFT_SRC_BASE_HEAP_H

#include "base/base.h"

typedef struct weft__heap_node weft__heap_node;
struct weft__heap_node {
	int64_t key;
	weft__heap_node *child;
	weft__heap_node *next;
	weft__heap_node *prev;
};

typedef struct weft__heap {
	weft__heap_node *root;
} weft__heap;

void weft__heap_insert(weft__heap *heap, weft__heap_node *node, int64_t key);
void weft__heap_remove(weft__heap *heap, weft__heap_node *node);

#endif
