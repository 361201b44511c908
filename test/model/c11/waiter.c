/* SPDX-License-Identifier: MIT */
/*
 * src/sched/waiter.c, waiter.h and lot.c: P1 … P4. A waiter is queued and parks
 * with a context; one thread signals, one cancels. Who signalled knows whether
 * it was heard. What the waiter lived in is used for something else at once.
 * Tasks, or with MODEL_THREADS_ONLY plain threads that sleep in the futex. With
 * ALONE it parks without a context, and two signal: P5.
 */
#include "explore.h"
#include "machine/machine.h"

#include "ctx/ctx.h"

static const char object;
static const weft__why why;
static weft_ctx ctx;
static int gift[2];		/* plain, of who signals and who cancels */
static bool queued, heard, got;
static uint32_t there;		/* atomic, as is all below: ALONE */
static uint32_t wins;

static int leave(weft__waiter *w, int error)
{
	weft__bucket *b = weft__lot_lock(&object);

	if (weft__lot_queued(w))
		weft__lot_remove(b, w);
	weft__lot_unlock(b);
	return error;
}

static int wait(void)
{
	weft__bucket *b = weft__lot_lock(&object);
	weft__waiter w;
	int error;

	weft__waiter_init(&w, &why);
	queued = true;
	weft__lot_push(b, &object, &w);
	weft__lot_unlock(b);
	error = weft__ctx_park(&w, &ctx);
	if (error != 0)
		leave(&w, error);
	model_reuse(&w, sizeof w);	/* P2, P4 */
	return error;
}

static void *waiter(void *unused)
{
	got = wait() == 0;
	model_check(gift[!got] == 1);	/* its claim's release */
	return unused;
}

static void *signaller(void *unused)
{
	weft__wakeups wakeups = {0};
	weft__bucket *b;

	gift[0] = 1;
	b = weft__lot_lock(&object);
	heard = weft__lot_wake_one(b, &object, 0, &wakeups);
	model_check(heard || !queued || weft__lot_first(b, &object) == NULL);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	return unused;
}

static void *canceller(void *unused)
{
	gift[1] = 1;
	model_cancel(&ctx);
	return unused;
}

static void *waiter_alone(void *unused)
{
	weft__bucket *b = weft__lot_lock(&object);
	weft__waiter w;

	weft__waiter_init(&w, &why);
	weft__lot_push(b, &object, &w);
	weft__lot_unlock(b);
	weft_atomic_store(&there, 1, relaxed);
	model_check(weft__park_alone(&w) == WEFT__NOTIFIED);
	model_check(gift[w.result] == 1);
	model_reuse(&w, sizeof w);	/* P2, P4 */
	return unused;
}

static void *one_of_two(void *n)
{
	weft__wakeups wakeups = {0};
	int self = (int)(uintptr_t)n;
	weft__bucket *b;

	gift[self] = 1;
	model_await(weft_atomic_load(&there, relaxed) == 1);
	b = weft__lot_lock(&object);
	if (weft__lot_wake_one(b, &object, self, &wakeups))
		weft_atomic_add(&wins, 1, relaxed);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	return NULL;
}

static int wait_alone(void)
{
	pthread_t threads[3];

	pthread_create(&threads[0], NULL, waiter_alone, NULL);
	for (int i = 1; i < 3; i++)
		pthread_create(&threads[i], NULL, one_of_two,
			       (void *)(uintptr_t)(i - 1));
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	model_check(wins == 1);	/* P1 */
	return 0;
}

int main(void)
{
	void *(*const fns[])(void *) = {waiter, signaller, canceller};
	pthread_t threads[3];

	if (ALONE)
		return wait_alone();

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, fns[i], NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	model_check(got == heard);	/* P1 */
	return 0;
}
