/* SPDX-License-Identifier: MIT */
/*
 * The mutex: one word, and the queue of its address in the parking lot.
 *
 *	bit     means                         set by               cleared by
 *	LOCKED  somebody holds the lock       who takes it, CAS    who releases it
 *	PARKED  the lot's queue of this       who queues, under    who empties the
 *	        address is not empty; exact   the bucket's lock,   queue, under the
 *	        while the bucket is unlocked  with LOCKED set      bucket's lock
 *	WOKEN   a waiter that was woken has   a release that       that waiter, as
 *	        not yet looked at the word    woke it, under the   it takes the lock
 *	                                      bucket's lock        or queues again
 *	PASSES  with WOKEN: how many may      the same release     that waiter, with
 *	        still take the lock before    of a task, if it     WOKEN; each that
 *	        it, and one more; 0: any      woke a task          passes takes one
 *	        number                                             PASS away
 *
 * 0, LOCKED and nothing else is what the inline paths know; with any other bit
 * they come here. LOCKED may be missing while PARKED is set: then WOKEN is set
 * too, or was until a newcomer or that waiter took the lock.
 *
 * M1  While LOCKED and PARKED are set and WOKEN is not, nobody but the holder
 *     of the bucket's lock changes the word: takers need LOCKED to be clear,
 *     the inline unlock needs PARKED to be clear, and PARKED changes under that
 *     lock alone (Q2). So a release under the bucket's lock may store.
 * M2  If the lock is free and somebody is queued, WOKEN is set: a waiter is on
 *     its way that will look at the word. (A release with PARKED set either
 *     hands the lock over, or wakes one and sets WOKEN, or finds WOKEN set.
 *     WOKEN is cleared only by a CAS that sets LOCKED or finds it set. Who
 *     queues for a lock that is free, M8, finds WOKEN in the same CAS.) Whoever
 *     holds the lock then sees PARKED without WOKEN when it unlocks, and wakes
 *     the next. So no queued waiter is forgotten.
 *     Tempting and wrong: to see LOCKED, and then to set PARKED with an OR. The
 *     holder unlocks in between, inline, for it sees LOCKED alone; the waiter
 *     sleeps for a lock that nobody holds and nobody will unlock. So seeing
 *     LOCKED and setting PARKED are one CAS.
 * M3  A woken waiter does not own the lock, unless its result says HANDED_OVER;
 *     when it loses to a newcomer it queues again as the first, with the time
 *     since which it has waited. A release that finds the first waiter older
 *     than HAND_OVER_AGE leaves LOCKED set and hands the lock over. So once a
 *     waiter is that old and first, it gets the lock at the next release that
 *     does not find WOKEN set, and nobody overtakes it any more.
 * M4  The last access to *m of an unlock is the one after which another may
 *     hold the lock: the CAS or store that clears LOCKED, or, when the lock is
 *     handed over, the store before the claim. After that it uses the bucket
 *     and the waiters it has claimed. So the next owner may free *m.
 *     Tempting and wrong: to claim the waiter and then to set the word to
 *     LOCKED with or without PARKED. The waiter returns from its lock call at
 *     the claim, frees *m, and the store lands in somebody's memory. (An
 *     unlock before that would save us: it still finds PARKED, and waits for
 *     our bucket. Who is the last owner needs none.)
 * M5  A waiter that leaves (cancelled) was never claimed NOTIFIED, so it takes
 *     no wake with it. It unlinks itself under the bucket's lock and clears
 *     PARKED if it was the last; if a release has unlinked it already, that
 *     release went on with the next waiter and has put the word right.
 * M6  With the bucket locked, PARKED without a queue, or a queue without
 *     PARKED, is proof that this is a copy, or has been written over (Q2).
 *     WOKEN proves nothing: its waiter is in no list. So a copy that was made
 *     with WOKEN set is noticed only when somebody else waits for it.
 * M7  In the child of a fork WOKEN may be of a waiter that is not there, and
 *     PARKED too (K2). Who unlocks believes in neither: where it finds PARKED,
 *     it takes the next from the queue. One waiter more on its way than M2 asks
 *     for does no harm, and a mark for nobody is gone with that unlock. Nor
 *     does anybody give way to such a waiter.
 * M8  A task that was woken by a task runs when that one waits, or ends; until
 *     the monitor sees that it does neither, nobody else fetches it. So a task
 *     that locks, unlocks and never waits would pass by it for milliseconds,
 *     and by all that are queued, for while it is on its way nobody else is
 *     woken. Therefore PASSES is counted down by all who pass, and the task
 *     that finds a single PASS queues, whether the lock is free or not.
 *     Threads are not bound by it, for those that came would have to sleep;
 *     nor who only tries, and perhaps does so until it succeeds; nor anybody
 *     if a thread was woken, which comes by itself, or a task that is pinned:
 *     what blocks its thread may wait for those who would give way.
 *     Tempting and wrong: that the one who is woken takes WOKEN away alone. A
 *     PASS that is left makes all tasks queue for a lock that nobody has.
 *
 * The order of accesses: taking is acquire, releasing is release, both on the
 * one word. Everything else about the queue is ordered by the bucket's lock,
 * and a hand-over by the claim. There is no pair of locations, so nothing needs
 * seq_cst.
 *
 * What a call site holds, gcc and clang at -O2, with no call on the way that
 * falls through: lock cmpxchg and jne for each of lock and unlock; on aarch64
 * casa and casl, or ldaxr/stxr loops before armv8.1.
 */
