/* SPDX-License-Identifier: MIT */
/*
 * The parking lot: one table for the whole process, from the address of an
 * object to the FIFO queue of those who wait for it. It is what lets a mutex
 * have four bytes and an object be freed while the one who released it is
 * still on its way out: a waker touches the bucket and the waiters, and the
 * object only while a waiter that it has not claimed yet is queued there.
 *
 *	weft__bucket *b = weft__lot_lock(m);
 *	… look at *m again, decide to wait, leave a mark in *m …
 *	weft__lot_push(b, m, &w);
 *	weft__lot_unlock(b);
 *	weft__park(&w, WEFT_NEVER);
 *
 * Q1  Waiters of one address are queued and taken in FIFO order, tasks and
 *     threads alike.
 * Q2  An object's mark "somebody waits" changes only under its bucket's lock,
 *     so that mark and queue agree whenever the lock is free.
 * Q3  Whoever holds the bucket's lock and sees a queued waiter of the address
 *     may touch the object: even a waiter that was cancelled needs the lock
 *     before it can return. With none queued the object may be gone.
 *
 * The table grows with the number of addresses that are waited for; a bucket
 * stays locked only for a moment, or until all of a crowd are claimed. Lock
 * order: a context's lock before a bucket's; never two buckets, except by the
 * lot itself when it grows; those of the scheduler and of traces come after all
 * of these: weft__wake_early().
 */
#ifndef WEFT_SRC_SCHED_LOT_H
#define WEFT_SRC_SCHED_LOT_H

#include "plat/address.h"
#include "plat/lock.h"
#include "sched/waiter.h"

/*
 * A bucket chains the first waiters of its addresses; each of those has the
 * FIFO of its own address behind it. So 10^6 waiters for one object lengthen
 * no search, and 10^6 objects are spread over as many buckets as that takes.
 *
 * Each waiter lies on a page of its own, so that who walks along a queue from
 * one to the next waits for memory at every step. Hence each knows one some
 * places behind it too, to be fetched meanwhile: the scout is told of whoever
 * is pushed, and then the next one is the scout.
 *
 * Q4  The scout is queued, and not as the first of its address: whoever leaves,
 *     or becomes the first, is the scout no more. What a waiter was told of may
 *     be gone: it is fetched, and never looked at.
 *     Tempting and wrong: to note it where claimed is, "which is for those who
 *     have left". Who was cancelled stays queued until it has our lock, and is
 *     in a canceller's list meanwhile: the scout would cut that off.
 */
typedef struct weft__bucket {
	weft__lock lock;
	uint32_t addresses;	/* how many are chained */
	weft__waiter *chain;
	weft__waiter *scout;	/* Q4; of who was pushed last, or NULL */
	uint32_t scout_lag;	/* how many have been pushed behind it */
} __attribute__((aligned(WEFT__CACHE_LINE))) weft__bucket;

typedef struct weft__lot_table {
	weft__bucket *buckets;
	int shift;	/* 64 less the logarithm of their number */
	struct weft__lot_table *smaller;	/* the one before it */
} weft__lot_table;

enum { WEFT__LOT_CROWDED = 8 };	/* addresses in one bucket: time to grow */

extern WEFT__OURS weft__lot_table *weft__lot_current;	/* atomic */

WEFT_PRIV_COLD void weft__lot_grow(weft__lot_table *old);

/*
 * Multiplicative (Knuth 6.4): strided addresses, as stacks have, spread too.
 * Addresses that differ in the last two bits alone have the same bucket, so
 * that an object of four bytes may have several queues under one lock.
 */
static inline weft__bucket *weft__lot_bucket(const weft__lot_table *t,
					     const void *address)
{
	uint64_t hash = weft__address_key(address) * 0x9e3779b97f4a7c15u;

	return &t->buckets[hash >> t->shift];
}

/* b was locked in vain. */
WEFT_PRIV_COLD weft__bucket *weft__lot_lock_again(weft__bucket *b,
						  const void *address);

/*
 * The table may have been replaced between reading it and having the lock;
 * growing takes every lock of the old one, so that with the lock held a second
 * look decides.
 */
static inline weft__bucket *weft__lot_lock(const void *address)
{
	weft__lot_table *t = weft_atomic_load(&weft__lot_current, acquire);
	weft__bucket *b = weft__lot_bucket(t, address);

	weft__lock_take(&b->lock);
	if (likely(weft_atomic_load(&weft__lot_current, relaxed) == t))
		return b;
	return weft__lot_lock_again(b, address);
}

