/* SPDX-License-Identifier: MIT */
/* Who waits for an object: so that tests know, and do not hope, that they do. */
#ifndef WEFT_TEST_QUEUE_H
#define WEFT_TEST_QUEUE_H

#include "door.h"

/* How many are queued in the parking lot for the object at address. */
static inline size_t queue_length(const void *address)
{
	weft__bucket *b = weft__lot_lock(address);
	weft__waiter *w = weft__lot_first(b, address);
	size_t length = 0;

	for (; w != NULL; w = w->next)
		length++;
	weft__lot_unlock(b);
	return length;
}

/* How many wait with, or for, this very context. */
static inline size_t ctx_waiters(weft_ctx *c)
{
	weft_priv_link *link;
	size_t count = 0;

	weft__ctx_lock(c);
	link = c->priv_waiters;
	if (link != NULL)
		do
			count++;
		while ((link = link->next) != c->priv_waiters);
	weft__ctx_unlock(c);
	return count;
}

/* How many operations are queued on a channel, dead ones too. */
static inline size_t chan_queued(weft_chan *c)
{
	weft_priv_link *queues[] = {&c->priv_senders, &c->priv_receivers};
	size_t length = 0;

	weft__chan_lock(c);
	for (int i = 0; i < 2; i++)
		if (!weft__list_empty(queues[i]))
			for (weft__link *l = queues[i]->next; l != queues[i];
			     l = l->next)
				length++;
	weft__chan_unlock(c);
	return length;
}

#endif
