/* SPDX-License-Identifier: MIT */
/*
 * A queue that delivers again what was not done in time: a Redis stream with a
 * consumer group, or a table where there is no Redis.
 */
#include "messages.h"

#include "../common/redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM "weft:payments"
#define DEAD "weft:payments:dead"

enum { CONNECTIONS = 8 };

struct queue {
	const settings *s;
	redis *redis;	/* or */
	sql *db;
};

queue *queue_open(weft_ctx *ctx, const char *url, const settings *s)
{
	queue *q = calloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	q->s = s;
	if (strncmp(url, "redis:", 6) == 0)
		q->redis = redis_new(url, CONNECTIONS);
	else if (sql_open(&q->db, ctx, url, CONNECTIONS) != 0) {
		sql_close(q->db);
		q->db = NULL;
	}
	if (q->redis != NULL || q->db != NULL)
		return q;
	free(q);
	return NULL;
}

void queue_close(queue *q)
{
	redis_free(q->redis);
	sql_close(q->db);
	free(q);
}

/* ---- a stream ---- */

/* An error of the server is one of ours; frees the reply, unless it is wanted. */
static int outcome(int err, redisReply *reply, redisReply **wanted)
{
	if (err == 0 && reply->type == REDIS_REPLY_ERROR)
		err = -EIO;
	if (err == 0 && wanted != NULL)
		*wanted = reply;
	else
		freeReplyObject(reply);
	return err;
}

static int stream_clear(queue *q, weft_ctx *ctx)
{
	redisReply *reply;
	int err = redis_command(q->redis, ctx, &reply, "DEL " STREAM " " DEAD);

	err = outcome(err, reply, NULL);
	if (err != 0)
		return err;
	err = redis_command(q->redis, ctx, &reply,
			    "XGROUP CREATE " STREAM " payers 0 MKSTREAM");
	return outcome(err, reply, NULL);
}

static int stream_add(queue *q, weft_ctx *ctx, const message *m)
{
	redisReply *reply;
	int err = redis_command(q->redis, ctx, &reply,
				"XADD " STREAM " * id %s account %s cents %ld",
				m->id, m->account, m->cents);

	return outcome(err, reply, NULL);
}

/* entry: the delivery's name, and id, account, cents with their values. */
static bool read_entry(const redisReply *entry, message *m)
{
	const redisReply *fields;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
	    entry->element[1]->type != REDIS_REPLY_ARRAY ||
	    entry->element[1]->elements != 6)
		return false;
	fields = entry->element[1];
	snprintf(m->delivery, sizeof m->delivery, "%s", entry->element[0]->str);
	snprintf(m->id, sizeof m->id, "%s", fields->element[1]->str);
	snprintf(m->account, sizeof m->account, "%s", fields->element[3]->str);
	m->cents = atol(fields->element[5]->str);
	return true;
}

/* What another consumer has not done in time. */
static int stream_claim(queue *q, weft_ctx *ctx, const char *consumer, message *m)
{
	redisReply *reply;
	int err = redis_command(q->redis, ctx, &reply,
				"XAUTOCLAIM " STREAM " payers %s %lld 0 COUNT 1",
				consumer,
				(long long)(q->s->redeliver / WEFT_MS(1)));

	err = outcome(err, reply, &reply);
	if (err != 0)
		return err;
	err = -ENOENT;
	if (reply->elements >= 2 && reply->element[1]->elements > 0 &&
	    read_entry(reply->element[1]->element[0], m))
		err = 0;
	freeReplyObject(reply);
	return err;
}

static int stream_read(queue *q, weft_ctx *ctx, const char *consumer, message *m)
{
	redisReply *reply;
	int err = redis_command(q->redis, ctx, &reply,
				"XREADGROUP GROUP payers %s COUNT 1 STREAMS " STREAM
				" >", consumer);

	err = outcome(err, reply, &reply);
	if (err != 0)
		return err;
	err = -ENOENT;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
	    reply->element[0]->elements == 2 &&
	    reply->element[0]->element[1]->elements > 0 &&
	    read_entry(reply->element[0]->element[1]->element[0], m))
		err = 0;
	freeReplyObject(reply);
	return err;
}

static int stream_receive(queue *q, weft_ctx *ctx, const char *consumer,
			  message *m)
{
	redisReply *reply;
	int err = stream_claim(q, ctx, consumer, m);

	m->deliveries = 1;
	if (err == -ENOENT)
		return stream_read(q, ctx, consumer, m);
	if (err != 0)
		return err;
	err = redis_command(q->redis, ctx, &reply,
			    "XPENDING " STREAM " payers %s %s 1", m->delivery,
			    m->delivery);
	err = outcome(err, reply, &reply);
	if (err != 0)
		return err;
	if (reply->elements == 1 && reply->element[0]->elements == 4)
		m->deliveries = (long)reply->element[0]->element[3]->integer;
	freeReplyObject(reply);
	return 0;
}

/*
 * Acknowledged and deleted in one step: who dies between two would leave a
 * message that is nobody's any more, and the stream never empty.
 */
static int stream_done(queue *q, weft_ctx *ctx, const message *m)
{
	static const char script[] =
		"redis.call('XACK', KEYS[1], 'payers', ARGV[1]) "
		"return redis.call('XDEL', KEYS[1], ARGV[1])";
	redisReply *reply;
	int err = redis_command(q->redis, ctx, &reply, "EVAL %s 1 " STREAM " %s",
				script, m->delivery);

	return outcome(err, reply, NULL);
}

