/* SPDX-License-Identifier: MIT */
/*
 * The engine on a Redis server.
 *
 * E1  What decides is decided by the scripts, by the server's clock. A command
 *     may be executed twice or late: it names its attempt, and the second time
 *     changes nothing.
 * E2  The inbox is subscribed before the first question, so that an owner whose
 *     inbox has no subscriber is dead, or says at once, by renewing, that it has
 *     none.
 * E3  A waiter is on the list of the inbox before its question is sent, so that
 *     news that overtakes the reply finds it.
 */
#include "fleet/redis/redis.h"

#include "fleet/os/fd.h"
#include "fleet/os/process.h"

#include <weft/atomic.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Records are kept that long at least, and for so many leases; forget.lua, too. */
#define RECORD_LEAST (10 * WEFT_MINUTE)
#define RECORD_LEASES 20

/* Who unlocks a gate waits no longer to learn whether others do. */
#define COUNTING WEFT_MS(100)

/* Who is next is looked for after this, and then less and less often. */
#define SOON WEFT_MS(50)

static weft__redis *redis_of(weft__fleet_engine *e)
{
	return (weft__redis *)e;
}

static weft__redis_waiter *waiter_of(const weft__fleet_ask *ask)
{
	return ask->priv;
}

static void warn(weft__redis *e, const char *text)
{
	char line[256];

	if (e->url.path != NULL)
		snprintf(line, sizeof line, "redis at %s: %s", e->url.path, text);
	else
		snprintf(line, sizeof line, "redis at %s:%s: %s", e->url.host,
			 e->url.port, text);
	e->setup.warn(e->setup.warn_arg, line);
}

/* How long the record of a call outlives its last use, if its result does not. */
static weft_duration record_of(const weft__fleet_ask *ask)
{
	weft_duration d = RECORD_LEASES * ask->lease;

	return d > RECORD_LEAST ? d : RECORD_LEAST;
}

static void add_record(weft__redis_words *w, const weft__fleet_ask *ask)
{
	weft__redis_ms(w, record_of(ask));
}

/*
 * While it runs: that a call has begun which must not run twice is never forgotten.
 * For scripts 0 is for ever.
 */
static void add_record_of_run(weft__redis_words *w, const weft__fleet_ask *ask)
{
	if (ask->at_most_once)
		weft__redis_ms(w, 0);
	else
		add_record(w, ask);
}

/* Who asks, and for what: a record has it all. */
static void sign_words(weft__redis *e, const weft__redis_script *script,
		       const weft__fleet_ask *ask, const char *attempt,
		       weft__redis_words *w)
{
	size_t key_size = ask->key.size < sizeof((weft_fleet_entry *)0)->key
				  ? ask->key.size
				  : sizeof((weft_fleet_entry *)0)->key;

	weft__redis_script_words(w, e, script, &ask->id, attempt);
	weft__redis_text(w, ask->attempt.hex);
	weft__redis_fingerprint(w, ask->fingerprint);
	weft__redis_bytes(w, ask->key.data, key_size);
	weft__redis_number(w, (int64_t)ask->key.size);
	weft__redis_number(w, ask->at_most_once);
	weft__redis_text(w, e->who);
}

/* The inbox, if its owner's death can be seen by it. */
static const char *hint(weft__redis *e)
{
	return weft__redis_conn_is_up(&e->news) ? e->inbox : "";
}

/* ---- join ---- */

static const char *mode_of(const weft__fleet_ask *ask)
{
	if (ask->gate)
		return "g";
	if (ask->passive)
		return ask->doubts ? "q" : "p";
	if (ask->refresh)
		return "r";
	return ask->mode == WEFT_FLEET_CALL ? "c" : "k";
}

/* A connection that never broke, to a server that has run for some time. */
static bool is_first_of_many(weft__redis *e)
{
	return weft_atomic_load(&e->connected, relaxed) == 1 &&
	       !weft_atomic_load(&e->was_young, relaxed);
}

