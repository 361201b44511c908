/* SPDX-License-Identifier: MIT */
/* A function that runs: with a lease and what keeps it, or alone. */
#include "fleet/core.h"

#include <weft/panic.h>
#include <weft/task.h>

#include <stdlib.h>
#include <string.h>

/* How long a result is there for those who waited for it, at least. */
static const weft_duration LINGER = 5 * WEFT_SECOND;
/* Between tries to store a result in a place that does not answer. */
static const weft_duration RETRY = WEFT_MS(50);

struct weft_fleet_run {
	weft_fleet *fleet;
	weft__fleet_hold hold;
	bool alone;
	int lock_fd;
	int err;		/* what the function returned */
	size_t room;		/* behind result->data */
	weft__fleet_result *result;
	weft__fleet_trip *trip;
	weft_ctx ctx;
};

weft__fleet_result *weft__fleet_result_new(size_t size)
{
	weft__fleet_result *r;

	if (size > PTRDIFF_MAX - sizeof *r - 1)
		return NULL;
	r = malloc(sizeof *r + size + 1);
	if (r == NULL)
		return NULL;
	memset(r, 0, sizeof *r);
	r->size = size;
	r->data[size] = '\0';
	return r;
}

/* ---- what the function may do ---- */

static int make_room(weft_fleet_run *run, size_t size)
{
	size_t room = run->room < 64 ? 64 : run->room;
	weft__fleet_result *grown;

	while (room < size)
		room += room / 2;
	grown = realloc(run->result, sizeof *grown + room + 1);
	if (grown == NULL)
		return -ENOMEM;
	run->result = grown;
	run->room = room;
	return 0;
}

int weft_fleet_run_add(weft_fleet_run *run, const void *data, size_t size)
{
	size_t have = run->result->size;
	int err;

	if (size > run->fleet->options.max_bytes - have)
		return -EFBIG;
	if (have + size > run->room && (err = make_room(run, have + size)) != 0)
		return err;
	if (size != 0)
		memcpy(run->result->data + have, data, size);
	run->result->size = have + size;
	run->result->data[have + size] = '\0';
	return 0;
}

const void *weft_fleet_run_data(const weft_fleet_run *run, size_t *size_bytes)
{
	*size_bytes = run->result->size;
	return run->result->data;
}

uint64_t weft_fleet_run_token(const weft_fleet_run *run)
{
	return run->alone ? 0 : run->hold.lease.epoch;
}

int weft_fleet_run_takeovers(const weft_fleet_run *run)
{
	return run->alone ? 0 : run->hold.lease.takeovers;
}

bool weft_fleet_run_held(const weft_fleet_run *run)
{
	return run->alone || weft__fleet_held(&run->hold);
}

int weft_fleet_run_fd(const weft_fleet_run *run)
{
	return run->lock_fd;
}

/* ---- the call of the function ---- */

static void invoke(void *arg)
{
	weft_fleet_run *run = arg;
	const weft_fleet_call *call = &run->trip->call;

	run->err = call->fn(&run->ctx, call->arg, run);
}

/* The message is what the others are given. */
static void tell_panic(weft_fleet_run *run, const weft_panic_info *info)
{
	run->result->size = 0;
	(void)weft_fleet_run_add(run, info->message, strlen(info->message));
}

static void call_function(weft_fleet_run *run, weft_panic_info *info)
{
	static const enum weft__fleet_ending endings[] = {
		[WEFT_RETURNED] = WEFT__FLEET_RETURNED,
		[WEFT_PANICKED] = WEFT__FLEET_PANICKED,
		[WEFT_EXITED] = WEFT__FLEET_EXITED,
	};
	weft_time start = weft__fleet_boottime();
	enum weft_outcome outcome = weft_try(invoke, run, info);
	weft__fleet_result *r;

	weft__fleet_note(run->fleet, led);
	if (outcome == WEFT_PANICKED)
		tell_panic(run, info);
	r = run->result;
	r->ending = endings[outcome];
	r->err = outcome == WEFT_RETURNED ? run->err : 0;
	r->took = weft__fleet_boottime() - start;
	r->led = true;
}

static int run_begin(weft_fleet_run *run, weft__fleet_trip *t, weft_ctx *ctx)
{
	weft_duration most = t->call.max_run;

	memset(run, 0, sizeof *run);
	run->fleet = t->fleet;
	run->trip = t;
	run->lock_fd = -1;
	run->result = weft__fleet_result_new(0);
	if (run->result == NULL)
		return -ENOMEM;
	if (most > 0)
		weft_ctx_init_timeout(&run->ctx, ctx, most);
	else
		weft_ctx_init(&run->ctx, ctx);
	return 0;
}

static void run_end(weft_fleet_run *run, const weft__fleet_trip *t)
{
	run->result->asker = t->asker;
	run->result->fingerprint = t->call.fingerprint;
	weft_ctx_fini(&run->ctx);
}

/* ---- the end of a lease ---- */

