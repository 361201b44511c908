/* SPDX-License-Identifier: MIT */
/*
 * The wait group: one word, and the queue of its address in the parking lot.
 *
 *	bits      means                        changed by
 *	63 … 32   the count, signed; high, so  anybody, by one add
 *	          that its carry hurts nobody
 *	31 … 0    how many are queued; exact   a waiter that queues or leaves,
 *	          while the bucket is          and the release that claims all,
 *	          unlocked                     under the bucket's lock (Q2)
 *
 * W1  "Is the count zero" and "does anybody wait" are one word, so the add that
 *     makes the count zero knows both at the same moment: of two adds exactly
 *     one sees zero. A waiter queues by a CAS that finds the count nonzero, so
 *     the add that makes it zero comes later and sees it. Nobody is forgotten.
 * W2  After its add, a release touches *wg only with the bucket locked and a
 *     waiter of a wait group queued there that is not claimed yet (Q3). Without
 *     one it may be gone: the waiter may have been cancelled, have seen the
 *     zero as it left, and have freed it.
 *     Tempting and wrong: to look at the word again without the lock, to spare
 *     the lock when the waiters have left. And: to take any waiter of this
 *     address for one of ours. The memory may be a mutex by now, whose waiter
 *     would be woken for nothing and out of its books; hence is_ours().
 * W3  A release that finds the count nonzero, under the lock, came late: the
 *     waiters of its zero are gone, these are another round's, and the add that
 *     will end that round sees them (W1). It does nothing.
 * W4  The waiters' half is cleared by a read-modify-write. A plain store would
 *     end the release sequence of the adds before it: a wait that reads the
 *     stored zero would not be ordered after the dones of the others.
 *     Tempting and wrong: weft_atomic_store(word, 0, relaxed), "we hold the
 *     lock". Found by a model checker as a race on what the workers wrote.
 * W5  A wait returns when the word has neither a count nor waiters, or had
 *     neither since its round was over; and a waiter, once claimed, does not look
 *     at *wg again. So the next round may begin as soon as one has returned, and
 *     Go's panic "WaitGroup is reused before previous Wait has returned" has
 *     nothing to guard: there the woken waiter reads the state again and finds
 *     the next round in it.
 *     Tempting and wrong: to return at the sight of a count of zero. The done
 *     that made it has not taken the waiters off yet; the next round's add takes
 *     them for those of its own round, and panics. A wait that comes between
 *     the two does the release itself, and the done, when it has the lock, finds
 *     nothing to do (W2, W3).
 * W6  Who has the bucket's lock and is inside a wait, so that *wg lives, may
 *     compare: waiters in the word without a queue, or the other way round, are
 *     proof that this is a copy, or has been written over (Q2). A release that
 *     finds no queue proves nothing (W2), and neither does a copy that was made
 *     while nobody waited.
 *
 * One word, so that nothing needs seq_cst: adds are acq_rel (release what the
 * caller did; acquire for the one who then wakes the others), reads acquire.
 *
 * What a call site holds, gcc and clang at -O2: lock xadd and two branches for
 * done, up to four for add, mov, test and jne for wait; no call on the way that
 * falls through.
 */
#include "sync/waitgroup.h"

#include "base/trap.h"
#include "ctx/ctx.h"
#include "sched/lot.h"
#include "sched/task.h"

#include <weft/panic.h>

#include <stdio.h>

_Static_assert(sizeof(weft_waitgroup) == 8, "documented");

static int32_t count_of(uint64_t word)
{
	return (int32_t)(word >> 32);
}

static uint32_t waiters_of(uint64_t word)
{
	return (uint32_t)word;
}

void weft__waitgroup_tell(const weft__waiter *w, weft__told *told)
{
	const weft_waitgroup *wg = w->address;

	snprintf(told->text, sizeof told->text, "count %d",
		 count_of(weft_atomic_load(&wg->priv_word, relaxed)));
}

static const weft__why why_wait = {.text = "waitgroup wait", .counts = true,
				   .tell = weft__waitgroup_tell};

/* W2: is the object at this address, of which w is a waiter, a wait group? */
static bool is_ours(const weft__waiter *w)
{
	return w != NULL && w->why->counts;
}

/* With b locked, and a waiter queued that is not claimed. */
static void release_all(weft__bucket *b, weft_waitgroup *wg,
			weft__wakeups *wakeups)
{
	weft__waiter *w = weft__lot_first(b, wg);

	weft_atomic_and(&wg->priv_word, ~(uint64_t)UINT32_MAX, acq_rel);
	if (unlikely(w == NULL || w->next != NULL)) {
		weft__lot_wake_all(b, wg, 0, wakeups);
		return;
	}
	weft__lot_remove(b, w);	/* most wait alone */
	w->result = 0;
	weft__claim(w, WEFT__NOTIFIED, wakeups);
}

