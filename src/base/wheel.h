/* SPDX-License-Identifier: MIT */
/*
 * What is due when: a heap of what is due soon, and lists of what is due later,
 * as in Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
 *
 * Most of what is due later is a timeout that is stopped long before. To take
 * it out of a list costs a look at two neighbours, however many there are; out
 * of a heap, a path through nodes that no cache holds any more.
 *
 * H1  No key is smaller than base; one that would be becomes base. Where a node
 *     is, the highest bit says in which its key differs from base: among the
 *     lowest NEAR_BITS it is in the heap, else in a list of the level that has
 *     the bit, that of the key's digit there.
 * H2  So what is in the heap comes before what is in lists, a lower level
 *     before a higher one, a smaller digit before a larger one.
 * H3  base moves to where the first list begins, once nothing is in the heap,
 *     and that list is put elsewhere; or up to a time before which nothing is
 *     left. Neither changes the highest bit of any other.
 */
#ifndef WEFT_SRC_BASE_WHEEL_H
#define WEFT_SRC_BASE_WHEEL_H

#include "base/heap.h"

enum {
	WEFT__WHEEL_NEAR_BITS = 26,	/* 67 ms, where keys are nanoseconds */
	WEFT__WHEEL_DIGIT_BITS = 6,
	WEFT__WHEEL_DIGITS = 1 << WEFT__WHEEL_DIGIT_BITS,
	WEFT__WHEEL_LEVELS = 7,
};

/* All bytes zero: empty. */
typedef struct weft__wheel {
	weft__heap near;
	int64_t base;
	uint32_t levels;	/* a bit for each that has lists … */
	uint64_t digits[WEFT__WHEEL_LEVELS];	/* … and for each list there */
	/* A list's first node; its prev is the last. */
	weft__heap_node *far[WEFT__WHEEL_LEVELS][WEFT__WHEEL_DIGITS];
} weft__wheel;

static inline bool weft__wheel_empty(const weft__wheel *wheel)
{
	return wheel->near.root == NULL && wheel->levels == 0;
}

/* Among equal keys of lists the first in is the first out. */
void weft__wheel_insert(weft__wheel *wheel, weft__heap_node *node, int64_t key);
void weft__wheel_remove(weft__wheel *wheel, weft__heap_node *node);

/* The first of those with a key of now at most, which stays there, or NULL. */
weft__heap_node *weft__wheel_due(weft__wheel *wheel, int64_t now);

/*
 * Nothing is due before that: the smallest key, or, if many are about, perhaps
 * a time a little before it. INT64_MAX: there is nothing.
 */
int64_t weft__wheel_next(const weft__wheel *wheel);

#endif