/*
 * How long an owner whose lease is good, but whose inbox is gone, has to say that
 * it lives: until its next renewal, should the one be lost that it sends at once,
 * or should it not know that its inbox is gone. Where all inboxes broke, as with the server, that may take as long as
 * connecting does. Who is new here cannot know of that, unless it sees that the
 * server is new, too; it leaves others the time to connect again.
 */
static weft_duration quick_grace(weft__redis *e, const weft__fleet_ask *ask)
{
	weft_duration d = ask->grace / 5, spare = WEFT_MS(200), least;

	if (!weft__redis_conn_has_settled(&e->commands)) {
		if (!is_first_of_many(e))
			return ask->grace;
		spare = WEFT__REDIS_LONGEST_PAUSE + WEFT_MS(50);
	}
	least = ask->lease / 4 + spare;
	d = d > least ? d : least;
	return d < ask->grace ? d : ask->grace;
}

static void join_words(weft__redis *e, const weft__fleet_ask *ask,
		       const char *gone, weft__redis_words *w)
{
	sign_words(e, &weft__redis_join, ask, NULL, w);
	weft__redis_text(w, waiter_of(ask)->member);
	weft__redis_text(w, hint(e));
	weft__redis_text(w, mode_of(ask));
	weft__redis_ms(w, ask->lease);
	weft__redis_ms(w, ask->grace);
	add_record_of_run(w, ask);
	weft__redis_number(w, (int64_t)ask->known_epoch);
	weft__redis_number(w, ask->max_takeovers);
	weft__redis_ms(w, ask->max_age);
	weft__redis_number(w, WEFT__REDIS_HEAD + WEFT__REDIS_SMALL);
	weft__redis_ms(w, quick_grace(e, ask));
	weft__redis_text(w, gone);
	weft__redis_text(w, weft__redis_alive(e, ask->priv));
}

static const char *text_at(const redisReply *reply, size_t at)
{
	return at < reply->elements && reply->element[at]->type == REDIS_REPLY_STRING
		       ? reply->element[at]->str
		       : "";
}

static long long integer_at(const redisReply *reply, size_t at)
{
	return at < reply->elements ? reply->element[at]->integer : 0;
}

/* The result that a reply brings, whole. 0 with NULL: it brings none. */
static int result_of(weft__redis *e, weft_ctx *ctx, const weft__fleet_ask *ask,
		     const redisReply *reply, weft__fleet_result **out)
{
	const redisReply *text;
	size_t total;
	int err = 0;

	if (reply->elements < 7)
		return 0;
	text = reply->element[5];
	total = (size_t)integer_at(reply, 6);
	if (total > WEFT__REDIS_HEAD + e->setup.max_bytes)
		return -EFBIG;
	*out = weft__redis_result(text->str, text->len, total,
				  integer_at(reply, 4));
	if (*out == NULL)
		return text->len < WEFT__REDIS_HEAD ? -EIO : -ENOMEM;
	if (total > text->len)
		err = weft__redis_fetch(e, ctx, &ask->id, *out);
	if (err != 0) {
		free(*out);
		*out = NULL;
	}
	return err;
}

static int refusal(const char *verdict)
{
	static const struct {
		const char *word;
		int err;
	} refusals[] = {
		{"NONE", -ENOENT},     {"DEAD", -EOWNERDEAD},
		{"LOST", -EOWNERDEAD}, {"LOOP", -ELOOP},
		{"OTHER", -EBADMSG},   {"CLASH", -EBADMSG},
	};

	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strcmp(verdict, refusals[i].word) == 0)
			return refusals[i].err;
	return -EIO;
}

