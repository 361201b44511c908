/* SPDX-License-Identifier: MIT */
/* One process of the service: its share of the callers, and how it answers. */
#include "breakdown.h"

#include "../common/cache.h"

#include <weft/fleet.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define LOCK_TIME (3 * WEFT_SECOND)
#define POLL_TIME WEFT_MS(50)

typedef struct {
	const settings *s;
	board *b;
	enum mode mode;
	int process;
	sql *db;
	cache *cache;
	weft_fleet *fleet;
	weft_flight flight;
} worker;

typedef struct {
	worker *w;
	weft_duration at;
	int key;
} caller;

/* ---- asking the database, and writing that down ---- */

static int query(const caller *c, weft_ctx *ctx, char **answer)
{
	board *b = c->w->b;
	query_record record = {weft_now(), 0, c->key, c->w->process};
	int err = data_ask(c->w->db, ctx, c->w->s, b->names[c->key], answer);
	long at = weft_atomic_add(&b->query_count, 1, relaxed);

	record.end = weft_now();
	if (at < b->query_room)
		b->queries[at] = record;
	return err;
}

static int query_and_store(const caller *c, weft_ctx *ctx, char **answer)
{
	int err = query(c, ctx, answer);

	if (err == 0)
		err = cache_set(c->w->cache, ctx, c->w->b->names[c->key], *answer,
				c->w->s->lifetime);
	return err;
}

/* ---- the four ways ---- */

static int ask_unprotected(const caller *c, weft_ctx *ctx, char **answer)
{
	int err = cache_get(c->w->cache, ctx, c->w->b->names[c->key], answer);

	if (err == 0 && *answer == NULL)
		err = query_and_store(c, ctx, answer);
	return err;
}

static int led(weft_ctx *ctx, void *arg, void **value)
{
	return ask_unprotected(arg, ctx, (char **)value);
}

static int ask_in_process(const caller *c, weft_ctx *ctx, char **answer)
{
	weft_result r = weft_flight_do_ctx_copy(
		&c->w->flight, ctx, weft_key_u64((uint64_t)c->key), led, c,
		sizeof *c);
	int err = r.err;

	if (err == 0 && (*answer = strdup(r.value)) == NULL)
		err = -ENOMEM;
	weft_result_release(&r);
	return err;
}

static int ask_with_lock(const caller *c, weft_ctx *ctx, char **answer)
{
	const char *name = c->w->b->names[c->key];
	int got, err;

	for (;;) {
		err = cache_get(c->w->cache, ctx, name, answer);
		if (err != 0 || *answer != NULL)
			return err;
		got = cache_lock(c->w->cache, ctx, name, LOCK_TIME);
		if (got != 0)
			break;
		err = weft_sleep(ctx, POLL_TIME);
		if (err != 0)
			return err;
	}
	if (got < 0)
		return got;
	err = ask_unprotected(c, ctx, answer);	/* it may be there by now */
	got = cache_unlock(c->w->cache, NULL, name);
	return err != 0 ? err : got;
}

static int fleet_query(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	char *answer;
	int err = query(arg, ctx, &answer);

	if (err == 0)
		err = weft_fleet_run_add(run, answer, strlen(answer));
	free(answer);
	return err;
}

static int ask_fleet(const caller *c, weft_ctx *ctx, char **answer)
{
	const weft_fleet_call call = {
		.key = weft_key_str(c->w->b->names[c->key]),
		.fn = fleet_query,
		.arg = (void *)c,
		.arg_size = sizeof *c,
		.mode = WEFT_FLEET_CACHE,
		.keep = c->w->s->lifetime,
	};
	weft_bytes bytes;
	int err = weft_fleet_do(c->w->fleet, ctx, &call, &bytes, NULL);

	if (err == 0 && (*answer = strdup(bytes.data)) == NULL)
		err = -ENOMEM;
	weft_bytes_release(&bytes);
	return err;
}

static int (*const ways[MODES])(const caller *c, weft_ctx *ctx, char **answer) = {
	ask_unprotected,
	ask_in_process,
	ask_with_lock,
	ask_fleet,
};

/* ---- the callers ---- */

static int call(weft_ctx *ctx, void *arg)
{
	const caller *c = arg;
	board *b = c->w->b;
	weft_time due = b->start + c->at;
	char *answer = NULL;
	long at;
	int err;

	weft_sleep(ctx, due - weft_now());
	weft_atomic_add(&b->asked, 1, relaxed);
	err = ways[c->w->mode](c, ctx, &answer);
	if (err != 0 || answer == NULL || strstr(answer, "packages break") == NULL)
		weft_atomic_add(&b->failed, 1, relaxed);
	at = weft_atomic_add(&b->latency_count, 1, relaxed);
	if (at < b->latency_room)
		b->latencies[at] = weft_now() - due;	/* late is late */
	free(answer);
	return 0;
}

static int run_callers(worker *w)
{
	const settings *s = w->s;
	long count = (long)((double)s->rate * ((double)s->during / 1e9) /
			    (double)s->processes);
	unsigned short state[3] = {(unsigned short)s->seed,
				   (unsigned short)(s->seed >> 16),
				   (unsigned short)w->process};
	weft_group g;

	weft_group_init(&g, NULL);
	for (long i = 0; i < count; i++) {
		double popular = erand48(state);
		caller c = {
			.w = w,
			.at = (weft_duration)(erand48(state) * (double)s->during),
			.key = (int)(popular * popular * (double)s->keys),
		};

		weft_group_go_copy(&g, call, &c, sizeof c);
	}
	return weft_group_wait(&g);
}

static int complain(const worker *w, const char *what, const char *why)
{
	fprintf(stderr, "cache_breakdown: process %d: %s: %s\n", w->process, what,
		why);
	return 1;
}

static void warn(void *arg, const char *line)
{
	complain(arg, "fleet", line);
}

static int serve(void *arg)
{
	worker *w = arg;
	const weft_fleet_options options = {.warn = warn, .warn_arg = w};
	int err = sql_open(&w->db, NULL, w->s->database, w->s->connections);

	if (err != 0)
		return complain(w, w->s->database, sql_message(w->db));
	w->cache = cache_open(w->s->cache);
	if (w->cache == NULL)
		return complain(w, w->s->cache, "no such cache");
	if (w->mode == FLEET &&
	    (err = weft_fleet_open(&w->fleet, w->s->cache, &options)) != 0)
		return complain(w, w->s->cache, strerror(-err));
	err = run_callers(w);
	weft_atomic_add(&w->b->commands, cache_commands(w->cache), relaxed);
	if (w->fleet != NULL) {
		weft_fleet_counters counters;

		weft_fleet_count(w->fleet, &counters);
		weft_atomic_add(&w->b->commands, (long)counters.commands,
				relaxed);
	}
	weft_flight_fini(&w->flight);
	weft_fleet_close(w->fleet);
	cache_close(w->cache);
	sql_close(w->db);
	return err != 0 ? complain(w, "callers", strerror(-err)) : 0;
}

int work(const settings *s, board *b, enum mode mode, int process)
{
	worker w = {
		.s = s,
		.b = b,
		.mode = mode,
		.process = process,
		.flight = {.drop = free},
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return weft_run(serve, &w);
}
