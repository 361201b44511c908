/* SPDX-License-Identifier: MIT */
/*
 * A counting semaphore whose acquirers may ask for several units at once.
 *
 * Units are given out strictly in the order of arrival: as long as somebody is
 * queued, everybody else queues behind, and a large request at the head holds
 * back the small ones after it, so that it cannot starve. Units are not owned:
 * who releases need not be who acquired.
 *
 * All bytes zero is a semaphore with no units: the first release makes one.
 * It may be freed as soon as the last acquire has returned, even while the
 * release that let it return is still on its way out.
 *
 *	static weft_sema slots;		// at most 8 downloads at a time
 *
 *	weft_sema_init(&slots, 8);
 *
 *	void download(void *url)
 *	{
 *		weft_sema_acquire(&slots, 1);
 *		fetch(url);
 *		weft_sema_release(&slots, 1);
 *	}
 */
#ifndef WEFT_SEMA_H
#define WEFT_SEMA_H

#include <weft/atomic.h>
#include <weft/base.h>

WEFT_BEGIN

typedef struct weft_sema weft_sema;
struct weft_sema {
	int64_t priv_word;	/* see src/sync/sema.c; the inline paths know S1 */
	WEFT_PRIV_NOCOPY(weft_sema)
};

/*
 * The out-of-line rest of the functions below, given the word that they have
 * seen last. Do not call these.
 */
WEFT_API WEFT_PRIV_SLOW void weft_sema_acquire_slow(weft_sema *s, long n,
						    int64_t word);
WEFT_API WEFT_PRIV_SLOW int weft_sema_acquire_ctx_slow(weft_sema *s,
						       weft_ctx *ctx, long n,
						       int64_t word);
WEFT_API WEFT_PRIV_SLOW bool weft_sema_try_acquire_slow(weft_sema *s, long n,
							int64_t word);
WEFT_API WEFT_PRIV_SLOW void weft_sema_release_slow(weft_sema *s, long n,
						    int64_t word);

/*
 * Try once to take or to give n units, with nobody queued and the sum far from
 * its ends. Do not call them.
 */
WEFT_PRIV_INLINE bool weft_sema_priv_take(weft_sema *s, long n, int64_t *word)
{
	*word = weft_atomic_load(&s->priv_word, relaxed);
	if (WEFT_PRIV_UNLIKELY(n <= 0 || (*word & 1) || *word >> 1 < n))
		return false;
	return weft_atomic_cas(&s->priv_word, word, *word - INT64_C(2) * n,
			       acquire, relaxed);
}

WEFT_PRIV_INLINE bool weft_sema_priv_give(weft_sema *s, long n, int64_t *word)
{
	*word = 0;
	if (WEFT_PRIV_UNLIKELY(n <= 0 || n > INT32_MAX))
		return false;	/* 0: *s may be gone by now */
	*word = weft_atomic_load(&s->priv_word, relaxed);
	if (WEFT_PRIV_UNLIKELY((*word & 1) || *word > INT32_MAX))
		return false;
	return weft_atomic_cas(&s->priv_word, word, *word + INT64_C(2) * n,
			       release, relaxed);
}

/*
 * Make *s a semaphore with n units. n < 0 panics: "sync: negative semaphore
 * count".
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may
 *           use *s yet, or any more.
 */
WEFT_API void weft_sema_init(weft_sema *s, long n);

/*
 * Take n units, waiting until they are there and it is the caller's turn.
 * n == 0 returns at once; n < 0 panics: "sync: negative semaphore count".
 * Asking for more units than there will ever be waits for ever.
 *
 * Context   a task or a plain thread; may switch tasks.
 * Order     the releases that made these units available happen before the
 *           return.
 */
WEFT_PRIV_INLINE void weft_sema_acquire(weft_sema *s, long n)
{
	int64_t word;

	if (WEFT_PRIV_UNLIKELY(!weft_sema_priv_take(s, n, &word)))
		weft_sema_acquire_slow(s, n, word);
}

/*
 * As weft_sema_acquire(), but wait no longer than until ctx is done. ctx may
 * be NULL.
 *
 * Returns   0            the caller has its n units; also when ctx was done
 *                        before, if they were to be had without waiting
 *           -ECANCELED   ctx was cancelled before the caller's turn came
 *           -ETIMEDOUT   ctx's deadline passed before the caller's turn came
 *           When several hold, the first in this list is returned. With a
 *           nonzero return nothing was taken, and those who were queued
 *           behind the caller have moved up.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0: as weft_sema_acquire(). A nonzero return orders nothing.
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_sema_acquire_ctx(weft_sema *s, weft_ctx *ctx, long n)
{
	int64_t word;

	if (WEFT_PRIV_LIKELY(weft_sema_priv_take(s, n, &word)))
		return 0;
	return weft_sema_acquire_ctx_slow(s, ctx, n, word);
}

/*
 * Take n units if they are there and nobody is queued for any. n == 0 is
 * always possible; n < 0 panics as above.
 *
 * Returns   true    the caller has its units
 *           false   nothing was taken
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: as weft_sema_acquire(). false orders nothing.
 */
WEFT_PRIV_INLINE bool weft_sema_try_acquire(weft_sema *s, long n)
{
	int64_t word;

	if (WEFT_PRIV_LIKELY(weft_sema_priv_take(s, n, &word)))
		return true;
	return weft_sema_try_acquire_slow(s, n, word);
}

/*
 * Add n units and give them to those who are queued, as far as they go. There
 * may come to be more units than *s began with. n == 0 does nothing; n < 0
 * panics as above, and more than 2^62 - 1 units panic: "sync: semaphore
 * overflow".
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before the return of the acquires it satisfies.
 * Lifetime  *s is not touched any more once the units can be seen: see S3 in
 *           sema.c.
 */
WEFT_PRIV_INLINE void weft_sema_release(weft_sema *s, long n)
{
	int64_t word;

	if (WEFT_PRIV_UNLIKELY(!weft_sema_priv_give(s, n, &word)))
		weft_sema_release_slow(s, n, word);
}

WEFT_END

#ifdef WEFT_DEBUG
#define weft_sema_init(o, ...)                                                 \
	weft_sema_init(WEFT_PRIV_FRESH(weft_sema, o), __VA_ARGS__)
#define weft_sema_acquire(o, ...)                                              \
	weft_sema_acquire(WEFT_PRIV_USED(weft_sema, o), __VA_ARGS__)
#define weft_sema_acquire_ctx(o, ...)                                          \
	weft_sema_acquire_ctx(WEFT_PRIV_USED(weft_sema, o), __VA_ARGS__)
#define weft_sema_try_acquire(o, ...)                                          \
	weft_sema_try_acquire(WEFT_PRIV_USED(weft_sema, o), __VA_ARGS__)
#define weft_sema_release(o, ...)                                              \
	weft_sema_release(WEFT_PRIV_USED(weft_sema, o), __VA_ARGS__)
#endif

#endif
