/* SPDX-License-Identifier: MIT */
/* Results as they are stored: a head of fixed size, then the payload. */
#include "fleet/redis/redis.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of the head: where they are, and how long. */
enum { EPOCH = 2, ENDING = 23, ERR = 25, DEATHS = 37, ENDED = 43, TOOK = 59,
       FRESH = 75, STALE = 91 };
#define FOREVER_MS 999999999999999

static long long number_at(const char *text, size_t at)
{
	char copy[24];
	size_t length = strcspn(memcpy(copy, text + at, 21), " \n");

	copy[length < 21 ? length : 20] = '\0';
	return strtoll(copy, NULL, 10);
}

static bool is_head(const char *text, size_t bytes)
{
	return bytes >= WEFT__REDIS_HEAD && memcmp(text, "1 ", 2) == 0 &&
	       text[WEFT__REDIS_HEAD - 1] == '\n';
}

weft__fleet_result *weft__redis_result(const char *text, size_t bytes,
				       size_t total, int64_t now_ms)
{
	weft__fleet_result *r;
	char head[WEFT__REDIS_HEAD + 24] = {0};
	long long fresh;

	if (!is_head(text, bytes) || total < bytes)
		return NULL;
	r = weft__fleet_result_new(total - WEFT__REDIS_HEAD);
	if (r == NULL)
		return NULL;
	memcpy(head, text, WEFT__REDIS_HEAD);
	if (now_ms < 0)
		now_ms = number_at(head, ENDED);
	fresh = number_at(head, FRESH);
	r->epoch = (uint64_t)number_at(head, EPOCH);
	r->ending = (enum weft__fleet_ending)number_at(head, ENDING);
	r->err = (int)number_at(head, ERR);
	r->takeovers = (int)number_at(head, DEATHS);
	r->age = WEFT_MS(now_ms - number_at(head, ENDED));
	r->took = number_at(head, TOOK);
	r->fresh = fresh == FOREVER_MS ? WEFT_FLEET_FOREVER
				       : WEFT_MS(fresh - now_ms);
	if (r->age < 0)
		r->age = 0;	/* the server's clock was set back */
	memcpy(r->data, text + WEFT__REDIS_HEAD, bytes - WEFT__REDIS_HEAD);
	return r;
}

int64_t weft__redis_good_until(const char *text)
{
	char head[WEFT__REDIS_HEAD + 24] = {0};
	long long until = number_at(memcpy(head, text, WEFT__REDIS_HEAD), STALE);

	return until == FOREVER_MS ? INT64_MAX : until;
}

/* ---- in pieces ---- */

static int get_range(weft__redis *e, weft_ctx *ctx, const weft__fleet_id *id,
		     size_t from, size_t size, void *to)
{
	weft__redis_words w = {0};
	redisReply *reply;
	int err;

	weft__redis_text(&w, "GETRANGE");
	weft__redis_key(&w, e, 'R', id->hex, NULL);
	weft__redis_number(&w, (int64_t)from);
	weft__redis_number(&w, (int64_t)(from + size - 1));
	err = weft__redis_do(e, NULL, &w, ctx, &reply);
	if (err != 0)
		return err;
	if (reply->type == REDIS_REPLY_STRING && reply->len == size)
		memcpy(to, reply->str, size);
	else
		err = -ESTALE;
	freeReplyObject(reply);
	return err;
}

/* Is the result that is there still the one of which the head came? */
static int check_head(weft__redis *e, weft_ctx *ctx, const weft__fleet_id *id,
		      const weft__fleet_result *result)
{
	char head[WEFT__REDIS_HEAD + 24] = {0};
	int err = get_range(e, ctx, id, 0, WEFT__REDIS_HEAD, head);

	return err == 0 && (uint64_t)number_at(head, EPOCH) != result->epoch
		       ? -ESTALE
		       : err;
}

/* One that comes in one piece comes with its head. */
static int fetch_at_once(weft__redis *e, weft_ctx *ctx, const weft__fleet_id *id,
			 weft__fleet_result *result)
{
	weft__redis_words w = {0};
	redisReply *reply;
	int err;

	weft__redis_text(&w, "GET");
	weft__redis_key(&w, e, 'R', id->hex, NULL);
	err = weft__redis_do(e, NULL, &w, ctx, &reply);
	if (err != 0)
		return err;
	if (reply->type == REDIS_REPLY_STRING &&
	    reply->len == WEFT__REDIS_HEAD + result->size &&
	    (uint64_t)number_at(reply->str, EPOCH) == result->epoch)
		memcpy(result->data, reply->str + WEFT__REDIS_HEAD, result->size);
	else
		err = -ESTALE;
	freeReplyObject(reply);
	return err;
}

