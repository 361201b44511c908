/* SPDX-License-Identifier: MIT */
#include "sched/lot.h"

#include "base/alloc.h"
#include "base/trap.h"

#include <string.h>

enum {
	FIRST_BITS = 8,
	LAST_BITS = 20,
	LAG = 8,	/* so many waiters are fetched ahead */
};

static weft__bucket first_buckets[1 << FIRST_BITS];
static weft__lot_table first_table = {
	.buckets = first_buckets,
	.shift = 64 - FIRST_BITS,
};

weft__lot_table *weft__lot_current = &first_table;
bool weft__lot_bereft;
static uint32_t growing;

static size_t bucket_count(const weft__lot_table *t)
{
	return (size_t)1 << (64 - t->shift);
}

static weft__lot_table *table_new(int bits, weft__lot_table *smaller)
{
	size_t count = (size_t)1 << bits;
	weft__lot_table *t = weft__alloc(sizeof *t);
	void *buckets = NULL;

	if (t != NULL)
		buckets = weft__alloc_lines(count * sizeof(weft__bucket));
	if (buckets == NULL) {
		weft__free(t);
		return NULL;
	}
	memset(buckets, 0, count * sizeof(weft__bucket));
	*t = (weft__lot_table){
		.buckets = buckets,
		.shift = 64 - bits,
		.smaller = smaller,
	};
	return t;
}

static void chain_push(weft__bucket *b, weft__waiter *first)
{
	first->chain = b->chain;
	b->chain = first;
	b->addresses++;
}

static void rehash(weft__lot_table *old, weft__lot_table *new)
{
	for (size_t i = 0; i < bucket_count(old); i++) {
		weft__waiter *w = old->buckets[i].chain, *next;

		for (; w != NULL; w = next) {
			next = w->chain;
			chain_push(weft__lot_bucket(new, w->address), w);
		}
		old->buckets[i].chain = NULL;
		old->buckets[i].addresses = 0;
		old->buckets[i].scout = NULL;
	}
}

/*
 * Replace the table by one four times as large, unless somebody has. With every
 * bucket of the old one locked nobody can be in either. The old one stays for
 * ever, because somebody may be about to lock a bucket of it: all of them
 * together are smaller than the newest.
 */
static void grow(weft__lot_table *old)
{
	int bits = 64 - old->shift + 2;
	weft__lot_table *new = bits <= LAST_BITS ? table_new(bits, old) : NULL;
	bool first;

	if (new == NULL)
		return;	/* longer searches, nothing worse */
	for (size_t i = 0; i < bucket_count(old); i++)
		weft__lock_take(&old->buckets[i].lock);
	first = weft_atomic_load(&weft__lot_current, relaxed) == old;
	if (first) {
		rehash(old, new);
		weft_atomic_store(&weft__lot_current, new, release);
	}
	for (size_t i = 0; i < bucket_count(old); i++)
		weft__lock_drop(&old->buckets[i].lock);
	if (!first) {
		weft__free(new->buckets);
		weft__free(new);
	}
}

/* One at a time tries: the memory of the others' attempts would be wasted. */
void weft__lot_grow(weft__lot_table *old)
{
	if (weft_atomic_xchg(&growing, 1, acquire) != 0)
		return;
	grow(old);
	weft_atomic_store(&growing, 0, release);
}

weft__bucket *weft__lot_lock_again(weft__bucket *b, const void *address)
{
	weft__lot_table *t;

	do {
		weft__lock_drop(&b->lock);
		t = weft_atomic_load(&weft__lot_current, acquire);
		b = weft__lot_bucket(t, address);
		weft__lock_take(&b->lock);
	} while (weft_atomic_load(&weft__lot_current, relaxed) != t);
	return b;
}

/* w is the last, and not the first: Q4. */
static void tell_scout(weft__bucket *b, weft__waiter *w)
{
	weft__waiter *scout = b->scout;

	w->behind = NULL;
	if (scout == NULL || scout->address != w->address) {
		b->scout = w;
		b->scout_lag = 0;
	} else if (b->scout_lag < LAG - 1) {
		b->scout_lag++;
	} else {
		scout->behind = w;
		b->scout = scout->next;
	}
}

