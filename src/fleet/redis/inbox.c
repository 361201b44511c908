/* SPDX-License-Identifier: MIT */
/*
 * News of keys, from the channel of this process. A message is R HASH RESULT, a
 * result; G HASH, one is there to be fetched; or A HASH, ask again.
 */
#include "fleet/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_AT = 2, HASH_LENGTH = 32, RESULT_AT = HASH_AT + HASH_LENGTH + 1 };

static weft__redis_waiter **chain_of(weft__redis *e, const uint64_t id[2])
{
	return &e->waiters[id[0] % WEFT__REDIS_CHAINS];
}

/*
 * The callers of a process for a key wait as one, and those as another who do not
 * start a call. A gate waits for itself: there may be another one for the key, whose
 * turn is not its own.
 */
static weft__redis_waiter *new_member(const weft__redis *e, const char *who)
{
	size_t room = strlen(e->inbox) + 1 + strlen(who) + 1;
	weft__redis_waiter *w = calloc(1, sizeof *w + room);

	if (w != NULL)
		snprintf(w->member, room, "%s%s%s", e->inbox, *who ? " " : "", who);
	return w;
}

weft__redis_waiter *weft__redis_waiter_new(weft__redis *e,
					   const weft__fleet_ask *ask)
{
	weft__redis_waiter *w = new_member(
		e, ask->gate ? ask->attempt.hex : ask->passive ? "p" : "");
	weft__redis_waiter **chain = chain_of(e, ask->id.word);

	if (w == NULL)
		return NULL;
	memcpy(w->id, ask->id.word, sizeof w->id);
	pthread_mutex_lock(&e->lock);
	w->next = *chain;
	*chain = w;
	pthread_mutex_unlock(&e->lock);
	return w;
}

static bool has_another(weft__redis *e, const weft__redis_waiter *one)
{
	weft__redis_waiter *w = *chain_of(e, one->id);

	while (w != NULL && (w->id[0] != one->id[0] || w->id[1] != one->id[1] ||
			     strcmp(w->member, one->member) != 0))
		w = w->next;
	return w != NULL;
}

void weft__redis_waiter_free(weft__redis *e, weft__redis_waiter *w,
			     void (*farewell)(void *engine, void *ask), void *ask)
{
	weft__redis_waiter **p = chain_of(e, w->id);

	pthread_mutex_lock(&e->lock);
	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	weft__redis_look_away(w);
	if (w->waits && !has_another(e, w))
		farewell(e, ask);
	pthread_mutex_unlock(&e->lock);
	free(w->result);
	free(w);
}

weft__fleet_result *weft__redis_waiter_take(weft__redis *e,
					    weft__redis_waiter *w,
					    uint64_t epoch)
{
	weft__fleet_result *r;
	weft_duration since;

	pthread_mutex_lock(&e->lock);
	r = w->result;
	w->result = NULL;
	since = weft_now() - w->came;
	pthread_mutex_unlock(&e->lock);
	if (r != NULL && r->epoch < epoch) {
		free(r);
		return NULL;
	}
	if (r != NULL) {
		r->age += since;
		if (r->fresh != WEFT_FLEET_FOREVER)
			r->fresh -= since;
	}
	return r;
}

/* With the lock held. Of two the later one counts. */
static void leave_result(weft__redis_waiter *w, weft__fleet_result *r)
{
	if (r == NULL)
		return;
	if (w->result != NULL && w->result->epoch > r->epoch) {
		free(r);
		return;
	}
	free(w->result);
	w->result = r;
	w->came = weft_now();
}

/* NULL: ask for it. */
static weft__fleet_result *read_result(const weft__redis *e, const char *text,
				       size_t size)
{
	if (size < RESULT_AT ||
	    size > RESULT_AT + WEFT__REDIS_HEAD + e->setup.max_bytes)
		return NULL;
	return weft__redis_result(text + RESULT_AT, size - RESULT_AT,
				  size - RESULT_AT, -1);
}

static bool read_hash(const char *text, size_t size, uint64_t id[2])
{
	char half[17] = {0};

	if (size < HASH_AT + HASH_LENGTH)
		return false;
	id[0] = strtoull(memcpy(half, text + HASH_AT, 16), NULL, 16);
	id[1] = strtoull(memcpy(half, text + HASH_AT + 16, 16), NULL, 16);
	return true;
}

void weft__redis_message(void *engine, const char *text, size_t size)
{
	weft__redis *e = engine;
	weft__redis_waiter *w;
	uint64_t id[2];

	if (!read_hash(text, size, id))
		return;
	pthread_mutex_lock(&e->lock);
	for (w = *chain_of(e, id); w != NULL; w = w->next)
		if (w->id[0] == id[0] && w->id[1] == id[1] && *text == 'R')
			leave_result(w, read_result(e, text, size));
	pthread_mutex_unlock(&e->lock);
	weft__fleet_news(e->setup.core, id);
}
