/* SPDX-License-Identifier: MIT */
/*
 * A readers-writer lock in four bytes: held by any number of readers, or by
 * one writer.
 *
 * Tasks and plain threads may use the same one; a task that waits lets its
 * worker go on with others.
 *
 *   - A writer that waits holds back the readers that come after it. When a
 *     writer unlocks, all readers that wait by then go in together, before the
 *     next writer; when the last of them has left, the writer that has waited
 *     longest goes in. So neither starves, and nobody overtakes one who waits.
 *   - Hence a reader must not read-lock the same lock again before it has let
 *     go: if a writer has begun to wait in between, both wait for ever.
 *   - It is not owned: any task or thread may unlock it, not only the one that
 *     locked it. Neither side is recursive, and a reader cannot become a writer
 *     without letting go.
 *   - At most 2^29 - 1 readers at a time.
 *   - It may be freed as soon as nobody is inside, or will call, one of its
 *     functions; who has just locked and unlocked it may free it even while
 *     the unlock of the one before is still returning.
 *   - It pays where reading takes its time: who has to wait is handed the lock,
 *     also where a newcomer could have had it sooner. For a few instructions,
 *     and for data that is mostly written, a weft_mutex is faster.
 *
 *	static struct {
 *		weft_rwmutex lock;
 *		struct route *first;
 *	} routes;
 *
 *	int route_of(uint32_t address)
 *	{
 *		weft_rwmutex_rlock(&routes.lock);
 *		int port = search(routes.first, address);
 *		weft_rwmutex_runlock(&routes.lock);
 *		return port;
 *	}
 *
 *	void route_add(struct route *r)
 *	{
 *		weft_rwmutex_lock(&routes.lock);
 *		r->next = routes.first;
 *		routes.first = r;
 *		weft_rwmutex_unlock(&routes.lock);
 *	}
 */
#ifndef WEFT_RWMUTEX_H
#define WEFT_RWMUTEX_H

#include <weft/atomic.h>
#include <weft/base.h>
#include <weft/mutex.h>

WEFT_BEGIN

typedef struct weft_rwmutex weft_rwmutex;
struct weft_rwmutex {
	uint32_t priv_word;	/* see src/sync/rwmutex.c */
	WEFT_PRIV_NOCOPY(weft_rwmutex)
};

/* What the inline paths know of the word. Not for you. */
#define WEFT_PRIV_RWMUTEX_WRITER (UINT32_C(1) << 31)
#define WEFT_PRIV_RWMUTEX_MOST ((UINT32_C(1) << 29) - 1)

/* The out-of-line rest of the functions below. Do not call these. */
WEFT_API WEFT_PRIV_SLOW void weft_rwmutex_lock_slow(weft_rwmutex *m);
WEFT_API WEFT_PRIV_SLOW int weft_rwmutex_lock_ctx_slow(weft_rwmutex *m,
						       weft_ctx *ctx);
WEFT_API WEFT_PRIV_SLOW void weft_rwmutex_unlock_slow(weft_rwmutex *m);
WEFT_API WEFT_PRIV_SLOW void weft_rwmutex_rlock_slow(weft_rwmutex *m);
WEFT_API WEFT_PRIV_SLOW int weft_rwmutex_rlock_ctx_slow(weft_rwmutex *m,
							weft_ctx *ctx);
WEFT_API WEFT_PRIV_SLOW bool weft_rwmutex_try_rlock_slow(weft_rwmutex *m);
WEFT_API WEFT_PRIV_SLOW void weft_rwmutex_runlock_slow(weft_rwmutex *m);

/*
 * Private: a reader takes it for free first, which is faster than to look. If
 * it is not, that has shown what it is instead.
 */
