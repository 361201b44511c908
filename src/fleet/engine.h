/* SPDX-License-Identifier: MIT */
/*
 * What stands between the merging core (fleet.c) and an engine: a place that
 * many processes share, a directory or a server.
 *
 * An engine keeps, for each key, one record and at most one result:
 *
 *	record   epoch      the token of the last run; only ever grows
 *	         attempt    who runs: 128 random bits, made by the core before it
 *	                    asks, and the only thing that says "mine": two
 *	                    leaders may be given one epoch by a server that lost
 *	                    its memory, never one attempt
 *	         state      idle, run, done, lost
 *	         lease end  by the engine's own clock
 *	         deaths     how many runs in a row ended by their leader's death
 *	         …          fingerprint, the user's key, who runs, for ls
 *	result   epoch, how fn ended, its bytes, when it ended and how long it took
 *
 * The core asks (join) until it is told HIT or LEAD. Told WAIT, it sleeps
 * until the engine says that there is news of the key, or until the hint, and
 * asks again: news may be lost, asking is the truth. Told LEAD it runs the
 * function, while a thread of the core's, the keeper, has the lease renewed,
 * and ends with complete or abort, once.
 *
 *	verdict   given when
 *	HIT       there is a result that will do for this question: see "usable"
 *	WAIT      another attempt runs and its lease is good, or not long enough
 *	          lapsed (grace)
 *	LEAD      the record is idle, done, or run with a leader that is gone;
 *	          from now on this attempt's. The answer has the old result too
 *	          if that is stale but may be given: the caller has it at once.
 *	          Asked again with the same attempt (the reply was lost): LEAD
 *	          again, with the same epoch.
 *	OVER      this attempt has led, and was forgotten before its reply came:
 *	          to be asked with another one.
 *
 * A result is usable
 *	to one who waited (known_epoch > 0): if its epoch >= known_epoch, however
 *	old, an error and a panic too;
 *	else, in WEFT_FLEET_CALL: if it ended at most max_age ago, with err 0;
 *	else, in CACHE and ONCE: if it is fresh. If it is stale, and a run goes
 *	on, HIT with it (nobody waits for a refresh); if it is stale and nothing
 *	runs, LEAD with it.
 * Only a result with WEFT__FLEET_RETURNED counts for those who did not wait; and
 * in ONCE one with WEFT__FLEET_UNSTORED, which says that it has run.
 * With refresh set a fresh result is no reason for HIT: LEAD with it, or, if a
 * run goes on, HIT. With passive set LEAD is never given: WAIT is instead, with
 * vacant set, while somebody waits who would be given it and doubts is not set; else
 * -EOWNERDEAD to one who waited, if the leader is gone, or -ENOENT; and a result is
 * usable that may still be given, stale or not.
 *
 * Errors. 0, or a negative errno value. weft__fleet_is_down() tells those apart
 * that say "the place does not work now", for which the core retries, waits or
 * runs alone, from refusals, which are the caller's answer:
 *	-EBADMSG     the fingerprint is not the one of the present run, or of the
 *	             result; or the record is another key's (a collision)
 *	-EOWNERDEAD  at_most_once was set on a run whose leader is gone (state lost);
 *		     or passive, see above
 *	-ELOOP       deaths reached max_takeovers
 *	-EFBIG, -ENOMEM, -ECANCELED and -ETIMEDOUT (of the ctx it was given)
 * An engine bounds every operation by itself, to some seconds at most.
 *
 * Context. Every operation may be called from many tasks and threads at once,
 * and may switch tasks. renew() is called by the keeper alone, a plain thread,
 * and may not depend on any task to make progress, since all workers may
 * compute: what it needs of a connection's replies it reads itself, or a thread
 * of the engine's does.
 *
 * Forks. In the child of a fork the core refuses every call. What a child must
 * not hold open, a lock, or a connection whose end says that this process died,
 * is opened between weft__fleet_fd_begin() and _end(): see os/fd.h.
 *
 * Time. Durations only cross this interface: "ends in", "ended ago". Points in
 * time are the business of one clock: the server's, or this machine's.
 */
#ifndef WEFT_SRC_FLEET_ENGINE_H
#define WEFT_SRC_FLEET_ENGINE_H

#include <weft/fleet.h>

#include <errno.h>

typedef struct weft__fleet_engine weft__fleet_engine;

/* A key in the place: 128 bits of SipHash under fixed keys, or 32 hex digits. */
typedef struct weft__fleet_id weft__fleet_id;
struct weft__fleet_id {
	uint64_t word[2];
	char hex[33];
};

/* Who runs, or wants to. Made before the first join of a new acquisition. */
typedef struct weft__fleet_attempt weft__fleet_attempt;
struct weft__fleet_attempt {
	uint64_t word[2];
	char hex[33];
};

/* How a run ended, as it is stored; the numbers are part of the formats. */
enum weft__fleet_ending {
	WEFT__FLEET_RETURNED = 0,	/* err and bytes are fn's */
	WEFT__FLEET_PANICKED = 1,	/* bytes are the message */
	WEFT__FLEET_EXITED = 2,
	/* err, a negative errno value, is why fn's bytes could not be stored. */
	WEFT__FLEET_UNSTORED = 3,
};