static int read_verdict(weft__redis *e, weft_ctx *ctx,
			const weft__fleet_ask *ask, const redisReply *reply,
			const char *gone, weft__fleet_answer *a)
{
	const char *verdict;
	bool told;
	int err;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return -EIO;
	verdict = reply->element[0]->str;
	a->epoch = (uint64_t)integer_at(reply, 1);
	if (strcmp(verdict, "WAIT") == 0) {
		a->verdict = WEFT__FLEET_WAIT;
		a->hint = WEFT_MS(integer_at(reply, 2));
		told = strcmp(gone, text_at(reply, 3)) == 0;
		if (weft__redis_look_after(e, ask->priv, text_at(reply, 3),
					   text_at(reply, 4)) && !told)
			a->hint = 0;	/* ask again, and say so */
		return 0;
	}
	if (strcmp(verdict, "SOON") == 0) {
		a->verdict = WEFT__FLEET_WAIT;
		a->vacant = true;
		a->hint = SOON;
		return 0;
	}
	if (strcmp(verdict, "OVER") == 0) {
		a->verdict = WEFT__FLEET_OVER;
		return 0;
	}
	if (strcmp(verdict, "LEAD") == 0) {
		a->verdict = WEFT__FLEET_LEAD;
		a->takeovers = (int)integer_at(reply, 2);
		a->took_over = integer_at(reply, 3) != 0;
		/* An old result that is gone by now, or too large: do without. */
		err = result_of(e, ctx, ask, reply, &a->result);
		return err == -ENOMEM || err == -ESTALE || err == -EFBIG ? 0
									 : err;
	}
	if (strcmp(verdict, "HIT") != 0)
		return refusal(verdict);
	a->verdict = WEFT__FLEET_HIT;
	return result_of(e, ctx, ask, reply, &a->result);
}

static int ask_server(weft__redis *e, weft_ctx *ctx, const weft__fleet_ask *ask,
		      weft__fleet_answer *a)
{
	weft__redis_words w;
	weft__redis_request *r;
	redisReply *reply;
	const char *gone;
	int err;

	gone = weft__redis_gone(e, ask->priv);
	join_words(e, ask, gone, &w);
	err = weft__redis_post(e, &w, &r);
	if (err != 0)
		return err;
	waiter_of(ask)->asked = true;
	err = weft__redis_await(e, r, &weft__redis_join, &w, ctx,
				WEFT__REDIS_PATIENTLY, &reply);
	if (err != 0)
		return err;
	a->sent_at = w.asked_at;
	err = read_verdict(e, ctx, ask, reply, gone, a);
	freeReplyObject(reply);
	return err;
}

/* Wait until it is known how connecting went. */
static int await_connection(weft__redis_conn *c, weft_ctx *ctx)
{
	weft_ctx limit;
	int err;

	for (int i = 0; i < 2; i++) {	/* this process may have stood still */
		weft_ctx_init_timeout(&limit, ctx, WEFT__REDIS_PATIENCE);
		err = weft_waitgroup_wait_ctx(&c->tried, &limit);
		weft_ctx_fini(&limit);
		if (err == 0)
			return 0;
		if (weft_ctx_done(ctx))
			return weft_ctx_err(ctx);
	}
	return -EHOSTDOWN;
}

/* A connection that has failed has said why; one that has not done so says nothing. */
static int await_both(weft__redis *e, weft_ctx *ctx)
{
	int err = await_connection(&e->commands, ctx);

	if (err == 0)
		err = await_connection(&e->news, ctx);
	if (err == -EHOSTDOWN &&
	    !weft_atomic_xchg(&e->told_connecting, true, relaxed))
		warn(e, "still connecting");
	return err;
}

/* E2. */
static int begin_asking(weft__redis *e, weft_ctx *ctx, weft__fleet_ask *ask)
{
	int err = await_both(e, ctx);

	if (err != 0)
		return err;
	if ((ask->mode == WEFT_FLEET_ONCE || ask->at_most_once) &&
	    weft_atomic_load(&e->evicts, relaxed))
		return -ENOTSUP;
	ask->priv = weft__redis_waiter_new(e, ask);
	return ask->priv != NULL ? 0 : -ENOMEM;
}

