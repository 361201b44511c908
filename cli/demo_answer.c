/* SPDX-License-Identifier: MIT */
/*
 * Three ways to answer a question when the answer may be in the cache. They
 * differ in what keeps two tasks from asking the database the same thing.
 */
#include "demo_run.h"

#include <stdlib.h>

static bool cached(demo_run *run, uint32_t package, demo_answer *a)
{
	demo_slot *slot = &run->cache[package];
	bool fresh;

	weft_mutex_lock(&slot->lock);
	fresh = weft_now() < slot->until;
	if (fresh)
		*a = slot->answer;
	weft_mutex_unlock(&slot->lock);
	return fresh;
}

/* The packages do not change, so neither may an answer. */
static void keep(demo_run *run, uint32_t package, const demo_answer *a)
{
	demo_slot *slot = &run->cache[package];
	bool contradicts;

	weft_mutex_lock(&slot->lock);
	contradicts = slot->known && (slot->answer.count != a->count ||
				      slot->answer.checksum != a->checksum);
	slot->answer = *a;
	slot->known = true;
	slot->until = weft_now() + run->options->lifetime;
	weft_mutex_unlock(&slot->lock);
	if (!contradicts)
		return;
	weft_mutex_lock(&run->stats.lock);
	run->stats.contradictions++;
	weft_mutex_unlock(&run->stats.lock);
}

/*
 * ctx limits the wait for a connection. A query that has begun is finished
 * even if nobody waits for it any more, as at a server whose client hung up:
 * its answer is good for the next. Only the end of the run interrupts it: then
 * the deadline of the last question has passed.
 */
static int ask_database(weft_ctx *ctx, demo_ticket *t, demo_answer *a)
{
	demo_run *run = t->run;
	demo_database *d = run->database;
	demo_connection *connection;
	int err;

	demo_stats_query_begins(run, t->package);
	err = demo_database_acquire(d, ctx, &connection);
	if (err == 0) {
		demo_stats_query_executes(run);
		err = demo_database_ask(connection, &run->ctx,
					&d->packages[t->package], a, run->failure);
		demo_database_release(d, connection);
	}
	demo_stats_query_ends(run, t->package, err == 0);
	if (err == 0)
		keep(run, t->package, a);
	return err;
}

int demo_answer_unprotected(weft_ctx *ctx, demo_ticket *t, demo_answer *a)
{
	if (cached(t->run, t->package, a))
		return 0;
	return ask_database(ctx, t, a);
}

/* What people write first: one at a time, and look again under the lock. */
int demo_answer_one_lock(weft_ctx *ctx, demo_ticket *t, demo_answer *a)
{
	demo_run *run = t->run;
	int err;

	if (cached(run, t->package, a))
		return 0;
	err = weft_mutex_lock_ctx(&run->one_lock, ctx);
	if (err != 0)
		return err;
	if (!cached(run, t->package, a))
		err = ask_database(ctx, t, a);
	weft_mutex_unlock(&run->one_lock);
	return err;
}

/*
 * Runs in a task of its own, so those who ask can leave at their deadline. ctx
 * is the flight's: it lasts as long as anybody waits for the answer, however
 * long the first who asked was ready to wait.
 */
static int fly(weft_ctx *ctx, void *arg, void **value)
{
	demo_ticket *t = arg;
	demo_answer *a = malloc(sizeof(*a));
	int err = 0;

	if (a == NULL)
		return demo_fail(t->run->failure, "no memory");
	/* The last flight may have landed since its caller looked. */
	if (!cached(t->run, t->package, a))
		err = ask_database(ctx, t, a);
	if (err == 0)
		*value = a;
	else
		free(a);
	return err;
}

int demo_answer_flight(weft_ctx *ctx, demo_ticket *t, demo_answer *a)
{
	demo_run *run = t->run;
	const char *name = run->database->packages[t->package].name;
	weft_result result;
	int err;

	if (cached(run, t->package, a))
		return 0;
	/* Tickets live until the flight is finished: t need not be copied. */
	result = weft_flight_do_ctx(&run->flight, ctx, weft_key_str(name), fly, t);
	err = result.err;
	if (err == 0)
		*a = *(demo_answer *)result.value;
	weft_result_release(&result);
	return err;
}
