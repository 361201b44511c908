/* SPDX-License-Identifier: MIT */
/*
 * A flight: many ask for the same thing at once, one goes and gets it, all of
 * them have it (Go's singleflight).
 *
 * As long as a call for a key runs, everybody who asks for that key waits for
 * this call and is given its value and its error. When it has ended the key is
 * free again: the next one to ask starts a new call. Nothing is kept.
 *
 *	static weft_flight users = {.drop = free};
 *
 *	static int load_user(weft_ctx *ctx, void *arg, void **value)
 *	{
 *		*value = query(ctx, "SELECT … WHERE id = ?", arg);
 *		return *value ? 0 : -EIO;
 *	}
 *
 *	void show_user(const char *id)		// from any task or thread
 *	{
 *		weft_result r = weft_flight_do(&users, weft_key_str(id),
 *					       load_user, (void *)id);
 *		if (r.err == 0)
 *			print_user(r.value);
 *		weft_result_release(&r);	// the last one frees it
 *	}
 *
 * Two ways to ask:
 *
 *   - weft_flight_do() runs the function, if it is the first, as a call of its
 *     own, and stays until the end.
 *   - weft_flight_do_ctx() has it run in a task of its own, so that every
 *     caller can leave when its own context is done, the first one as well.
 *     The others are not disturbed by that. When the last caller leaves, the
 *     context of the call is cancelled; who asks for the key then waits until
 *     that call is over and starts a new one: it is neither given the rest of
 *     a cancelled call, nor does the new call run beside the dying one.
 *
 * Both can be mixed on one key. Callers of different keys have nothing to do
 * with each other. A function may ask for other keys, but not for the key that
 * it is being called for: that is refused with -EDEADLK, where it asks itself.
 * Two functions in different tasks that ask for each other's keys wait for ever.
 *
 * A function that panics makes every caller panic, with the same message, value
 * and stack; one that exits makes every caller exit, as in Go. The key is free
 * again after that, and a value that was stored is dropped.
 *
 * With ttl set a flight keeps its results and is a loading cache:
 *
 *	static weft_flight users = {
 *		.drop = free, .ttl = 60 * WEFT_SECOND, .stale = 10 * WEFT_SECOND,
 *		.error_ttl = WEFT_SECOND, .early = 1, .max_entries = 10000,
 *	};
 *
 *   - A value is given to all who ask for ttl after its function has returned; an
 *     error for error_ttl. Refusals, panics and exits are not kept, nor is what
 *     was forgotten meanwhile.
 *   - For stale beyond that one who asks refreshes the value: calls its own
 *     function; all others are still given the old one. If that fails the old
 *     one stays until its time is over, and the next one tries: the error is not
 *     kept then.
 *   - With early set that may also happen a little before ttl is over, the more
 *     likely the nearer it is and the longer the function took (XFetch), so that
 *     values that are asked for often never become stale. It is a factor: 2
 *     refreshes earlier, 0.5 later.
 *   - Whoever refreshes waits for the new value, but for
 *     weft_flight_do_ctx_copy(), which is given the old one and leaves the rest
 *     to a task.
 *   - At most max_entries are kept; those that were not asked for lately go
 *     first. The flight's table is cut in shares, so that some go a little
 *     before that many are there.
 *
 * The fields are set before the first call, and not changed after: what is to be
 * kept from then on is not.
 *
 * All bytes zero is a flight with borrowed values: nobody owns them, and
 * nothing has to be released. Set drop, before the first call, for values that
 * somebody has to destroy: then every result with a value is a reference to
 * it, and drop(value) is called once, after the last of them was released. It
 * is called at the end of the function where every caller had left by then.
 * What drop is called for is a value other than NULL, whatever the error. It
 * should return: a panic in it is caught by nobody and an exit ends drop alone,
 * but where weft_result_release() has called it.
 */
#ifndef WEFT_FLIGHT_H
#define WEFT_FLIGHT_H

#include <weft/base.h>
#include <weft/chan.h>
#include <weft/panic.h>
#include <weft/time.h>

#include <string.h>

WEFT_BEGIN

typedef struct weft_flight weft_flight;
struct weft_flight {
	void (*drop)(void *value); /* destroys a value; NULL: they are borrowed */
	bool abort_on_panic;       /* see weft_flight_do_chan() */

	/* How long results are kept: see above. Zero: not at all. */
	weft_duration ttl;       /* a value */
	weft_duration error_ttl; /* an error of the function */
	weft_duration stale;     /* a value beyond ttl, while it is refreshed */
	double early;            /* refresh ahead of ttl; 1 is a good start */
	size_t max_entries;      /* results kept at once; 0: 65,536 */

	void *priv_table;          /* made by the first call */
	WEFT_PRIV_NOCOPY(weft_flight)
};

/*
 * What a call is for: size bytes at data, compared byte by byte. They are read
 * in the call that is given the key, and copied: they need not live longer
 * than that. Any bytes will do, none at all included.
 */
typedef struct weft_key weft_key;
struct weft_key {
	const void *data;
	size_t size;
};