static int redis_join(weft__fleet_engine *engine, weft_ctx *ctx,
		      weft__fleet_ask *ask, weft__fleet_answer *a)
{
	weft__redis *e = redis_of(engine);
	int err = 0;

	if (ask->priv == NULL)
		err = begin_asking(e, ctx, ask);
	if (err != 0)
		return err;
	if (ask->known_epoch != 0)
		a->result = weft__redis_waiter_take(e, ask->priv,
						    ask->known_epoch);
	if (a->result != NULL) {
		a->verdict = WEFT__FLEET_HIT;
		a->epoch = a->result->epoch;
		waiter_of(ask)->waits = false;
		return 0;
	}
	do	/* again where a big result was replaced while it came */
		err = ask_server(e, ctx, ask, a);
	while (err == -ESTALE && !weft_ctx_done(ctx));
	if (err == 0)
		waiter_of(ask)->waits = a->verdict == WEFT__FLEET_WAIT;
	return err;
}

/*
 * Others wait for what ask has, or may have, and are told by w alone. When the
 * lease and its grace are over they do not wait for that any more.
 */
static int give_up(weft__redis *e, const weft__fleet_ask *ask,
		   const weft__redis_words *w)
{
	return weft__redis_order(e, w, weft_now() + ask->lease + ask->grace);
}

static void abort_words(weft__redis *e, const weft__fleet_ask *ask,
			const char *left, weft__redis_words *w)
{
	weft__redis_script_words(w, e, &weft__redis_abort, &ask->id, NULL);
	weft__redis_text(w, ask->attempt.hex);
	add_record(w, ask);
	weft__redis_number(w, ask->gate);
	weft__redis_text(w, left);
}

/*
 * Who gives up is not to be counted among those who wait; where a lock was kept
 * for it, the next one is told.
 */
static void post_farewell(void *engine, void *asker)
{
	weft__redis *e = engine;
	const weft__fleet_ask *ask = asker;
	const char *member = waiter_of(ask)->member;
	weft__redis_words w = {0};

	if (ask->gate) {
		abort_words(e, ask, member, &w);
	} else {
		weft__redis_text(&w, "ZREM");
		weft__redis_key(&w, e, 'W', ask->id.hex, NULL);
		weft__redis_text(&w, member);
	}
	(void)!give_up(e, ask, &w);
}

static int post_abort(weft__redis *e, const weft__fleet_ask *ask)
{
	weft__redis_words w;

	abort_words(e, ask, "", &w);
	return give_up(e, ask, &w);
}

static void redis_leave(weft__fleet_engine *engine, weft__fleet_ask *ask,
			bool may_lead)
{
	weft__redis *e = redis_of(engine);

	if (ask->priv == NULL)
		return;
	may_lead = may_lead && waiter_of(ask)->asked;
	if (may_lead)
		waiter_of(ask)->waits = true;	/* or it may wait, for all we know */
	weft__redis_waiter_free(e, ask->priv, post_farewell, ask);
	ask->priv = NULL;
	if (may_lead)
		(void)!post_abort(e, ask);
}

/* ---- what a leader does ---- */

/*
 * A record that is missing can only have been lost, not have run out, as long as
 * it was renewed within its life.
 */
static bool may_reclaim(const weft__fleet_lease *lease)
{
	return lease->since_good < record_of(lease->ask) / 10 * 9;
}

static void renew_words(weft__redis *e, const weft__fleet_lease *lease,
			weft__redis_words *w)
{
	const weft__fleet_ask *ask = lease->ask;

	sign_words(e, &weft__redis_renew, ask, NULL, w);
	weft__redis_text(w, hint(e));
	weft__redis_number(w, (int64_t)lease->epoch);
	weft__redis_number(w, lease->takeovers);
	weft__redis_ms(w, ask->lease);
	add_record_of_run(w, ask);
	weft__redis_number(w, may_reclaim(lease));
}

