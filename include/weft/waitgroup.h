/* SPDX-License-Identifier: MIT */
/*
 * Wait for a number of things to end.
 *
 * weft_waitgroup_add() counts what is about to begin, weft_waitgroup_done()
 * what has ended; weft_waitgroup_wait() returns when the count is zero.
 * weft_waitgroup_go() does the counting by itself.
 *
 *   - Add before what you count can end, and before the wait: not inside the
 *     task that is counted, which may not have begun when the waiter looks.
 *   - While the count is positive anybody may add more. Adding to a count of
 *     zero while somebody waits panics.
 *   - It can be used for a next round as soon as one wait has returned, even
 *     while others that waited are still on their way out.
 *   - It may be freed as soon as every wait on it has returned, even while the
 *     last done is still returning.
 *
 *	weft_waitgroup wg = {0};
 *
 *	for (int i = 0; i < n; i++)
 *		if (weft_waitgroup_go(&wg, resize, &images[i]) != 0)
 *			resize(&images[i]);	// no memory for a task
 *	weft_waitgroup_wait(&wg);
 */
#ifndef WEFT_WAITGROUP_H
#define WEFT_WAITGROUP_H

#include <weft/atomic.h>
#include <weft/base.h>

WEFT_BEGIN

typedef struct weft_waitgroup weft_waitgroup;
struct weft_waitgroup {
	uint64_t priv_word;	/* count in the high half, signed; waiters low */
	WEFT_PRIV_NOCOPY(weft_waitgroup)
};

/* The out-of-line rest of the functions below. Do not call these. */
WEFT_API WEFT_PRIV_SLOW void weft_waitgroup_add_slow(weft_waitgroup *wg,
						     int delta, uint64_t old);
WEFT_API WEFT_PRIV_SLOW void weft_waitgroup_wait_slow(weft_waitgroup *wg);
WEFT_API WEFT_PRIV_SLOW int weft_waitgroup_wait_ctx_slow(weft_waitgroup *wg,
							 weft_ctx *ctx);

/* True if this word wakes nobody and is no misuse. Do not call it. */
WEFT_PRIV_INLINE bool weft_waitgroup_priv_calm(uint64_t word)
{
	return word == 0 || WEFT_PRIV_CAST(int64_t, word) > 0xffffffff;
}

/*
 * Add delta, which may be negative, to the count. A count that reaches zero
 * lets everybody go on who waits.
 *
 * A count below zero (or over INT_MAX, which is the same) panics: "sync:
 * negative WaitGroup counter". A positive delta that meets a count of zero and
 * somebody who waits panics: "sync: WaitGroup misuse: Add called concurrently
 * with Wait"; that is found where it can be, not always.
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     every call that brings the count towards zero happens before the
 *           return of the waits that see it there.
 * Lifetime  *wg is not touched any more once every wait can have returned: see
 *           W2 in waitgroup.c.
 */
WEFT_PRIV_INLINE void weft_waitgroup_add(weft_waitgroup *wg, int delta)
{
	uint64_t change = WEFT_PRIV_CAST(uint64_t, delta) << 32;
	uint64_t old = weft_atomic_add(&wg->priv_word, change, acq_rel);

	if (WEFT_PRIV_UNLIKELY(!weft_waitgroup_priv_calm(old + change) ||
			       !weft_waitgroup_priv_calm(old)))
		weft_waitgroup_add_slow(wg, delta, old);
}

/*
 * Take one off the count: weft_waitgroup_add(wg, -1).
 */
WEFT_PRIV_INLINE void weft_waitgroup_done(weft_waitgroup *wg)
{
	uint64_t one = UINT64_C(1) << 32;
	uint64_t old = weft_atomic_sub(&wg->priv_word, one, acq_rel);

	if (WEFT_PRIV_UNLIKELY(!weft_waitgroup_priv_calm(old - one)))
		weft_waitgroup_add_slow(wg, -1, old);
}

/*
 * Wait until the count of *wg is zero. Returns at once if it is.
 *
 * Context   a task or a plain thread; may switch tasks. Any number may wait.
 * Order     every weft_waitgroup_done() counted into that zero happens before
 *           the return.
 * Lifetime  *wg may be freed once every wait on it has returned, even while
 *           the last done is still returning: see W2 in waitgroup.c.
 */
WEFT_PRIV_INLINE void weft_waitgroup_wait(weft_waitgroup *wg)
{
	if (weft_atomic_load(&wg->priv_word, acquire) != 0)
		weft_waitgroup_wait_slow(wg);
}

/*
 * Wait until the count of *wg is zero or ctx is done. ctx may be NULL.
 *
 * Returns   0            the count was zero at some moment of the call; also
 *                        when ctx was done before
 *           -ECANCELED   ctx was cancelled first
 *           -ETIMEDOUT   ctx's deadline passed first
 *           When several hold, the first in this list is returned.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0: as weft_waitgroup_wait(). A nonzero return orders nothing.
 * Lifetime  as weft_waitgroup_wait(). After a nonzero return those who are
 *           counted still use *wg.
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_waitgroup_wait_ctx(weft_waitgroup *wg, weft_ctx *ctx)
{
	if (weft_atomic_load(&wg->priv_word, acquire) == 0)
		return 0;
	return weft_waitgroup_wait_ctx_slow(wg, ctx);
}

/*
 * Start fn(arg) as a task, counted: add one, run fn, take one off when it has
 * returned, or ended by an exit. A panic ends the process. When the count may be
 * zero, this call must happen before the wait.
 *
 * Returns   0         fn will run
 *           -ENOMEM   as weft_go(); nothing was started, nothing is counted
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before fn begins; the return of fn happens
 *           before the return of the waits that see the count at zero.
 * Lifetime  *wg must live until a wait has returned.
 */
WEFT_API int weft_waitgroup_go(weft_waitgroup *wg, weft_fn fn,
			       void *arg) WEFT_PRIV_WARN_UNUSED;

WEFT_END

#ifdef WEFT_DEBUG
#define weft_waitgroup_add(o, ...)                                             \
	weft_waitgroup_add(WEFT_PRIV_USED(weft_waitgroup, o), __VA_ARGS__)
#define weft_waitgroup_done(o)                                                 \
	weft_waitgroup_done(WEFT_PRIV_USED(weft_waitgroup, o))
#define weft_waitgroup_wait(o)                                                 \
	weft_waitgroup_wait(WEFT_PRIV_USED(weft_waitgroup, o))
#define weft_waitgroup_wait_ctx(o, ...)                                        \
	weft_waitgroup_wait_ctx(WEFT_PRIV_USED(weft_waitgroup, o), __VA_ARGS__)
#define weft_waitgroup_go(o, ...)                                              \
	weft_waitgroup_go(WEFT_PRIV_USED(weft_waitgroup, o), __VA_ARGS__)
#endif

#endif