void weft__lot_push_slow(weft__bucket *b, const void *address, weft__waiter *w)
{
	weft__waiter *first = weft__lot_first(b, address);

	w->address = address;
	w->next = NULL;
	if (first == NULL) {
		w->prev = NULL;
		w->last = w;
		chain_push(b, w);
	} else {
		w->prev = first->last;
		first->last->next = w;
		first->last = w;
		tell_scout(b, w);
	}
}

/* Where the chain points to first. */
static weft__waiter **chain_link(weft__bucket *b, const weft__waiter *first)
{
	weft__waiter **link = &b->chain;

	while (*link != first)
		link = &(*link)->chain;
	return link;
}

void weft__lot_push_front(weft__bucket *b, const void *address, weft__waiter *w)
{
	weft__waiter *first = weft__lot_first(b, address);

	if (first == NULL) {
		weft__lot_push(b, address, w);
		return;
	}
	w->address = address;
	w->prev = NULL;
	w->next = first;
	w->last = first->last;
	w->chain = first->chain;
	*chain_link(b, first) = w;
	first->prev = w;
	first->behind = NULL;
}

static void remove_first(weft__bucket *b, weft__waiter *w)
{
	weft__waiter **link = chain_link(b, w), *next = w->next;

	if (next == NULL) {
		*link = w->chain;
		b->addresses--;
	} else {
		next->prev = NULL;
		next->last = w->last;
		next->chain = w->chain;
		*link = next;
		if (b->scout == next)
			b->scout = NULL;	/* Q4 */
	}
}

void weft__lot_remove_slow(weft__bucket *b, weft__waiter *w)
{
	if (w->prev == NULL) {
		remove_first(b, w);
	} else {
		if (b->scout == w)
			b->scout = NULL;	/* Q4 */
		w->prev->next = w->next;
		if (w->next != NULL)
			w->next->prev = w->prev;
		else
			weft__lot_first(b, w->address)->last = w->prev;
	}
	w->address = NULL;
}

weft__waiter *weft__lot_take_slow(weft__bucket *b, const void *address)
{
	weft__waiter *w = weft__lot_first(b, address);

	if (w != NULL)
		weft__lot_remove_slow(b, w);
	return w;
}

bool weft__lot_wake_one(weft__bucket *b, const void *address, int result,
			weft__wakeups *wakeups)
{
	weft__waiter *w;

	while ((w = weft__lot_take(b, address)) != NULL) {
		w->result = result;
		if (weft__claim(w, WEFT__NOTIFIED, wakeups))
			return true;
	}
	return false;
}

weft__waiter *weft__lot_take_all(weft__bucket *b, const void *address)
{
	weft__waiter *first = weft__lot_first(b, address);

	if (first == NULL)
		return NULL;
	*chain_link(b, first) = first->chain;
	b->addresses--;
	b->scout = NULL;	/* Q4 */
	first->behind = NULL;
	return first;
}

static inline __attribute__((always_inline)) size_t
claim_all(weft__bucket *b, const void *address, int result,
	  weft__wakeups *wakeups, bool early)
{
	weft__waiter *w = weft__lot_take_all(b, address), *next;
	size_t count = 0, seen = 0;

	for (; w != NULL; w = next) {
		next = w->next;
		weft__lot_fetch(w);
		w->address = NULL;
		w->result = result;
		count += weft__claim(w, WEFT__NOTIFIED, wakeups) != WEFT__LOST;
		if (early)
			weft__wake_early(wakeups, ++seen);
	}
	return count;
}

size_t weft__lot_claim_all(weft__bucket *b, const void *address, int result,
			   weft__wakeups *wakeups)
{
	return claim_all(b, address, result, wakeups, false);
}

size_t weft__lot_wake_all(weft__bucket *b, const void *address, int result,
			  weft__wakeups *wakeups)
{
	return claim_all(b, address, result, wakeups, true);
}

void weft__lot_differs(bool marked, const char *complaint)
{
	if (!marked || !weft__lot_bereft)
		weft__fatal("%s", complaint);
}

/* What lies in a locked one may be half changed: nothing is looked at. */
void weft__lot_in_child(void)
{
	weft__lot_table *t = weft_atomic_load(&weft__lot_current, relaxed);

	for (size_t i = 0; i < bucket_count(t); i++) {
		weft__bucket *b = &t->buckets[i];

		if (b->lock.word != 0 || b->chain != NULL)
			*b = (weft__bucket){0};
	}
	weft_atomic_store(&growing, 0, relaxed);
	weft__lot_bereft = true;
}
