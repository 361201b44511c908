/* SPDX-License-Identifier: MIT */
/*
 * src/sync/sema.c, on the real lot and waiters: S1 … S5. There are UNITS, and a
 * task for each of WANTS, which acquires that many and gives them back. Who has
 * all of them writes, others read, so that each acquire is checked to see what
 * the releases before it did. Whoever has all units and knows the others to have
 * had theirs frees the semaphore at once, else the last one that has returned.
 * With CANCELS the first task's context is cancelled; it then goes without. With
 * TRIES the last task only tries. With SHRINKS another thread takes a unit by an
 * adjustment, and puts it back. With REFUSES the tasks wait for one unit each, as
 * many as like, until another one lets only fewer than REFUSES wait: the rest goes
 * without. If some may, it then looks how many do, and puts in a unit for them.
 */
#include "explore.h"
#include "machine/machine.h"

#include "sync/sema.c"

static const long wants[] = {WANTS};

enum { TASKS = sizeof wants / sizeof wants[0] };

static weft_sema *s;
static weft_ctx ctx;
static int value;		/* plain */
static int64_t most = INT64_MAX;	/* who may wait with the bound */
static uint32_t to_come = TASKS + SHRINKS;
static uint32_t users = TASKS + SHRINKS + (REFUSES > 0);
static uint32_t refused;

static int64_t may_wait(const weft_sema *unused)
{
	(void)unused;
	return weft_atomic_load(&most, relaxed);
}

static const weft__sema_bound bound = {{.text = "bound"}, may_wait, -EDEADLK};

static bool acquire_unless_refused(weft_ctx *with)
{
	int err = weft__sema_acquire_bound(s, with, &bound);

	if (err == -EDEADLK)
		model_check(weft_atomic_add(&refused, 1, relaxed) <=
			    TASKS - REFUSES);
	return err == 0;
}

static bool acquire_units(long n, weft_ctx *with)
{
	if (TRIES && model_self() == TASKS)
		return weft_sema_try_acquire(s, n);
	if (REFUSES)
		return acquire_unless_refused(with);
	if (with != NULL)
		return weft_sema_acquire_ctx(s, with, n) == 0;
	weft_sema_acquire(s, n);
	return true;
}

static void use(long n)
{
	if (n == UNITS)
		model_check(++value > 0);
	else
		model_check(value >= 0);
}

static void leave_for_good(void)
{
	if (weft_atomic_sub(&users, 1, acq_rel) == 1)
		model_free(s, sizeof *s);
}

static void *task(void *with)
{
	long n = wants[model_self() - 1];
	bool got = acquire_units(n, with), last;

	if (got)
		use(n);
	last = weft_atomic_sub(&to_come, 1, acq_rel) == 1;
	if (last && got && n == UNITS && !CANCELS && !TRIES && !SHRINKS &&
	    !REFUSES) {
		model_free(s, sizeof *s);	/* S3 */
		return NULL;
	}
	if (got)
		weft_sema_release(s, n);
	leave_for_good();
	return NULL;
}

static void *shrinker(void *unused)
{
	weft__sema_adjust(s, -1);
	weft_atomic_sub(&to_come, 1, acq_rel);
	weft__sema_adjust(s, 1);
	leave_for_good();
	return unused;
}

static int waiting(void)
{
	weft__bucket *b = weft__lot_lock(s);
	int n = 0;

	for (weft__waiter *w = weft__lot_first(b, s); w != NULL; w = w->next)
		n++;
	weft__lot_unlock(b);
	return n;
}

static void *refuser(void *unused)
{
	weft_atomic_store(&most, REFUSES - 1, relaxed);
	weft__sema_refuse(s, &bound);
	if (REFUSES > 1) {
		model_check(waiting() < REFUSES);	/* S5 */
		weft_sema_release(s, 1);
	}
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
	pthread_t threads[TASKS + SHRINKS + (REFUSES > 0) + CANCELS];
	int n = 0;

	s = model_new(sizeof *s);
	weft_sema_init(s, UNITS);
	for (int i = 0; i < TASKS; i++)
		pthread_create(&threads[n++], NULL, task,
			       i < CANCELS ? &ctx : NULL);
	for (int i = 0; i < SHRINKS; i++)
		pthread_create(&threads[n++], NULL, shrinker, NULL);
	if (REFUSES)
		pthread_create(&threads[n++], NULL, refuser, NULL);
	for (int i = 0; i < CANCELS; i++)
		pthread_create(&threads[n++], NULL, canceller, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
