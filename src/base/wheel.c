/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

/* ---- places ---- */

typedef struct {
	int level;
	int digit;
} place;

static int shift_of(int level)
{
	return level * WEFT__WHEEL_DIGIT_BITS;
}

/* H1 */
static place place_of(const weft__wheel *wheel, int64_t key)
{
	uint64_t differs = (uint64_t)(key ^ wheel->base) | 1;
	int level = (63 - __builtin_clzll(differs)) / WEFT__WHEEL_DIGIT_BITS;

	return (place){level, (int)((uint64_t)key >> shift_of(level) &
				    (WEFT__WHEEL_DIGITS - 1))};
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

static void mark_mixed(weft__wheel *wheel, place p)
{
	wheel->mixed[p.level] |= (uint64_t)1 << p.digit;
}

static bool is_mixed(const weft__wheel *wheel, place p)
{
	return wheel->mixed[p.level] >> p.digit & 1;
}

static void mark_empty(weft__wheel *wheel, place p)
{
	uint64_t rest = ~((uint64_t)1 << p.digit);

	wheel->mixed[p.level] &= rest;
	wheel->digits[p.level] &= rest;
	if (wheel->digits[p.level] == 0)
		wheel->levels &= ~(1u << p.level);
}

/* ---- lists ---- */

/* False: its key is smaller than that of the one before it. H5 */
static bool list_push(weft__wheel_node **list, weft__wheel_node *node)
{
	weft__wheel_node *first = *list, *last;

	node->next = NULL;
	if (first == NULL) {
		node->prev = node;
		*list = node;
		return true;
	}
	last = first->prev;
	node->prev = last;
	last->next = node;
	first->prev = node;
	return last->key <= node->key;
}

static void list_remove(weft__wheel_node **first, weft__wheel_node *node)
{
	if (node == *first)
		*first = node->next;
	else
		node->prev->next = node->next;
	if (node->next != NULL)
		node->next->prev = node->prev;
	else if (*first != NULL)
		(*first)->prev = node->prev;
}

static void remove_at(weft__wheel *wheel, place p, weft__wheel_node *node)
{
	weft__wheel_node **list = &wheel->lists[p.level][p.digit];

	list_remove(list, node);
	if (*list == NULL)
		mark_empty(wheel, p);
}

/* Is node at an end of that list? Elsewhere none needs to know its list. */
static bool is_at_end(const weft__wheel_node *first, const weft__wheel_node *node)
{
	return first != NULL && (node == first || node == first->prev);
}

/* ---- the wheel ---- */

static void put(weft__wheel *wheel, weft__wheel_node *node, int64_t key)
{
	place p = place_of(wheel, key);

	node->key = key;
	if (!list_push(&wheel->lists[p.level][p.digit], node))
		mark_mixed(wheel, p);
	mark_used(wheel, p);
}

void weft__wheel_insert(weft__wheel *wheel, weft__wheel_node *node, int64_t key)
{
	put(wheel, node, key > wheel->base ? key : wheel->base);
}

void weft__wheel_remove(weft__wheel *wheel, weft__wheel_node *node)
{
	if (unlikely(is_at_end(wheel->opening, node)))
		list_remove(&wheel->opening, node);
	else
		remove_at(wheel, place_of(wheel, node->key), node);
}

/* Its first one, unless there are too many to look at each: NULL. */
static weft__wheel_node *first_of(const weft__wheel *wheel, place p)
{
	weft__wheel_node *node = wheel->lists[p.level][p.digit], *first = node;

	if (!is_mixed(wheel, p))
		return first;	/* H5 */
	for (int count = 1; (node = node->next) != NULL; count++) {
		if (count == WEFT__WHEEL_FEW)
			return NULL;
		if (node->key < first->key)
			first = node;
	}
	return first;
}

/* H3 */
static void open_list(weft__wheel *wheel, place p)
{
	wheel->base = begin_of(wheel, p);
	wheel->opening = wheel->lists[p.level][p.digit];
	wheel->lists[p.level][p.digit] = NULL;
	mark_empty(wheel, p);
}

/* False: there is more, and nothing may be moved any more. */
static bool go_on_opening(weft__wheel *wheel, int *moves)
{
	weft__wheel_node *node;

	while ((node = wheel->opening) != NULL && *moves > 0) {
		--*moves;
		list_remove(&wheel->opening, node);
		put(wheel, node, node->key);
	}
	return node == NULL;
}

weft__wheel_node *weft__wheel_take(weft__wheel *wheel, int64_t now, int *moves)
{
	while (go_on_opening(wheel, moves)) {
		weft__wheel_node *first;
		place p;

		if (wheel->levels == 0)
			break;
		p = first_place(wheel);
		if (begin_of(wheel, p) > now)
			break;
		first = first_of(wheel, p);
		if (first != NULL) {
			if (first->key > now)
				return NULL;
			remove_at(wheel, p, first);
			return first;
		}
		open_list(wheel, p);
	}
	if (wheel->opening == NULL && now > wheel->base)
		wheel->base = now;	/* H3 */
	return NULL;
}

int64_t weft__wheel_next(const weft__wheel *wheel)
{
	weft__wheel_node *first;
	place p;

	if (wheel->opening != NULL)
		return wheel->base;
	if (wheel->levels == 0)
		return INT64_MAX;
	p = first_place(wheel);
	first = first_of(wheel, p);
	return first != NULL ? first->key : begin_of(wheel, p);
}
