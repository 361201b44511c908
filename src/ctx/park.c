/* SPDX-License-Identifier: MIT */
/* Waiting with a context, and for one. C6 in ctx.c says who unlinks whom. */
#include "base/list.h"
#include "ctx/ctx.h"

enum { LAG = 8 };	/* so many waiters are fetched ahead */

/* C8: e has become the last. */
static void tell_scout(weft_ctx *c, weft__ctx_entry *e)
{
	weft__ctx_entry *first = weft__ctx_entry_of(c->priv_waiters), *scout;

	e->behind = NULL;
	if (first == e)
		return;
	scout = first->behind;
	if (scout == NULL) {
		first->behind = e;
		c->priv_scout_lag = 0;
	} else if (c->priv_scout_lag < LAG - 1) {
		c->priv_scout_lag++;
	} else {
		scout->behind = e;
		first->behind = weft__ctx_entry_of(scout->link.next);
	}
}

/* C8: e is about to leave. */
static void dismiss_scout(weft_ctx *c, weft__ctx_entry *e)
{
	weft__ctx_entry *first = weft__ctx_entry_of(c->priv_waiters);
	weft__ctx_entry *scout = first->behind;

	if (e == scout) {
		first->behind = NULL;
	} else if (e == first) {
		first = weft__ctx_entry_of(e->link.next);
		first->behind = first != scout ? scout : NULL;
	}
}

bool weft__ctx_enlist(weft_ctx *c, weft__ctx_entry *e)
{
	bool open;

	if (weft_atomic_load(&c->priv_err, acquire) != 0)
		return false;
	weft__ctx_check_not_copied(c);
	weft__ctx_lock(c);
	open = weft_atomic_load(&c->priv_err, relaxed) == 0;	/* C4 */
	if (open) {
		weft__circle_push(&c->priv_waiters, &e->link);
		tell_scout(c, e);
	}
	weft__ctx_unlock(c);
	return open;
}

void weft__ctx_delist(weft_ctx *c, weft__ctx_entry *e)
{
	weft__ctx_lock(c);
	if (weft__list_linked(&e->link)) {
		dismiss_scout(c, e);
		weft__circle_remove(&c->priv_waiters, &e->link);
	}
	weft__ctx_unlock(c);
}

/* c is done already. Whoever was faster has claimed w: then that counts. */
static uint32_t give_up(const weft_ctx *c, weft__waiter *w)
{
	weft__wakeups nobody = {0};	/* w runs: it is never parked here */
	int err = weft_atomic_load(&c->priv_err, acquire);

	weft__claim(w, err == -ECANCELED ? WEFT__CANCELLED : WEFT__TIMEDOUT,
		    &nobody);
	return weft__park(w, WEFT_NEVER);
}

/*
 * Its timer would say so too, but not before its worker has got to it, and others
 * have had their turn meanwhile.
 */
static inline bool has_expired(weft_ctx *c)
{
	return c->priv_deadline != 0 && weft_ctx_err(c) != 0;
}

/* A part of both that call it, as parking is of this: park.h. */
static inline __attribute__((always_inline)) uint32_t
park_until(weft__waiter *w, weft_ctx *c, weft_time deadline)
{
	weft__ctx_entry e = {.waiter = w, .outcome = WEFT__CANCELLED};
	uint32_t outcome;

	if (has_expired(c) || !weft__ctx_enlist(c, &e))
		return give_up(c, w);
	if (weft__ctx_deadline(c) < deadline)
		deadline = weft__ctx_deadline(c);
	outcome = weft__park_here(w, deadline);
	if (outcome != WEFT__CANCELLED)
		weft__ctx_delist(c, &e);
	return outcome;
}

uint32_t weft__ctx_park_until_slow(weft__waiter *w, weft_ctx *c,
				   weft_time deadline)
{
	return park_until(w, c, deadline);
}

int weft__ctx_park_slow(weft__waiter *w, weft_ctx *ctx)
{
	switch (park_until(w, ctx, WEFT_NEVER)) {
	case WEFT__NOTIFIED:
		return 0;
	case WEFT__CANCELLED:
		return -ECANCELED;
	default:
		return weft__ctx_expire(ctx);
	}
}

static const weft__why why = {.text = "context wait", .object = WEFT__OF_DATA};

/* Without a deadline nobody but a canceller, with c locked, claims w: P5. */
static inline bool is_endless(const weft_ctx *c)
{
	return c == NULL || c->priv_deadline == 0;
}

int weft_ctx_wait(weft_ctx *c)
{
	int err = weft_ctx_err(c);
	struct {
		weft__ctx_entry e;
		weft__waiter w;
	} me;

	if (err != 0)
		return err;
	weft__waiter_init(&me.w, &why);
	me.w.data = c;
	if (unlikely(!is_endless(c)))
		return weft__ctx_park_slow(&me.w, c);
	me.e.waiter = &me.w;
	me.e.outcome = WEFT__CANCELLED;
	if (c != NULL && unlikely(!weft__ctx_enlist(c, &me.e)))
		return weft_ctx_err(c);
	weft__park_alone(&me.w);
	return -ECANCELED;
}

int weft_ctx_wait_ctx(weft_ctx *c, weft_ctx *ctx)
{
	weft__waiter w;
	weft__ctx_entry e = {.waiter = &w, .outcome = WEFT__NOTIFIED};
	uint32_t outcome;

	weft__waiter_init(&w, &why);
	w.data = c;
	if (c == NULL)
		return weft__ctx_park(&w, ctx);
	if (weft_ctx_done(c) || !weft__ctx_enlist(c, &e))
		return 0;
	outcome = weft__ctx_park_until(&w, ctx, weft__ctx_deadline(c));
	if (outcome == WEFT__NOTIFIED)
		return 0;
	weft__ctx_delist(c, &e);
	if (weft_ctx_done(c))
		return 0;
	return outcome == WEFT__CANCELLED ? -ECANCELED : weft__ctx_expire(ctx);
}