/* In one step, too; and by the first one only, if several bury it. */
static int stream_bury(queue *q, weft_ctx *ctx, const message *m)
{
	static const char script[] =
		"if redis.call('XACK', KEYS[1], 'payers', ARGV[1]) == 1 then "
		"redis.call('XADD', KEYS[2], '*', 'id', ARGV[2], 'account', "
		"ARGV[3], 'cents', ARGV[4]) end "
		"return redis.call('XDEL', KEYS[1], ARGV[1])";
	redisReply *reply;
	int err = redis_command(q->redis, ctx, &reply,
				"EVAL %s 2 " STREAM " " DEAD " %s %s %s %ld",
				script, m->delivery, m->id, m->account, m->cents);

	return outcome(err, reply, NULL);
}

static int stream_length(queue *q, weft_ctx *ctx, const char *name, long *length)
{
	redisReply *reply;
	int err = redis_command(q->redis, ctx, &reply, "XLEN %s", name);

	err = outcome(err, reply, &reply);
	if (err != 0)
		return err;
	*length = (long)reply->integer;
	freeReplyObject(reply);
	return 0;
}

/* ---- a table ---- */

static int table_clear(queue *q, weft_ctx *ctx)
{
	static const char *const statements[] = {
		"DROP TABLE IF EXISTS queue",
		("CREATE TABLE queue (number INTEGER PRIMARY KEY, "
		 "id VARCHAR(64), account VARCHAR(32), cents INTEGER, "
		 "due BIGINT, deliveries INTEGER, state VARCHAR(8))"),
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < 2; i++)
		err = sql_run(q->db, ctx, NULL, statements[i], 0, NULL);
	return err;
}

static int table_add(queue *q, weft_ctx *ctx, const message *m)
{
	char cents[24];

	snprintf(cents, sizeof cents, "%ld", m->cents);
	return sql_run_with(q->db, ctx, NULL,
			    "INSERT INTO queue (id, account, cents, due, deliveries, "
			    "state) VALUES (?, ?, ?, 0, 0, 'new')",
			    m->id, m->account, cents);
}

struct receive {
	const settings *s;
	message *m;
};

static int table_take(sql *t, weft_ctx *ctx, void *arg)
{
	struct receive *r = arg;
	char now[24], due[24];
	sql_result row;
	int err;

	/* Of all processes of this machine the same clock. */
	snprintf(now, sizeof now, "%lld", (long long)weft_now());
	snprintf(due, sizeof due, "%lld",
		 (long long)(weft_now() + r->s->redeliver));
	err = sql_run_with(t, ctx, &row,
			   "SELECT number, id, account, cents, deliveries "
			   "FROM queue WHERE state = 'new' AND due <= ? + 0 "
			   "ORDER BY number LIMIT 1", now);
	if (err == 0 && row.rows == 0)
		err = -ENOENT;
	if (err != 0) {
		sql_result_free(&row);
		return err;
	}
	snprintf(r->m->delivery, sizeof r->m->delivery, "%s", row.cells[0]);
	snprintf(r->m->id, sizeof r->m->id, "%s", row.cells[1]);
	snprintf(r->m->account, sizeof r->m->account, "%s", row.cells[2]);
	r->m->cents = atol(row.cells[3]);
	r->m->deliveries = atol(row.cells[4]) + 1;
	sql_result_free(&row);
	return sql_run_with(t, ctx, NULL,
			    "UPDATE queue SET due = ?, deliveries = deliveries + 1 "
			    "WHERE number = ?", due, r->m->delivery);
}

static int table_mark(queue *q, weft_ctx *ctx, const message *m,
		      const char *state)
{
	return sql_run_with(q->db, ctx, NULL,
			    "UPDATE queue SET state = ? WHERE number = ?", state,
			    m->delivery);
}

static int table_count(queue *q, weft_ctx *ctx, const char *state, long *count)
{
	sql_result row;
	int err = sql_run_with(q->db, ctx, &row,
			       "SELECT COUNT(*) FROM queue WHERE state = ?", state);

	if (err == 0)
		*count = atol(row.cells[0]);
	sql_result_free(&row);
	return err;
}

/* ---- either ---- */

int queue_clear(queue *q, weft_ctx *ctx)
{
	return q->redis != NULL ? stream_clear(q, ctx) : table_clear(q, ctx);
}

int queue_send(queue *q, weft_ctx *ctx, const message *m)
{
	return q->redis != NULL ? stream_add(q, ctx, m) : table_add(q, ctx, m);
}

int queue_receive(queue *q, weft_ctx *ctx, const char *consumer, message *m)
{
	struct receive r = {q->s, m};

	return q->redis != NULL ? stream_receive(q, ctx, consumer, m)
				: sql_transaction(q->db, ctx, table_take, &r);
}

int queue_done(queue *q, weft_ctx *ctx, const message *m)
{
	return q->redis != NULL ? stream_done(q, ctx, m)
				: table_mark(q, ctx, m, "done");
}

int queue_bury(queue *q, weft_ctx *ctx, const message *m)
{
	return q->redis != NULL ? stream_bury(q, ctx, m)
				: table_mark(q, ctx, m, "dead");
}

int queue_count(queue *q, weft_ctx *ctx, long *left, long *buried)
{
	int err;

	if (q->redis != NULL) {
		err = stream_length(q, ctx, STREAM, left);
		return err != 0 ? err : stream_length(q, ctx, DEAD, buried);
	}
	err = table_count(q, ctx, "new", left);
	return err != 0 ? err : table_count(q, ctx, "dead", buried);
}
