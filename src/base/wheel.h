/* SPDX-License-Identifier: MIT */
/*
 * What is due when: lists, by the first digit in which a key differs from the
 * time it is; as in Varghese and Lauck, "Hashed and hierarchical timing wheels",
 * SOSP 1987. Nothing is allocated, so that arming a timer cannot fail.
 *
 * Most of what is due later is a timeout that is stopped long before. To take
 * it out of a list costs a look at two neighbours, however many there are; out
 * of a heap, a path through nodes that no cache holds any more.
 *
 * H1  No key is smaller than base; one that would be becomes base. The highest
 *     digit in which a node's key differs from base is its level (the lowest,
 *     if none does), and it is in the list of the key's digit there; or, until
 *     it has its turn, in the one that is being opened.
 * H2  So a lower level comes before a higher one, a smaller digit before a
 *     larger one. In a list of the lowest level all keys are the same, so it is
 *     in order.
 * H3  base moves to where the first list begins, which is opened then: its nodes
 *     are put elsewhere, on lower levels. Or it moves up to a time before which
 *     nothing is left. Neither changes the highest digit of any other.
 * H4  A list of FEW is looked through, a longer one opened: by as many nodes at
 *     a time as the caller allows. Until it is open nothing is due, because the
 *     first may be among the rest.
 * H5  A list into which no key came after a larger one is in order, and stays so
 *     whoever is taken out: its first is the first, on whatever level, and it is
 *     never opened. So those that all wait for as long as each other are put
 *     into a list once, and are not touched again until they are due. A list
 *     is opened late then, and whole, when a shorter wait is mixed in.
 */
#ifndef WEFT_SRC_BASE_WHEEL_H
#define WEFT_SRC_BASE_WHEEL_H

#include "base/base.h"

enum {
	WEFT__WHEEL_DIGIT_BITS = 6,
	WEFT__WHEEL_DIGITS = 1 << WEFT__WHEEL_DIGIT_BITS,
	WEFT__WHEEL_LEVELS = 11,	/* the digits of a key */
	WEFT__WHEEL_FEW = 16,	/* the smallest of so many is soon found */
};

typedef struct weft__wheel_node weft__wheel_node;
struct weft__wheel_node {
	int64_t key;
	weft__wheel_node *next;
	weft__wheel_node *prev;	/* of a list's first: the last */
};

/* All bytes zero: empty. */
typedef struct weft__wheel {
	int64_t base;
	weft__wheel_node *opening;	/* the rest of a list: H1 */
	uint32_t levels;	/* a bit for each that has lists … */
	uint64_t digits[WEFT__WHEEL_LEVELS];	/* … and for each list there … */
	uint64_t mixed[WEFT__WHEEL_LEVELS];	/* … if it is not in order: H5 */
	weft__wheel_node *lists[WEFT__WHEEL_LEVELS][WEFT__WHEEL_DIGITS];
} weft__wheel;

static inline bool weft__wheel_empty(const weft__wheel *wheel)
{
	return wheel->levels == 0 && wheel->opening == NULL;
}

/*
 * Among equal keys the first in is the first out, unless it is in the list that
 * is being opened when the second one comes.
 */
void weft__wheel_insert(weft__wheel *wheel, weft__wheel_node *node, int64_t key);
void weft__wheel_remove(weft__wheel *wheel, weft__wheel_node *node);

/*
 * Take out the first of those with a key of now at most. NULL: there is none, or
 * none is known. The latter if *moves, of which each node that is put elsewhere
 * costs one, has come to zero: call it again.
 */
weft__wheel_node *weft__wheel_take(weft__wheel *wheel, int64_t now, int *moves);

/*
 * Nothing is due before that: the smallest key, or, if many are about, perhaps
 * a time a little before it. INT64_MAX: there is nothing.
 */
int64_t weft__wheel_next(const weft__wheel *wheel);

#endif
