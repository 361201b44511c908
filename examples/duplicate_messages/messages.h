/* SPDX-License-Identifier: MIT */
/* What the files of this use case share. */
#ifndef EXAMPLES_DUPLICATE_MESSAGES_MESSAGES_H
#define EXAMPLES_DUPLICATE_MESSAGES_MESSAGES_H

#include "../common/sql.h"

#include <stdint.h>

/* What a consumer does with what it is delivered. */
enum way {
	EVERY_DELIVERY,	/* takes effect */
	ONE_RUN,	/* takes effect, in one call in the whole fleet */
	GUARDED,	/* … and the database refuses what comes twice or late */
	WAYS,
};

extern const char *const way_names[WAYS];

typedef struct {
	const char *database, *queue, *at;
	long messages, accounts, consumers, crashes, poison, seed;
	weft_duration redeliver, work, lease;
	bool json;

	/* Of a consumer: what its parent tells it. */
	long consumer;	/* which, from 1 */
	long way;
	long run;	/* not what an earlier one has in the fleet still */
} settings;

/* A payment, and how it came. */
typedef struct {
	char id[64];		/* made by who sent it, the same when sent again */
	char account[32];
	long cents;
	char delivery[64];	/* the queue's name for this delivery */
	long deliveries;	/* how often it was delivered, this one included */
} message;

/* ---- the queue: queue.c ---- */

typedef struct queue queue;

/* redis://HOST:PORT/N or a database's URL. NULL: neither, or no memory. */
queue *queue_open(weft_ctx *ctx, const char *url, const settings *s);
void queue_close(queue *q);

/* Each of these: 0, or a negative errno. */
int queue_clear(queue *q, weft_ctx *ctx);
int queue_send(queue *q, weft_ctx *ctx, const message *m);
/*
 * The next one that is due: a new one, or one that was not done within
 * s->redeliver. -ENOENT: there is none.
 */
int queue_receive(queue *q, weft_ctx *ctx, const char *consumer, message *m);
int queue_done(queue *q, weft_ctx *ctx, const message *m);
/* To the dead letters. */
int queue_bury(queue *q, weft_ctx *ctx, const message *m);
/* How many are not done, and how many are buried. */
int queue_count(queue *q, weft_ctx *ctx, long *left, long *buried);

/* ---- the effects: ledger.c ---- */

int ledger_create(sql *db, weft_ctx *ctx, const settings *s);

/*
 * Pay, and write the receipt. Guarded: a payment whose id was paid is not paid
 * again, and a receipt is only written with a token larger than the last one;
 * -ESTALE: this one came too late.
 */
int ledger_pay(sql *db, weft_ctx *ctx, const message *m, const char *receipt,
	       uint64_t token, bool guarded);

/* What a consumer took for the message's result, when it called it done. */
int ledger_accept(sql *db, weft_ctx *ctx, const message *m, const char *receipt);

typedef struct {
	long paid;	/* payments that took effect … */
	long twice;	/* … though they had already */
	long wrong;	/* receipts that are not the one that was accepted */
	long missing;	/* messages, not poisoned, that took no effect */
} audit;

int ledger_audit(sql *db, weft_ctx *ctx, const settings *s, audit *a);

/* ---- one consumer: consumer.c; returns the exit status of its process ---- */

int consume(const settings *s);

/* Message number n of all: the same whenever it is made. */
void message_make(message *m, long n, const settings *s);
bool message_is_poison(const message *m);

#endif
