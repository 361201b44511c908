/* SPDX-License-Identifier: MIT */
#include "sched/lot.h"

#include "base/alloc.h"
#include "plat/lock.h"

#include <string.h>

/*
 * A bucket chains the first waiters of its addresses; each of those has the
 * FIFO of its own address behind it. So 10^6 waiters for one object lengthen
 * no search, and 10^6 objects are spread over as many buckets as that takes.
 */
struct weft__bucket {
	weft__lock lock;
	uint32_t addresses;	/* how many are chained */
	weft__waiter *chain;
} __attribute__((aligned(WEFT__CACHE_LINE)));

typedef struct table {
	int bits;
	struct table *smaller;	/* the one before it: never freed, see grow() */
	weft__bucket *buckets;
} table;

enum {
	FIRST_BITS = 8,
	LAST_BITS = 20,
	CHAIN_LONG = 8,	/* addresses in one bucket that make the table grow */
};

static weft__bucket first_buckets[1 << FIRST_BITS];
static table first_table = {.bits = FIRST_BITS, .buckets = first_buckets};
static table *current = &first_table;

/* Multiplicative (Knuth 6.4): strided addresses, as stacks have, spread too. */
static weft__bucket *bucket_of(const table *t, const void *address)
{
	uint64_t hash = (uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15u;

	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15u;
	return &t->buckets[hash >> (64 - t->bits)];
}

/*
 * The table may have been replaced between reading it and having the lock;
 * growing takes every lock of the old one, so that with the lock held a second
 * look decides.
 */
weft__bucket *weft__lot_lock(const void *address)
{
	for (;;) {
		table *t = weft_atomic_load(&current, acquire);
		weft__bucket *b = bucket_of(t, address);

		weft__lock_take(&b->lock);
		if (likely(weft_atomic_load(&current, relaxed) == t))
			return b;
		weft__lock_drop(&b->lock);
	}
}

static table *table_new(int bits, table *smaller)
{
	size_t count = (size_t)1 << bits;
	table *t = weft__alloc(sizeof *t);
	void *buckets = NULL;

	if (t != NULL)
		buckets = aligned_alloc(WEFT__CACHE_LINE,
					count * sizeof(weft__bucket));
	if (buckets == NULL) {
		weft__free(t);
		return NULL;
	}
	memset(buckets, 0, count * sizeof(weft__bucket));
	*t = (table){.bits = bits, .smaller = smaller, .buckets = buckets};
	return t;
}

static void chain_push(weft__bucket *b, weft__waiter *first)
{
	first->chain = b->chain;
	b->chain = first;
	b->addresses++;
}

/*
 * Replace the table by one four times as large. With every bucket of the old
 * one locked nobody can be in either. The old one stays for ever, because
 * somebody may be about to lock a bucket of it: all of them together are
 * smaller than the newest.
 */
static void grow(table *old)
{
	table *new = table_new(old->bits + 2, old);
	size_t count = (size_t)1 << old->bits;

	if (new == NULL)
		return;	/* longer searches, nothing worse */
	for (size_t i = 0; i < count; i++)
		weft__lock_take(&old->buckets[i].lock);
	if (weft_atomic_load(&current, relaxed) != old) {
		weft__free(new->buckets);
		weft__free(new);
	} else {
		for (size_t i = 0; i < count; i++) {
			weft__waiter *w = old->buckets[i].chain, *next;

			for (; w != NULL; w = next) {
				next = w->chain;
				chain_push(bucket_of(new, w->address), w);
			}
			old->buckets[i].chain = NULL;
			old->buckets[i].addresses = 0;
		}
		weft_atomic_store(&current, new, release);
	}
	for (size_t i = 0; i < count; i++)
		weft__lock_drop(&old->buckets[i].lock);
}

void weft__lot_unlock(weft__bucket *b)
{
	bool crowded = b->addresses > CHAIN_LONG;

	weft__lock_drop(&b->lock);
	if (unlikely(crowded)) {
		table *t = weft_atomic_load(&current, acquire);

		if (t->bits < LAST_BITS && b >= t->buckets &&
		    b < t->buckets + ((size_t)1 << t->bits))
			grow(t);
	}
}

weft__waiter *weft__lot_first(weft__bucket *b, const void *address)
{
	weft__waiter *w = b->chain;

	while (w != NULL && w->address != address)
		w = w->chain;
	return w;
}

void weft__lot_push(weft__bucket *b, const void *address, weft__waiter *w)
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
	}
}

void weft__lot_remove(weft__bucket *b, weft__waiter *w)
{
	if (w->prev == NULL) {
		remove_first(b, w);
	} else {
		w->prev->next = w->next;
		if (w->next != NULL)
			w->next->prev = w->prev;
		else
			weft__lot_first(b, w->address)->last = w->prev;
	}
	w->address = NULL;
}

bool weft__lot_wake_one(weft__bucket *b, const void *address, int result,
			weft__wakeups *wakeups)
{
	weft__waiter *w;

	while ((w = weft__lot_first(b, address)) != NULL) {
		weft__lot_remove(b, w);
		w->result = result;
		if (weft__claim(w, WEFT__NOTIFIED, wakeups))
			return true;
	}
	return false;
}

size_t weft__lot_wake_all(weft__bucket *b, const void *address, int result,
			  weft__wakeups *wakeups)
{
	size_t count = 0;

	while (weft__lot_wake_one(b, address, result, wakeups))
		count++;
	return count;
}
