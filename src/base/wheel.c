/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

enum { LOOKED_AT = 16 };	/* of a list, for its smallest key */

/* ---- places ---- */

typedef struct {
	int level;	/* negative: the heap */
	int digit;
} place;

static int shift_of(int level)
{
	return WEFT__WHEEL_NEAR_BITS + level * WEFT__WHEEL_DIGIT_BITS;
}

/* H1 */
static place place_of(const weft__wheel *wheel, int64_t key)
{
	uint64_t far = (uint64_t)(key ^ wheel->base) >> WEFT__WHEEL_NEAR_BITS;
	place p = {.level = -1};

	if (far != 0) {
		p.level = (63 - __builtin_clzll(far)) / WEFT__WHEEL_DIGIT_BITS;
		p.digit = (int)((uint64_t)key >> shift_of(p.level) &
				(WEFT__WHEEL_DIGITS - 1));
	}
	return p;
}

/* The list that comes first; there must be one. */
static place first_place(const weft__wheel *wheel)
{
	int level = __builtin_ctz(wheel->levels);

	return (place){level, __builtin_ctzll(wheel->digits[level])};
}

static int64_t begin_of(const weft__wheel *wheel, place p)
{
	uint64_t below = ((uint64_t)WEFT__WHEEL_DIGITS << shift_of(p.level)) - 1;

	return (int64_t)(((uint64_t)wheel->base & ~below) |
			 (uint64_t)p.digit << shift_of(p.level));
}

static void mark_used(weft__wheel *wheel, place p)
{
	wheel->digits[p.level] |= (uint64_t)1 << p.digit;
	wheel->levels |= 1u << p.level;
}

static void mark_empty(weft__wheel *wheel, place p)
{
	wheel->digits[p.level] &= ~((uint64_t)1 << p.digit);
	if (wheel->digits[p.level] == 0)
		wheel->levels &= ~(1u << p.level);
}

/* ---- lists ---- */

static void list_push(weft__wheel *wheel, place p, weft__heap_node *node)
{
	weft__heap_node **first = &wheel->far[p.level][p.digit];

	node->next = NULL;
	if (*first == NULL) {
		node->prev = node;
		*first = node;
		mark_used(wheel, p);
	} else {
		node->prev = (*first)->prev;
		node->prev->next = node;
		(*first)->prev = node;
	}
}

static void list_remove(weft__wheel *wheel, place p, weft__heap_node *node)
{
	weft__heap_node **first = &wheel->far[p.level][p.digit];

	if (node == *first)
		*first = node->next;
	else
		node->prev->next = node->next;
	if (node->next != NULL)
		node->next->prev = node->prev;
	else if (*first != NULL)
		(*first)->prev = node->prev;
	else
		mark_empty(wheel, p);
}

/* ---- the wheel ---- */

static void put(weft__wheel *wheel, weft__heap_node *node, int64_t key)
{
	place p = place_of(wheel, key);

	if (p.level < 0) {
		weft__heap_insert(&wheel->near, node, key);
	} else {
		node->key = key;
		list_push(wheel, p, node);
	}
}

void weft__wheel_insert(weft__wheel *wheel, weft__heap_node *node, int64_t key)
{
	put(wheel, node, key > wheel->base ? key : wheel->base);
}

void weft__wheel_remove(weft__wheel *wheel, weft__heap_node *node)
{
	place p = place_of(wheel, node->key);

	if (p.level < 0)
		weft__heap_remove(&wheel->near, node);
	else
		list_remove(wheel, p, node);
}

/* Put the first list elsewhere, if its time has begun: H3. */
static bool open_first(weft__wheel *wheel, int64_t now)
{
	place p = first_place(wheel);
	int64_t begin = begin_of(wheel, p);
	weft__heap_node *node, *next;

	if (begin > now)
		return false;
	node = wheel->far[p.level][p.digit];
	wheel->far[p.level][p.digit] = NULL;
	mark_empty(wheel, p);
	wheel->base = begin;
	for (; node != NULL; node = next) {
		next = node->next;
		put(wheel, node, node->key);
	}
	return true;
}

weft__heap_node *weft__wheel_due(weft__wheel *wheel, int64_t now)
{
	weft__heap_node *first;

	while (wheel->near.root == NULL && wheel->levels != 0 &&
	       open_first(wheel, now))
		;
	first = wheel->near.root;
	if (first != NULL && first->key <= now)
		return first;
	if (now > wheel->base)
		wheel->base = now;	/* H3 */
	return NULL;
}

int64_t weft__wheel_next(const weft__wheel *wheel)
{
	const weft__heap_node *node;
	int64_t next = INT64_MAX;
	int count = 0;
	place p;

	if (wheel->near.root != NULL)
		return wheel->near.root->key;
	if (wheel->levels == 0)
		return next;
	p = first_place(wheel);
	for (node = wheel->far[p.level][p.digit]; node != NULL; node = node->next) {
		if (++count > LOOKED_AT)
			return begin_of(wheel, p);
		if (node->key < next)
			next = node->key;
	}
	return next;
}