static inline void weft__lot_unlock(weft__bucket *b)
{
	bool crowded = b->addresses > WEFT__LOT_CROWDED;

	weft__lock_drop(&b->lock);
	if (unlikely(crowded))
		weft__lot_grow(weft_atomic_load(&weft__lot_current, acquire));
}

/* The same for who has pushed nobody: it is no more crowded than it was. */
static inline void weft__lot_unlock_taken(weft__bucket *b)
{
	weft__lock_drop(&b->lock);
}

/* The rest: with the bucket locked. */

void weft__lot_push_slow(weft__bucket *b, const void *address, weft__waiter *w);
weft__waiter *weft__lot_take_slow(weft__bucket *b, const void *address);
void weft__lot_remove_slow(weft__bucket *b, weft__waiter *w);

/* Queue w as the last, or as the first, of those who wait for address. */
static inline void weft__lot_push(weft__bucket *b, const void *address,
				  weft__waiter *w)
{
	if (unlikely(b->chain != NULL)) {
		weft__lot_push_slow(b, address, w);
		return;
	}
	w->address = address;
	w->next = w->prev = w->chain = NULL;
	w->last = w;
	b->chain = w;
	b->addresses = 1;
}

void weft__lot_push_front(weft__bucket *b, const void *address, weft__waiter *w);

/* The first that waits for address, or NULL; the next is w->next. */
static inline weft__waiter *weft__lot_first(weft__bucket *b, const void *address)
{
	weft__waiter *w = b->chain;

	while (w != NULL && w->address != address)
		w = w->chain;
	return w;
}

/*
 * In the child of a fork: those who waited, or were woken and on their way, are
 * in the parent, and their marks are not to be believed (K2).
 */
extern bool weft__lot_bereft;

WEFT_PRIV_COLD void weft__lot_differs(bool marked, const char *complaint);

/*
 * Q2: is the object's mark right? If not, somebody has copied an object that was
 * waited for, and the process is stopped with the complaint; but in the child of
 * a fork a mark without a queue is only stale: true, and it is to be cleared.
 */
static inline bool weft__lot_stale(weft__bucket *b, const void *address,
				   bool marked, const char *complaint)
{
	if (likely(marked == (weft__lot_first(b, address) != NULL)))
		return false;
	weft__lot_differs(marked, complaint);
	return true;
}

static inline bool weft__lot_queued(const weft__waiter *w)
{
	return w->address != NULL;
}

/* Take w, which must be queued, out. */
static inline void weft__lot_remove(weft__bucket *b, weft__waiter *w)
{
	if (unlikely(b->chain != w || w->next != NULL)) {
		weft__lot_remove_slow(b, w);
		return;
	}
	b->chain = w->chain;
	b->addresses--;
	w->address = NULL;
}

/* Take the first that waits for address out; NULL: none does. */
static inline weft__waiter *weft__lot_take(weft__bucket *b, const void *address)
{
	weft__waiter *w = b->chain;

	if (unlikely(w == NULL || w->address != address || w->next != NULL))
		return weft__lot_take_slow(b, address);
	weft__lot_remove(b, w);
	return w;
}

/*
 * Take the first waiters of address out until one of them can be claimed
 * NOTIFIED. Returns true if there was one; it was given result.
 */
bool weft__lot_wake_one(weft__bucket *b, const void *address, int result,
			weft__wakeups *wakeups);

/*
 * Take all of them out, for the caller to claim: the first, NULL: there is none;
 * their nexts go on, and their addresses are not NULL yet.
 */
weft__waiter *weft__lot_take_all(weft__bucket *b, const void *address);

/* Q4: fetch one that w, one of those, leads to. */
static inline void weft__lot_fetch(const weft__waiter *w)
{
	if (w->behind == NULL)
		return;
	__builtin_prefetch(w->behind, 1);
	__builtin_prefetch(&w->behind->why, 1);
}

/* Take all of them out and claim them. Returns how many were claimed. */
size_t weft__lot_claim_all(weft__bucket *b, const void *address, int result,
			   weft__wakeups *wakeups);
/* The same, and let the first of a crowd go on before the last is claimed. */
size_t weft__lot_wake_all(weft__bucket *b, const void *address, int result,
			  weft__wakeups *wakeups);

/* In the child of a fork: nobody is queued, and nothing locked. */
void weft__lot_in_child(void);

#endif
