/* SPDX-License-Identifier: MIT */
/*
 * The semaphore: one word, and the queue of its address in the parking lot.
 *
 *	bits     means
 *	63 … 1   units that nobody has: signed, negative only by an adjustment
 *	0        QUEUED: the lot's queue of this address is not empty; exact
 *	         while the bucket is unlocked, and changed under its lock (Q2)
 *
 * S1  While QUEUED is set the word changes under the bucket's lock alone:
 *     acquires queue, try_acquires fail, releases take that lock. While it is
 *     clear everything is one CAS on the word. Hence strictly FIFO: no unit is
 *     taken past somebody who is queued.
 * S2  Whenever the bucket is unlocked, the first in the queue asks for more
 *     than there is: every step that adds units, or takes somebody out of the
 *     queue, ends in grant().
 *     Tempting and wrong: a waiter that leaves and only unlinks itself. With 2
 *     units free and 5 and 1 queued, 5 leaves; 1 sleeps beside 2 units until
 *     the next release, which may never come.
 * S3  A release touches *s for the last time in the CAS that makes its units
 *     visible, or, under the bucket's lock, before the claim of the last
 *     waiter that is queued. Up to that claim a waiter that has not returned
 *     keeps *s alive (Q3); one whose claim failed still needs our lock before
 *     it returns, so what it was meant to get can be put back after the claim.
 *     Tempting and wrong: to claim first and to subtract from the word after.
 *     The waiter returns at the claim, is the last, and frees *s.
 * S4  With the bucket locked, QUEUED without a queue, or a queue without
 *     QUEUED, is proof that this is a copy, or has been written over (Q2). A
 *     copy that was made while nobody was queued is a semaphore like any other.
 *     In the child of a fork QUEUED may be of those who are in the parent (K2):
 *     who has the lock takes it off, and a try_acquire takes the lock for that.
 * S5  Whenever the bucket is unlocked, no more than most() are queued with a
 *     bound, unless a refusal is to come that was called for by the change of
 *     most(). Both who queues and who refuses ask it with the bucket locked. If
 *     the refusal has it later, it finds the other one queued; if sooner, the
 *     change happens before the other one asks.
 *     Tempting and wrong: to ask before the bucket is locked. Between that and
 *     the queueing most() sinks, and the refusal finds nobody.
 */
#include "sync/sema.h"

#include "base/trap.h"
#include "ctx/ctx.h"
#include "sched/lot.h"

#include <weft/panic.h>

#include <stdio.h>

_Static_assert(sizeof(weft_sema) == 8, "documented");

#define QUEUED ((int64_t)1)
#define UNIT ((int64_t)2)
#define MOST (INT64_MAX / UNIT)

static int64_t units(int64_t word)
{
	return word >> 1; /* arithmetic, in gcc and clang */
}

static void check_not_negative(long n)
{
	if (unlikely(n < 0))
		weft_panic("sync: negative semaphore count");
}

static _Noreturn WEFT_PRIV_COLD void panic_overflow(void)
{
	weft_panic("sync: semaphore overflow");
}

/* *sum becomes word with delta more units. False: there is no such word. */
static bool add(int64_t word, int64_t delta, int64_t *sum)
{
	if (unlikely(__builtin_add_overflow(units(word), delta, sum) ||
		     *sum > MOST || *sum < -MOST))
		return false;
	*sum = *sum * UNIT + (word & QUEUED);
	return true;
}

/* The word, with b locked. S4: a mark that a fork has left behind is taken off. */
static inline int64_t look(weft__bucket *b, weft_sema *s)
{
	int64_t word = weft_atomic_load(&s->priv_word, relaxed);

	if (unlikely(weft__lot_stale(b, s, word & QUEUED,
				     "sync: inconsistent semaphore state")))
		word = weft_atomic_and(&s->priv_word, ~QUEUED, relaxed) & ~QUEUED;
	return word;
}

void weft_sema_init(weft_sema *s, long n)
{
	int64_t word;

	check_not_negative(n);
	if (!add(0, n, &word))
		panic_overflow();
	weft_atomic_store(&s->priv_word, word, relaxed);
}