static void post_renewal(weft__redis *e, weft__fleet_lease *lease)
{
	weft__redis_request *r = NULL;
	weft__redis_words w;

	renew_words(e, lease, &w);
	lease->renewed = weft__redis_post(e, &w, &r);
	lease->priv = r;
}

/* Of a reply {said, how many processes wait}. */
static void note_waiters(weft__fleet_lease *lease, const redisReply *reply)
{
	weft_atomic_store(&lease->waiters, (int)integer_at(reply, 1), relaxed);
}

static void await_renewal(weft__redis *e, weft__fleet_lease *lease,
			  weft_time until)
{
	weft__redis_words w;
	redisReply *reply;
	long long said;

	if (lease->renewed != 0)
		return;
	renew_words(e, lease, &w);
	lease->renewed = weft__redis_await(e, lease->priv, &weft__redis_renew,
					   &w, NULL, until, &reply);
	lease->priv = NULL;
	if (lease->renewed != 0)
		return;
	said = integer_at(reply, 0);
	lease->renewed = said > 0 ? 0 : said < 0 ? -ESTALE : -EOWNERDEAD;
	lease->cancelled = integer_at(reply, 2) == 1;
	note_waiters(lease, reply);
	freeReplyObject(reply);
}

static void redis_renew(weft__fleet_engine *engine, weft__fleet_lease *list,
			weft_time until)
{
	weft__redis *e = redis_of(engine);
	weft__fleet_lease *l;

	for (l = list; l != NULL; l = l->next_due)
		post_renewal(e, l);
	for (l = list; l != NULL; l = l->next_due)
		await_renewal(e, l, until);
}

/* Unanswered it is no matter: whether the lease was kept, complete.lua says. */
int weft__redis_renew_one(weft__redis *e, weft__fleet_lease *lease)
{
	post_renewal(e, lease);
	await_renewal(e, lease, weft_now() + lease->ask->lease / 4);
	return weft__fleet_is_down(lease->renewed) ? 0 : lease->renewed;
}

static void complete_words(weft__redis *e, const weft__fleet_lease *lease,
			   const weft__fleet_outcome *o, bool uploaded,
			   weft__redis_words *w)
{
	const weft__fleet_ask *ask = lease->ask;

	sign_words(e, &weft__redis_complete, ask, ask->attempt.hex, w);
	weft__redis_bytes(w, o->data, uploaded ? 0 : o->size);
	weft__redis_number(w, uploaded ? (int64_t)o->size : 0);
	weft__redis_number(w, (int64_t)lease->epoch);
	weft__redis_number(w, lease->takeovers);
	weft__redis_number(w, o->ending);
	weft__redis_number(w, o->err);
	weft__redis_number(w, o->took);
	weft__redis_ms(w, o->fresh);
	weft__redis_ms(w, o->stale);
	weft__redis_ms(w, o->linger);
	add_record(w, ask);
	weft__redis_number(w, may_reclaim(lease));
	weft__redis_number(w, WEFT__REDIS_INLINE);
}

/* The script's answer, or an error. */
static int run_complete(weft__redis *e, const weft__fleet_lease *lease,
			const weft__fleet_outcome *o, bool uploaded, int *said)
{
	weft__redis_words w;
	redisReply *reply;
	int err;

	complete_words(e, lease, o, uploaded, &w);
	err = weft__redis_do(e, &weft__redis_complete, &w, NULL, &reply);
	if (err != 0)
		return err;
	*said = (int)reply->integer;
	freeReplyObject(reply);
	return 0;
}

/* A server that loses T every time, for want of memory say, has no room for it. */
static int complete_big(weft__redis *e, weft__fleet_lease *lease,
			const weft__fleet_outcome *o, int *said)
{
	enum { UPLOADS = 3, T_IS_NOT_WHOLE = -2 };

	for (int i = 0; i < UPLOADS; i++) {
		int err = weft__redis_upload(e, lease, o->data, o->size);

		if (err == 0)
			err = run_complete(e, lease, o, true, said);
		if (err != 0 || *said != T_IS_NOT_WHOLE)
			return err;
	}
	return -ENOSPC;
}

