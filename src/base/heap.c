/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

static weft__heap_node *meld(weft__heap_node *a, weft__heap_node *b)
{
	if (a == NULL)
		return b;
	if (b == NULL)
		return a;
	if (b->key < a->key) {
		weft__heap_node *t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child != NULL)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* Meld a list of siblings: in pairs from the left, then all from the right. */
static weft__heap_node *meld_siblings(weft__heap_node *first)
{
	weft__heap_node *pairs = NULL, *all = NULL;

	while (first != NULL) {
		weft__heap_node *a = first, *b = a->next;

		first = b != NULL ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b != NULL)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		weft__heap_node *next = pairs->next;

		pairs->next = NULL;
		all = meld(all, pairs);
		pairs = next;
	}
	return all;
}

void weft__heap_insert(weft__heap *heap, weft__heap_node *node, int64_t key)
{
	*node = (weft__heap_node){.key = key};
	heap->root = meld(heap->root, node);
}

void weft__heap_remove(weft__heap *heap, weft__heap_node *node)
{
	weft__heap_node *rest = meld_siblings(node->child);

	if (node == heap->root) {
		heap->root = rest;
	} else {
		if (node->prev->child == node)
			node->prev->child = node->next;
		else
			node->prev->next = node->next;
		if (node->next != NULL)
			node->next->prev = node->prev;
		heap->root = meld(heap->root, rest);
	}
	if (heap->root != NULL)
		heap->root->prev = heap->root->next = NULL;
	node->child = node->next = node->prev = NULL;
}
