/* SPDX-License-Identifier: MIT */
/*
 * A call, from the time that somebody has come to it: sleeping on it, its end, what
 * its callers are given, and who lets go of it last. The rules are flight.c's.
 */
#include "group/flight_call.h"

#include "base/alloc.h"
#include "ctx/ctx.h"
#include "sched/lot.h"
#include "sched/park.h"
#include "sched/span.h"

#include <weft/chan.h>
#include <weft/panic.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef weft__flight_shard shard;
typedef weft__listener listener;
typedef weft__call call;
typedef weft__call_ending ending;

void weft__call_free(call *c)
{
	if (c->task != NULL)
		weft_ctx_fini(&c->task->ctx);
	if (unlikely(c->panic != NULL))
		weft__panic_put(c->panic);
	weft__call_free_block(weft__stack_self(), c);
}

static void free_it(call **c)
{
	weft__call_free(*c);
}

/* F5: the last one has let go of c, which has ended. drop may exit. */
static void destroy(call *last)
{
	__attribute__((cleanup(free_it))) call *c = last;

	if (c->drop != NULL && c->value != NULL)
		c->drop(c->value);
}

/*
 * Let go of c. Who reads 1 is the last, without a read-modify-write: others
 * can come only by finding c in the table, and while it is there its task or
 * its first caller is counted beside whoever lets go.
 */
void weft__call_put(call *c)
{
	if (weft_atomic_load(&c->refs, acquire) == 1 ||
	    weft_atomic_sub(&c->refs, 1, acq_rel) == 1)
		destroy(c);
}

/* ---- sleeping on a call ---- */

/*
 * For reports. Keys of weft_key_str() and the like can be read, others are
 * shown in hex, and long ones cut.
 */
static void print_key(const call *c, char *text, size_t size)
{
	const unsigned char *key = c->entry.key;
	size_t n = c->entry.key_bytes;
	size_t used = (size_t)snprintf(text, size, "key ");

	for (size_t i = 0; i < n && used + sizeof "\\x00…" <= size; i++)
		used += (size_t)snprintf(text + used, size - used,
					 isprint(key[i]) ? "%c" : "\\x%02x",
					 key[i]);
	if (used + sizeof "\\x00…" > size)
		memcpy(text + used, "…", sizeof "…");
}

static void tell(const weft__waiter *w, weft__told *told)
{
	const call *c = w->address;

	told->holder = weft_atomic_load(&c->mark, relaxed);
	print_key(c, told->text, sizeof told->text);
}

WEFT_PRIV_COLD void weft__call_trace(const call *c, bool begins)
{
	char name[40];

	print_key(c, name, sizeof name);
	weft__trace_span("flight", c, name, begins);
}

const weft__why weft__why_flight = {.text = "flight", .tell = tell};
const weft__why weft__why_alone = {.text = "flight", .tell = tell};
const weft__why weft__why_behind = {.text = "flight, a dying call", .tell = tell};

void weft__flight_get_up(const void *address, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(address);

	if (weft__lot_queued(w))
		weft__lot_remove(b, w);
	weft__lot_unlock(b);
}

int weft__call_sleep_on(call *c, weft_ctx *ctx, uint32_t bits,
			const weft__why *why)
{
	weft__bucket *b = weft__lot_lock(c);
	weft__waiter w;
	int err;

	if (weft__call_has(c, bits)) {
		weft__lot_unlock(b);
		return 0;
	}
	weft__waiter_init(&w, why);
	weft__lot_push(b, c, &w);
	weft__lot_unlock(b);
	err = weft__ctx_park(&w, ctx);
	if (err != 0)
		weft__flight_get_up(c, &w);
	return err; /* 0: F6 */
}

WEFT_PRIV_COLD void weft__flight_drop_and_rouse(shard *s, const void *address)
{
	weft__bucket *b = weft__lot_lock(address);
	weft__wakeups wakeups = {0};

	weft__lot_claim_all(b, address, 0, &wakeups);
	weft__lot_unlock(b);
	weft__lock_drop(&s->lock);
	weft__wake(&wakeups);
}

