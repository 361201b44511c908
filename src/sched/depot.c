/* SPDX-License-Identifier: MIT */
#include "sched/depot.h"

#include "sched/sched.h"

enum { WALK_MAX = 1024 };	/* lists that are in use, past the rest */

__attribute__((noinline)) void weft__depot_give(weft__depot *d, weft__batch *b)
{
	weft__lock_take(&d->lock);
	b->below = d->batches;
	d->batches = b;
	d->count += b->count;
	weft__lock_drop(&d->lock);
}

weft__batch *weft__depot_take(weft__depot *d)
{
	weft__batch *b;

	weft__lock_take(&d->lock);
	b = d->batches;
	if (b != NULL) {
		d->batches = b->below;
		d->count -= b->count;
		if (d->count < d->fewest)
			d->fewest = d->count;
	}
	weft__lock_drop(&d->lock);
	return b;
}

void weft__depot_keep(weft__depot *d, weft__batch **kept, weft__batch *b)
{
	if (*kept != NULL)
		weft__depot_give(d, *kept);
	*kept = b;
}

weft__batch *weft__depot_next(weft__depot *d, weft__batch **kept)
{
	weft__batch *b = *kept;

	*kept = NULL;
	return b != NULL ? b : weft__depot_take(d);
}

/* With the depot locked: those below the first that come to so many. */
static weft__batch *cut_below(weft__depot *d, size_t stay)
{
	weft__batch **link = &d->batches, *cut;
	size_t count = 0;

	for (int i = 0; *link != NULL && count < stay; i++) {
		if (i == WALK_MAX)
			return NULL;
		count += (*link)->count;
		link = &(*link)->below;
	}
	cut = *link;
	*link = NULL;
	d->count = count;
	return cut;
}

weft_time weft__depot_trim(weft__depot *d, size_t kept, weft_time now)
{
	weft_time again = now;

	weft__lock_take(&d->lock);
	if (d->next == 0 && d->count <= kept) {
		again = WEFT_NEVER;
	} else if (d->next == 0 || now < d->next) {
		if (d->next == 0)
			d->next = now + WEFT__TRIM_AFTER;
		again = d->next;
	} else {
		if (d->fewest > kept)
			d->cut = cut_below(d, d->count - d->fewest + kept);
		d->fewest = d->count;
		d->next = 0;
	}
	weft__lock_drop(&d->lock);
	return again;
}
