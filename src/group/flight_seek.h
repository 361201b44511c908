/* SPDX-License-Identifier: MIT */
/* Where a key's call is, and how one becomes part of it: flight_seek.c, flight.c. */
#ifndef WEFT_SRC_GROUP_FLIGHT_SEEK_H
#define WEFT_SRC_GROUP_FLIGHT_SEEK_H

#include "group/flight_call.h"
#include "sched/block.h"

#include <weft/panic.h>

/* Where a key's call would be. */
typedef struct {
	weft_flight *flight;
	weft__flight_shard *shard;
	uint64_t hash;
	weft_key key;	/* none of weft_key_u64() */
} weft__flight_place;

/* What one caller wants to know. */
typedef struct {
	weft__flight_place at;
	uint64_t word;		/* the key, if it is a weft_key_u64() */
	weft__listener *listener; /* who asks, if it does not wait */
	bool keeps;		/* the flight does */
	weft_time elected;	/* to refresh what is fresh until then, or 0 … */
	bool helpless;		/* … but has no memory for it */
	bool background;	/* and does not wait for that */
	weft_time now;		/* if the flight keeps */
	weft__call *kept;	/* what a refresh in the background gives */
} weft__flight_question;

/* How a call is made that runs in a task. */
typedef struct {
	weft_ctx *values;
	weft_flight_fn fn;
	void *arg;
	size_t copy_bytes;
	bool copy;
	void *site;
} weft__flight_plan;

/* What a caller finds, and in the same critical section becomes part of. */
enum weft__found {
	WEFT__FOUND_NOTHING,
	WEFT__FOUND_STARTED,
	WEFT__FOUND_JOINED,
	WEFT__FOUND_KEPT,
	WEFT__FOUND_DYING,
	WEFT__FOUND_OWN,
};

/* Ask for the call for key, and no more than that. False: there is no memory. */
bool weft__flight_ask(weft__flight_question *q, weft_flight *f, weft_key key);

/*
 * Come to be a caller of the call for q, of a new one if need be, or to an error.
 * Without a plan the call runs in its first caller.
 */
int weft__flight_seek(weft__flight_question *q, weft_ctx *ctx,
		      const weft__flight_plan *plan, weft__call **c,
		      enum weft__found *found);

/* What a call in a task needs behind the call itself; 0 is too much. */
size_t weft__flight_plan_bytes(const weft__flight_plan *plan);
void weft__flight_plan_place(weft__call *c, const weft__flight_plan *plan);

static inline weft__flight_table *weft__flight_table_of(weft_flight *f)
{
	weft__flight_table *t = weft_atomic_load(&f->priv_table, acquire);

	if (unlikely(t != NULL && t->owner != f))
		weft_panic("weft_flight is copied");
	return t;
}

/* A weft_key_u64() is put into *word, for the place to point to. */
static inline weft__flight_place weft__flight_locate(weft_flight *f,
						     weft__flight_table *t,
						     weft_key key,
						     uint64_t *word)
{
	weft__flight_place at = {.flight = f, .key = key};

	if (key.size == WEFT_PRIV_KEY_WORD) {
		*word = (uintptr_t)key.data;
		at.key = (weft_key){word, sizeof *word};
	}
	at.hash = weft__flight_hash(at.key.data, at.key.size);
	at.shard = weft__flight_shard_of(t, at.hash);
	return at;
}

/* With the shard locked. */
static inline weft__call *weft__call_find(weft__flight_place at)
{
	weft__flight_entry *e = weft__flight_find(at.shard, at.hash, at.key.data,
						  at.key.size);

	return e != NULL ? weft__container(e, weft__call, entry) : NULL;
}

/*
 * A call that runs in its first caller, with that one counted; its key is put
 * behind so many bytes, which are the call's own at least.
 */
static inline __attribute__((always_inline)) weft__call *
weft__call_new(const weft__stack *self, weft__flight_place at, size_t before_key)
{
	weft__call *c;

	if (at.key.size > PTRDIFF_MAX || before_key > PTRDIFF_MAX)
		return NULL;
	c = weft__block_alloc(self, before_key + at.key.size);
	if (unlikely(c == NULL))
		return NULL;
	c->in_kept_block = weft__block_is_kept(self, before_key + at.key.size);
	c->entry.hash = at.hash;
	c->entry.key = (char *)c + before_key;
	c->entry.key_bytes = at.key.size;
	weft__flight_copy_key((char *)c + before_key, at.key.data, at.key.size);
	c->shard = at.shard;
	c->flight = at.flight;
	c->old = NULL;
	c->task = NULL;
	c->drop = at.flight->drop;
	c->panic = NULL;
	c->listeners = NULL;
	c->mark = weft__flow_mark_on(self);
	c->state = 0;
	c->refs = 1;
	c->callers = 1;
	c->duplicates = 0;
	c->slept_on = false;
	c->background = false;
	return c;
}

static inline void weft__call_listen(weft__call *c, weft__listener *l)
{
	l->next = NULL;
	if (c->listeners == NULL)
		c->listeners = l;
	else
		c->last_listener->next = l;
	c->last_listener = l;
}

static inline bool weft__call_is_own(const weft__stack *self,
				     const weft__call *c)
{
	return weft_atomic_load(&c->mark, relaxed) == /* F7 */
	       weft__flow_mark_on(self);
}

static inline void weft__call_count_in(weft__call *c)
{
	c->slept_on = true;
	weft_atomic_add(&c->refs, 1, relaxed);
}

/* c has not ended, and is not dying. */
static inline void weft__call_join(weft__call *c, weft__listener *l)
{
	weft__call_count_in(c);
	if (l != NULL)
		weft__call_listen(c, l);
	if (c->callers++ == 0)
		c->shard->abandoned--;	/* a refresh in the background */
	c->duplicates++;
	c->shard->joined++;
}

static inline void weft__call_put_in(weft__flight_shard *s, weft__call *c)
{
	weft__flight_link(s, &c->entry);
	s->running++;
	s->led++;
}

#endif
