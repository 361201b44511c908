/* SPDX-License-Identifier: MIT */
/*
 * Results that a flight keeps.
 *
 * A kept result is its call, which stays in the table after it has ended, with
 * a reference that is the table's:
 *
 *	call in the table	who asks
 *	running, no old		joins it
 *	running, with an old	is given the old one while that is usable, then
 *				joins
 *	ended			is given it; one of them is elected to refresh it
 *				when it is stale, or may become so soon
 *
 * K1  For a key at most one call is in the table, kept ones included (F1 of
 *     flight.c). A refresh takes the kept call out and hangs it on itself, as
 *     old, in one critical section; so there is one refresh at a time, whoever
 *     asks meanwhile. Its end lets go of the old one, or, if it brought nothing
 *     that may be kept and the old one is still usable, puts that back.
 *     Who is elected looks again, when it has memory for a call: by then another
 *     may have refreshed, so it is elected for what it saw, told by its time.
 *     Tempting and wrong: to leave the kept one in the table and to mark it "is
 *     being refreshed". If the refresh panics, or its key is forgotten, nobody
 *     takes the mark away.
 * K2  Eviction is by second chance (CLOCK): who was asked for since it was last
 *     looked at goes to the end of the queue once more. Each step of the hand
 *     either evicts or clears a mark that a hit has set; so it is O(1) a hit.
 * K3  drop may run the user's code and may ask the flight again: whatever has to
 *     be let go is put when the lock is dropped.
 */
#include "group/flight_call.h"

#include "group/flight.h"

typedef weft__call call;
typedef weft__flight_shard shard;

static weft_duration clock_offset; /* atomic */

void weft__flight_shift_clock(weft_duration by)
{
	weft_atomic_add(&clock_offset, by, relaxed);
}

weft_time weft__flight_now(void)
{
	return weft_now() + weft_atomic_load(&clock_offset, relaxed);
}

/* ---- times ---- */

static weft_time later(weft_time t, weft_duration d)
{
	weft_time sum;

	return __builtin_add_overflow(t, d, &sum) ? WEFT_NEVER : sum;
}

bool weft__keep_wants(call *c, weft_time now)
{
	const weft_flight *f = c->flight;
	weft_duration ttl = c->err == 0 ? f->ttl : f->error_ttl;

	if (c->outcome != WEFT_RETURNED || ttl <= 0)
		return false;
	/* The fields were set after the first call, too late for a table. */
	if (c->shard->kept_most == 0)
		return false;
	/* No error in the place of a value that is good for a while yet. */
	if (c->err != 0 && c->old != NULL && weft__keep_is_usable(c->old, now))
		return false;
	c->took = now - c->started;
	c->fresh_until = later(now, ttl);
	c->stale_until = c->err == 0 && f->stale > 0
				 ? later(c->fresh_until, f->stale)
				 : c->fresh_until;
	return true;
}

bool weft__keep_is_usable(const call *kept, weft_time now)
{
	return now < kept->stale_until;
}

/* -ln of a random number in (0, 1], to about one in a hundred. */
static double minus_ln_random(shard *s)
{
	uint32_t r, whole;
	double f;

	s->random = s->random * UINT64_C(6364136223846793005) +
		    UINT64_C(1442695040888963407);
	r = (uint32_t)(s->random >> 32) | 1;
	whole = (uint32_t)__builtin_clz(r);
	f = (double)(r << whole) / 2147483648.0 - 1;	/* in [0, 1) */
	return ((double)whole + 1 - f * (1.3465554 - 0.3465554 * f)) *
	       0.6931472;
}

/*
 * Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede
 * Prevention (VLDB 2015). It says when; who, and that it is one, says K1.
 */
static bool is_early(call *kept, weft_time now)
{
	const weft_flight *f = kept->flight;
	double ahead;

	if (!(f->early > 0) || kept->err != 0)
		return false;
	ahead = (double)kept->took * f->early * minus_ln_random(kept->shard);
	return (double)(kept->fresh_until - now) <= ahead;
}

enum weft__kept weft__keep_look(call *kept, weft_time now, weft_time elected)
{
	if (!weft__keep_is_usable(kept, now))
		return WEFT__KEPT_EXPIRED;
	kept->used = true;
	if (now >= kept->fresh_until || elected == kept->fresh_until ||
	    is_early(kept, now))
		return WEFT__KEPT_REFRESH;
	return WEFT__KEPT_FRESH;
}

/* ---- the clock ---- */

void weft__keep_remove(call *c)
{
	weft__list_remove(&c->in_clock);
	c->shard->kept--;
}

void weft__keep_drop(call *c, call **out)
{
	c->shard->dropped++;
	c->old = *out;
	*out = c;
}

void weft__keep_evict(call *c, call **out)
{
	weft__flight_unlink(c->shard, &c->entry);
	weft__keep_remove(c);
	weft__keep_drop(c, out);
}

static void evict_one(shard *s, call **out)
{
	for (;;) {
		weft__link *hand = weft__list_first(&s->clock);
		call *c = weft__container(hand, call, in_clock);

		if (!c->used) {
			s->evicted++;
			weft__keep_evict(c, out);
			return;
		}
		c->used = false;
		weft__list_remove(hand);
		weft__list_push(&s->clock, hand);
	}
}

void weft__keep_insert(call *c, call **out)
{
	shard *s = c->shard;

	while (s->kept >= s->kept_most)
		evict_one(s, out);
	c->used = false;
	weft__list_push(&s->clock, &c->in_clock);
	s->kept++;
}

static void put(void *out)
{
	weft__call_put(out);
}

void weft__keep_put_all(call *out)
{
	call *next;

	for (; out != NULL; out = next) {
		next = out->old;
		out->old = NULL;
		weft__call_apart(put, out);
	}
}
