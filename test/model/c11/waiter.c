/* SPDX-License-Identifier: MIT */
/*
 * src/sched/waiter.c, waiter.h and lot.c: P1 … P4. A waiter is queued and parks
 * with a context; one thread signals, one cancels. Who signalled knows whether
 * it was heard. What the waiter lived in is used for something else at once.
 * Tasks, or with MODEL_THREADS_ONLY plain threads that sleep in the futex.
 */
#include "explore.h"
#include "machine/machine.h"

#include "ctx/ctx.h"

static const char object;
static const weft__why why;
static weft_ctx ctx;
static int gift[2];		/* plain, of who signals and who cancels */
static bool queued, heard, got;

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

int main(void)
{
	void *(*const fns[])(void *) = {waiter, signaller, canceller};
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, fns[i], NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	model_check(got == heard);	/* P1 */
	return 0;
}
