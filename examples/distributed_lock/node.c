/* SPDX-License-Identifier: MIT */
/* A node: its requests come all at once, and each wants the lock for a moment. */
#include "lock.h"

#include "../common/cache.h"

#include <weft/fleet.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define LEASE (3 * WEFT_SECOND)

typedef struct {
	const settings *s;
	board *b;
	enum way way;
	long node;
	cache *cache;
	weft_fleet *fleet;
	weft_fleet_gate gate;
} node;

/* ---- what the lock protects ---- */

static void work(board *b, const settings *s, const weft_fleet_pass *pass)
{
	long value;

	if (weft_atomic_add(&b->inside, 1, seq_cst) != 0)
		weft_atomic_add(&b->broken, 1, relaxed);
	if (pass != NULL) {
		if (pass->token < b->token ||
		    (pass->token == b->token && pass->seq <= b->seq))
			weft_atomic_add(&b->late, 1, relaxed);
		b->token = pass->token;
		b->seq = pass->seq;
	}
	value = b->value;
	if (s->work > 0)
		weft_sleep(NULL, s->work);
	b->value = value + 1;
	weft_atomic_sub(&b->inside, 1, seq_cst);
}

static void note_wait(board *b, weft_time since)
{
	long at = weft_atomic_add(&b->wait_count, 1, relaxed);

	if (at < b->wait_room)
		b->waits[at] = weft_now() - since;
}

/* ---- the two ways ---- */

static int request_for_itself(node *n, weft_ctx *ctx)
{
	weft_time since = weft_now();
	int got, err = 0;

	while ((got = cache_lock(n->cache, ctx, "stock", LEASE)) == 0 && err == 0)
		err = weft_sleep(ctx, n->s->poll);
	if (got <= 0)
		return got < 0 ? got : err;
	note_wait(n->b, since);
	work(n->b, n->s, NULL);
	return cache_unlock(n->cache, NULL, "stock");
}

static int request_through_gate(node *n, weft_ctx *ctx)
{
	weft_time since = weft_now();
	weft_fleet_pass pass;
	int err = weft_fleet_gate_lock(&n->gate, ctx, &pass);

	if (err != 0)
		return err;
	note_wait(n->b, since);
	work(n->b, n->s, &pass);
	return weft_fleet_gate_unlock(&n->gate);
}

static int request(weft_ctx *ctx, void *arg)
{
	node *n = arg;
	weft_ctx until;
	int err;

	weft_ctx_init_timeout(&until, ctx, n->s->patience);
	weft_sleep(NULL, n->b->start - weft_now());
	err = n->way == ONE_A_NODE ? request_through_gate(n, &until)
				   : request_for_itself(n, &until);
	weft_atomic_add(err == 0 ? &n->b->done : &n->b->failed, 1, relaxed);
	weft_ctx_fini(&until);
	return 0;
}

/* ---- the process ---- */

static void warn(void *arg, const char *line)
{
	const node *n = arg;

	fprintf(stderr, "distributed_lock: node %ld: %s\n", n->node, line);
}

static int open_places(node *n)
{
	const weft_fleet_options options = {.warn = warn, .warn_arg = n};
	int err = 0;

	if (n->way == EACH_FOR_ITSELF) {
		n->cache = cache_open(n->s->at);
		if (n->cache == NULL)
			err = -EINVAL;
	} else {
		err = weft_fleet_open(&n->fleet, n->s->at, &options);
		if (err == 0)
			err = weft_fleet_gate_init(&n->gate, n->fleet,
						   weft_key_str("stock"));
	}
	return err;
}

static void close_places(node *n)
{
	weft_fleet_counters counters = {0};

	if (n->cache != NULL) {
		weft_atomic_add(&n->b->commands, cache_commands(n->cache), relaxed);
		cache_close(n->cache);
	} else {
		weft_fleet_count(n->fleet, &counters);
		weft_fleet_gate_fini(&n->gate);
		weft_fleet_close(n->fleet);
		weft_atomic_add(&n->b->commands, (long)counters.commands, relaxed);
		weft_atomic_add(&n->b->hand_overs,
				(long)(counters.passes - counters.leases), relaxed);
	}
}

static int serve(void *arg)
{
	node *n = arg;
	weft_group g;
	int err = open_places(n);

	if (err != 0) {
		warn(n, strerror(-err));
		return 1;
	}
	weft_group_init(&g, NULL);
	for (long i = 0; i < n->s->requests; i++)
		weft_group_go(&g, request, n);
	err = weft_group_wait(&g);
	close_places(n);
	return err != 0;
}

int node_run(const settings *s, board *b, enum way way, long number)
{
	node n = {.s = s, .b = b, .way = way, .node = number};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return weft_run(serve, &n);
}