/* Give units to the first in the queue while they suffice; b is locked. */
static void grant(weft__bucket *b, weft_sema *s, weft__wakeups *wakeups)
{
	weft__waiter *w;

	while ((w = weft__lot_first(b, s)) != NULL) {
		/*
		 * The releases that made these units happen before, by the
		 * lock and by who was queued first: acquire is a margin.
		 */
		int64_t word = weft_atomic_load(&s->priv_word, acquire);
		int64_t need = (intptr_t)w->data;

		if (units(word) < need)
			return;
		weft__lot_remove(b, w);
		word -= need * UNIT;
		if (weft__lot_first(b, s) == NULL)
			word -= QUEUED;
		/* Release: the next acquire may be a CAS on this word. */
		weft_atomic_store(&s->priv_word, word, release);
		if (!weft__claim(w, WEFT__NOTIFIED, wakeups))
			weft_atomic_add(&s->priv_word, need * UNIT, release);
	}
}

/* S2: somebody has been taken out of the queue without a unit. */
static void move_up(weft__bucket *b, weft_sema *s, weft__wakeups *wakeups)
{
	if (weft__lot_first(b, s) == NULL)
		weft_atomic_and(&s->priv_word, ~QUEUED, relaxed);
	else
		grant(b, s, wakeups);
}

/* False: somebody is queued. word is what was seen last. */
static inline bool adjust_at_once(weft_sema *s, long delta, int64_t word)
{
	int64_t sum;

	while (!(word & QUEUED)) {
		if (!add(word, delta, &sum))
			panic_overflow();
		if (weft_atomic_cas(&s->priv_word, &word, sum, release, relaxed))
			return true;	/* S3 */
	}
	return false;
}

/* False: nobody is any more, but *word was seen. */
static bool adjust_queued(weft_sema *s, long delta, int64_t *word)
{
	weft__bucket *b = weft__lot_lock(s);
	weft__wakeups wakeups = {0};
	int64_t sum;
	bool fits;

	*word = look(b, s);
	fits = add(*word, delta, &sum);
	if (likely(fits && (*word & QUEUED))) {
		weft_atomic_store(&s->priv_word, sum, release);	/* S1 */
		grant(b, s, &wakeups);
	}
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	if (unlikely(!fits))
		panic_overflow();
	return *word & QUEUED;
}

static void adjust(weft_sema *s, long delta, int64_t word)
{
	while (!adjust_at_once(s, delta, word) &&
	       !adjust_queued(s, delta, &word))
		;
}

void weft__sema_adjust(weft_sema *s, long delta)
{
	adjust(s, delta, weft_atomic_load(&s->priv_word, relaxed));
}

void weft_sema_release_slow(weft_sema *s, long n, int64_t word)
{
	check_not_negative(n);
	if (n > 0)
		adjust(s, n, word);
}

static WEFT_PRIV_COLD int64_t look_once(weft_sema *s)
{
	weft__bucket *b = weft__lot_lock(s);
	int64_t word = look(b, s);

	weft__lot_unlock(b);
	return word;
}

bool weft_sema_try_acquire_slow(weft_sema *s, long n, int64_t word)
{
	check_not_negative(n);
	if (n == 0)
		return true;
	if (unlikely((word & QUEUED) && weft__lot_bereft))
		word = look_once(s);
	while (!(word & QUEUED) && units(word) >= n)
		if (weft_atomic_cas(&s->priv_word, &word, word - n * UNIT,
				    acquire, relaxed))
			return true;
	return false;
}

/*
 * Queue w for n units, or take them if they are there; b is locked. True for the
 * latter.
 */
static inline bool take_or_push(weft__bucket *b, weft_sema *s, weft__waiter *w,
				long n)
{
	int64_t word = look(b, s);
	int64_t want;

	do
		want = !(word & QUEUED) && units(word) >= n ? word - n * UNIT
							    : word | QUEUED;
	while (!weft_atomic_cas(&s->priv_word, &word, want, acquire, relaxed));
	if (want & QUEUED)
		weft__lot_push(b, s, w);
	return !(want & QUEUED);
}

static bool take_or_queue(weft_sema *s, weft__waiter *w, long n)
{
	weft__bucket *b = weft__lot_lock(s);
	bool took = take_or_push(b, s, w, n);

	weft__lot_unlock(b);
	return took;
}

/* S2. If a release has unlinked w, it has granted to those behind w. */
static int leave(weft_sema *s, weft__waiter *w, int error)
{
	weft__bucket *b = weft__lot_lock(s);
	weft__wakeups wakeups = {0};

	if (weft__lot_queued(w)) {
		weft__lot_remove(b, w);
		move_up(b, s, &wakeups);
	}
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	return error;
}

