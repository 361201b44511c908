/* SPDX-License-Identifier: MIT */
/* To forget a key, to end a flight, and to count what is in it. */
#include "group/flight.h"

#include "ctx/ctx.h"
#include "group/flight_seek.h"
#include "sched/lot.h"

#include <weft/panic.h>

#include <string.h>

typedef weft__flight_shard shard;
typedef weft__flight_place place;
typedef weft__call call;

/* Forget the call for key if it has no more than most callers. */
static bool forget(weft_flight *f, weft_key key, uint32_t most)
{
	weft__flight_table *t = weft__flight_table_of(f);
	bool forgotten = true, behind = false;
	call *c, *out = NULL;
	uint64_t word;
	place at;

	if (t == NULL)
		return true;
	at = weft__flight_locate(f, t, key, &word);
	weft__lock_take(&at.shard->lock);
	c = weft__call_find(at);
	if (c != NULL && weft__call_has(c, WEFT__CALL_ENDED)) {
		weft__keep_evict(c, &out);
	} else if (c != NULL) {
		forgotten = c->callers <= most;
		if (forgotten) {
			weft__flight_unlink(at.shard, &c->entry);
			weft__call_set(c, WEFT__CALL_FORGOTTEN, release);
			behind = weft__call_has(c, WEFT__CALL_DYING) && c->slept_on;
			if (c->old != NULL)
				weft__keep_drop(c->old, &out);
			c->old = NULL;
		}
	}
	if (behind)
		weft__flight_drop_and_rouse(at.shard, c);
	else
		weft__lock_drop(&at.shard->lock);
	weft__keep_put_all(out);
	return forgotten;
}

void weft_flight_forget(weft_flight *f, weft_key key)
{
	forget(f, key, UINT32_MAX);
}

bool weft_flight_forget_unshared(weft_flight *f, weft_key key)
{
	return forget(f, key, 1);
}

const void *weft__flight_address(weft_flight *f, weft_key key)
{
	weft__flight_table *t = weft__flight_table_of(f);
	uint64_t word;
	place at;
	call *c;

	if (t == NULL)
		return NULL;
	at = weft__flight_locate(f, t, key, &word);
	weft__lock_take(&at.shard->lock);
	c = weft__call_find(at);
	weft__lock_drop(&at.shard->lock);
	return c;
}

/* ---- fini ---- */

static const weft__why why_fini = {.text = "flight fini"};

/* True if no call runs; else w is queued, with the shard's last end to come. */
static bool idle_or_queue(shard *s, weft__waiter *w)
{
	weft__bucket *b;
	bool idle;

	weft__lock_take(&s->lock);
	if (unlikely(s->running != s->abandoned)) {
		weft__lock_drop(&s->lock);
		weft_panic("flight: fini while callers wait");
	}
	idle = s->running == 0;
	if (!idle) {
		s->fini_waits = 1;
		b = weft__lot_lock(s);
		weft__lot_push(b, s, w);
		weft__lot_unlock(b);
	}
	weft__lock_drop(&s->lock);
	return idle;
}

static int drain(shard *s, weft_ctx *ctx)
{
	for (;;) {
		weft__waiter w;
		int err;

		weft__waiter_init(&w, &why_fini);
		if (idle_or_queue(s, &w))
			return 0;
		err = weft__ctx_park(&w, ctx);
		if (err != 0) {
			weft__flight_get_up(s, &w);
			return err;
		}
	}
}

/* No call runs: whatever is in the table is kept. */
static void drop_kept(shard *s)
{
	call *out = NULL;
	weft__link *link;

	weft__lock_take(&s->lock);
	while ((link = weft__list_first(&s->clock)) != NULL)
		weft__keep_evict(weft__container(link, call, in_clock), &out);
	weft__lock_drop(&s->lock);
	weft__keep_put_all(out);
}

int weft_flight_fini_ctx(weft_flight *f, weft_ctx *ctx)
{
	weft__flight_table *t = weft__flight_table_of(f);

	if (t == NULL)
		return 0;
	for (uint32_t i = 0; i <= t->shard_mask; i++) {
		int err = drain(&t->shards[i], ctx);

		if (err != 0)
			return err;
	}
	for (uint32_t i = 0; i <= t->shard_mask; i++)
		drop_kept(&t->shards[i]);
	weft_atomic_store(&f->priv_table, NULL, relaxed);
	weft__flight_table_free(t);
	return 0;
}

void weft_flight_fini(weft_flight *f)
{
	int never = weft_flight_fini_ctx(f, NULL);

	(void)never;
}

/* ---- counting ---- */

void weft_flight_count(weft_flight *f, weft_flight_counters *counters)
{
	weft__flight_table *t = weft__flight_table_of(f);

	memset(counters, 0, sizeof *counters);
	for (uint32_t i = 0; t != NULL && i <= t->shard_mask; i++) {
		shard *s = &t->shards[i];

		weft__lock_take(&s->lock);
		counters->led += s->led;
		counters->joined += s->joined;
		counters->kept += s->hits;
		counters->stale += s->stale;
		counters->refreshed += s->refreshed;
		counters->dropped += s->dropped;
		counters->evicted += s->evicted;
		counters->running += s->running;
		counters->entries += s->kept;
		weft__lock_drop(&s->lock);
	}
}