/* There is no room for the bytes: who waits is told that, and not left waiting. */
static int tell_unstored(weft__redis *e, const weft__fleet_lease *lease,
			 const weft__fleet_outcome *o, int why, int *said)
{
	weft_duration kept = o->once ? o->fresh : 0;
	weft__fleet_outcome told = {.ending = WEFT__FLEET_UNSTORED, .err = why,
				    .took = o->took, .data = "",
				    .fresh = kept, .stale = kept,
				    .linger = o->linger};

	return run_complete(e, lease, &told, false, said);
}

static int redis_complete(weft__fleet_engine *engine, weft__fleet_lease *lease,
			  const weft__fleet_outcome *o)
{
	weft__redis *e = redis_of(engine);
	bool unstored;
	int said = 0, err;

	if (o->size > WEFT__REDIS_SMALL)
		err = complete_big(e, lease, o, &said);
	else
		err = run_complete(e, lease, o, false, &said);
	if (err == -ENOSPC && o->size <= WEFT__REDIS_PIECE)
		err = run_complete(e, lease, o, false, &said); /* allow-oom */
	unstored = err == -ENOSPC || err == -EFBIG;
	if (unstored)
		err = tell_unstored(e, lease, o, err, &said);
	if (err != 0)
		return err;
	return said == 1 ? unstored : said == -1 ? -ESTALE : -EOWNERDEAD;
}

/*
 * Who gives up does not wait for that: what it asks next comes behind it, and
 * another process's turn at a gate is kept by the server (hand_over() in common.lua).
 */
static int redis_abort(weft__fleet_engine *engine, weft__fleet_lease *lease)
{
	int err = post_abort(redis_of(engine), lease->ask);

	if (err == 0 && lease->ask->gate)
		weft_atomic_store(&lease->waiters, 0, relaxed);
	return err;
}

static int redis_waiters(weft__fleet_engine *engine, const weft__fleet_lease *lease)
{
	weft__redis *e = redis_of(engine);
	weft__redis_words w = {0};
	weft__redis_request *r;
	redisReply *reply;
	int count;

	weft__redis_text(&w, "ZCARD");
	weft__redis_key(&w, e, 'W', lease->ask->id.hex, NULL);
	if (weft__redis_post(e, &w, &r) != 0 ||
	    weft__redis_await(e, r, NULL, &w, NULL, weft_now() + COUNTING, &reply) != 0)
		return -1;
	count = reply->type == REDIS_REPLY_INTEGER ? (int)reply->integer : -1;
	freeReplyObject(reply);
	return count;
}

/* It has run, and left no trace. Who waits need not wait for the grace, too. */
static void redis_drop(weft__fleet_engine *engine, weft__fleet_lease *lease)
{
	if (!lease->ask->at_most_once)
		(void)!post_abort(redis_of(engine), lease->ask);
}

static int redis_forget(weft__fleet_engine *engine, weft_ctx *ctx,
			const weft__fleet_id *id)
{
	weft__redis *e = redis_of(engine);
	weft__redis_words w;
	redisReply *reply;
	int err;

	weft__redis_script_words(&w, e, &weft__redis_forget, id, NULL);
	weft__redis_ms(&w, RECORD_LEAST);
	err = weft__redis_do(e, &weft__redis_forget, &w, ctx, &reply);
	if (err == 0)
		freeReplyObject(reply);
	return err;
}

