/* SPDX-License-Identifier: MIT */
/*
 * A lock of the fleet with many callers in each process.
 *
 * H1  The turn is a semaphore of one unit, given in the order of arrival. Who has
 *     it is inside, or contends for the lease on behalf of the process; so a
 *     process shows one asker, and all fields but queue are the turn's owner's.
 * H2  The lease outlives a caller: who unlocks leaves it to the next in line,
 *     unless nobody is there, it was lost, or it is another process's time. Who
 *     is in line is counted in queue before waiting for the turn, and may leave
 *     by its context after it was counted on. So whoever makes queue zero takes
 *     the turn, if nobody has come meanwhile, and gives back what was left. It
 *     finds the turn free: an owner releases it before it is uncounted.
 *     Wrong: to look at queue before releasing the turn, and not after. The one
 *     in line leaves in between, and the lease is renewed for nobody, for ever.
 * H3  While nobody waits elsewhere the lease is kept however long callers come. A
 *     process that comes is seen by the next renewal only; so who knew of none
 *     asks the place again after each most_passes callers and most_time.
 * H4  (token, seq) grows with every passage: the token with every lease, by the
 *     engine, and seq within one.
 */
#include "fleet/core.h"

#include <weft/panic.h>
#include <weft/task.h>

#include <stdlib.h>
#include <string.h>

/*
 * For how long who had to give the lease up lets others go first. They are
 * told at once, and have to ask. An engine that is far away keeps it for them: see
 * hand_over() in redis/common.lua.
 */
static const weft_duration COURTESY = WEFT_MS(5);

enum { TRIES = 3 };	/* for a lease that is not over when it comes */

/* The lease, as long as the process has it. */
typedef struct {
	weft__fleet_hold hold;
	weft__fleet_ask ask;
	weft_ctx ctx;
} gate_hold;

static gate_hold *hold_of(const weft_fleet_gate *g)
{
	return g->priv_hold;
}

static weft_key key_of(const weft_fleet_gate *g)
{
	return (weft_key){g->priv_key, g->priv_key_size};
}

int weft_fleet_gate_init(weft_fleet_gate *g, weft_fleet *f, weft_key key)
{
	uint64_t room;

	key = weft__fleet_plain_key(key, &room);
	memset(g, 0, sizeof *g);
	if (!weft__fleet_is_key(key))
		return -EINVAL;
	g->priv_key = malloc(key.size + 1);
	if (g->priv_key == NULL)
		return -ENOMEM;
	if (key.size != 0)
		memcpy(g->priv_key, key.data, key.size);
	g->priv_key_size = key.size;
	g->priv_fleet = f;
	g->most_passes = 32;
	g->most_time = WEFT_MS(100);
	weft_sema_init(&g->priv_turn, 1);
	return 0;
}

void weft_fleet_gate_fini(weft_fleet_gate *g)
{
	if (weft_atomic_load(&g->priv_queue, acquire) != 0)
		weft_panic("fleet: gate finished while it is used");
	free(g->priv_key);
	g->priv_key = NULL;
}

/* ---- the lease ---- */

static void phrase(const weft_fleet_gate *g, weft__fleet_ask *ask)
{
	weft_fleet *f = g->priv_fleet;

	memset(ask, 0, sizeof *ask);
	ask->key = key_of(g);
	ask->id = weft__fleet_id_of(ask->key);
	ask->attempt = weft__fleet_attempt_new();
	ask->gate = true;
	ask->lease = f->options.lease;
	ask->grace = weft__fleet_grace(f, ask->lease);
	ask->max_takeovers = INT32_MAX;
}

static void begin_window(weft_fleet_gate *g)
{
	g->priv_window = g->priv_passes;
	g->priv_since = weft_now();
}

static void keep(weft_fleet_gate *g, gate_hold *h, const weft__fleet_asker *s,
		 const weft__fleet_answer *a)
{
	h->ask = s->ask;
	h->ask.priv = NULL;
	h->hold.lease = (weft__fleet_lease){
		.ask = &h->ask, .epoch = a->epoch, .takeovers = a->takeovers,
		.priv = a->lease, .waiters = -1,
	};
	h->hold.ctx = &h->ctx;
	h->hold.length = h->ask.lease;
	h->hold.stop_at = WEFT_FLEET_FOREVER;
	weft_ctx_init(&h->ctx, NULL);
	weft__fleet_keep(g->priv_fleet, &h->hold, a->sent_at);
	weft__fleet_note(g->priv_fleet, leases);
	g->priv_hold = h;
	g->priv_passes = 0;
	begin_window(g);
}

