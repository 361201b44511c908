/* SPDX-License-Identifier: MIT */
/* What flight.c and flight_keep.c share: the call, and how its result is kept. */
#ifndef WEFT_SRC_GROUP_FLIGHT_CALL_H
#define WEFT_SRC_GROUP_FLIGHT_CALL_H

#include "base/list.h"
#include "group/flight_table.h"
#include "sched/panic.h"
#include "sched/task.h"

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

/* In one block: the call, its flight_task, values, copy of arg; the key. */
typedef struct weft__call weft__call;
struct weft__call {
	weft__flight_entry entry;
	weft__flight_shard *shard;
	struct flight_task *task;	/* NULL: it runs in its first caller */
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

/* Let go of c. */
void weft__call_put(weft__call *c);

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
