/* SPDX-License-Identifier: MIT */
/* The words of commands, and of scripts. */
#include "fleet/redis/redis.h"

#include <weft/atomic.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

void weft__redis_bytes(weft__redis_words *w, const void *data, size_t size)
{
	w->word[w->count] = data;
	w->size[w->count++] = size;
}

void weft__redis_text(weft__redis_words *w, const char *text)
{
	weft__redis_bytes(w, text, strlen(text));
}

/* What was printed behind w->used is the next word. */
static void add_printed(weft__redis_words *w, int length)
{
	if (length < 0 || w->used + (size_t)length >= sizeof w->text)
		abort();
	weft__redis_bytes(w, w->text + w->used, (size_t)length);
	w->used += (size_t)length + 1;
}

#define PRINT(w, ...)                                                          \
	add_printed(w, snprintf((w)->text + (w)->used,                         \
				sizeof(w)->text - (w)->used, __VA_ARGS__))

void weft__redis_number(weft__redis_words *w, int64_t n)
{
	PRINT(w, "%" PRId64, n);
}

void weft__redis_fingerprint(weft__redis_words *w, uint64_t fingerprint)
{
	if (fingerprint != 0)
		PRINT(w, "%016" PRIx64, fingerprint);
	else
		weft__redis_text(w, "");
}

void weft__redis_ms(weft__redis_words *w, weft_duration d)
{
	weft__redis_number(w, d == WEFT_FLEET_FOREVER ? -1
						      : d / 1000000 + (d % 1000000 > 0));
}

void weft__redis_key(weft__redis_words *w, const weft__redis *e, char kind,
		     const char *hex, const char *attempt)
{
	if (kind == 'T')
		PRINT(w, "%s:{%s}:T:%s", e->url.space, hex,
		      attempt ? attempt : "");
	else
		PRINT(w, "%s:{%s}:%c", e->url.space, hex, kind);
}

void weft__redis_script_words(weft__redis_words *w, const weft__redis *e,
			      const weft__redis_script *script,
			      const weft__fleet_id *id, const char *attempt)
{
	w->count = 0;
	w->used = 0;
	weft__redis_text(w, "EVALSHA");
	weft__redis_text(w, script->sha);
	weft__redis_text(w, "4");
	weft__redis_key(w, e, 'M', id->hex, NULL);
	weft__redis_key(w, e, 'R', id->hex, NULL);
	weft__redis_key(w, e, 'W', id->hex, NULL);
	weft__redis_key(w, e, 'T', id->hex, attempt);
}

/* ---- commands ---- */

static int counted(weft__redis *e, int err)
{
	if (weft__fleet_is_down(err))
		weft_atomic_add(&e->base.down, 1, relaxed);
	return err;
}

int weft__redis_post(weft__redis *e, const weft__redis_words *w,
		     weft__redis_request **out)
{
	weft_atomic_add(&e->base.commands, 1, relaxed);
	return counted(e, weft__redis_send(&e->commands, w->count, w->word,
					   w->size, out));
}

int weft__redis_order(weft__redis *e, const weft__redis_words *w, weft_time until)
{
	weft_atomic_add(&e->base.commands, 1, relaxed);
	return counted(e, weft__redis_entrust(&e->commands, w->count, w->word,
					      w->size, until));
}

int weft__redis_await(weft__redis *e, weft__redis_request *r,
		      const weft__redis_script *script, weft__redis_words *w,
		      weft_ctx *ctx, weft_time until, redisReply **reply)
{
	int err = weft__redis_wait(r, &e->commands, ctx, until, reply,
				   &w->asked_at);

	if (err == WEFT__REDIS_NOSCRIPT && script != NULL) {
		w->word[0] = "EVAL";
		w->size[0] = 4;
		w->word[1] = script->text;
		w->size[1] = strlen(script->text);
		err = weft__redis_post(e, w, &r);
		if (err == 0)
			err = weft__redis_wait(r, &e->commands, ctx, until,
					       reply, &w->asked_at);
	}
	return counted(e, err == WEFT__REDIS_NOSCRIPT ? -EHOSTDOWN : err);
}

int weft__redis_do(weft__redis *e, const weft__redis_script *script,
		   weft__redis_words *w, weft_ctx *ctx, redisReply **reply)
{
	weft__redis_request *r;
	int err = weft__redis_post(e, w, &r);

	if (err != 0)
		return err;
	return weft__redis_await(e, r, script, w, ctx, WEFT__REDIS_PATIENTLY,
				 reply);
}
