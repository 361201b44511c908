/* SPDX-License-Identifier: MIT */
/* The engine on a Redis server: what its files share. docs/fleet-redis.md. */
#ifndef WEFT_SRC_FLEET_REDIS_REDIS_H
#define WEFT_SRC_FLEET_REDIS_REDIS_H

#include "fleet/engine.h"
#include "fleet/os/os.h"
#include "fleet/redis/conn.h"
#include "fleet/redis/url.h"

/* A value up to this size is sent in one command, a larger one in pieces. */
enum { WEFT__REDIS_PIECE = 1 << 20 };
/*
 * One up to this size goes through the scripts. They copy it several times, while
 * the server does nothing else: of a MiB that takes longer than one command more.
 */
enum { WEFT__REDIS_SMALL = 64 << 10 };
/* One up to this size is published with the news of it. */
enum { WEFT__REDIS_INLINE = 4096 };
/* What a result begins with: see common.lua. */
enum { WEFT__REDIS_HEAD = 107 };
enum { WEFT__REDIS_CHAINS = 64 };

typedef struct weft__redis_owner weft__redis_owner;

/* Who waits for news of a key: an ask's priv. */
typedef struct weft__redis_waiter weft__redis_waiter;
struct weft__redis_waiter {
	weft__redis_waiter *next;
	uint64_t id[2];
	bool waits;		/* its asker's: the server has it in W */
	bool asked;		/* its asker's: a question was sent */
	weft__redis_owner *owner;	/* that it waits for, or NULL */
	weft__fleet_result *result;	/* that came with the news */
	weft_time came;
	char member[];		/* of W */
};

/* Who looks whether owners are alive: lookout.c. */
typedef struct {
	weft__fleet_self self;
	char boot[33];			/* self.boot, in hex */
	char badge[33];			/* this process's: see O1 */
	int badge_fd;			/* -1: nobody can see it */
	weft__redis_owner *owners;
	int processes;			/* of these have a descriptor */
	bool manned, stop;
	int bell;
	pthread_t thread;
} weft__redis_lookout;

typedef struct weft__redis weft__redis;
struct weft__redis {
	weft__fleet_engine base;
	weft__redis_url url;
	/*
	 * Of commands and of news; NULL: in the clear. OpenSSL may well share one,
	 * but ThreadSanitizer does not see what orders its certificates.
	 */
	weft__tls_setup *secure[2];
	weft__fleet_setup setup;
	char *inbox;			/* the name of the channel */
	char who[256];
	bool evicts;			/* atomic: it may throw records away */
	bool was_young;			/* atomic: had started when last connected to */
	int connected;			/* atomic: how often it was */
	bool told_connecting;		/* atomic: was once */
	bool was_up;			/* of the inbox; its thread's */
	weft__redis_conn commands;
	weft__redis_conn news;
	pthread_mutex_t lock;		/* of the waiters and the lookout */
	weft__redis_lookout lookout;
	weft__redis_waiter *waiters[WEFT__REDIS_CHAINS];
};

/* ---- script.c, and what embed.py makes of *.lua ---- */

typedef struct weft__redis_script weft__redis_script;
struct weft__redis_script {
	const char *sha, *text;
};

extern const weft__redis_script weft__redis_join, weft__redis_renew,
	weft__redis_complete, weft__redis_abort, weft__redis_forget,
	weft__redis_cancel;

/* The words of a command, which point to their bytes. */
enum { WEFT__REDIS_WORDS = 32 };
typedef struct weft__redis_words weft__redis_words;
struct weft__redis_words {
	int count;
	const char *word[WEFT__REDIS_WORDS];
	size_t size[WEFT__REDIS_WORDS];
	size_t used;
	char text[1024];	/* of keys and numbers */
	weft_time asked_at;	/* weft__redis_wait()'s, once there is a reply */
};

void weft__redis_bytes(weft__redis_words *w, const void *data, size_t size);
void weft__redis_text(weft__redis_words *w, const char *text);
void weft__redis_number(weft__redis_words *w, int64_t n);
/* In hex; 0 is no text. */
void weft__redis_fingerprint(weft__redis_words *w, uint64_t fingerprint);
/* A duration in ms, rounded up; -1 for ever. */
void weft__redis_ms(weft__redis_words *w, weft_duration d);
/* The key that kind (M, R, W, T) has for id; attempt only with T. */
void weft__redis_key(weft__redis_words *w, const weft__redis *e, char kind,
		     const char *hex, const char *attempt);
