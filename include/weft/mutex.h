/* SPDX-License-Identifier: MIT */
/*
 * A mutual exclusion lock in four bytes.
 *
 * Tasks and plain threads may use the same mutex; who has to wait is queued in
 * the order of arrival. A task that waits lets its worker go on with others.
 *
 *   - It is not owned: any task or thread may unlock it, not only the one that
 *     locked it. It is not recursive: locking it twice waits for ever.
 *   - A newcomer may get it before one that was just woken; tasks let a task
 *     that was woken by one go first after some dozens have passed. Once the
 *     first in the queue has waited for more than a millisecond, the next
 *     unlock hands the lock over to it, so nobody starves.
 *   - A task may sleep, or wait for anything else, while it holds one.
 *   - It may be freed as soon as nobody is inside, or will call, one of its
 *     functions; who has just locked and unlocked it may free it even while
 *     the unlock of the one before is still returning.
 *
 *	static struct {
 *		weft_mutex lock;
 *		int balance;
 *	} account;
 *
 *	void deposit(int amount)
 *	{
 *		weft_mutex_lock(&account.lock);
 *		account.balance += amount;
 *		weft_mutex_unlock(&account.lock);
 *	}
 */
#ifndef WEFT_MUTEX_H
#define WEFT_MUTEX_H

#include <weft/atomic.h>
#include <weft/base.h>

WEFT_BEGIN

typedef struct weft_mutex weft_mutex;
struct weft_mutex {
	uint32_t priv_word;	/* see src/sync/mutex.c; the inline paths know 0, 1 */
	WEFT_PRIV_NOCOPY(weft_mutex)
};

/* Anything that can be locked and unlocked: lock(obj), unlock(obj). */
typedef struct weft_locker weft_locker;
struct weft_locker {
	void *obj;
	void (*lock)(void *obj);
	void (*unlock)(void *obj);
};

/* The out-of-line rest of the functions below. Do not call these. */
WEFT_API WEFT_PRIV_SLOW void weft_mutex_lock_slow(weft_mutex *m);
WEFT_API WEFT_PRIV_SLOW int weft_mutex_lock_ctx_slow(weft_mutex *m,
						     weft_ctx *ctx);
WEFT_API WEFT_PRIV_SLOW bool weft_mutex_try_lock_slow(weft_mutex *m);
WEFT_API WEFT_PRIV_SLOW void weft_mutex_unlock_slow(weft_mutex *m);

/*
 * Lock *m if that is possible without waiting.
 *
 * Returns   true    the caller holds the lock
 *           false   somebody else held it
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: as weft_mutex_lock(). false orders nothing.
 */
WEFT_PRIV_INLINE bool weft_mutex_try_lock(weft_mutex *m)
{
	uint32_t unlocked = 0;

	if (WEFT_PRIV_LIKELY(weft_atomic_cas(&m->priv_word, &unlocked, 1,
					     acquire, relaxed)))
		return true;
	return weft_mutex_try_lock_slow(m);
}

/*
 * Lock *m; wait until that is possible.
 *
 * Context   a task or a plain thread; may switch tasks.
 * Order     every unlock of *m before this happens before the return.
 */
WEFT_PRIV_INLINE void weft_mutex_lock(weft_mutex *m)
{
	uint32_t unlocked = 0;

	if (WEFT_PRIV_UNLIKELY(!weft_atomic_cas(&m->priv_word, &unlocked, 1,
						acquire, relaxed)))
		weft_mutex_lock_slow(m);
}

/*
 * Lock *m; wait until that is possible or ctx is done. ctx may be NULL.
 *
 * Returns   0            the caller holds the lock; also when ctx was done
 *                        before, if the lock was to be had without waiting,
 *                        and without letting another task go first
 *           -ECANCELED   ctx was cancelled before the caller's turn came
 *           -ETIMEDOUT   ctx's deadline passed before the caller's turn came
 *           When several hold, the first in this list is returned. With a
 *           nonzero return the caller does not hold the lock, and whatever
 *           was on its way to it went to the next in the queue.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0: as weft_mutex_lock(). A nonzero return orders nothing.
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int weft_mutex_lock_ctx(weft_mutex *m,
							       weft_ctx *ctx)
{
	uint32_t unlocked = 0;

	if (WEFT_PRIV_LIKELY(weft_atomic_cas(&m->priv_word, &unlocked, 1,
					     acquire, relaxed)))
		return 0;
	return weft_mutex_lock_ctx_slow(m, ctx);
}

/*
 * Unlock *m, which must be locked; who locked it does not matter. Unlocking an
 * unlocked mutex aborts: "sync: unlock of unlocked mutex". One that was copied
 * while others waited for it aborts too, here or where somebody begins to wait
 * for it: "sync: inconsistent mutex state". A copy of a mutex that nobody
 * waited for cannot be told from a new one.
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before the return of every later lock of *m.
 * Lifetime  *m is not touched any more once the next one can hold the lock:
 *           see M4 in mutex.c.
 */
WEFT_PRIV_INLINE void weft_mutex_unlock(weft_mutex *m)
{
	uint32_t locked = 1;

	if (WEFT_PRIV_UNLIKELY(!weft_atomic_cas(&m->priv_word, &locked, 0,
						release, relaxed)))
		weft_mutex_unlock_slow(m);
}

/*
 * *m as something to lock and unlock, for what works with any lock.
 *
 * Context   anywhere; touches nothing of *m.
 */
WEFT_API weft_locker weft_mutex_locker(weft_mutex *m);

WEFT_END

#ifdef WEFT_DEBUG
#define weft_mutex_try_lock(o)                                                 \
	weft_mutex_try_lock(WEFT_PRIV_USED(weft_mutex, o))
#define weft_mutex_lock(o) weft_mutex_lock(WEFT_PRIV_USED(weft_mutex, o))
#define weft_mutex_lock_ctx(o, ...)                                            \
	weft_mutex_lock_ctx(WEFT_PRIV_USED(weft_mutex, o), __VA_ARGS__)
#define weft_mutex_unlock(o) weft_mutex_unlock(WEFT_PRIV_USED(weft_mutex, o))
#define weft_mutex_locker(o) weft_mutex_locker(WEFT_PRIV_USED(weft_mutex, o))
#endif

#endif