/*
 * A result, in one block from malloc(): who is given it frees it. Engines make
 * them with weft__fleet_result_new().
 */
typedef struct weft__fleet_result weft__fleet_result;
struct weft__fleet_result {
	uint64_t epoch;
	enum weft__fleet_ending ending;
	int err;
	int takeovers;		/* deaths before this run */
	weft_duration age;	/* since it ended, when it was read */
	weft_duration took;	/* the run */
	weft_duration fresh;	/* how long it stays fresh, from then; <= 0: stale */
	uint64_t asker;		/* the core's: whose function ran, here */
	uint64_t fingerprint;	/* the core's: the asker's */
	bool kept, stale, alone, unstored, led, shared;	/* the core's */
	size_t size;
	unsigned char data[];	/* size bytes and a NUL */
};

/* A result with room for size bytes, all else zero; NULL: no memory. */
weft__fleet_result *weft__fleet_result_new(size_t size);

/* A question. In one acquisition only known_epoch, news and doubts change; and attempt at OVER. */
typedef struct weft__fleet_ask weft__fleet_ask;
struct weft__fleet_ask {
	weft__fleet_id id;
	weft_key key;			/* the bytes, never WEFT_PRIV_KEY_WORD */
	weft__fleet_attempt attempt;
	/*
	 * The first epoch this asker was told to WAIT for; 0: none. Given back
	 * to the engine it also says "a run with this epoch existed", which an
	 * engine that has lost its memory waits a lease for.
	 */
	uint64_t known_epoch;
	unsigned news;			/* joins in a row that followed news */
	enum weft_fleet_mode mode;
	bool gate;			/* a lock, not a call: results do not matter */
	bool refresh;
	bool passive;
	bool doubts;			/* passive: who is to lead next does not come */
	bool at_most_once;
	weft_duration max_age;
	weft_duration lease;
	weft_duration grace;
	weft_duration keep;		/* the longest that its result may be kept */
	int max_takeovers;
	uint64_t fingerprint;		/* 0: none, fits any */
	void *priv;			/* the engine's, NULL before the first join */
};

enum weft__fleet_verdict {
	WEFT__FLEET_HIT,
	WEFT__FLEET_LEAD,
	WEFT__FLEET_WAIT,
	WEFT__FLEET_OVER,
};

typedef struct weft__fleet_answer weft__fleet_answer;
struct weft__fleet_answer {
	enum weft__fleet_verdict verdict;
	uint64_t epoch;			/* of LEAD and WAIT */
	int takeovers;			/* of LEAD: deaths before this run */
	bool took_over;			/* of LEAD: from a leader that is gone */
	weft_duration hint;		/* of WAIT: ask again then, at the latest */
	bool vacant;			/* of WAIT: nobody runs, one that waits is to */
	weft__fleet_result *result;	/* of HIT; of LEAD if there is a stale one */
	void *lease;			/* of LEAD: weft__fleet_lease.priv */
	/*
	 * Just before it was asked, CLOCK_BOOTTIME; of LEAD, the lease is counted
	 * from then. An engine that could not ask at once sets it again.
	 */
	weft_time sent_at;
	int lock_fd;			/* of LEAD: weft_fleet_run_fd(), or -1 */
};

/* What a leader holds. Made by the core from an answer LEAD. */
typedef struct weft__fleet_lease weft__fleet_lease;
struct weft__fleet_lease {
	const weft__fleet_ask *ask;	/* lives as long as the lease */
	uint64_t epoch;
	int takeovers;
	void *priv;			/* the engine's: answer.lease */
	/*
	 * In renew(): the next one of the list, and what became of it: 0; -ESTALE:
	 * forgotten; -EOWNERDEAD: it is another one's; or weft__fleet_is_down().
	 */
	weft__fleet_lease *next_due;
	int renewed;
	/*
	 * Set by renew, with weft_atomic_store() since others look, and by complete
	 * and abort if they learn it: other processes that wait; -1: unknown.
	 */
	int waiters;
	bool cancelled;		/* set by renew where it is 0: the run is to end */
	/* How long ago the last good join or renewal was sent; for reclaiming. */
	weft_duration since_good;
};

/* What a run gave, to be stored. */
typedef struct weft__fleet_outcome weft__fleet_outcome;
struct weft__fleet_outcome {
	enum weft__fleet_ending ending;
	int err;
	weft_duration took;
	const void *data;
	size_t size;
	/*
	 * From its end: fresh for fresh, given as stale until stale (>= fresh),
	 * and there for those who waited until linger. WEFT_FLEET_FOREVER is for
	 * ever. Kept in the place for the longest of them.
	 */
	weft_duration fresh, stale, linger;
	/*
	 * On disk before this returns; and where there is no room for the bytes,
	 * that it has run is kept as long as they would be, never as stale.
	 */
	bool once;
};

/* What an engine is opened with. */
typedef struct weft__fleet_setup weft__fleet_setup;
struct weft__fleet_setup {
	const char *rest;		/* of the url, behind the scheme and ':' */
	const char *url;
	weft_duration lease, grace;	/* the defaults, for time limits */
	size_t max_bytes;
	weft_fleet_warn_fn warn;	/* never NULL */
	void *warn_arg;
	void *core;			/* for weft__fleet_news() */
};

