/* SPDX-License-Identifier: MIT */
/*
 * The condition variable: the queue of its address in the parking lot, and a
 * count of those in it, so that a signal to nobody is one load.
 *
 * priv_waiters is the length of the queue, exact while the bucket is unlocked
 * and changed under its lock alone (Q2). A place in the queue is the ticket: it
 * is taken before the user's lock is let go, so there is no gap between "will
 * wait" and "waits" that a signal could fall into, and no ticket numbers that
 * could wrap.
 *
 * C1  A signal that happens after a wait has let go of the lock finds it: the
 *     count was raised before that, and a load does not see what is older than
 *     the newest value that happens before it. It may see what is newer: that
 *     is lower only if somebody was woken or left since. So that load may be
 *     relaxed; there is one location and no Dekker pair. A signal that is not
 *     ordered with the wait by the lock may miss it, as it may come before it.
 *     Tempting and wrong: to unlock first and then to queue. Between the two
 *     somebody locks, changes what is waited for, and signals nobody.
 * C2  A signal is never spent on a waiter that has left: a claim that fails is
 *     followed by the next waiter (P1). A broadcast takes those that are queued
 *     when it has the bucket's lock, and no later ones: whoever begins to wait
 *     after it cannot steal it from one who waited before. A wait whose unlock
 *     panics is none: the signal that has taken it meanwhile goes to the next
 *     one. Not so a broadcast, which was for all that were there, and would
 *     wake one of the later. And a wait whose context is done already is not
 *     queued at all, where a signal could take it.
 * C3  A signal touches *c last before the claim that may let the last waiter
 *     return: it lowers the count first. While a waiter that is not claimed is
 *     queued, or one whose claim failed has not had our lock, *c lives (Q3).
 *     With none queued it is not touched at all.
 *     Tempting and wrong: to claim, then to lower the count if that went well.
 */
#include "ctx/ctx.h"
#include "sched/lot.h"
#include "sched/panic.h"
#include "sync/locker.h"

#include <weft/cond.h>

_Static_assert(sizeof(weft_cond) == 4 * sizeof(void *) + 8, "documented");

enum { BY_BROADCAST = 1 };	/* a waiter's result; 0: by a signal */

void weft_cond_init_locker(weft_cond *c, weft_locker l)
{
	c->priv_self = c;
	c->priv_locker = l;
	weft_atomic_store(&c->priv_waiters, 0, relaxed);
}

void weft_cond_init(weft_cond *c, weft_mutex *m)
{
	weft_cond_init_locker(c, weft_mutex_locker(m));
}

/* Almost always it is a mutex: no call then, but for the slow ways. */
static inline void lock(const weft_locker *l)
{
	if (likely(l->lock == weft__mutex_call_lock))
		weft_mutex_lock((weft_mutex *)l->obj);
	else
		l->lock(l->obj);
}

static void check_not_copied(const weft_cond *c)
{
	if (unlikely(c->priv_self != c && c->priv_self != NULL))
		weft_panic("sync.Cond is copied");
}

static void count(weft_cond *c, uint32_t n)
{
	weft_atomic_store(&c->priv_waiters, n, relaxed);
}

static inline __attribute__((always_inline)) void queue(weft_cond *c,
							weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(c);

	count(c, c->priv_waiters + 1);
	weft__lot_push(b, c, w);
	weft__lot_unlock(b);
}

/* With b locked. False: somebody has taken it out. */
static bool unlink(weft__bucket *b, weft_cond *c, weft__waiter *w)
{
	if (!weft__lot_queued(w))
		return false;
	weft__lot_remove(b, w);
	count(c, c->priv_waiters - 1);
	return true;
}

static __attribute__((noinline)) void leave(weft_cond *c, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(c);

	unlink(b, c, w);
	weft__lot_unlock(b);
}

/* C2, C3; with b locked. */
static inline void wake_first(weft__bucket *b, weft_cond *c,
			      weft__wakeups *wakeups)
{
	weft__waiter *w;

	while ((w = weft__lot_take(b, c)) != NULL) {
		count(c, c->priv_waiters - 1);
		if (weft__claim(w, WEFT__NOTIFIED, wakeups))
			return;
	}
}

/* C2: as leave(), for one that a signal may have taken. */
static void leave_unwoken(weft_cond *c, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(c);
	weft__wakeups wakeups = {0};

	if (!unlink(b, c, w) && w->result != BY_BROADCAST)
		wake_first(b, c, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

/* Somebody's own unlock, which may panic: then this is no wait any more. */
typedef struct {
	weft_cond *cond;
	weft__waiter *waiter;
	bool done;
} unlocking;

static void unlock_left(const unlocking *u)
{
	weft__guard_end();
	if (unlikely(!u->done))
		leave_unwoken(u->cond, u->waiter);
}

static void unlock_other(const weft_locker *l, weft_cond *c, weft__waiter *w)
{
	__attribute__((cleanup(unlock_left))) unlocking u = {c, w, false};

	weft__guard_begin();
	l->unlock(l->obj);
	u.done = true;
}

static inline void unlock(const weft_locker *l, weft_cond *c, weft__waiter *w)
{
	if (likely(l->unlock == weft__mutex_call_unlock))
		weft_mutex_unlock((weft_mutex *)l->obj);
	else
		unlock_other(l, c, w);
}

static const weft__why why = {.text = "cond wait"};

/* No wait, but others have the lock in between, who may wait for it. */
static int let_others(const weft_locker *l, int error)
{
	l->unlock(l->obj);
	lock(l);
	return error;
}

/* Twice in full: without a context there is nothing to be kept for an error. */
static inline __attribute__((always_inline)) int wait(weft_cond *c, weft_ctx *ctx)
{
	weft_locker l = c->priv_locker;
	int error = weft_ctx_err(ctx);
	weft__waiter w;

	check_not_copied(c);
	if (unlikely(c->priv_self == NULL))
		weft_panic("sync: wait on a weft_cond that was not initialised");
	if (unlikely(error != 0))
		return let_others(&l, error);	/* C2 */
	weft__waiter_init(&w, &why);
	queue(c, &w); /* C1: before the unlock */
	unlock(&l, c, &w);
	error = weft__ctx_park(&w, ctx);
	if (error != 0)
		leave(c, &w);
	lock(&l);
	return error;
}

int weft_cond_wait_ctx(weft_cond *c, weft_ctx *ctx)
{
	return wait(c, ctx);
}

void weft_cond_wait(weft_cond *c)
{
	wait(c, NULL);
}

/* Apart, so that who signals to nobody saves nothing. */
static __attribute__((noinline)) void signal_queued(weft_cond *c)
{
	weft__wakeups wakeups = {0};
	weft__bucket *b = weft__lot_lock(c);

	wake_first(b, c, &wakeups);
	weft__lot_unlock_taken(b);
	weft__wake(&wakeups);
}

void weft_cond_signal(weft_cond *c)
{
	check_not_copied(c);
	if (weft_atomic_load(&c->priv_waiters, relaxed) != 0)
		signal_queued(c);	/* else C1 */
}

/* Nobody goes on early: all want the lock, which the caller may have. */
void weft_cond_broadcast(weft_cond *c)
{
	weft__wakeups wakeups = {0};
	weft__bucket *b;

	check_not_copied(c);
	if (weft_atomic_load(&c->priv_waiters, relaxed) == 0)
		return; /* C1 */
	b = weft__lot_lock(c);
	if (weft__lot_first(b, c) != NULL) {
		count(c, 0); /* C3: before the first claim */
		weft__lot_claim_all(b, c, BY_BROADCAST, &wakeups);
	}
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}
