/* SPDX-License-Identifier: MIT */
/*
 * An intrusive, doubly linked, circular list. All bytes zero is an empty head
 * and a link that is in no list.
 */
#ifndef WEFT_SRC_BASE_LIST_H
#define WEFT_SRC_BASE_LIST_H

#include "base/base.h"

typedef weft_priv_link weft__link;

static inline bool weft__list_empty(const weft__link *head)
{
	return head->next == NULL || head->next == head;
}

static inline weft__link *weft__list_first(const weft__link *head)
{
	return weft__list_empty(head) ? NULL : head->next;
}

static inline void weft__list_push(weft__link *head, weft__link *link)
{
	if (head->next == NULL)
		head->next = head->prev = head;
	link->next = head;
	link->prev = head->prev;
	head->prev->next = link;
	head->prev = link;
}

static inline bool weft__list_linked(const weft__link *link)
{
	return link->next != NULL;
}

static inline void weft__list_remove(weft__link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

static inline weft__link *weft__list_pop(weft__link *head)
{
	weft__link *link = weft__list_first(head);

	if (link != NULL)
		weft__list_remove(link);
	return link;
}

/*
 * The same with a head of one pointer, to the first; its prev is the last. NULL
 * is an empty one.
 */
static inline void weft__circle_push(weft__link **first, weft__link *link)
{
	weft__link *old = *first;

	if (old == NULL)
		*first = old = link->prev = link;
	link->next = old;
	link->prev = old->prev;
	old->prev->next = link;
	old->prev = link;
}

static inline void weft__circle_remove(weft__link **first, weft__link *link)
{
	if (*first == link)
		*first = link->next != link ? link->next : NULL;
	weft__list_remove(link);
}

static inline weft__link *weft__circle_pop(weft__link **first)
{
	weft__link *link = *first;

	if (link != NULL)
		weft__circle_remove(first, link);
	return link;
}

#endif