typedef struct weft__fleet_ops weft__fleet_ops;
struct weft__fleet_ops {
	/*
	 * Returns 0, also where a server does not answer yet, and the engine in
	 * *out; else a negative errno value, after a line to setup->warn.
	 */
	int (*open)(weft__fleet_engine **out, const weft__fleet_setup *setup);
	/* Nobody else is inside, and no news is given any more afterwards. */
	void (*close)(weft__fleet_engine *e);

	/*
	 * *a is all zero, lock_fd -1 and sent_at now, before. ctx ends waiting
	 * for a reply.
	 */
	int (*join)(weft__fleet_engine *e, weft_ctx *ctx, weft__fleet_ask *ask,
		    weft__fleet_answer *a);
	/*
	 * The asker will not join again: it has its answer, or gives up. Called
	 * once for each ask that was joined, from HIT, LEAD or an error on. If
	 * it gives up after a join whose reply it has not seen, may_lead is true:
	 * the attempt may be the leader, and is to be aborted.
	 */
	void (*leave)(weft__fleet_engine *e, weft__fleet_ask *ask, bool may_lead);

	/*
	 * Renew every lease of the list, each for its ask->lease from the moment
	 * the engine learns of it, and have returned when weft_now() is until. A
	 * key that is down by itself does not hold the others up.
	 */
	void (*renew)(weft__fleet_engine *e, weft__fleet_lease *list,
		      weft_time until);
	/*
	 * Store the outcome, set the record done and give news to all who wait.
	 * Ends the lease, unless it is down: then it may be called again, and is
	 * the same command.
	 *
	 * Returns 0: stored; also where the lease had lapsed but nobody has taken
	 * over. 1: there was no room for the bytes, and those who wait have been
	 * told WEFT__FLEET_UNSTORED with the reason; at_most_once: the record is
	 * lost. -ESTALE: forgotten meanwhile.
	 * -EOWNERDEAD: superseded. Or weft__fleet_is_down(). The keeper renews
	 * the lease no more when this is called; if it takes long, this does, or
	 * has done so for long enough.
	 */
	int (*complete)(weft__fleet_engine *e, weft__fleet_lease *lease,
			const weft__fleet_outcome *o);
	/*
	 * Give up without a result: the record is idle, and who waits is given
	 * news. An old result stays. As complete() else.
	 */
	int (*abort)(weft__fleet_engine *e, weft__fleet_lease *lease);
	/* Other processes that wait for what this lease is for, now; -1: unknown. */
	int (*waiters)(weft__fleet_engine *e, const weft__fleet_lease *lease);
	/*
	 * A lease that is down for good: free what the engine has of it, and let
	 * others have it once it can be told, unless it must not run twice.
	 */
	void (*drop)(weft__fleet_engine *e, weft__fleet_lease *lease);

	int (*forget)(weft__fleet_engine *e, weft_ctx *ctx,
		      const weft__fleet_id *id);
	/*
	 * Have renew set cancelled for the run in progress, if its epoch is the
	 * one given or that is 0; -ENOENT: there is no such run.
	 */
	int (*cancel)(weft__fleet_engine *e, weft_ctx *ctx,
		      const weft__fleet_id *id, uint64_t epoch);
	int (*list)(weft__fleet_engine *e, weft_ctx *ctx, weft_fleet_list_fn fn,
		    void *arg);
	int (*show)(weft__fleet_engine *e, weft_ctx *ctx,
		    const weft__fleet_id *id, weft_fleet_entry *entry);
	/* Returns as weft_fleet_doctor(). */
	int (*doctor)(weft__fleet_engine *e, weft_ctx *ctx,
		      weft_fleet_doctor_fn fn, void *arg);
};

/* What every engine begins with; open() sets ops, the engine counts. */
struct weft__fleet_engine {
	const weft__fleet_ops *ops;
	uint64_t commands;	/* atomic, relaxed: sent */
	uint64_t down;		/* atomic, relaxed: not answered */
};

/* "The place does not work now", whatever the reason: not a refusal. */
static inline bool weft__fleet_is_down(int err)
{
	return err == -EHOSTDOWN || err == -ENOSPC || err == -EDQUOT ||
	       err == -EIO || err == -EROFS || err == -EMFILE || err == -ENFILE;
}

/*
 * There is news of a key: it ended, was given up, or its leader is gone. Wakes
 * who waits for it in this process. For engines, from any task or thread, with
 * a lock of theirs held or not; an id that nobody waits for is no matter.
 */
void weft__fleet_news(void *core, const uint64_t id[2]);

/* The same of all keys: news may have been lost. */
void weft__fleet_news_all(void *core);

/*
 * Have every lease renewed now: what the place knows of this process's being alive
 * has changed.
 */
void weft__fleet_renew_soon(void *core);

/* The engines there are, each with the schemes it is for. */
extern const weft__fleet_ops weft__fleet_dir_ops, weft__fleet_redis_ops;

#endif
