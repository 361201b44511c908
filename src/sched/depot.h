/* SPDX-License-Identifier: MIT */
/*
 * What is free and for all workers: lists that they give, and take, as a whole.
 * One after the other is not looked at for that: what has long been free is in
 * no cache. The last list in is the first one out. So what was there at one look
 * of the monitor's and still is at the next, a second later, nobody has needed.
 */
#ifndef WEFT_SRC_SCHED_DEPOT_H
#define WEFT_SRC_SCHED_DEPOT_H

#include "plat/lock.h"

#include <weft/time.h>

/* In the first of a list. */
typedef struct weft__batch weft__batch;
struct weft__batch {
	weft__batch *below;	/* the first of the next list */
	size_t count;		/* how many are in this one */
};

typedef struct {
	weft__lock lock;
	weft__batch *young;	/* given since the last look */
	weft__batch *old;	/* the rest, which is taken after them */
	size_t young_count;	/* of all lists together */
	size_t old_count;

	/* The monitor's. */
	weft__batch *cut;	/* taken out, to be given back */
	weft_time next;		/* when to look; 0: not now */
} weft__depot;

/* Called from several places that are seldom come to, so one copy will do. */
__attribute__((noinline)) void weft__depot_give(weft__depot *d, weft__batch *b);

/* NULL: there is none. */
weft__batch *weft__depot_take(weft__depot *d);

/*
 * A worker keeps a list besides the one that it is at, so that it has neither to
 * ask nor to give where it goes to and fro. This one from now on, or none; what it
 * has kept goes to all.
 */
void weft__depot_keep(weft__depot *d, weft__batch **kept, weft__batch *b);

/* What is kept, then; or what all have; or NULL. */
weft__batch *weft__depot_take_kept(weft__depot *d, weft__batch **kept);

/*
 * The monitor's: put into d->cut, which is empty, what nobody has needed for a
 * second, but for about as many as are to stay. Returns when to call it again;
 * WEFT_NEVER: not before something was given.
 */
weft_time weft__depot_trim(weft__depot *d, size_t stay, weft_time now);

#endif
