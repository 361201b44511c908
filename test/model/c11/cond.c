/* SPDX-License-Identifier: MIT */
/*
 * src/sync/cond.c, on the real lot and waiters: C1 … C3. The user's lock is the
 * real mutex if MUTEX, else one of somebody's own, which takes fewer steps.
 * WAITERS wait until there is a thing, take it, and signal if there is another
 * one; PUTTERS put THINGS each and signal, or with BROADCAST tell all; with
 * UNLOCKED they do so when they have let go of the lock. With CANCELS the first
 * waiter's context is cancelled; it then goes without. The last waiter frees cond
 * and lock at once if nobody but the one putter can have told it, and did; else
 * the last one out does.
 */
#include "explore.h"
#include "machine/machine.h"

#include "sync/cond.c"

enum { TASKS = WAITERS + PUTTERS };

typedef struct {
	weft_mutex mutex;
	weft__lock own;
	weft_cond cond;
} place;

static place *p;
static weft_ctx ctx;
static int things;		/* plain: under the mutex */
static uint32_t waiting = WAITERS, users = TASKS;

weft_time weft_now(void)
{
	return 1;
}

static void leave_for_good(void)
{
	if (weft_atomic_sub(&users, 1, acq_rel) == 1)
		model_free(p, sizeof *p);
}

static void own_lock(void *own)
{
	weft__lock_take(own);
}

static void own_unlock(void *own)
{
	weft__lock_drop(own);
}

static void enter(void)
{
	if (MUTEX)
		weft_mutex_lock(&p->mutex);
	else
		own_lock(&p->own);
}

static void leave_it(void)
{
	if (MUTEX)
		weft_mutex_unlock(&p->mutex);
	else
		own_unlock(&p->own);
}

static void tell(void)
{
	if (BROADCAST)
		weft_cond_broadcast(&p->cond);
	else
		weft_cond_signal(&p->cond);
}

static void *waiter(void *with)
{
	bool told = false, last;
	int error = 0;

	enter();
	while (things == 0 && error == 0) {
		error = weft_cond_wait_ctx(&p->cond, with);
		told = error == 0;
	}
	if (error == 0 && --things > 0 && !BROADCAST)
		weft_cond_signal(&p->cond);
	leave_it();
	last = weft_atomic_sub(&waiting, 1, acq_rel) == 1;
	if (last && told && PUTTERS == 1 && (BROADCAST || WAITERS == 1))
		model_free(p, sizeof *p);	/* C3 */
	else
		leave_for_good();
	return NULL;
}

static void *putter(void *unused)
{
	enter();
	things += THINGS;
	if (!UNLOCKED)
		tell();
	leave_it();
	if (UNLOCKED)
		tell();
	leave_for_good();
	return unused;
}

static void *canceller(void *unused)
{
	model_cancel(&ctx);
	return unused;
}

int main(void)
{
	pthread_t threads[TASKS + CANCELS];

	p = model_new(sizeof *p);
	if (MUTEX)
		weft_cond_init(&p->cond, &p->mutex);
	else
		weft_cond_init_locker(&p->cond, (weft_locker){&p->own, own_lock,
							      own_unlock});
	for (int i = 0; i < TASKS; i++)
		pthread_create(&threads[i], NULL,
			       i < WAITERS ? waiter : putter,
			       i < CANCELS ? &ctx : NULL);
	for (int i = 0; i < CANCELS; i++)
		pthread_create(&threads[TASKS + i], NULL, canceller, NULL);
	for (int i = 0; i < TASKS + CANCELS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