WEFT_PRIV_INLINE bool weft_priv_rwmutex_enter(weft_rwmutex *m)
{
	uint32_t word = 0;

	return WEFT_PRIV_LIKELY(weft_atomic_cas(&m->priv_word, &word, 1, acquire,
						relaxed)) ||
	       (word < WEFT_PRIV_RWMUTEX_MOST &&
		weft_atomic_cas(&m->priv_word, &word, word + 1, acquire, relaxed));
}

/*
 * Lock *m for writing if that is possible without waiting.
 *
 * Returns   true    the caller holds the lock, alone
 *           false   somebody else held it
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: as weft_rwmutex_lock(). false orders nothing.
 */
WEFT_PRIV_INLINE bool weft_rwmutex_try_lock(weft_rwmutex *m)
{
	uint32_t unlocked = 0;

	return weft_atomic_cas(&m->priv_word, &unlocked,
			       WEFT_PRIV_RWMUTEX_WRITER, acquire, relaxed);
}

/*
 * Lock *m for writing; wait until nobody else holds it. From then on no reader
 * gets in before the caller.
 *
 * Context   a task or a plain thread; may switch tasks.
 * Order     every unlock and every runlock of *m before this happens before
 *           the return.
 */
WEFT_PRIV_INLINE void weft_rwmutex_lock(weft_rwmutex *m)
{
	if (WEFT_PRIV_UNLIKELY(!weft_rwmutex_try_lock(m)))
		weft_rwmutex_lock_slow(m);
}

/*
 * Lock *m for writing; wait until that is possible or ctx is done. ctx may be
 * NULL.
 *
 * Returns   0            the caller holds the lock, alone; also when ctx was
 *                        done before, if it was to be had without waiting
 *           -ECANCELED   ctx was cancelled before the caller's turn came
 *           -ETIMEDOUT   ctx's deadline passed before the caller's turn came
 *           When several hold, the first in this list is returned. With a
 *           nonzero return the caller does not hold the lock, and those whom
 *           it held back have gone in, if nobody else holds them back.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0: as weft_rwmutex_lock(). A nonzero return orders nothing.
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_rwmutex_lock_ctx(weft_rwmutex *m, weft_ctx *ctx)
{
	if (WEFT_PRIV_LIKELY(weft_rwmutex_try_lock(m)))
		return 0;
	return weft_rwmutex_lock_ctx_slow(m, ctx);
}

/*
 * Let go of *m, which must be locked for writing; who locked it does not
 * matter. Otherwise it aborts: "sync: Unlock of unlocked RWMutex". One that was
 * copied while others waited for it aborts too: "sync: inconsistent RWMutex
 * state".
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before the return of every later lock and rlock
 *           of *m.
 * Lifetime  *m is not touched any more once the next one can hold the lock:
 *           see R4 in rwmutex.c.
 */
WEFT_PRIV_INLINE void weft_rwmutex_unlock(weft_rwmutex *m)
{
	uint32_t locked = WEFT_PRIV_RWMUTEX_WRITER;

	if (WEFT_PRIV_UNLIKELY(!weft_atomic_cas(&m->priv_word, &locked, 0,
						release, relaxed)))
		weft_rwmutex_unlock_slow(m);
}

/*
 * Lock *m for reading if that is possible without waiting: no writer holds it,
 * and none waits.
 *
 * Returns   true    the caller holds the lock, perhaps with other readers
 *           false   a writer held it, or waited
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: as weft_rwmutex_rlock(). false orders nothing.
 */
WEFT_PRIV_INLINE bool weft_rwmutex_try_rlock(weft_rwmutex *m)
{
	if (WEFT_PRIV_LIKELY(weft_priv_rwmutex_enter(m)))
		return true;
	return weft_rwmutex_try_rlock_slow(m);
}

/*
 * Lock *m for reading; wait until no writer holds it, and none is there that
 * waited before the caller.
 *
 * Context   a task or a plain thread; may switch tasks.
 * Order     every unlock of *m before this happens before the return.
 */