static weft__fleet_outcome outcome_of(const weft_fleet_run *run)
{
	const weft_fleet_call *call = &run->trip->call;
	const weft__fleet_result *r = run->result;
	weft__fleet_outcome o = {
		.ending = r->ending, .err = r->err, .took = r->took,
		.data = r->data, .size = r->size,
		.linger = call->share_for > LINGER ? call->share_for : LINGER,
	};

	if (call->mode == WEFT_FLEET_CALL || r->ending != WEFT__FLEET_RETURNED)
		return o;
	o.fresh = r->err != 0 ? call->keep_error : call->keep;
	if (call->mode == WEFT_FLEET_ONCE && r->err == 0 && call->keep == 0)
		o.fresh = WEFT_FLEET_FOREVER;
	o.stale = r->err != 0 ? o.fresh
			      : weft__fleet_add(o.fresh, call->stale);
	o.once = call->mode == WEFT_FLEET_ONCE;
	return o;
}

/*
 * Nobody is to be given this: an error because all callers have left, or one of
 * a refresh, while the old result is still good.
 */
static bool is_unwanted(const weft__fleet_result *r, weft_ctx *ctx, bool spare)
{
	bool good = r->ending == WEFT__FLEET_RETURNED && r->err == 0;

	return !good && (spare || weft_ctx_done(ctx));
}

/*
 * An error after the lease was lost tells of that, and not of the key: whoever
 * asks, here or elsewhere, is better served by another run.
 */
static bool is_fenced(const weft_fleet_run *run)
{
	const weft__fleet_result *r = run->result;

	return run->hold.lost && r->ending == WEFT__FLEET_RETURNED &&
	       r->err != 0 && !run->trip->call.at_most_once;
}

static int end_lease(weft_fleet_run *run, bool unwanted)
{
	weft_fleet *f = run->fleet;
	const weft__fleet_ops *ops = f->engine->ops;
	weft__fleet_lease *l = &run->hold.lease;
	weft__fleet_outcome o = outcome_of(run);
	weft_time until = run->hold.lost_at;
	int err;

	for (;;) {
		err = unwanted ? ops->abort(f->engine, l)
			       : ops->complete(f->engine, l, &o);
		if (!weft__fleet_is_down(err))
			return err;
		if (weft__fleet_boottime() >= until)
			break;
		(void)!weft_sleep(NULL, RETRY);
	}
	ops->drop(f->engine, l);
	return err;
}

static void hold_begin(weft_fleet_run *run, weft__fleet_ask *ask,
		       const weft__fleet_answer *a)
{
	weft__fleet_hold *h = &run->hold;
	weft_duration most = run->trip->call.max_run;

	h->lease.ask = ask;
	h->lease.epoch = a->epoch;
	h->lease.takeovers = a->takeovers;
	h->lease.priv = a->lease;
	h->lease.waiters = -1;
	h->ctx = &run->ctx;
	h->length = ask->lease;
	h->stop_at = most > 0 ? weft__fleet_add(a->sent_at, most)
			      : WEFT_FLEET_FOREVER;
	run->lock_fd = a->lock_fd;
	if (a->took_over)
		weft__fleet_note(run->fleet, took_over);
	weft__fleet_keep(run->fleet, h, a->sent_at);
}

void weft__fleet_give_back(weft_fleet *f, const weft__fleet_ask *ask,
			   const weft__fleet_answer *a)
{
	weft__fleet_lease l = {.ask = ask, .epoch = a->epoch, .priv = a->lease};
	const weft__fleet_ops *ops = f->engine->ops;

	if (weft__fleet_is_down(ops->abort(f->engine, &l)))
		ops->drop(f->engine, &l);
}

void weft__fleet_lead(weft__fleet_trip *t, weft_ctx *ctx, weft__fleet_ask *ask,
		      const weft__fleet_answer *a, bool spare,
		      weft__fleet_end *end)
{
	weft_fleet_run run;
	bool unwanted, again;
	int err = weft__fleet_is_over(a->sent_at, ask->lease)
			  ? -EAGAIN	/* K1 */
			  : run_begin(&run, t, ctx);

	end->result = NULL;
	end->err = err;
	if (err != 0) {
		weft__fleet_give_back(t->fleet, ask, a);
		return;
	}
	hold_begin(&run, ask, a);
	call_function(&run, &end->panic);
	weft__fleet_keep_no_more(t->fleet, &run.hold);
	run_end(&run, t);
	unwanted = is_unwanted(run.result, ctx, spare);
	again = !unwanted && is_fenced(&run);
	err = end_lease(&run, unwanted || again);
	again |= !unwanted && err == -EOWNERDEAD &&
		 run.result->ending == WEFT__FLEET_RETURNED;
	if (again) {
		free(run.result);
		end->err = -EAGAIN;
		return;
	}
	end->result = run.result;
	end->result->epoch = a->epoch;
	end->result->takeovers = a->takeovers;
	end->result->unstored = err != 0 && !unwanted;
	end->result->shared = run.hold.lease.waiters > 0;
	if (end->result->unstored)
		weft__fleet_note(t->fleet, unstored);
}

void weft__fleet_run_alone(weft__fleet_trip *t, weft_ctx *ctx,
			   weft__fleet_end *end)
{
	weft_fleet_run run;

	end->result = NULL;
	end->err = weft_sema_acquire_ctx(&t->fleet->alone, ctx, 1);
	if (end->err != 0)
		return;
	end->err = run_begin(&run, t, ctx);
	if (end->err == 0) {
		run.alone = true;
		weft__fleet_note(t->fleet, alone);
		call_function(&run, &end->panic);
		run_end(&run, t);
		end->result = run.result;
		end->result->alone = end->result->unstored = true;
	}
	weft_sema_release(&t->fleet->alone, 1);
}