int weft__redis_fetch(weft__redis *e, weft_ctx *ctx, const weft__fleet_id *id,
		      weft__fleet_result *result)
{
	size_t at, size;
	int err = 0;

	if (result->size <= WEFT__REDIS_PIECE)
		return fetch_at_once(e, ctx, id, result);
	for (at = 0; at < result->size && err == 0; at += size) {
		size = result->size - at;
		if (size > WEFT__REDIS_PIECE)
			size = WEFT__REDIS_PIECE;
		err = get_range(e, ctx, id, WEFT__REDIS_HEAD + at, size,
				result->data + at);
	}
	return err == 0 ? check_head(e, ctx, id, result) : err;
}

static weft_duration upload_lives(const weft__fleet_lease *lease)
{
	return 20 * lease->ask->lease + WEFT_MINUTE;
}

/*
 * A mark, where the head will be, that goes away by itself if what follows is
 * never completed. What is put behind one that is lost has zeros before it, so
 * that complete.lua sees that something is missing, whatever its length is.
 */
static int begin_upload(weft__redis *e, const weft__fleet_lease *lease)
{
	char mark[WEFT__REDIS_HEAD];
	weft__redis_words w = {0};
	redisReply *reply;
	int err;

	memset(mark, '-', sizeof mark);
	weft__redis_text(&w, "SET");
	weft__redis_key(&w, e, 'T', lease->ask->id.hex, lease->ask->attempt.hex);
	weft__redis_bytes(&w, mark, sizeof mark);
	weft__redis_text(&w, "PX");
	weft__redis_ms(&w, upload_lives(lease));
	err = weft__redis_do(e, NULL, &w, NULL, &reply);
	if (err == 0)
		freeReplyObject(reply);
	return err;
}

/*
 * A piece makes a key that never expires where T is gone, as it may be for one that
 * a server executes late, from a connection that was given up. So this is right
 * behind it, on the same connection, and sent again where the piece is.
 */
static void let_upload_expire(weft__redis *e, const weft__fleet_lease *lease)
{
	weft__redis_words w = {0};

	weft__redis_text(&w, "PEXPIRE");
	weft__redis_key(&w, e, 'T', lease->ask->id.hex, lease->ask->attempt.hex);
	weft__redis_ms(&w, upload_lives(lease));
	(void)!weft__redis_order(e, &w, weft_now() + upload_lives(lease));
}

static int send_piece(weft__redis *e, const weft__fleet_lease *lease, size_t at,
		      const void *data, size_t size)
{
	weft__redis_words w = {0};
	weft__redis_request *r;
	redisReply *reply;
	int err;

	weft__redis_text(&w, "SETRANGE");
	weft__redis_key(&w, e, 'T', lease->ask->id.hex, lease->ask->attempt.hex);
	weft__redis_number(&w, (int64_t)(WEFT__REDIS_HEAD + at));
	weft__redis_bytes(&w, data, size);
	err = weft__redis_post(e, &w, &r);
	if (err != 0)
		return err;
	let_upload_expire(e, lease);
	err = weft__redis_await(e, r, NULL, &w, NULL, WEFT__REDIS_PATIENTLY, &reply);
	if (err == 0)
		freeReplyObject(reply);
	return err;
}

int weft__redis_upload(weft__redis *e, weft__fleet_lease *lease,
		       const void *data, size_t size)
{
	weft_duration often = lease->ask->lease / 4;
	weft_time renew_at = weft_now() + often;
	int err = begin_upload(e, lease);
	size_t at, piece;

	for (at = 0; at < size && err == 0; at += piece) {
		piece = size - at;
		if (piece > WEFT__REDIS_PIECE)
			piece = WEFT__REDIS_PIECE;
		err = send_piece(e, lease, at, (const char *)data + at, piece);
		if (err == 0 && weft_now() >= renew_at) {
			err = weft__redis_renew_one(e, lease);
			renew_at = weft_now() + often;
		}
	}
	return err;
}
