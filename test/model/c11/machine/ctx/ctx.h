/* SPDX-License-Identifier: MIT */
/*
 * In place of src/ctx/ctx.h: a context that one waiter waits with, and its
 * cancellation. The steps are those of src/ctx/park.c and cancel in ctx.c; the
 * tree, the deadlines and the functions to run are left out. With MODEL_REAL_CTX
 * it is that file, for harnesses with which ctx.c and park.c are compiled.
 */
#ifdef MODEL_REAL_CTX
#include "../../../../../src/ctx/ctx.h"
#else
#ifndef WEFT_TEST_MODEL_CTX_H
#define WEFT_TEST_MODEL_CTX_H

#include "plat/lock.h"
#include "sched/park.h"
#include "sched/waiter.h"

#include <errno.h>

struct weft_ctx {
	weft__lock lock;
	int priv_err;
	weft__waiter *waiter;
};

static int weft_ctx_err(const weft_ctx *c)
{
	return c != NULL ? weft_atomic_load(&c->priv_err, acquire) : 0;
}

static bool weft__ctx_enlist(weft_ctx *c, weft__waiter *w)
{
	bool open;

	weft__lock_take(&c->lock);
	open = weft_atomic_load(&c->priv_err, relaxed) == 0;
	if (open)
		c->waiter = w;
	weft__lock_drop(&c->lock);
	return open;
}

static void weft__ctx_delist(weft_ctx *c)
{
	weft__lock_take(&c->lock);
	c->waiter = NULL;
	weft__lock_drop(&c->lock);
}

/* c is done already. Whoever was faster has claimed w: then that counts. */
static uint32_t give_up(weft__waiter *w)
{
	weft__wakeups nobody = {0};

	weft__claim(w, WEFT__CANCELLED, &nobody);
	return weft__park(w, WEFT_NEVER);
}

static int weft__ctx_park(weft__waiter *w, weft_ctx *c)
{
	uint32_t outcome;

	if (c == NULL) {
		weft__park_alone(w);
		return 0;
	}
	if (!weft__ctx_enlist(c, w)) {
		outcome = give_up(w);
	} else {
		outcome = weft__park(w, WEFT_NEVER);
		if (outcome != WEFT__CANCELLED)
			weft__ctx_delist(c);
	}
	return outcome == WEFT__NOTIFIED ? 0 : -ECANCELED;
}

static void model_cancel(weft_ctx *c)
{
	weft__wakeups wakeups = {0};

	weft__lock_take(&c->lock);
	weft_atomic_store(&c->priv_err, -ECANCELED, release);
	if (c->waiter != NULL)
		weft__claim(c->waiter, WEFT__CANCELLED, &wakeups);
	c->waiter = NULL;
	weft__lock_drop(&c->lock);
	weft__wake(&wakeups);
}

#endif
#endif
