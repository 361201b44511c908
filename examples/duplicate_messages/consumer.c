/* SPDX-License-Identifier: MIT */
/* A process that works on the queue: several at a time, and not for ever. */
#include "messages.h"

#include <weft/fleet.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_ONCE = 2, DELIVERIES_MAX = 6, TAKEOVERS_MAX = 6 };

#define REMEMBERED (600 * WEFT_SECOND)	/* longer than anything is sent again */
#define IDLE WEFT_MS(20)

typedef struct {
	const settings *s;
	sql *db;
	queue *queue;
	weft_fleet *fleet;
	int receipts;	/* atomic */
} consumer;

/* A message in the hands of one of its tasks. */
typedef struct {
	consumer *of;
	message m;
} job;

/* ---- what it does with a message ---- */

/* With kill -9, as it comes: nothing is cleaned up. */
static void perhaps_die(const job *j, int where)
{
	uint64_t chance = (uint64_t)j->of->s->consumer * 7919 + (uint64_t)where;

	for (const char *c = j->m.id; *c != '\0'; c++)
		chance = (chance ^ (uint64_t)*c) * UINT64_C(1099511628211);
	if (message_is_poison(&j->m) ||
	    chance / 1021 % 100 < (uint64_t)j->of->s->crashes)
		raise(SIGKILL);
}

static int pay(weft_ctx *ctx, job *j, uint64_t token, char *receipt, size_t size)
{
	const settings *s = j->of->s;
	int err;

	snprintf(receipt, size, "%s by consumer %ld, its %dth", j->m.id,
		 s->consumer, weft_atomic_add(&j->of->receipts, 1, relaxed) + 1);
	err = weft_sleep(ctx, s->work);
	if (err != 0)
		return err;
	perhaps_die(j, 1);
	err = ledger_pay(j->of->db, ctx, &j->m, receipt, token,
			 s->way == GUARDED);
	perhaps_die(j, 2);
	return err;
}

static int pay_for_all(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	char receipt[100];
	int err = pay(ctx, arg, weft_fleet_run_token(run), receipt, sizeof receipt);

	return err != 0 ? err : weft_fleet_run_add(run, receipt, strlen(receipt));
}

/* In one call in the whole fleet, and what it gave. */
static int pay_in_fleet(weft_ctx *ctx, job *j, char *receipt, size_t size)
{
	char key[128];
	weft_fleet_call call = {
		.fn = pay_for_all,
		.arg = j,
		.arg_size = sizeof *j,
		.mode = WEFT_FLEET_ONCE,
		.keep = REMEMBERED,
		.lease = j->of->s->lease,
		.max_takeovers = TAKEOVERS_MAX,
	};
	weft_bytes bytes;
	int err;

	snprintf(key, sizeof key, "payment:%ld:%ld:%s", j->of->s->run,
		 j->of->s->way, j->m.id);
	call.key = weft_key_str(key);
	err = weft_fleet_do(j->of->fleet, ctx, &call, &bytes, NULL);
	if (err == 0)
		snprintf(receipt, size, "%s", (const char *)bytes.data);
	weft_bytes_release(&bytes);
	return err;
}

/* Anything but done and buried is delivered again. */
static void handle(weft_ctx *ctx, job *j)
{
	consumer *c = j->of;
	char receipt[100];
	int err;

	if (c->s->way != EVERY_DELIVERY)
		err = pay_in_fleet(ctx, j, receipt, sizeof receipt);
	else if (j->m.deliveries > DELIVERIES_MAX)
		err = -ELOOP;
	else
		err = pay(ctx, j, 0, receipt, sizeof receipt);
	if (err == -ELOOP)
		queue_bury(c->queue, ctx, &j->m);
	else if (err == 0 && ledger_accept(c->db, ctx, &j->m, receipt) == 0)
		queue_done(c->queue, ctx, &j->m);
}

static int work(weft_ctx *ctx, void *arg)
{
	job j = {.of = arg};
	char name[32];
	int err;

	snprintf(name, sizeof name, "consumer-%ld", j.of->s->consumer);
	while (!weft_ctx_done(ctx)) {
		err = queue_receive(j.of->queue, ctx, name, &j.m);
		if (err == 0)
			handle(ctx, &j);
		else
			weft_sleep(ctx, IDLE);
	}
	return 0;
}

/* The parent closes our standard input when there is no more to do. */
static int wait_for_the_end(weft_ctx *ctx, void *arg)
{
	(void)arg;
	weft_wait_fd(ctx, STDIN_FILENO, POLLIN);
	return -ECANCELED;	/* which ends the others */
}

static int complain(const char *where, const char *why)
{
	fprintf(stderr, "duplicate_messages: consumer: %s: %s\n", where, why);
	return 1;
}

static void warn(void *where, const char *line)
{
	complain(where, line);
}

static int serve(void *arg)
{
	const settings *s = arg;
	const weft_fleet_options options = {.warn = warn, .warn_arg = (void *)s->at};
	consumer c = {.s = s};
	weft_group g;
	int err;

	if (sql_open(&c.db, NULL, s->database, 2 * AT_ONCE) != 0)
		return complain(s->database, sql_message(c.db));
	c.queue = queue_open(NULL, s->queue, s);
	if (c.queue == NULL)
		return complain(s->queue, "no such queue");
	err = weft_fleet_open(&c.fleet, s->at, &options);
	if (err != 0)
		return complain(s->at, strerror(-err));
	weft_group_init(&g, NULL);
	weft_group_go(&g, wait_for_the_end, NULL);
	for (int i = 0; i < AT_ONCE; i++)
		weft_group_go(&g, work, &c);
	weft_group_wait(&g);
	weft_fleet_close(c.fleet);
	queue_close(c.queue);
	sql_close(c.db);
	return 0;
}

int consume(const settings *s)
{
	return weft_run(serve, (void *)s);
}
