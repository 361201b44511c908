/* SPDX-License-Identifier: MIT */
/*
 * How a caller comes to a call, whatever the flight keeps and the caller wants. What
 * most do, weft_flight_do() does by a shorter way. The rules are flight.c's.
 */
#include "group/flight_seek.h"

#include "sched/sched.h"

#include <errno.h>

typedef weft__flight_shard shard;
typedef weft__flight_question question;
typedef weft__flight_plan task_plan;
typedef weft__listener listener;
typedef weft__call call;

/* ---- the table ---- */

/* What is kept at most where the flight does not say. */
enum { KEPT_MOST = 65536 };

static weft__flight_table *make_table(weft_flight *f)
{
	size_t most = f->max_entries > 0 ? f->max_entries : KEPT_MOST;
	weft__flight_table *fresh =
		weft__flight_table_new(weft__flight_keeps(f) ? most : 0);
	void *table = NULL;

	if (fresh == NULL)
		return NULL;
	fresh->owner = f;
	if (weft_atomic_cas(&f->priv_table, &table, (void *)fresh, acq_rel,
			    acquire))
		return fresh;
	weft__flight_table_free(fresh);
	return table;
}

/* No more than that. */
static void phrase(question *q)
{
	q->listener = NULL;
	q->keeps = weft__flight_keeps(q->at.flight);
	q->elected = 0;
	q->helpless = false;
	q->background = false;
	q->kept = NULL;
	if (unlikely(q->keeps))
		q->now = weft__flight_now();
}

bool weft__flight_ask(question *q, weft_flight *f, weft_key key)
{
	weft__flight_table *t = weft__flight_table_of(f);

	if (unlikely(t == NULL) && (t = make_table(f)) == NULL)
		return false;
	q->at = weft__flight_locate(f, t, key, &q->word);
	phrase(q);
	return true;
}

/* With a plan: one that runs in a task. */
static call *call_new(const question *q, const task_plan *plan)
{
	size_t extra = plan != NULL ? weft__flight_plan_bytes(plan) : 0;
	call *c;

	if (plan != NULL && (extra == 0 || weft__runtime_start() != 0))
		return NULL;
	c = weft__call_new(weft__stack_self(), q->at, WEFT__CALL_BYTES + extra);
	if (c != NULL && plan != NULL)
		weft__flight_plan_place(c, plan);
	return c;
}

/* ---- what is there ---- */

static enum weft__found join_or_not(call *c, listener *l)
{
	if (weft__call_is_own(weft__stack_self(), c))
		return WEFT__FOUND_OWN;
	if (weft__call_has(c, WEFT__CALL_DYING)) {
		weft__call_count_in(c);
		return WEFT__FOUND_DYING;
	}
	weft__call_join(c, l);
	return WEFT__FOUND_JOINED;
}

/* A caller of c, which is kept, beside the table. */
static enum weft__found give(call *c, weft_time now)
{
	shard *s = c->shard;

	s->hits++;
	s->stale += now >= c->fresh_until;
	weft_atomic_add(&c->refs, 1, relaxed);
	return WEFT__FOUND_KEPT;
}

/*
 * What *c, found in the table or NULL, is to q, if it is kept or replaces one that
 * is; nothing: neither, or it has to be replaced now. *c becomes what is given.
 */
static enum weft__found look_at_kept(question *q, call **c, call **out)
{
	call *found = *c;
	weft_time elected = q->elected;

	q->elected = 0;	/* for what is not there any more */
	if (found == NULL)
		return WEFT__FOUND_NOTHING;
	if (!weft__call_has(found, WEFT__CALL_ENDED)) {
		if (found->old == NULL ||
		    !weft__keep_is_usable(found->old, q->now))
			return WEFT__FOUND_NOTHING;
		*c = found->old;
		return give(found->old, q->now);
	}
	switch (weft__keep_look(found, q->now, elected)) {
	case WEFT__KEPT_FRESH:
		return give(found, q->now);
	case WEFT__KEPT_REFRESH:
		if (unlikely(q->helpless))
			return give(found, q->now);
		q->elected = found->fresh_until;
		break;
	case WEFT__KEPT_EXPIRED:
		weft__keep_evict(found, out);
		*c = NULL;
	}
	return WEFT__FOUND_NOTHING;
}

/* The same in the place of old, if there is one. */
static void start(question *q, call *c, call *old)
{
	shard *s = q->at.shard;

	c->started = q->now;
	if (unlikely(old != NULL)) {
		weft__flight_unlink(s, &old->entry);
		weft__keep_remove(old);
		c->old = old;
		s->refreshed++;
	}
	weft__call_put_in(s, c);
	if (unlikely(old != NULL && q->background)) {
		c->background = true;
		c->callers = 0;
		s->abandoned++;
		q->kept = old;
		weft_atomic_sub(&c->refs, 1, relaxed);	/* no caller's */
		give(old, q->now);
	} else if (q->listener != NULL) {
		weft__call_listen(c, q->listener);
	}
}

/* Be given what is kept, join the call for q in *c, or start *fresh, if any. */
static enum weft__found enter(question *q, call **c, call **fresh)
{
	shard *s = q->at.shard;
	enum weft__found found = WEFT__FOUND_NOTHING;
	bool resize = false;
	call *out = NULL;

	weft__lock_take(&s->lock);
	*c = weft__call_find(q->at);
	if (unlikely(q->keeps))
		found = look_at_kept(q, c, &out);
	if (found == WEFT__FOUND_NOTHING && *c != NULL &&
	    !weft__call_has(*c, WEFT__CALL_ENDED)) {
		found = join_or_not(*c, q->listener);
	} else if (found == WEFT__FOUND_NOTHING && *fresh != NULL) {
		start(q, *fresh, *c);
		*c = *fresh;
		*fresh = NULL;
		found = WEFT__FOUND_STARTED;
		resize = weft__flight_shard_wants_resize(s->linked, s->mask);
	}
	weft__lock_drop(&s->lock);
	weft__keep_put_all(out);
	if (unlikely(resize))
		weft__flight_shard_resize(s);
	return found;
}

/* c is dying: wait until it has ended or was forgotten. */
static int wait_behind(call *c, weft_ctx *ctx)
{
	int err = weft__call_sleep_on(c, ctx,
				      WEFT__CALL_DONE | WEFT__CALL_FORGOTTEN,
				      &weft__why_behind);

	weft__call_put(c);
	return err;
}

/* An idle shard has no call to be joined: that saves looking twice. */
int weft__flight_seek(question *q, weft_ctx *ctx, const task_plan *plan, call **c,
		      enum weft__found *found)
{
	call *fresh = NULL;
	int err = 0;

	if (weft_atomic_load(&q->at.shard->linked, relaxed) == 0) {
		fresh = call_new(q, plan);
		if (unlikely(fresh == NULL))
			return -ENOMEM;
	}
	for (;;) {
		*found = enter(q, c, &fresh);
		if (*found == WEFT__FOUND_NOTHING) {
			fresh = call_new(q, plan);
			q->helpless = fresh == NULL && q->elected != 0;
			err = fresh == NULL && q->elected == 0 ? -ENOMEM : 0;
		} else if (*found == WEFT__FOUND_DYING) {
			err = wait_behind(*c, ctx);
			if (q->keeps)
				q->now = weft__flight_now();
		} else if (*found == WEFT__FOUND_OWN) {
			err = -EDEADLK;
		} else {
			break;
		}
		if (unlikely(err != 0))
			break;
	}
	if (unlikely(fresh != NULL))
		weft__call_free(fresh);
	return err;
}