#include "base/trap.h"
#include "ctx/ctx.h"
#include "plat/whim.h"
#include "sched/lot.h"
#include "sched/sched.h"
#include "sync/locker.h"
#include "sync/spin.h"

#include <weft/mutex.h>

_Static_assert(sizeof(weft_mutex) == 4, "documented");

enum {
	LOCKED = 1,
	PARKED = 2,
	WOKEN = 4,
	PASS = 8,
	PASSES = -PASS,
	OUR_WAKE = WOKEN | PASSES,	/* what a waiter that was woken takes back */
};

enum {
	HANDED_OVER = 1,	/* a waiter's result: it owns the lock */
};

/* Go's bound: see M3 for what the age bounds. */
#define HAND_OVER_AGE WEFT_MS(1)

/* So many that the switch after them is little beside what they have done. */
#ifndef PASSES_MOST
#define PASSES_MOST 32
#endif

/* M8. our_wake is OUR_WAKE for who was woken, as below, and 0 for others. */
static bool gives_way(uint32_t word, uint32_t our_wake)
{
	return !our_wake && (word & PASSES) &&
	       !weft__whim((word & PASSES) != PASS) && !weft__lot_bereft &&
	       weft__stack_self() != NULL;
}

/* The word, when the lock is taken. */
static uint32_t taken(uint32_t word, uint32_t our_wake)
{
	if (!our_wake && (word & PASSES) > PASS)
		word -= PASS;
	return (word & ~our_wake) | LOCKED;
}

/* Take the lock if it is free; word is what was seen. */
static bool take(weft_mutex *m, uint32_t word, uint32_t our_wake)
{
	while (!(word & LOCKED))
		if (weft_atomic_cas(&m->priv_word, &word, taken(word, our_wake),
				    acquire, relaxed))
			return true;
	return false;
}

/*
 * Try for a moment: a short critical section on another CPU is over sooner than
 * a sleep begins. Not past those who are queued, unless we come from there.
 */
static bool take_spinning(weft_mutex *m, uint32_t our_wake)
{
	uint32_t pauses = 1;

	do {
		uint32_t word = weft_atomic_load(&m->priv_word, relaxed);

		if (gives_way(word, our_wake))
			return false;
		if (take(m, word, our_wake))
			return true;
		if (!our_wake && (word & PARKED))
			return false;
	} while (weft__spin(&pauses));
	return false;
}

/* M6 */
static void check_not_copied(weft__bucket *b, const weft_mutex *m,
			     uint32_t word)
{
	(void)weft__lot_stale(b, m, word & PARKED,
			      "sync: inconsistent mutex state");
}

/* Queue w, or take the lock if it has become free. Returns true for the latter. */
static bool take_or_queue(weft_mutex *m, weft__waiter *w, uint32_t our_wake)
{
	weft__bucket *b = weft__lot_lock(m);
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);
	bool queue;

	check_not_copied(b, m, word);
	do /* M2: WOKEN goes in the step that sets LOCKED or finds it set */
		queue = (word & LOCKED) || gives_way(word, our_wake);
	while (!weft_atomic_cas(&m->priv_word, &word,
				queue ? (word & ~our_wake) | PARKED
				      : taken(word, our_wake),
				acquire, relaxed));
	if (queue && our_wake)
		weft__lot_push_front(b, m, w);
	else if (queue)
		weft__lot_push(b, m, w);
	weft__lot_unlock(b);
	return !queue;
}