static int redis_cancel(weft__fleet_engine *engine, weft_ctx *ctx,
			const weft__fleet_id *id, uint64_t epoch)
{
	weft__redis *e = redis_of(engine);
	weft__redis_words w;
	redisReply *reply;
	int err;

	weft__redis_script_words(&w, e, &weft__redis_cancel, id, NULL);
	weft__redis_number(&w, (int64_t)epoch);
	err = weft__redis_do(e, &weft__redis_cancel, &w, ctx, &reply);
	if (err != 0)
		return err;
	if (reply->integer != 1)
		err = -ENOENT;
	freeReplyObject(reply);
	return err;
}

/* ---- opening and closing ---- */

static void on_trouble(void *arg, const char *reason)
{
	warn(arg, reason);
}

static void look_at_memory(weft__redis *e, const char *info)
{
	bool evicts = weft__redis_evicts(info);

	if (evicts && !weft_atomic_load(&e->evicts, relaxed))
		warn(e, "its maxmemory-policy is not noeviction: records may be thrown away, "
			"and calls that must run once are refused");
	weft_atomic_store(&e->evicts, evicts, relaxed);
}

static void look_at_age(weft__redis *e, const char *info)
{
	char age[24];

	weft__redis_fact(info, "uptime_in_seconds", age, sizeof age);
	weft_atomic_store(&e->was_young,
			  strtoll(age, NULL, 10) * WEFT_SECOND <= WEFT__REDIS_SETTLED,
			  relaxed);
	weft_atomic_add(&e->connected, 1, relaxed);
}

static const weft__redis_script *const scripts[] = {
	&weft__redis_join, &weft__redis_renew, &weft__redis_complete,
	&weft__redis_abort, &weft__redis_forget, &weft__redis_cancel,
};

enum { SCRIPTS = sizeof scripts / sizeof *scripts };

static void on_greet(void *arg, weft__redis_conn *c)
{
	(void)arg;
	for (int i = 0; i < SCRIPTS; i++)
		weft__redis_conn_say(
			c, (const char *const[]){"SCRIPT", "LOAD",
						 scripts[i]->text, NULL});
	weft__redis_conn_say(
		c, (const char *const[]){"INFO", "memory", "server", NULL});
}

/*
 * Without the scripts nothing that was entrusted to the connection would be
 * executed: their refusal, as by a server that is still loading, is no way to begin.
 */
static bool on_up(void *arg, weft__redis_conn *c)
{
	redisReply *reply;

	for (int i = 0; i < SCRIPTS; i++)
		if (!weft__redis_conn_heard(c, true))
			return false;
	reply = weft__redis_conn_hear(c);
	if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
		look_at_memory(arg, reply->str);
		look_at_age(arg, reply->str);
	}
	if (reply != NULL)
		freeReplyObject(reply);
	return true;
}

/* What was published while there was no inbox is lost. */
static bool on_inbox_up(void *arg, weft__redis_conn *c)
{
	weft__redis *e = arg;

	(void)c;
	if (e->was_up)
		weft__fleet_news_all(e->setup.core);
	e->was_up = true;
	return true;
}

/* E2: to who looks at the inbox of an owner it seems dead now. */
static void on_inbox_down(void *arg)
{
	weft__redis *e = arg;

	weft__fleet_renew_soon(e->setup.core);
}

static void on_inbox_trouble(void *arg, const char *reason)
{
	char line[200];

	snprintf(line, sizeof line, "no inbox, so that waiting takes longer: %s",
		 reason);
	if (strncmp(reason, "NOPERM", 6) == 0)
		warn(arg, line);	/* all else is the other connection's, too */
}

/* What others find in a record: lookout.c reads it. */
static void sign(weft__redis *e)
{
	weft__redis_lookout *l = &e->lookout;

	weft__fleet_self_get(&l->self);
	for (int i = 0; i < 16; i++)
		snprintf(l->boot + 2 * i, 3, "%02x", l->self.boot[i]);
	snprintf(e->who, sizeof e->who, "%s %lld %lld %llu %s %s",
		 *l->self.host ? l->self.host : "?", (long long)l->self.pid,
		 (long long)l->self.start, (unsigned long long)l->self.space,
		 l->boot, l->badge);
}

