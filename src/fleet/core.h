/* SPDX-License-Identifier: MIT */
/* The merging core: what its files share. */
#ifndef WEFT_SRC_FLEET_CORE_H
#define WEFT_SRC_FLEET_CORE_H

#include "fleet/engine.h"
#include "fleet/os/lock.h"
#include "fleet/os/os.h"

#include <weft/atomic.h>
#include <weft/ctx.h>
#include <weft/flight.h>
#include <weft/mutex.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

/* ---- news.c: who waits for which key ---- */

typedef struct weft__fleet_watch weft__fleet_watch;
struct weft__fleet_watch {
	weft__fleet_watch *next;
	uint64_t id[2];
	weft_sema told_sema;
	bool told;		/* with the lock: told_sema has one for it */
};

enum { WEFT__FLEET_WATCH_CHAINS = 64 };

typedef struct {
	weft__fleet_lock lock;
	weft__fleet_watch *chains[WEFT__FLEET_WATCH_CHAINS];
} weft__fleet_watches;

void weft__fleet_watch_begin(weft_fleet *f, weft__fleet_watch *w,
			     const weft__fleet_id *id);
void weft__fleet_watch_end(weft_fleet *f, weft__fleet_watch *w);
/*
 * Sleep until there was news since the watch began or this returned 0 last, for
 * d at most. 0: there was; -ETIMEDOUT: it is time; or ctx's error, which is not
 * told from the latter: ask ctx.
 */
int weft__fleet_watch_wait(weft_fleet *f, weft__fleet_watch *w, weft_ctx *ctx,
			   weft_duration d);

/* ---- keeper.c: the thread that renews leases ---- */

/* The lease of a run, as the keeper has it. */
typedef struct weft__fleet_hold weft__fleet_hold;
struct weft__fleet_hold {
	weft__fleet_lease lease;
	weft__fleet_hold *next;
	weft_ctx *ctx;		/* to be cancelled when the lease is lost */
	weft_duration length;
	weft_time lost_at;	/* atomic; CLOCK_BOOTTIME */
	weft_time good_at;	/* when the last good command was sent */
	weft_time renew_at;
	weft_time stop_at;	/* max_run: no renewal from then on */
	bool busy;		/* a renewal is on its way … */
	bool awaited;		/* … and somebody waits for its end … */
	weft_sema idle;		/* … here */
	bool soon;		/* it is to be renewed once more, at once */
	bool lost;		/* atomic: it may be another's, for all we know */
	bool gone;		/* it is: the place says so */
	bool forgotten;		/* atomic */
};

typedef struct {
	weft__fleet_lock lock;
	weft_sema wake;
	weft__fleet_hold *holds;
	pthread_t thread;
	bool stopping;
} weft__fleet_keeper;

int weft__fleet_keeper_start(weft_fleet *f);
void weft__fleet_keeper_stop(weft_fleet *f);
/* h->lease, ctx and length are set; sent_at: just before the place was asked. */
void weft__fleet_keep(weft_fleet *f, weft__fleet_hold *h, weft_time sent_at);
/* After that nothing touches h, or cancels its ctx. */
void weft__fleet_keep_no_more(weft_fleet *f, weft__fleet_hold *h);
bool weft__fleet_held(const weft__fleet_hold *h);
/* Is a lease of that length over, for all we know? */
bool weft__fleet_is_over(weft_time sent_at, weft_duration length);

/* ---- run.c: a function that runs ---- */

/* What a caller wants, in one block with its key and the copy of its argument. */
typedef struct weft__fleet_trip weft__fleet_trip;
struct weft__fleet_trip {
	weft_fleet *fleet;
	weft_fleet_call call;	/* key and arg: see weft__fleet_trip_of() */
	uint64_t asker;
	size_t key_size;
	bool passive;
	unsigned char bytes[] __attribute__((aligned(16)));	/* arg, key */
};

/* How a run went. */
typedef struct {
	weft__fleet_result *result;	/* NULL: see err */
	int err;	/* 0; -EAGAIN: the lease was lost, ask again; or the fleet's own */
	weft_panic_info panic;		/* of a panic here */
} weft__fleet_end;