/* M5 */
static int leave(weft_mutex *m, weft__waiter *w, int error)
{
	weft__bucket *b = weft__lot_lock(m);

	if (weft__lot_queued(w)) {
		weft__lot_remove(b, w);
		if (weft__lot_first(b, m) == NULL)
			weft_atomic_and(&m->priv_word, ~(uint32_t)PARKED, relaxed);
	}
	weft__lot_unlock(b);
	return error;
}

static const weft__why why = {.text = "mutex lock"};

/* Apart from those below, so that who finds the lock free saves nothing for it. */
static __attribute__((noinline)) int lock_or_wait(weft_mutex *m, weft_ctx *ctx)
{
	weft_time since = 0;
	uint32_t our_wake = 0;

	while (!take_spinning(m, our_wake)) {
		weft__waiter w;
		int error;

		if (since == 0)
			since = weft_now();
		weft__waiter_init(&w, &why);
		w.since = since;
		if (take_or_queue(m, &w, our_wake))
			return 0;
		error = weft__ctx_park(&w, ctx);
		if (error != 0)
			return leave(m, &w, error);
		if (w.result == HANDED_OVER)
			return 0;
		our_wake = OUR_WAKE;
	}
	return 0;
}

/* It may be free with others queued, or on their way: mostly it is. */
static inline bool take_passing(weft_mutex *m)
{
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);

	return !gives_way(word, 0) && take(m, word, 0);
}

int weft_mutex_lock_ctx_slow(weft_mutex *m, weft_ctx *ctx)
{
	return take_passing(m) ? 0 : lock_or_wait(m, ctx);
}

void weft_mutex_lock_slow(weft_mutex *m)
{
	if (!take_passing(m))
		lock_or_wait(m, NULL);
}

bool weft_mutex_try_lock_slow(weft_mutex *m)
{
	return take(m, weft_atomic_load(&m->priv_word, relaxed), 0);
}

static bool is_starving(const weft__waiter *w)
{
	return weft_now() - w->since > HAND_OVER_AGE;
}

/* M8: PASSES, after a claim. */
static uint32_t passes(const weft__wakeups *woken)
{
	bool bound = woken->first != NULL &&
		     !weft__task_pinned(woken->first) &&
		     weft__stack_self() != NULL;

	return bound ? PASSES_MOST * PASS : 0;
}

/* Release *m, or hand it over, with b locked. The order of steps is M4's. */
static void release(weft__bucket *b, weft_mutex *m, weft__wakeups *wakeups)
{
	weft__waiter *w;

	while ((w = weft__lot_first(b, m)) != NULL) {
		bool hand_over = is_starving(w);
		uint32_t rest;

		weft__lot_remove(b, w);
		rest = weft__lot_first(b, m) != NULL ? PARKED : 0;
		if (hand_over) {
			w->result = HANDED_OVER;
			weft_atomic_store(&m->priv_word, LOCKED | rest, relaxed);
		}
		if (weft__claim(w, WEFT__NOTIFIED, wakeups)) {
			if (!hand_over)
				weft_atomic_store(&m->priv_word,
						  rest | WOKEN | passes(wakeups),
						  release);
			return;
		}
	}
	weft_atomic_store(&m->priv_word, 0, release);
}

static void check_locked(uint32_t word)
{
	if (unlikely(!(word & LOCKED)))
		weft__fatal("sync: unlock of unlocked mutex");
}

/* Apart, as above. */
static __attribute__((noinline)) void unlock_and_wake(weft_mutex *m)
{
	weft__wakeups wakeups = {0};
	weft__bucket *b = weft__lot_lock(m);
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);

	check_locked(word);
	check_not_copied(b, m, word);
	release(b, m, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

void weft_mutex_unlock_slow(weft_mutex *m)
{
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);
	uint32_t awake = weft__lot_bereft ? 0 : WOKEN;	/* M7 */

	/* Nobody to wake, or somebody is awake already. */
	while ((word & LOCKED) && (word & (PARKED | awake)) != PARKED)
		if (weft_atomic_cas(&m->priv_word, &word, word & ~LOCKED, release,
				    relaxed))
			return;
	check_locked(word);
	unlock_and_wake(m);
}

void weft__mutex_call_lock(void *m)
{
	weft_mutex_lock(m);
}

void weft__mutex_call_unlock(void *m)
{
	weft_mutex_unlock(m);
}

weft_locker weft_mutex_locker(weft_mutex *m)
{
	return (weft_locker){m, weft__mutex_call_lock, weft__mutex_call_unlock};
}
