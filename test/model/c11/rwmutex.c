/* SPDX-License-Identifier: MIT */
/*
 * src/sync/rwmutex.c and the inline paths of <weft/rwmutex.h>, on the real lot
 * and waiters: R1 … R5. Each of WRITE writes once, each of READ reads
 * once; the last writer inside, if it knows the others to have been, frees the
 * lock at once, else the last that has returned. With CANCELS the first task's
 * context is cancelled, a writer's if there is one; it then goes without. With
 * TRIES the last task only tries.
 */
#include "explore.h"
#include "machine/machine.h"

#include "sync/rwmutex.c"

enum { TASKS = WRITE + READ };

static weft_rwmutex *m;
static weft_ctx ctx;
static int value;		/* plain */
static uint32_t to_come = TASKS, users = TASKS;

static bool tries(void)
{
	return TRIES && model_self() == TASKS;
}

static bool write_lock(weft_ctx *with)
{
	if (tries())
		return weft_rwmutex_try_lock(m);
	if (with != NULL)
		return weft_rwmutex_lock_ctx(m, with) == 0;
	weft_rwmutex_lock(m);
	return true;
}

static bool read_lock(weft_ctx *with)
{
	if (tries())
		return weft_rwmutex_try_rlock(m);
	if (with != NULL)
		return weft_rwmutex_rlock_ctx(m, with) == 0;
	weft_rwmutex_rlock(m);
	return true;
}

static bool is_last_inside(void)
{
	return weft_atomic_sub(&to_come, 1, acq_rel) == 1;
}

static void leave_for_good(void)
{
	if (weft_atomic_sub(&users, 1, acq_rel) == 1)
		model_free(m, sizeof *m);
}

static void *write(void *with)
{
	bool got = write_lock(with), last;

	if (got)
		model_check(++value > 0);
	last = is_last_inside();
	if (got && last && !CANCELS && !TRIES) {
		model_free(m, sizeof *m);	/* R4 */
		return NULL;
	}
	if (got)
		weft_rwmutex_unlock(m);
	leave_for_good();
	return NULL;
}

static void *read(void *with)
{
	bool got = read_lock(with);

	if (got)
		model_check(value >= 0);
	is_last_inside();
	if (got)
		weft_rwmutex_runlock(m);
	leave_for_good();
	return NULL;
}

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
		pthread_create(&threads[i], NULL, i < WRITE ? write : read,
			       i < CANCELS ? &ctx : NULL);
	for (int i = 0; i < CANCELS; i++)
		pthread_create(&threads[TASKS + i], NULL, canceller, NULL);
	for (int i = 0; i < TASKS + CANCELS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