/* Somebody saw the count at zero, and that others wait. */
static void release(weft_waitgroup *wg)
{
	weft__bucket *b = weft__lot_lock(wg);
	weft__wakeups wakeups = {0};

	if (is_ours(weft__lot_first(b, wg)) && /* W2, W3 */
	    count_of(weft_atomic_load(&wg->priv_word, acquire)) == 0)
		release_all(b, wg, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

/*
 * The last round's waiters are in the word, and a round begins. In the child of a
 * fork they may be the parent's. No release takes those off, since with nobody in
 * the queue *wg may be gone (W2); for who adds it lives. False: they are here.
 */
static bool forget_left_behind(weft_waitgroup *wg)
{
	weft__bucket *b = weft__lot_lock(wg);
	bool nobody = weft__lot_bereft && weft__lot_first(b, wg) == NULL;

	if (nobody)
		weft_atomic_and(&wg->priv_word, ~(uint64_t)UINT32_MAX, acq_rel);
	weft__lot_unlock(b);
	return nobody;
}

/*
 * The count has become zero with somebody waiting, or somebody errs. What was
 * added in error is taken back, so that a panic leaves a wait group as it was.
 */
void weft_waitgroup_add_slow(weft_waitgroup *wg, int delta, uint64_t old)
{
	uint64_t new = old + ((uint64_t)(int64_t)delta << 32);

	if (count_of(new) < 0) {
		weft_atomic_sub(&wg->priv_word, new - old, acq_rel);
		weft_panic("sync: negative WaitGroup counter");
	}
	if (count_of(old) == 0 && waiters_of(old) != 0 && delta > 0 &&
	    !forget_left_behind(wg)) {
		weft_waitgroup_add(wg, -delta);
		weft_panic("sync: WaitGroup misuse: "
			    "Add called concurrently with Wait");
	}
	if (count_of(new) == 0 && waiters_of(new) != 0)
		release(wg);
}

/* W6 */
static void check_not_copied(weft__bucket *b, const weft_waitgroup *wg,
			     uint64_t word)
{
	(void)weft__lot_stale(b, wg, waiters_of(word) != 0,
			      "sync: inconsistent WaitGroup state");
}

/* Queue w, unless the count is zero: then others that are queued go on: W5. */
static bool queue(weft_waitgroup *wg, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(wg);
	uint64_t word = weft_atomic_load(&wg->priv_word, acquire);
	weft__wakeups wakeups = {0};
	bool queued = false;

	check_not_copied(b, wg, word);
	while (count_of(word) != 0 && !queued) /* W1 */
		queued = weft_atomic_cas(&wg->priv_word, &word, word + 1,
					 acq_rel, acquire);
	if (queued)
		weft__lot_push(b, wg, w);
	else if (waiters_of(word) != 0)
		release_all(b, wg, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	return queued;
}

/*
 * Out of the queue; with all others if the count is zero: W5. Who was unlinked
 * already was so by a release, which saw the zero; the lock orders us after it.
 */
static int leave(weft_waitgroup *wg, weft__waiter *w, int error)
{
	weft__bucket *b = weft__lot_lock(wg);
	weft__wakeups wakeups = {0};
	uint64_t word = 0;

	if (weft__lot_queued(w)) {
		weft__lot_remove(b, w);
		word = weft_atomic_sub(&wg->priv_word, 1, acq_rel);
		if (count_of(word) == 0 && waiters_of(word) > 1)
			release_all(b, wg, &wakeups);
	}
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	return count_of(word) == 0 ? 0 : error;
}

int weft__waitgroup_wait_for_slow(weft_waitgroup *wg, weft_ctx *ctx,
				  const weft__why *why)
{
	weft__waiter w;
	int error;

	weft__waiter_init(&w, why);
	if (!queue(wg, &w))
		return 0;
	error = weft__ctx_park(&w, ctx);
	return error == 0 ? 0 : leave(wg, &w, error);
}

int weft_waitgroup_wait_ctx_slow(weft_waitgroup *wg, weft_ctx *ctx)
{
	return weft__waitgroup_wait_for_slow(wg, ctx, &why_wait);
}

void weft_waitgroup_wait_slow(weft_waitgroup *wg)
{
	weft_waitgroup_wait_ctx_slow(wg, NULL);
}

static void done(weft_waitgroup **wg)
{
	weft_waitgroup_done(*wg);
}

/*
 * An exit counts as done, as in Go. A panic that nobody catches never comes
 * here, so that no wait returns while the process dies (golang/go#74702).
 */
static void run(weft__task *task)
{
	__attribute__((cleanup(done), unused)) weft_waitgroup *wg = task->object;

	((weft_fn)task->fn)(task->arg);
}

int weft_waitgroup_go(weft_waitgroup *wg, weft_fn fn, void *arg)
{
	int error;

	if (unlikely(fn == NULL))
		weft__fatal("go of nil func value");
	weft_waitgroup_add(wg, 1);
	error = weft__task_start(run, wg, (void *)fn, arg,
				 __builtin_return_address(0));
	if (unlikely(error != 0))
		weft_waitgroup_done(wg);
	return error;
}