static int name_self(weft__redis *e)
{
	uint64_t name[2];
	size_t room = strlen(e->url.space) + 40;

	weft__fleet_random(name, sizeof name);
	snprintf(e->lookout.badge, sizeof e->lookout.badge, "%016llx%016llx",
		 (unsigned long long)name[0], (unsigned long long)name[1]);
	e->inbox = malloc(room);
	if (e->inbox == NULL)
		return -ENOMEM;
	snprintf(e->inbox, room, "%s:ib:%s", e->url.space, e->lookout.badge);
	sign(e);
	e->lookout.badge_fd = weft__process_badge(e->lookout.badge);
	return 0;
}

static int connect_both(weft__redis *e)
{
	weft__redis_events commands = {e, on_greet, on_up, NULL, NULL, on_trouble};
	weft__redis_events news = {e, NULL, on_inbox_up, on_inbox_down,
				   weft__redis_message, on_inbox_trouble};
	int err = weft__redis_conn_init(&e->commands, &e->url, e->secure[0], NULL,
					commands);

	if (err != 0)
		return err;
	err = weft__redis_conn_init(&e->news, &e->url, e->secure[1], e->inbox, news);
	if (err != 0)
		weft__redis_conn_fini(&e->commands);
	return err;
}

static int read_url(weft__redis *e, const weft__fleet_setup *setup)
{
	const char *complaint = NULL;
	int err = weft__redis_url_init(&e->url, setup->url, &complaint);

	if (complaint != NULL)
		setup->warn(setup->warn_arg, complaint);
	return err;
}

static int prepare_tls(weft__redis *e, const weft__fleet_setup *setup)
{
	weft__tls_reason why;
	int err = 0;

	if (!e->url.tls)
		return 0;
	for (int i = 0; i < 2 && err == 0; i++)
		err = weft__tls_setup_new(&e->secure[i], e->url.ca_path,
					  e->url.cert_path, e->url.key_path,
					  &why);
	if (err != 0 && err != -ENOMEM)
		setup->warn(setup->warn_arg, why.text);
	return err;
}

static void free_engine(weft__redis *e)
{
	pthread_mutex_destroy(&e->lock);
	weft__fleet_fd_close(e->lookout.badge_fd);
	weft__tls_setup_free(e->secure[0]);
	weft__tls_setup_free(e->secure[1]);
	weft__redis_url_fini(&e->url);
	free(e->inbox);
	free(e);
}

static int redis_open(weft__fleet_engine **out, const weft__fleet_setup *setup)
{
	weft__redis *e = calloc(1, sizeof *e);
	int err;

	if (e == NULL)
		return -ENOMEM;
	e->base.ops = &weft__fleet_redis_ops;
	e->setup = *setup;
	e->lookout.badge_fd = -1;
	pthread_mutex_init(&e->lock, NULL);
	err = read_url(e, setup);
	if (err == 0)
		err = prepare_tls(e, setup);
	if (err == 0)
		err = name_self(e);
	if (err == 0)
		err = connect_both(e);
	if (err != 0) {
		free_engine(e);
		return err;
	}
	*out = &e->base;
	return 0;
}

static void redis_close(weft__fleet_engine *engine)
{
	weft__redis *e = redis_of(engine);

	weft__redis_lookout_fini(e);
	weft__redis_conn_fini(&e->news);
	weft__redis_conn_fini(&e->commands);
	free_engine(e);
}

const weft__fleet_ops weft__fleet_redis_ops = {
	.open = redis_open,
	.close = redis_close,
	.join = redis_join,
	.leave = redis_leave,
	.renew = redis_renew,
	.complete = redis_complete,
	.abort = redis_abort,
	.waiters = redis_waiters,
	.drop = redis_drop,
	.forget = redis_forget,
	.cancel = redis_cancel,
	.list = weft__redis_list,
	.show = weft__redis_show,
	.doctor = weft__redis_doctor,
};
