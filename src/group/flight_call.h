/* SPDX-License-Identifier: MIT */
/* The call, what becomes of it, and how its result is kept. */
#ifndef WEFT_SRC_GROUP_FLIGHT_CALL_H
#define WEFT_SRC_GROUP_FLIGHT_CALL_H

#include "base/list.h"
#include "group/flight_table.h"
#include "sched/block.h"
#include "sched/panic.h"
#include "sched/task.h"
#include "sched/waiter.h"

#include <weft/ctx.h>
#include <weft/flight.h>

/* Bits of a call's state: see flight.c. */
enum {
	WEFT__CALL_DYING = 1,
	WEFT__CALL_FORGOTTEN = 2,
	WEFT__CALL_ENDED = 4,
	WEFT__CALL_DONE = 8,
};

/* Who wants the result in a channel. The task is for one that is full. */
typedef struct weft__listener weft__listener;
struct weft__listener {
	weft__listener *next;
	weft_chan *results;
	weft_result result;
	weft__task task;
};

/* What a call has that runs in a task of its own. */
typedef struct {
	weft__task task;
	weft_ctx ctx;
	weft_flight_fn fn;
	void *arg;
} weft__flight_task;

/* In one block: the call, its task, values, copy of arg; the key. */
typedef struct weft__call weft__call;
struct weft__call {
	weft__flight_entry entry;
	weft__flight_shard *shard;
	weft__flight_task *task;	/* NULL: it runs in its first caller */
	void (*drop)(void *value);
	const weft_flight *flight;	/* until it has ended */
	void *value;
	int err;
	enum weft_outcome outcome;	/* how fn ended … */
	weft__panic *panic;		/* … and with what, or NULL */
	weft__listener *listeners;	/* in the order in which they came */
	weft__listener *last_listener;	/* if there is any */
	uint32_t mark;			/* atomic: who runs fn; F7 */
	uint32_t state;			/* atomic */
	uint32_t refs;			/* atomic; F2 */
	uint32_t callers;		/* those who want the result */
	uint32_t duplicates;		/* those who joined, ever */
	bool slept_on;			/* the lot may have sleepers for it */
	bool background;		/* a refresh that nobody waits for */
	bool used;			/* kept, and asked for since: K2 */
	bool in_kept_block;		/* block.h */

	/* Only in flights that keep results. */
	weft__call *old;		/* kept, while this one refreshes it */
	weft__link in_clock;
	weft_time started;
	weft_time fresh_until;
	weft_time stale_until;
	weft_duration took;
};

enum {
	WEFT__CALL_BYTES = (sizeof(weft__call) + _Alignof(max_align_t) - 1) &
			   -_Alignof(max_align_t),
};

static inline bool weft__call_has(const weft__call *c, uint32_t bits)
{
	return (weft_atomic_load(&c->state, acquire) & bits) != 0;
}

#define weft__call_set(c, bit, order)                                           \
	weft_atomic_store(&(c)->state,                                         \
			  weft_atomic_load(&(c)->state, relaxed) | (bit), order)

/* Let go of c. */
void weft__call_put(weft__call *c);

/* Nobody else knows c, nor has ended it. */
void weft__call_free(weft__call *c);

/* The same for one without a task or a panic. */
static inline void weft__call_free_block(const weft__stack *self, weft__call *c)
{
	weft__block_free(self, c, c->in_kept_block);
}

/* ---- sleeping on a call ---- */

extern const weft__why weft__why_flight;
extern const weft__why weft__why_alone;		/* F9 */
extern const weft__why weft__why_behind;

/* Sleep until c's state has one of bits, or ctx is done. 0 or ctx's error. */
int weft__call_sleep_on(weft__call *c, weft_ctx *ctx, uint32_t bits,
			const weft__why *why);

/* Who has slept at address, and was not woken, does not any more. */
void weft__flight_get_up(const void *address, weft__waiter *w);

/*
 * Drop s's lock, and wake all who slept on an address until then: F6. Nobody goes
 * on early, for all want that lock.
 */
WEFT_PRIV_COLD void weft__flight_drop_and_rouse(weft__flight_shard *s,
						const void *address);

/* ---- results ---- */

static inline weft_result weft__refused(int err)
{
	weft_result r = {.err = err};

	return r;
}

/*
 * What a caller is given whose c is done: its reference becomes the result's, if
 * that refers to anything. Ends as the function did, if that did not return.
 */
weft_result weft__call_result(weft__call *c);

/* The same of what is kept. */
weft_result weft__call_kept_result(weft__call *c);

/* Send l's result; one that has no room is waited for by a task of its own. */
void weft__listener_deliver(weft__listener *l, void *site);

/* ---- the end of a call ---- */

/* How a function ended. */
typedef struct {
	weft__call *call;
	enum weft_outcome outcome;
	weft__panic *panic;
	void *value;
	int err;
} weft__call_ending;

/*
 * Every call ends here, however its function ended, in whoever ran it. After
 * this a call that ran in a task may be gone; a first caller that ran it holds
 * its reference still.
 */
void weft__call_finish(const weft__call_ending *e);

/* The same with the shard locked, which is dropped; now: 0 if nothing is kept. */
void weft__call_finish_locked(const weft__call_ending *e, weft_time now);

/* For traces: its function is called, or was. */
WEFT_PRIV_COLD void weft__call_trace(const weft__call *c, bool begins);

/* ---- keeping: flight_keep.c; all with the shard locked ---- */

static inline bool weft__flight_keeps(const weft_flight *f)
{
	return f->ttl > 0 || f->error_ttl > 0;
}

/* The time by a flight's clock. */
weft_time weft__flight_now(void);

/* What a kept result is good for. */
enum weft__kept {
	WEFT__KEPT_FRESH,	/* to be given */
	WEFT__KEPT_REFRESH,	/* and the one who asks is to get a new one */
	WEFT__KEPT_EXPIRED,	/* nothing */
};

/* elected: the caller was told to refresh what is fresh until then; 0: it was not. */
enum weft__kept weft__keep_look(weft__call *kept, weft_time now,
				weft_time elected);

/* Can it still be given while another one is got? */
bool weft__keep_is_usable(const weft__call *kept, weft_time now);

/* c has ended in this way: is it to be kept? If so its times are set. */
bool weft__keep_wants(weft__call *c, weft_time now);

/*
 * c, which is in the table, is one of the kept ones; the table's reference goes
 * with it. Those that have to go for it are pushed to *out, to be put when the
 * lock is dropped.
 */
void weft__keep_insert(weft__call *c, weft__call **out);

/* c is none of the kept ones any more; its reference is the caller's. */
void weft__keep_remove(weft__call *c);

/* c, whose reference is the caller's, will not be given any more: to *out. */
void weft__keep_drop(weft__call *c, weft__call **out);

/* Take c, which is kept, out of the table: it goes to *out. */
void weft__keep_evict(weft__call *c, weft__call **out);

/* Put all in the list; without the lock. */
void weft__keep_put_all(weft__call *out);

#endif