/* EVALSHA …, with its keys; attempt may be NULL where T does not matter. */
void weft__redis_script_words(weft__redis_words *w, const weft__redis *e,
			      const weft__redis_script *script,
			      const weft__fleet_id *id, const char *attempt);

int weft__redis_post(weft__redis *e, const weft__redis_words *w,
		     weft__redis_request **out);
/* As weft__redis_entrust(). */
int weft__redis_order(weft__redis *e, const weft__redis_words *w, weft_time until);
/* As weft__redis_wait(); a script that the server does not have is sent. */
int weft__redis_await(weft__redis *e, weft__redis_request *r,
		      const weft__redis_script *script, weft__redis_words *w,
		      weft_ctx *ctx, weft_time until, redisReply **reply);
/* Both: a command, or a script, and its reply. */
int weft__redis_do(weft__redis *e, const weft__redis_script *script,
		   weft__redis_words *w, weft_ctx *ctx, redisReply **reply);

/* ---- engine.c ---- */

/* By who completes, when the keeper has ended: 0, also unanswered; or as complete(). */
int weft__redis_renew_one(weft__redis *e, weft__fleet_lease *lease);

/* ---- result.c ---- */

/*
 * A result of total bytes, of which the first ones are at text: its head at
 * least, or NULL. now_ms is the server's time; -1: it ended just now.
 */
weft__fleet_result *weft__redis_result(const char *text, size_t bytes,
				       size_t total, int64_t now_ms);
/* Until when what has this head may be given, stale or not, in ms; INT64_MAX: always. */
int64_t weft__redis_good_until(const char *text);
/* The rest of a result that did not come at once. -ESTALE: it was replaced. */
int weft__redis_fetch(weft__redis *e, weft_ctx *ctx, const weft__fleet_id *id,
		      weft__fleet_result *result);
/*
 * Send a big payload to T, and renew the lease when that takes long. -ESTALE and
 * -EOWNERDEAD as complete().
 */
int weft__redis_upload(weft__redis *e, weft__fleet_lease *lease,
		       const void *data, size_t size);

/* ---- inbox.c ---- */

weft__redis_waiter *weft__redis_waiter_new(weft__redis *e,
					   const weft__fleet_ask *ask);
/*
 * If w is in W, and nobody else here is the same member of it, say farewell, which
 * is called with the lock held: who comes now is put into W after it was taken out.
 */
void weft__redis_waiter_free(weft__redis *e, weft__redis_waiter *w,
			     void (*farewell)(void *engine, void *ask), void *ask);
/* A result with at least that epoch that came with news; or NULL. */
weft__fleet_result *weft__redis_waiter_take(weft__redis *e,
					    weft__redis_waiter *w,
					    uint64_t epoch);
void weft__redis_message(void *engine, const char *text, size_t size);

/* ---- lookout.c ---- */

/*
 * w waits for the owner that wrote down who and inbox, and is given news when it
 * seems gone. Returns whether it is, for certain, already.
 */
bool weft__redis_look_after(weft__redis *e, weft__redis_waiter *w, const char *who,
			    const char *inbox);
/* With the lock held: w waits no more. */
void weft__redis_look_away(weft__redis_waiter *w);
/* Who w waits for, if that process has ended for certain; or "". */
const char *weft__redis_gone(weft__redis *e, const weft__redis_waiter *w);
/* … if it lives for certain. */
const char *weft__redis_alive(weft__redis *e, const weft__redis_waiter *w);
void weft__redis_lookout_fini(weft__redis *e);

/* ---- report.c ---- */

int weft__redis_list(weft__fleet_engine *engine, weft_ctx *ctx,
		     weft_fleet_list_fn fn, void *arg);
int weft__redis_show(weft__fleet_engine *engine, weft_ctx *ctx,
		     const weft__fleet_id *id, weft_fleet_entry *entry);
int weft__redis_doctor(weft__fleet_engine *engine, weft_ctx *ctx,
		       weft_fleet_doctor_fn fn, void *arg);
/* The value of a line NAME:VALUE of INFO, cut at its end, in value; or "". */
void weft__redis_fact(const char *info, const char *name, char *value,
		      size_t size);
/* Does a server that says this of its memory throw records away? */
bool weft__redis_evicts(const char *info);

#endif
