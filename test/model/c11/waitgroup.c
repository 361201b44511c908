/* SPDX-License-Identifier: MIT */
/*
 * src/sync/waitgroup.c and the inline paths of <weft/waitgroup.h>, on the real
 * lot and waiters: W1, W2, W3, W4, W5. WORKERS are counted and end; WAITERS wait,
 * and see what the workers did; the last of them that returns frees the wait
 * group at once. With CANCELS the first waiter's context is cancelled meanwhile.
 * With AGAIN the first that returns begins a round of its own, and ends it: W5.
 */
#include "explore.h"
#include "machine/machine.h"

#include "sync/waitgroup.c"

typedef struct {
	weft_waitgroup wg;
} group;

static group *g;
static weft_ctx ctx;
static int work[WORKERS];	/* plain */
static uint32_t waiting = WAITERS;

int weft__task_start(weft__task_entry *entry, void *object, void *fn, void *arg,
		     void *site)
{
	(void)entry, (void)object, (void)fn, (void)arg, (void)site;
	return -1;
}

static void *worker(void *n)
{
	*(int *)n = 1;
	weft_waitgroup_done(&g->wg);
	return NULL;
}

/* Who has returned from a wait that saw zero may free it, if all have. */
static void leave_for_good(void)
{
	if (weft_atomic_sub(&waiting, 1, acq_rel) == 1)
		model_free(g, sizeof *g);
}

static void go_round_again(void)
{
	static uint32_t begun;

	if (weft_atomic_xchg(&begun, 1, relaxed) != 0)
		return;
	weft_waitgroup_add(&g->wg, 1);
	weft_waitgroup_done(&g->wg);
}

static void *waiter(void *with)
{
	/* Who has given up waits again, since the workers still use it. */
	if (with == NULL || weft_waitgroup_wait_ctx(&g->wg, with) != 0)
		weft_waitgroup_wait(&g->wg);
	for (int i = 0; i < WORKERS; i++)
		model_check(work[i] == 1);	/* W4 */
	if (AGAIN)
		go_round_again();
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
	pthread_t threads[WORKERS + WAITERS + CANCELS];
	int n = 0;

	g = model_new(sizeof *g);
	weft_waitgroup_add(&g->wg, WORKERS);
	for (int i = 0; i < WAITERS; i++)
		pthread_create(&threads[n++], NULL, waiter,
			       i < CANCELS ? &ctx : NULL);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&threads[n++], NULL, worker, &work[i]);
	for (int i = 0; i < CANCELS; i++)
		pthread_create(&threads[n++], NULL, canceller, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
