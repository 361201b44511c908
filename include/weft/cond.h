/* SPDX-License-Identifier: MIT */
/*
 * A condition variable: wait, with a lock, for something to become true.
 *
 * Whoever changes what is waited for does so with the lock held, and then
 * signals, with the lock or without. A wait takes its place in the queue before
 * it lets go of the lock, so a signal that comes after cannot be missed. Those
 * who wait are woken in the order in which they began to.
 *
 *   - A signal with nobody waiting is not remembered.
 *   - There are no spurious wake-ups, but others may take the lock between the
 *     signal and the return of the wait: wait in a loop.
 *   - The lock is a weft_mutex, or anything else that has a lock and an unlock
 *     function, such as either side of a weft_rwmutex: see
 *     weft_cond_init_locker(). All waits use the same.
 *   - It must be initialised: all bytes zero is good for signals only.
 *   - A copy is caught: "sync.Cond is copied".
 *   - It may be freed, with its lock, as soon as the last wait has returned,
 *     even while the signal that let it return is still on its way out. But a
 *     waiter that finds true what it waits for before the signal came must not
 *     free it under the signaller: signal with the lock held in that case.
 *
 *	static weft_mutex lock;
 *	static weft_cond nonempty;		// weft_cond_init(&nonempty, &lock);
 *	static struct list jobs;
 *
 *	void put(struct job *job)
 *	{
 *		weft_mutex_lock(&lock);
 *		list_push(&jobs, job);
 *		weft_mutex_unlock(&lock);
 *		weft_cond_signal(&nonempty);
 *	}
 *
 *	struct job *get(void)
 *	{
 *		weft_mutex_lock(&lock);
 *		while (list_empty(&jobs))
 *			weft_cond_wait(&nonempty);
 *		struct job *job = list_pop(&jobs);
 *		weft_mutex_unlock(&lock);
 *		return job;
 *	}
 */
#ifndef WEFT_COND_H
#define WEFT_COND_H

#include <weft/base.h>
#include <weft/mutex.h>

WEFT_BEGIN

typedef struct weft_cond weft_cond;
struct weft_cond {
	const weft_cond *priv_self;	/* where it was initialised */
	weft_locker priv_locker;
	uint32_t priv_waiters;		/* how many are queued */
	WEFT_PRIV_NOCOPY(weft_cond)
};

/*
 * Make *c a condition variable whose waits let go of *m. Initialising one again
 * is allowed while nobody waits.
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may
 *           use *c yet, or any more.
 */
WEFT_API void weft_cond_init(weft_cond *c, weft_mutex *m);

/*
 * The same with any lock. The functions are called from the waits, in the
 * waiting task or thread; lock may switch tasks. A panic in unlock ends the wait
 * before it has begun. If several may hold the lock at once, as the readers of
 * a weft_rwmutex do, several may begin to wait at once; what they wait for must
 * still be changed by one who shuts them out.
 *
 *	weft_cond_init_locker(&c, weft_rwmutex_rlocker(&rw));
 *	weft_cond_init_locker(&d, (weft_locker){
 *		.obj = dev, .lock = dev_lock, .unlock = dev_unlock });
 */
WEFT_API void weft_cond_init_locker(weft_cond *c, weft_locker l);

/*
 * Let go of the lock, which the caller holds, wait for a signal, and take the
 * lock again. Without weft_cond_init() before it panics: "sync: wait on a
 * weft_cond that was not initialised"; without the lock held the lock itself
 * complains.
 *
 * Context   a task or a plain thread; may switch tasks.
 * Order     the signal or broadcast that woke the caller happens before the
 *           return, and so does every unlock before it.
 * Lifetime  *c may be freed once every wait on it has returned: see C3 in
 *           cond.c.
 */
WEFT_API void weft_cond_wait(weft_cond *c);

/*
 * As weft_cond_wait(), but wait for a signal no longer than until ctx is done;
 * for the lock it waits as long as it takes. ctx may be NULL. On every return
 * the caller holds the lock.
 *
 * Returns   0            the caller was signalled
 *           -ECANCELED   ctx was cancelled before the signal
 *           -ETIMEDOUT   ctx's deadline passed before the signal
 *           What came first counts, and a ctx that is done before the call is
 *           first. With a nonzero return no signal was used up: it went, or
 *           will go, to the next who waits.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0: as weft_cond_wait(). Nonzero: every unlock before the return.
 */
WEFT_API int weft_cond_wait_ctx(weft_cond *c,
				weft_ctx *ctx) WEFT_PRIV_WARN_UNUSED;

/*
 * Wake the one that has waited longest, if anybody waits. The caller may hold
 * the lock, or not.
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before the return of the wait it wakes.
 * Lifetime  see C3 in cond.c
 */
WEFT_API void weft_cond_signal(weft_cond *c);

/*
 * Wake all that wait now. The caller may hold the lock, or not.
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before the return of the waits it wakes.
 * Lifetime  see C3 in cond.c
 */
WEFT_API void weft_cond_broadcast(weft_cond *c);

WEFT_END

#endif