/*
 * Run the function of a call as the leader that *a makes this process, and give
 * the lease back. spare: the old result is good for a while.
 */
void weft__fleet_lead(weft__fleet_trip *t, weft_ctx *ctx, weft__fleet_ask *ask,
		      const weft__fleet_answer *a, bool spare,
		      weft__fleet_end *end);
/* Do not lead, though *a says so. */
void weft__fleet_give_back(weft_fleet *f, const weft__fleet_ask *ask,
			   const weft__fleet_answer *a);
/* Run it without the place. */
void weft__fleet_run_alone(weft__fleet_trip *t, weft_ctx *ctx,
			   weft__fleet_end *end);

/* ---- ask.c: asking the engine until it says who has it ---- */

/* One who asks for a key: see A1 to A4 in ask.c. */
typedef struct {
	weft_fleet *fleet;
	weft_ctx *ctx;
	weft__fleet_ask ask;
	weft__fleet_watch watch;
	weft_time patient_until;	/* with a place that does not answer */
	weft_duration retry;
	weft_duration vacant_for;	/* looked for the next leader, in vain: A4 */
	weft_duration took;	/* the last answer, since it was asked for */
	int losses;		/* leases that this one had, and lost: A5 */
	uint64_t told_epoch;	/* options.waits was told of last */
	bool joined;		/* and not left: A3 */
	bool unsure;		/* the last join may have made it the leader */
} weft__fleet_asker;

/* s->fleet, ctx and ask are set. */
void weft__fleet_ask_begin(weft__fleet_asker *s);
void weft__fleet_ask_end(weft__fleet_asker *s);
/*
 * Ask until the answer is HIT or LEAD. 0; what is down, if the asker has no
 * patience with that; or a refusal.
 */
int weft__fleet_ask_until(weft__fleet_asker *s, weft__fleet_answer *a);
/* What it led was lost: ask anew. */
void weft__fleet_ask_anew(weft__fleet_asker *s, uint64_t epoch);
/* A lease of its was lost: say so if the place is too slow for that. */
void weft__fleet_tell_slow(const weft__fleet_asker *s);

/* ---- fleet.c ---- */

enum { WEFT__FLEET_KEY_MOST = 64 << 10 };

bool weft__fleet_is_ours(const weft_fleet *f);
bool weft__fleet_is_key(weft_key key);
weft_duration weft__fleet_grace(const weft_fleet *f, weft_duration lease);
/* key, where a weft_key_u64() is eight bytes in *room. */
weft_key weft__fleet_plain_key(weft_key key, uint64_t *room);

struct weft_fleet {
	weft__fleet_engine *engine;
	weft_fleet_options options;
	weft_flight flight;
	weft_flight waits;		/* who does not start a call */
	weft_flight refreshes;
	weft_waitgroup background;	/* refreshes */
	weft__fleet_lock begin_lock;	/* one begins, or closing does */
	weft_ctx closing;
	weft_sema alone;
	weft__fleet_watches watches;
	weft__fleet_keeper keeper;
	uint32_t generation;
	uint64_t askers;		/* atomic */
	size_t inside;			/* atomic: callers */
	bool told_slow;			/* atomic */
	weft_fleet_counters counters;	/* atomic, relaxed */
};

#define weft__fleet_note(f, what)                                              \
	((void)weft_atomic_add(&(f)->counters.what, 1, relaxed))

/* ---- id.c ---- */

weft__fleet_id weft__fleet_id_of(weft_key key);
weft__fleet_attempt weft__fleet_attempt_new(void);
/* SipHash-2-4 under a fixed key, for checksums. */
uint64_t weft__fleet_sum(const void *data, size_t size, uint64_t seed);

/* a + b, and WEFT_FLEET_FOREVER where that is more. Neither is negative. */
static inline weft_duration weft__fleet_add(weft_duration a, weft_duration b)
{
	return a > WEFT_FLEET_FOREVER - b ? WEFT_FLEET_FOREVER : a + b;
}

#endif