void weft__sema_tell(const weft__waiter *w, weft__told *told)
{
	const weft_sema *s = w->address;

	snprintf(told->text, sizeof told->text, "%ld wanted, %lld free",
		 (long)(intptr_t)w->data,
		 (long long)units(weft_atomic_load(&s->priv_word, relaxed)));
}

static const weft__why why_acquire = {.text = "semaphore acquire",
				      .tell = weft__sema_tell};

/* Not cold, though its callers are: where units are handed over it is the way. */
static __attribute__((noinline, hot)) int
acquire_slow(weft_sema *s, weft_ctx *ctx, long n, const weft__why *why)
{
	weft__waiter w;
	int error;

	weft__waiter_init(&w, why);
	w.data = (void *)(intptr_t)n;
	if (take_or_queue(s, &w, n))
		return 0;
	error = weft__ctx_park(&w, ctx);
	return error == 0 ? w.result : leave(s, &w, error);
}

int weft_sema_acquire_ctx_slow(weft_sema *s, weft_ctx *ctx, long n,
			       int64_t word)
{
	return weft_sema_try_acquire_slow(s, n, word) ?
		       0 :
		       acquire_slow(s, ctx, n, &why_acquire);
}

void weft_sema_acquire_slow(weft_sema *s, long n, int64_t word)
{
	(void)!weft_sema_acquire_ctx_slow(s, NULL, n, word);
}

/* ---- for the layers above ---- */

int weft__sema_acquire_for(weft_sema *s, weft_ctx *ctx, const weft__why *why)
{
	return weft_sema_try_acquire(s, 1) ? 0 : acquire_slow(s, ctx, 1, why);
}

/* Does w wait with that why, and is not on its way out? */
static bool waits_for(const weft__waiter *w, const weft__why *why)
{
	return w->why == why && weft_atomic_load(&w->state, relaxed) <=
					WEFT__PARKED_THREAD;
}

/* Is one more with that bound too many? With b locked: S5. */
static bool is_full(weft__bucket *b, const weft_sema *s,
		    const weft__sema_bound *bound)
{
	int64_t room = bound->most(s);
	const weft__waiter *w = weft__lot_first(b, s);

	if (room == INT64_MAX)
		return false;
	for (; w != NULL && room > 0; w = w->next)
		room -= waits_for(w, &bound->why);
	return room <= 0;
}

/* False: there is no unit, and one more must not wait for it. */
static bool take_or_queue_bound(weft_sema *s, weft__waiter *w,
				const weft__sema_bound *bound, bool *took)
{
	weft__bucket *b = weft__lot_lock(s);
	int64_t word = look(b, s);
	bool may = (!(word & QUEUED) && units(word) > 0) ||
		   !is_full(b, s, bound);

	*took = may && take_or_push(b, s, w, 1);
	weft__lot_unlock(b);
	return may;
}

int weft__sema_acquire_bound(weft_sema *s, weft_ctx *ctx,
			     const weft__sema_bound *bound)
{
	weft__waiter w;
	bool took;
	int error;

	if (weft_sema_try_acquire(s, 1))
		return 0;
	weft__waiter_init(&w, &bound->why);
	w.data = (void *)(intptr_t)1;
	if (!take_or_queue_bound(s, &w, bound, &took))
		return bound->refused;
	if (took)
		return 0;
	error = weft__ctx_park(&w, ctx);
	return error == 0 ? w.result : leave(s, &w, error);
}

/* From the last of the queue on: so many stay, and those before them do not. */
void weft__sema_refuse(weft_sema *s, const weft__sema_bound *bound)
{
	weft__bucket *b = weft__lot_lock(s);
	weft__waiter *first = weft__lot_first(b, s), *w, *before;
	int64_t room = first != NULL ? bound->most(s) : 0;	/* S5 */
	weft__wakeups wakeups = {0};

	for (w = first != NULL ? first->last : NULL; w != NULL; w = before) {
		before = w->prev;
		if (!waits_for(w, &bound->why) || room-- > 0)
			continue;
		weft__lot_remove(b, w);
		w->result = bound->refused;
		weft__claim(w, WEFT__NOTIFIED, &wakeups);
	}
	if (first != NULL)
		move_up(b, s, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}