/* The size that says: data is no address but the key itself. */
#define WEFT_PRIV_KEY_WORD SIZE_MAX

/* The bytes of string, without the NUL at its end. */
WEFT_PRIV_INLINE weft_key weft_key_str(const char *string)
{
	weft_key key = {string, strlen(string)};

	return key;
}

/* The eight bytes of n, as they lie in memory. Refers to nothing. */
WEFT_PRIV_INLINE weft_key weft_key_u64(uint64_t n)
{
	weft_key key;

	memcpy(&key.data, &n, sizeof key.data);
	key.size = WEFT_PRIV_KEY_WORD;
	return key;
}

/*
 * The function of a call: store the value in *value, which is NULL before,
 * and return 0 or an error, which is passed on unchanged. All callers are
 * given both, also a value together with an error.
 *
 * ctx is the call's context: NULL, which is never cancelled, where the call is
 * weft_flight_do()'s; else one that is cancelled when the last caller has left.
 * It has the values of the first caller's context, and neither its deadline
 * nor its cancellation. It ends with the function: it is cancelled then.
 */
typedef int (*weft_flight_fn)(weft_ctx *ctx, void *arg, void **value);

/*
 * What a caller was given. A plain value that may be moved about, but counts
 * as one reference however often it is copied.
 */
typedef struct weft_result weft_result;
struct weft_result {
	void *value;
	int err;
	enum weft_outcome outcome; /* WEFT_RETURNED but in channels */
	bool shared;     /* more than one caller asked while the call ran */
	bool kept;       /* from memory: the call had ended before the caller asked */
	void *priv_call; /* what a release releases */
};

/*
 * Get the value for key: call fn(NULL, arg, &value), unless a call for the key
 * runs already; then wait for that one and share what it is given.
 *
 * Returns   .err      what fn returned; -ENOMEM: no memory, fn was not called;
 *                     -EDEADLK: fn was not called, since the caller is the
 *                     function, or is called by it, that runs for the key
 *           .value    what fn stored
 *           .shared   false   nobody else asked while the call ran
 *                     true    others did, and were given the value unless
 *                             they left
 *                     What is kept, others may be given later, in both cases.
 * Context   a task or a plain thread; may switch tasks. fn runs in the caller.
 * Order     fn's return happens before the return of everybody who is given
 *           its result.
 * Lifetime  the result is released with weft_result_release(), at the latest
 *           when nobody needs the value; without drop that is not needed.
 */
WEFT_API weft_result weft_flight_do(weft_flight *f, weft_key key,
				    weft_flight_fn fn, void *arg);

/*
 * As weft_flight_do(), but fn is called in a task of its own, and the caller
 * waits no longer than until ctx is done; it leaves then, also where it was
 * the first. ctx NULL: it stays until the end.
 *
 * Returns   .err      what fn returned, if the call ended before the caller
 *                     left, or ctx's error:
 *                     -ECANCELED   ctx was cancelled
 *                     -ETIMEDOUT   ctx's deadline passed
 *                     -ENOMEM      no memory; fn was not called
 *                     -EDEADLK     as above
 *           Where the call has ended and ctx is done the caller is given the
 *           result. One whose ctx is done before it asks neither joins a call
 *           nor starts one, and is given ctx's error.
 *           .value, .shared   as above; NULL and false for one that left
 * Context   a task or a plain thread; may switch tasks.
 * Order     fn's return happens before the return of everybody who is given
 *           its result. The last caller's leaving happens before fn sees its
 *           context cancelled.
 * Lifetime  fn may still run when every caller has left: *arg must live until
 *           it has returned, and so must what the values of ctx point to, but
 *           not ctx itself. See weft_flight_do_ctx_copy() and
 *           weft_flight_fini(), which waits for such calls.
 */
WEFT_API weft_result weft_flight_do_ctx(weft_flight *f, weft_ctx *ctx,
					weft_key key, weft_flight_fn fn,
					void *arg);

/*
 * As weft_flight_do_ctx(), where fn is given the address of a copy of the size
 * bytes at arg, aligned for any type, which lives until fn has returned.
 */
WEFT_API weft_result weft_flight_do_ctx_copy(weft_flight *f, weft_ctx *ctx,
					     weft_key key, weft_flight_fn fn,
					     const void *arg, size_t size);

/*
 * As weft_flight_do_ctx() with ctx NULL, but do not wait: the result is sent to
 * results, a channel of weft_result (Go's DoChan). It comes however the function
 * ends, and the caller neither panics nor exits by that:
 *
 *	.outcome         .err
 *	WEFT_RETURNED    what fn returned, or a refusal as above
 *	WEFT_PANICKED    WEFT_ERR_PANICKED; weft_result_panic() tells more
 *	WEFT_EXITED      WEFT_ERR_EXITED
 *
 * A channel without room for the result is waited for by a task; nothing else
 * waits for that. Give it a capacity of as many results as are asked for.
 *
 * A flight with abort_on_panic set does not catch what a function panics with
 * in a task of its own: the process ends there, with the stack as it was (what
 * Go does where DoChan is used).
 *
 * Context   a task or a plain thread. It may switch tasks, to wait until a call
 *           that every caller has left is over, or to send a refusal.
 * Lifetime  *arg as with weft_flight_do_ctx(). The channel must not be closed
 *           before the result has come. Each result is released by who receives
 *           it; those left in a channel when it is finished are not.
 */
