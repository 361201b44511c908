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
 * stays locked only for a moment. Lock order: a context's lock before a
 * bucket's; never two buckets, except by the lot itself when it grows.
 */
#ifndef WEFT_SRC_SCHED_LOT_H
#define WEFT_SRC_SCHED_LOT_H

#include "sched/waiter.h"

typedef struct weft__bucket weft__bucket;

weft__bucket *weft__lot_lock(const void *address);
void weft__lot_unlock(weft__bucket *b);

/* The rest: with the bucket locked. */

/* Queue w as the last, or as the first, of those who wait for address. */
void weft__lot_push(weft__bucket *b, const void *address, weft__waiter *w);
void weft__lot_push_front(weft__bucket *b, const void *address, weft__waiter *w);

/* The first that waits for address, or NULL; the next is w->next. */
weft__waiter *weft__lot_first(weft__bucket *b, const void *address);

static inline bool weft__lot_queued(const weft__waiter *w)
{
	return w->address != NULL;
}

/* Take w, which must be queued, out. */
void weft__lot_remove(weft__bucket *b, weft__waiter *w);

/*
 * Take the first waiters of address out until one of them can be claimed
 * NOTIFIED. Returns true if there was one; it was given result.
 */
bool weft__lot_wake_one(weft__bucket *b, const void *address, int result,
			weft__wakeups *wakeups);

/* The same for all of them. Returns how many were claimed. */
size_t weft__lot_wake_all(weft__bucket *b, const void *address, int result,
			  weft__wakeups *wakeups);

#endif