/* Contend for the lease, until ctx is done. -EAGAIN: it came when it was over, K1. */
static int acquire(weft_fleet_gate *g, weft_ctx *ctx)
{
	weft__fleet_asker s = {.fleet = g->priv_fleet, .ctx = ctx};
	gate_hold *h = calloc(1, sizeof *h);
	weft__fleet_answer a;
	int err;

	if (h == NULL)
		return -ENOMEM;
	phrase(g, &s.ask);
	weft__fleet_ask_begin(&s);
	err = weft__fleet_ask_until(&s, &a);
	weft__fleet_ask_end(&s);
	if (err == 0 && weft__fleet_is_over(a.sent_at, s.ask.lease)) {
		weft__fleet_give_back(g->priv_fleet, &s.ask, &a);
		weft__fleet_tell_slow(&s);
		err = -EAGAIN;
	}
	if (err != 0) {
		free(h);
		return err;
	}
	keep(g, h, &s, &a);
	return 0;
}

/* Give the lease back, which others wait for or not. */
static void release(weft_fleet_gate *g)
{
	gate_hold *h = hold_of(g);
	weft_fleet *f = g->priv_fleet;
	const weft__fleet_ops *ops = f->engine->ops;

	weft__fleet_keep_no_more(f, &h->hold);
	if (weft__fleet_is_down(ops->abort(f->engine, &h->hold.lease)))
		ops->drop(f->engine, &h->hold.lease);
	if (h->hold.lease.waiters != 0)
		g->priv_not_before = weft_now() + COURTESY;
	weft_ctx_fini(&h->ctx);
	free(h);
	g->priv_hold = NULL;
}

static int acquire_in_time(weft_fleet_gate *g, weft_ctx *ctx)
{
	for (int i = 0; i < TRIES; i++) {
		int err = acquire(g, ctx);

		if (err != -EAGAIN)
			return err;
	}
	return -EHOSTDOWN;
}

/* ---- the turn ---- */

static uint32_t queue(const weft_fleet_gate *g)
{
	return weft_atomic_load(&g->priv_queue, seq_cst);
}

static bool window_is_over(const weft_fleet_gate *g)
{
	uint64_t most = g->most_passes > 0 ? (uint64_t)g->most_passes : 0;

	return g->priv_passes - g->priv_window >= most ||
	       weft_now() - g->priv_since >= g->most_time;
}

/* H3. Who does not know whether one waits says yes. */
static bool is_used_up(weft_fleet_gate *g)
{
	weft__fleet_lease *l = &hold_of(g)->hold.lease;
	weft__fleet_engine *e = g->priv_fleet->engine;

	if (!window_is_over(g))
		return false;
	if (weft_atomic_load(&l->waiters, relaxed) > 0 ||
	    e->ops->waiters(e, l) != 0)
		return true;
	begin_window(g);
	return false;
}

/* H2 */
static void leave_line(weft_fleet_gate *g)
{
	if (weft_atomic_sub(&g->priv_queue, 1, seq_cst) != 1 ||
	    !weft_sema_try_acquire(&g->priv_turn, 1))
		return;
	if (hold_of(g) != NULL)
		release(g);
	weft_sema_release(&g->priv_turn, 1);
}

/* The turn's owner goes. */
static void pass_on(weft_fleet_gate *g)
{
	if (hold_of(g) != NULL && (queue(g) == 1 || is_used_up(g) ||
				   !weft__fleet_held(&hold_of(g)->hold)))
		release(g);
	weft_sema_release(&g->priv_turn, 1);
	leave_line(g);
}

static int be_let_through(weft_fleet_gate *g, weft_ctx *ctx)
{
	weft_duration wait = g->priv_not_before - weft_now();
	int err = 0;

	if (hold_of(g) != NULL && weft__fleet_held(&hold_of(g)->hold))
		return 0;
	if (hold_of(g) != NULL)
		release(g);
	if (wait > 0)
		err = weft_sleep(ctx, wait);
	return err != 0 ? err : acquire_in_time(g, ctx);
}

int weft_fleet_gate_lock(weft_fleet_gate *g, weft_ctx *ctx, weft_fleet_pass *pass)
{
	int err;

	if (!weft__fleet_is_ours(g->priv_fleet))
		return -ECHILD;
	weft_atomic_add(&g->priv_queue, 1, seq_cst);
	err = weft_sema_acquire_ctx(&g->priv_turn, ctx, 1);
	if (err != 0) {
		leave_line(g);
		return err;
	}
	err = be_let_through(g, ctx);
	if (err != 0) {
		pass_on(g);
		return err;
	}
	g->priv_passes++;
	weft__fleet_note(g->priv_fleet, passes);
	if (pass != NULL)
		*pass = (weft_fleet_pass){
			.token = hold_of(g)->hold.lease.epoch,
			.seq = g->priv_passes,
			.ctx = &hold_of(g)->ctx,
		};
	return 0;
}

bool weft_fleet_gate_held(const weft_fleet_gate *g)
{
	return hold_of(g) != NULL && weft__fleet_held(&hold_of(g)->hold);
}

int weft_fleet_gate_unlock(weft_fleet_gate *g)
{
	bool held = weft_fleet_gate_held(g);

	if (!weft__fleet_is_ours(g->priv_fleet))
		return -ECHILD;
	if (queue(g) == 0)
		weft_panic("fleet: gate unlocked by nobody");
	pass_on(g);
	return held ? 0 : -EOWNERDEAD;
}