WEFT_API void weft_flight_do_chan(weft_flight *f, weft_key key,
				  weft_flight_fn fn, void *arg,
				  weft_chan *results);

/*
 * As weft_flight_do_chan(), but where that has to wait, wait no longer than
 * until ctx is done, and return what is refused instead of sending it. What has
 * begun is not ended by ctx, whose values the function is given.
 *
 * Returns   0            a result will come
 *           -ECANCELED   ctx was cancelled first; nothing will come
 *           -ETIMEDOUT   ctx's deadline passed first; nothing will come
 *           -ENOMEM, -EDEADLK   refusals, as above; nothing will come
 * Context   a task or a plain thread; may switch tasks, to wait until a call
 *           that every caller has left is over.
 */
WEFT_API int weft_flight_do_chan_ctx(weft_flight *f, weft_ctx *ctx,
				     weft_key key, weft_flight_fn fn, void *arg,
				     weft_chan *results) WEFT_PRIV_WARN_UNUSED;

/*
 * The panic that a result stands for.
 *
 * Returns   true    *info tells it
 *           false   it stands for none, or was released; *info is empty
 */
WEFT_API bool weft_result_panic(const weft_result *r, weft_panic_info *info);

/* What a flight has done so far. */
typedef struct weft_flight_counters weft_flight_counters;
struct weft_flight_counters {
	uint64_t led;       /* calls that were started */
	uint64_t joined;    /* callers who came while one ran */
	uint64_t kept;      /* callers who were given a kept result … */
	uint64_t stale;     /* … that was beyond its ttl */
	uint64_t refreshed; /* calls that were started to replace a kept result */
	uint64_t dropped;   /* kept results that were let go: replaced, forgotten,
	                       found to be past their time … */
	uint64_t evicted;   /* … or that had to make room */
	size_t running;     /* calls that run now */
	size_t entries;     /* results kept now, past their time or not */
};

/*
 * Store f's counters in *counters. They are exact when nobody uses the flight
 * meanwhile.
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API void weft_flight_count(weft_flight *f, weft_flight_counters *counters);

/*
 * Make the next one to ask for key start a new call, although one may be
 * running, or its result kept. A call that runs goes on beside it, for those who
 * wait for it already, and its result is not kept. Without a call for the key
 * this does nothing.
 *
 * Context   a task or a plain thread, the key's function included. Calls drop
 *           for a result that was kept, which may switch tasks; nothing else
 *           here does.
 * Order     what happened before this call happens before the function of any
 *           call that is started for the key later.
 */
WEFT_API void weft_flight_forget(weft_flight *f, weft_key key);

/*
 * Forget key, unless more than one caller waits for its call at the moment.
 *
 * Returns   true    no call runs for the key, or it was forgotten; what was kept
 *                   is not any more
 *           false   the call is shared, and stays
 * Context   as weft_flight_forget()
 */
WEFT_API bool weft_flight_forget_unshared(weft_flight *f, weft_key key);

/*
 * Give back what a caller was given: r->value is NULL after this, and was
 * destroyed if this was the last result that referred to it. Does nothing
 * for a result without a value, for one whose flight has no drop, and when
 * called again. The flight may be gone by now.
 *
 * Context   a task or a plain thread; calls drop, which may switch tasks.
 * Order     every release of the value happens before drop(value).
 */
WEFT_API void weft_result_release(weft_result *r);

/*
 * Give back the flight's memory, after waiting for the calls that every caller
 * has left; their values are dropped by then. After that *f is as it was before
 * the first call: what its user has set is there still, and it may be used
 * again. A flight that was never asked for anything needs no fini. Panics when a
 * caller is inside weft_flight_do() or its relatives: "flight: fini while
 * callers wait".
 *
 * Context   a task or a plain thread; may switch tasks. Nobody else may use
 *           *f any more.
 * Order     the functions of all calls, and the drops of those that every
 *           caller had left, happen before the return.
 * Lifetime  results may be released later.
 */
WEFT_API void weft_flight_fini(weft_flight *f);

/*
 * As weft_flight_fini(), but wait no longer than until ctx is done.
 *
 * Returns   0            as weft_flight_fini(); also if ctx was done before
 *                        and there was nothing to wait for
 *           -ECANCELED   ctx was cancelled first
 *           -ETIMEDOUT   ctx's deadline passed first
 *           When several hold, the first in this list is returned. With a
 *           nonzero return *f is as before, and may be used.
 */
WEFT_API int weft_flight_fini_ctx(weft_flight *f,
				  weft_ctx *ctx) WEFT_PRIV_WARN_UNUSED;

WEFT_END

#endif
