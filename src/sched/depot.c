/* SPDX-License-Identifier: MIT */
#include "sched/depot.h"

#include "sched/sched.h"

void weft__depot_give(weft__depot *d, weft__batch *b)
{
	weft__lock_take(&d->lock);
	b->below = d->young;
	d->young = b;
	d->young_count += b->count;
	weft__lock_drop(&d->lock);
}

weft__batch *weft__depot_take(weft__depot *d)
{
	weft__batch *b;

	weft__lock_take(&d->lock);
	if ((b = d->young) != NULL) {
		d->young = b->below;
		d->young_count -= b->count;
	} else if ((b = d->old) != NULL) {
		d->old = b->below;
		d->old_count -= b->count;
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

weft__batch *weft__depot_take_kept(weft__depot *d, weft__batch **kept)
{
	weft__batch *b = *kept;

	*kept = NULL;
	return b != NULL ? b : weft__depot_take(d);
}

/* With the depot locked: a second is over. */
static void grow_old(weft__depot *d, size_t stay)
{
	weft__batch *b;

	while ((b = d->old) != NULL && d->young_count < stay) {
		d->old = b->below;
		b->below = d->young;
		d->young = b;
		d->young_count += b->count;
	}
	d->cut = d->old;
	d->old = d->young;
	d->old_count = d->young_count;
	d->young = NULL;
	d->young_count = 0;
}

weft_time weft__depot_trim(weft__depot *d, size_t stay, weft_time now)
{
	weft_time again = now;

	weft__lock_take(&d->lock);
	if (d->next == 0) {
		if (d->young_count + d->old_count > stay)
			d->next = now + WEFT__TRIM_AFTER;
		again = d->next != 0 ? d->next : WEFT_NEVER;
	} else if (now < d->next) {
		again = d->next;
	} else {
		grow_old(d, stay);
		d->next = 0;
	}
	weft__lock_drop(&d->lock);
	return again;
}
