/* SPDX-License-Identifier: MIT */
/*
 * Waiting with a context: what every _ctx form in the library is made of.
 *
 *	weft__waiter w;
 *	weft__waiter_init(&w, &why);
 *	weft__bucket *b = weft__lot_lock(m);
 *	… decide to wait, leave a mark in *m …
 *	weft__lot_push(b, m, &w);
 *	weft__lot_unlock(b);
 *	err = weft__ctx_park(&w, ctx);
 *	if (err != 0) {
 *		b = weft__lot_lock(m);
 *		if (weft__lot_queued(&w))
 *			weft__lot_remove(b, &w);
 *		… set the marks in *m right again, and pass on what this
 *		  waiter held up …
 *		weft__lot_unlock(b);
 *	}
 *
 * Lock order: a context before its descendants, any context before a bucket.
 * So nothing of the context layer may be called with a bucket locked, except
 * weft_ctx_err(), weft_ctx_done() and weft_ctx_cause(), which take no lock.
 */
#ifndef WEFT_SRC_CTX_CTX_H
#define WEFT_SRC_CTX_CTX_H

#include "plat/lock.h"
#include "sched/park.h"
#include "sched/waiter.h"

#include <weft/ctx.h>
#include <weft/panic.h>

/*
 * Sleep until somebody claims w, or ctx is done, at which w claims itself or
 * is claimed. ctx NULL is never done. The outcome WEFT__CANCELLED is this
 * layer's: nobody else claims with it. Needs no memory and cannot fail.
 *
 * Returns   0            w was claimed NOTIFIED, before or in this call, even
 *                        if ctx is done by now
 *           -ECANCELED   ctx was cancelled; nobody has claimed w NOTIFIED, nor
 *                        ever will
 *           -ETIMEDOUT   likewise, ctx's deadline passed
 *           A nonzero return is what weft_ctx_err(ctx) says from now on.
 * Order     what the claimer did before its claim happens before a return of
 *           0, what the canceller did before a return of -ECANCELED.
 * Lifetime  on return w is in no list of ctx and has no timer; it may still be
 *           in its queue in the lot, but only if the return is nonzero. After
 *           -ECANCELED by a canceller ctx was not touched any more (C6).
 */
int weft__ctx_park_slow(weft__waiter *w, weft_ctx *ctx);

static inline int weft__ctx_park(weft__waiter *w, weft_ctx *ctx)
{
	if (ctx != NULL)
		return weft__ctx_park_slow(w, ctx);
	weft__park_alone(w);
	return 0;	/* without a context nothing else can have claimed it */
}

/*
 * The same with a deadline of the caller's besides: the wait ends at the
 * earlier of deadline and ctx's. Returns the outcome, WEFT__NOTIFIED,
 * WEFT__CANCELLED (ctx was cancelled) or WEFT__TIMEDOUT (either deadline has
 * passed; that of ctx is not recorded yet).
 */
uint32_t weft__ctx_park_until_slow(weft__waiter *w, weft_ctx *ctx,
				   weft_time deadline);

static inline uint32_t weft__ctx_park_until(weft__waiter *w, weft_ctx *ctx,
					    weft_time deadline)
{
	return ctx == NULL ? weft__park_here(w, deadline)
			   : weft__ctx_park_until_slow(w, ctx, deadline);
}

/*
 * Who is to be claimed when a context is done, and with what: CANCELLED who waits
 * with it, NOTIFIED who waits for it. Beside the waiter, so that one may wait for
 * several, and one without any has less to be fetched when it wakes.
 */
typedef struct weft__ctx_entry weft__ctx_entry;
struct weft__ctx_entry {
	weft__waiter *waiter;
	uint32_t outcome;

	/* Under the context's lock. */
	weft__ctx_entry *behind;	/* of the first: the scout; C8 in ctx.c */
	weft__link link;
};

/*
 * Put e, whose waiter and outcome are set, in c's list: false if c is done, but
 * what has expired may pass for not done. What the canceller did happens before a
 * return of false. And take it out again, if it is still there.
 */
bool weft__ctx_enlist(weft_ctx *c, weft__ctx_entry *e);
void weft__ctx_delist(weft_ctx *c, weft__ctx_entry *e);

/*
 * After weft_ctx_cancel(c): take c out of the tree of its parent, if it is in
 * one, so that the parent may be finished and freed. And start the after-funcs
 * that a late timer has left on c, since they do not look whether c is still
 * there (A1). Once for a context; then it needs no weft_ctx_fini(), and contexts
 * below it may outlive this.
 */
void weft__ctx_detach(weft_ctx *c);

/* ---- shared by the files of this folder ---- */

enum {
	WEFT__CTX_ATTACHED = 1,	/* in the tree of its parent; constant */
	WEFT__CTX_AFTERS = 2,	/* had an after-func; under the lock */
};

static inline weft__ctx_entry *weft__ctx_entry_of(weft__link *link)
{
	return weft__container(link, weft__ctx_entry, link);
}

static inline void weft__ctx_lock(weft_ctx *c)
{
	weft__lock_take((weft__lock *)&c->priv_lock);
}

static inline void weft__ctx_unlock(weft_ctx *c)
{
	weft__lock_drop((weft__lock *)&c->priv_lock);
}

/* One of zero bytes was initialised nowhere: its copies are not known. */
static inline void weft__ctx_check_not_copied(const weft_ctx *c)
{
	if (unlikely(c->priv_stamp != 0 && c->priv_stamp != weft__stamp(c)))
		weft_panic("weft_ctx is copied");
}

/* WEFT_NEVER if there is none. */
static inline weft_time weft__ctx_deadline(const weft_ctx *c)
{
	return c->priv_deadline != 0 ? c->priv_deadline : WEFT_NEVER;
}

/* The deadline of c has passed: record it, if c is not done. Its error. */
int weft__ctx_expire(weft_ctx *c);

/* Move what hangs on c, which is done, to the list: see take_afters(). */
void weft__after_take(weft_ctx *c, weft__link *afters);
/* Start what was taken. With no lock held. */
void weft__after_run(weft__link *afters);

#endif
