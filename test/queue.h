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

#endif