/* A result is more than value and err: it refers to the call. */
static inline bool has_to_refer(const call *c)
{
	return (c->drop != NULL && c->value != NULL) || c->panic != NULL;
}

/* Returns how many have been given what there is to give: F9. */
static uint32_t hand_out(const call *c, weft__bucket *b, weft__wakeups *wakeups)
{
	weft__waiter *w = weft__lot_take_all(b, c), *next;
	uint32_t handed = 0, count = 0;

	for (; w != NULL; w = next) {
		bool alone = w->why == &weft__why_alone;

		next = w->next;
		weft__lot_fetch(w);
		w->address = NULL;
		w->data = c->value;
		w->result = c->err;
		weft__claim(w, alone ? WEFT__MOVED : WEFT__NOTIFIED, wakeups);
		weft__wake_early(wakeups, ++count);
		handed += alone;
	}
	return handed;
}

/*
 * Set DONE and wake the sleepers. As long as the bucket is locked, those who
 * wait for DONE stay and keep c alive; so the task may let go before they are
 * woken (F5), and if it was the last nobody sleeps.
 */
static void let_go(call *c, bool kept)
{
	weft__bucket *b = weft__lot_lock(c);
	uint32_t ours = c->task != NULL && !kept;
	weft__wakeups wakeups = {0};
	bool last;

	weft__call_set(c, WEFT__CALL_DONE, release);
	if (c->outcome == WEFT_RETURNED && !has_to_refer(c))
		ours += hand_out(c, b, &wakeups);
	last = ours != 0 && weft_atomic_sub(&c->refs, ours, acq_rel) == ours;
	weft__lot_wake_all(b, c, 0, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	if (last)
		destroy(c);
}

/* ---- results ---- */

/* The caller's reference becomes its result's, if that refers to anything. */
static weft_result result_of(call *c)
{
	weft_result r = {
		.value = c->value,
		.err = c->err,
		.outcome = c->outcome,
		.shared = c->duplicates != 0,
	};

	if (has_to_refer(c))
		r.priv_call = c;
	else
		weft__call_put(c);
	return r;
}

weft_result weft__call_kept_result(call *c)
{
	weft_result r = result_of(c);

	r.kept = true;
	return r;
}

weft_result weft__call_result(call *c)
{
	weft__panic *p;

	switch (c->outcome) {
	case WEFT_PANICKED:
		p = weft__panic_get(c->panic);
		weft__call_put(c);
		weft__panic_again(p);
	case WEFT_EXITED:
		weft__call_put(c);
		weft_exit();
	default:
		return result_of(c);
	}
}

void weft_result_release(weft_result *r)
{
	call *c = r->priv_call;

	if (c == NULL)
		return;
	r->value = NULL;
	r->priv_call = NULL;
	weft__call_put(c);
}

bool weft_result_panic(const weft_result *r, weft_panic_info *info)
{
	const call *c = r->priv_call;
	const weft__panic *p = c != NULL ? c->panic : NULL;

	weft__panic_tell(p, info);
	return p != NULL;
}

static void send_later(weft__task *task)
{
	listener *l = task->object;

	weft_chan_send(l->results, &l->result);
	weft__free(l);
}

void weft__listener_deliver(listener *l, void *site)
{
	if (weft_chan_try_send(l->results, &l->result))
		weft__free(l);
	else
		weft__task_start_embedded(&l->task, send_later, l, NULL, NULL,
					  site);
}

/* Those not served yet keep c alive. */
static void deliver_all(call *c)
{
	listener *l = c->listeners, *next;

	for (; l != NULL; l = next) {
		next = l->next;
		l->result = result_of(c);
		weft__listener_deliver(l, NULL);
	}
}

/* ---- the end of a call ---- */

/*
 * F3: nobody wants the value, nor ever will; or it was not what fn ended with.
 * Nobody can come while it is dropped but to a refresh in the background, which
 * is not dying; so that is only given up, for those who join it.
 */
static void drop_unwanted(call *c)
{
	void *value = c->value;

	c->value = NULL;
	weft__lock_drop(&c->shard->lock);
	weft__call_apart(c->drop, value);
	weft__lock_take(&c->shard->lock);
}

static bool is_unwanted(const call *c, bool keep)
{
	return c->value != NULL && c->drop != NULL &&
	       (c->outcome != WEFT_RETURNED || (c->callers == 0 && !keep));
}

/* Out of the table, where an old result may come back to: K1. */
static void unlink_ended(call *c, weft_time now, call **out)
{
	call *old = c->old;

	weft__flight_unlink(c->shard, &c->entry);
	c->old = NULL;
	if (old == NULL)
		return;
	if (weft__keep_is_usable(old, now)) {
		weft__flight_link(c->shard, &old->entry);
		weft__keep_insert(old, out);
	} else {
		weft__keep_drop(old, out);
	}
}

/*
 * In the table for as long as it is kept; the old one is not any more. A task's
 * reference becomes the table's, so that a fini finds no other one.
 */
static void keep(call *c, call **out)
{
	if (c->old != NULL)
		weft__keep_drop(c->old, out);
	c->old = NULL;
	if (c->task == NULL)
		weft_atomic_add(&c->refs, 1, relaxed);
	weft__keep_insert(c, out);
}

/* Does anybody sleep on it, or is a reference to be let go, when it has ended? */
static bool has_to_let_go(const call *c, bool kept)
{
	if (c->task == NULL)
		return c->slept_on;
	return !kept || c->callers != 0;
}

static int error_of(const ending *e)
{
	return e->outcome == WEFT_RETURNED   ? e->err
	       : e->outcome == WEFT_PANICKED ? WEFT_ERR_PANICKED
					     : WEFT_ERR_EXITED;
}

void weft__call_finish_locked(const ending *e, weft_time now)
{
	call *c = e->call, *out = NULL;
	shard *s = c->shard;
	bool abandoned, unheard, listened, awaited, kept = false;

	c->outcome = e->outcome;
	c->value = e->value;
	c->err = error_of(e);
	c->panic = e->panic;
	if (unlikely(now != 0) &&
	    !weft__call_has(c, WEFT__CALL_FORGOTTEN | WEFT__CALL_DYING))
		kept = weft__keep_wants(c, now);
	if (is_unwanted(c, kept))
		drop_unwanted(c);
	if (kept)
		keep(c, &out);
	else if (!weft__call_has(c, WEFT__CALL_FORGOTTEN))	/* perhaps since the drop */
		unlink_ended(c, now, &out);
	weft__call_set(c, WEFT__CALL_ENDED, relaxed);
	abandoned = c->callers == 0;
	unheard = abandoned && e->panic != NULL;
	listened = c->listeners != NULL;
	awaited = has_to_let_go(c, kept);
	/* From here on *c may be gone, if it is kept and nobody waits for it. */
	if (unlikely(out != NULL)) {	/* while a fini waits for us still */
		weft__lock_drop(&s->lock);
		weft__keep_put_all(out);
		weft__lock_take(&s->lock);
	}
	s->abandoned -= abandoned;
	s->running--;
	if (unlikely(s->fini_waits) && s->running == 0)
		weft__flight_drop_and_rouse(s, s);
	else
		weft__lock_drop(&s->lock);
	/* F4: the shard may be gone from here on. */

	if (unlikely(unheard))
		weft__panic_report(e->panic, "every caller had left a flight's "
					     "function that panicked");
	if (awaited)
		let_go(c, kept);
	if (unlikely(listened))
		deliver_all(c);
}

void weft__call_finish(const ending *e)
{
	weft_time now = 0;

	if (unlikely(weft__spans))
		weft__call_trace(e->call, false);
	if (unlikely(weft__flight_keeps(e->call->flight)))
		now = weft__flight_now();
	weft__lock_take(&e->call->shard->lock);
	weft__call_finish_locked(e, now);
}
