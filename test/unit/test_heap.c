/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "test.h"

#include <stdlib.h>

enum { NODES = 200 };

/* Heap order below node, and every link back. Returns how many there are. */
static int check_below(const weft__heap_node *node)
{
	const weft__heap_node *before = node;
	int count = 1;

	for (const weft__heap_node *n = node->child; n != NULL; n = n->next) {
		CHECK(n->prev == before);
		CHECK_LE(node->key, n->key);
		count += check_below(n);
		before = n;
	}
	return count;
}

static int check_heap(const weft__heap *heap)
{
	if (heap->root == NULL)
		return 0;
	CHECK(heap->root->prev == NULL);
	CHECK(heap->root->next == NULL);
	return check_below(heap->root);
}

static weft__heap_node *pop(weft__heap *heap)
{
	weft__heap_node *node = heap->root;

	if (node != NULL)
		weft__heap_remove(heap, node);
	return node;
}

TEST(heap_of_zero_bytes_is_empty)
{
	weft__heap heap = {0};

	CHECK(pop(&heap) == NULL);
}

TEST(heap_gives_keys_in_order)
{
	weft__heap heap = {0};
	weft__heap_node nodes[NODES];
	int64_t last = INT64_MIN;

	for (int i = 0; i < NODES; i++)
		weft__heap_insert(&heap, &nodes[i], (int64_t)test_random());
	for (int i = 0; i < NODES; i++) {
		weft__heap_node *node = pop(&heap);

		CHECK_LE(last, node->key);
		last = node->key;
		CHECK_EQ(check_heap(&heap), NODES - 1 - i);
	}
}

TEST(heap_takes_the_extreme_keys)
{
	static const int64_t keys[] = {INT64_MAX, 0, INT64_MIN, -1, INT64_MAX};
	weft__heap heap = {0};
	weft__heap_node nodes[5];

	for (int i = 0; i < 5; i++)
		weft__heap_insert(&heap, &nodes[i], keys[i]);
	CHECK(pop(&heap) == &nodes[2]);
	CHECK(pop(&heap) == &nodes[3]);
	CHECK(pop(&heap) == &nodes[1]);
	CHECK_EQ(check_heap(&heap), 2);
}

TEST(heap_keeps_all_of_equal_keys)
{
	weft__heap heap = {0};
	weft__heap_node nodes[NODES];

	for (int i = 0; i < NODES; i++)
		weft__heap_insert(&heap, &nodes[i], 7);
	for (int i = 0; i < NODES; i++)
		CHECK_EQ(pop(&heap)->key, 7);
	CHECK(heap.root == NULL);
}

/* The depth of a pairing heap of ascending keys is its size: no recursion. */
TEST(heap_of_a_million_ascending_keys_can_be_emptied)
{
	enum { MANY = 1000 * 1000 };
	weft__heap heap = {0};
	weft__heap_node *nodes = malloc(MANY * sizeof *nodes);

	CHECK(nodes != NULL);
	for (int i = MANY - 1; i >= 0; i--)
		weft__heap_insert(&heap, &nodes[i], i);
	for (int i = 0; i < MANY; i++)
		CHECK(pop(&heap) == &nodes[i]);
	CHECK(heap.root == NULL);
	free(nodes);
}

static int64_t smallest(const weft__heap_node nodes[], const bool in[])
{
	int64_t key = INT64_MAX;

	for (int i = 0; i < NODES; i++)
		if (in[i] && nodes[i].key < key)
			key = nodes[i].key;
	return key;
}

TEST(heap_agrees_with_a_table_after_random_steps)
{
	weft__heap heap = {0};
	weft__heap_node nodes[NODES];
	bool in[NODES] = {0};
	int count = 0;

	for (int step = 0; step < 5000; step++) {
		int i = (int)(test_random() % NODES);

		if (in[i])
			weft__heap_remove(&heap, &nodes[i]);
		else
			weft__heap_insert(&heap, &nodes[i],
					  (int64_t)(test_random() % 100));
		in[i] = !in[i];
		count += in[i] ? 1 : -1;
		CHECK_EQ(check_heap(&heap), count);
		if (count > 0)
			CHECK_EQ(heap.root->key, smallest(nodes, in));
	}
}