WEFT_PRIV_INLINE void weft_rwmutex_rlock(weft_rwmutex *m)
{
	if (WEFT_PRIV_UNLIKELY(!weft_priv_rwmutex_enter(m)))
		weft_rwmutex_rlock_slow(m);
}

/*
 * Lock *m for reading; wait until that is possible or ctx is done. ctx may be
 * NULL.
 *
 * Returns   0            the caller holds the lock; also when ctx was done
 *                        before, if it was to be had without waiting
 *           -ECANCELED   ctx was cancelled before the caller's turn came
 *           -ETIMEDOUT   ctx's deadline passed before the caller's turn came
 *           When several hold, the first in this list is returned. With a
 *           nonzero return the caller does not hold the lock.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0: as weft_rwmutex_rlock(). A nonzero return orders nothing.
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_rwmutex_rlock_ctx(weft_rwmutex *m, weft_ctx *ctx)
{
	if (WEFT_PRIV_LIKELY(weft_priv_rwmutex_enter(m)))
		return 0;
	return weft_rwmutex_rlock_ctx_slow(m, ctx);
}

/*
 * Undo one rlock of *m. If nobody holds it for reading it aborts: "sync:
 * RUnlock of unlocked RWMutex".
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before the return of every later lock of *m.
 * Lifetime  as weft_rwmutex_unlock()
 */
WEFT_PRIV_INLINE void weft_rwmutex_runlock(weft_rwmutex *m)
{
	uint32_t word = 1;

	if (WEFT_PRIV_UNLIKELY(
		    !weft_atomic_cas(&m->priv_word, &word, 0, release, relaxed) &&
		    (word - 1 >= WEFT_PRIV_RWMUTEX_MOST ||
		     !weft_atomic_cas(&m->priv_word, &word, word - 1, release,
				      relaxed))))
		weft_rwmutex_runlock_slow(m);
}

/*
 * The writer's side of *m, and the reader's, for weft_cond_init_locker(). With
 * the reader's, any number may be inside the condition's lock at once and wait
 * together; who changes what they wait for does so as a writer.
 *
 * Context   anywhere; touches nothing of *m.
 */
WEFT_API weft_locker weft_rwmutex_locker(weft_rwmutex *m);
WEFT_API weft_locker weft_rwmutex_rlocker(weft_rwmutex *m);

WEFT_END

#ifdef WEFT_DEBUG
#define weft_rwmutex_try_lock(o)                                               \
	weft_rwmutex_try_lock(WEFT_PRIV_USED(weft_rwmutex, o))
#define weft_rwmutex_lock(o) weft_rwmutex_lock(WEFT_PRIV_USED(weft_rwmutex, o))
#define weft_rwmutex_lock_ctx(o, ...)                                          \
	weft_rwmutex_lock_ctx(WEFT_PRIV_USED(weft_rwmutex, o), __VA_ARGS__)
#define weft_rwmutex_unlock(o)                                                 \
	weft_rwmutex_unlock(WEFT_PRIV_USED(weft_rwmutex, o))
#define weft_rwmutex_try_rlock(o)                                              \
	weft_rwmutex_try_rlock(WEFT_PRIV_USED(weft_rwmutex, o))
#define weft_rwmutex_rlock(o)                                                  \
	weft_rwmutex_rlock(WEFT_PRIV_USED(weft_rwmutex, o))
#define weft_rwmutex_rlock_ctx(o, ...)                                         \
	weft_rwmutex_rlock_ctx(WEFT_PRIV_USED(weft_rwmutex, o), __VA_ARGS__)
#define weft_rwmutex_runlock(o)                                                \
	weft_rwmutex_runlock(WEFT_PRIV_USED(weft_rwmutex, o))
#define weft_rwmutex_locker(o)                                                 \
	weft_rwmutex_locker(WEFT_PRIV_USED(weft_rwmutex, o))
#define weft_rwmutex_rlocker(o)                                                \
	weft_rwmutex_rlocker(WEFT_PRIV_USED(weft_rwmutex, o))
#endif

#endif
