/* SPDX-License-Identifier: MIT */
/*
 * src/sync/mutex.c and the inline paths of <weft/mutex.h>, on the real lot and
 * waiters: that it is a lock, and M1 … M6. TASKS lock it, each once; whoever is
 * the last inside frees it, at once or when its unlock has returned. A waiter is
 * old enough to be handed the lock if OLD is 1, or, if it is 2, perhaps. With
 * CANCELS the first task's context is cancelled; it then leaves it at that. With
 * TRIES the last task only tries. M8 needs a small PASSES_MOST.
 */
#include "explore.h"
#include "machine/machine.h"

#include "sync/mutex.c"

static weft_mutex *m;
static weft_ctx ctx;
static int inside, owners = TASKS;	/* plain: under the lock … */
static uint32_t users = TASKS;		/* … and atomic: who may use it yet */
static bool unlocking[MODEL_THREADS_MAX];

/* Who waits asks first, and then the one who unlocks: M3. */
weft_time weft_now(void)
{
	if (!unlocking[model_self()])
		return 1;
	return OLD == 1 || (OLD == 2 && model_choose(2)) ? WEFT_SECOND : 1;
}

static bool lock(weft_ctx *with)
{
	if (TRIES && model_self() == TASKS)
		return weft_mutex_try_lock(m);
	if (with != NULL)
		return weft_mutex_lock_ctx(m, with) == 0;
	weft_mutex_lock(m);
	return true;
}

static void unlock(void)
{
	unlocking[model_self()] = true;
	weft_mutex_unlock(m);
}

#if CANCELS || TRIES

/* Somebody may come out without having been in. */
static void *task(void *with)
{
	if (lock(with)) {
		model_check(++inside == 1);
		inside--;
		unlock();
	}
	if (weft_atomic_sub(&users, 1, acq_rel) == 1)
		model_free(m, sizeof *m);
	return NULL;
}

#else

static void *task(void *with)
{
	bool last;

	lock(with);
	model_check(++inside == 1);
	inside--;
	last = --owners == 0;
	if (last && model_choose(2)) {
		model_free(m, sizeof *m);	/* M4 */
		return NULL;
	}
	unlock();
	if (last)
		model_free(m, sizeof *m);
	return NULL;
}

#endif

static void *canceller(void *unused)
{
	model_cancel(&ctx);
	return unused;
}

int main(void)
{
	pthread_t threads[TASKS + CANCELS];

	m = model_new(sizeof *m);
	for (int i = 0; i < TASKS; i++)
		pthread_create(&threads[i], NULL, task,
			       i < CANCELS ? &ctx : NULL);
	for (int i = 0; i < CANCELS; i++)
		pthread_create(&threads[TASKS + i], NULL, canceller, NULL);
	for (int i = 0; i < TASKS + CANCELS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
