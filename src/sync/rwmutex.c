/* SPDX-License-Identifier: MIT */
/*
 * The readers-writer lock: one word, and two queues in the parking lot, that
 * of its address for the writers and that of its address plus one for the
 * readers. Both are in the same bucket (lot.h).
 *
 *	bits     means                          changed by
 *	31       WRITER: a writer holds it      who takes it, CAS from 0; who
 *	                                        releases it
 *	30       WRITERS: the writers' queue    who queues, leaves, or is let in:
 *	         is not empty; exact while the  under the bucket's lock
 *	         bucket is unlocked (Q2)
 *	29       READERS: likewise the readers' likewise
 *	28 … 0   how many readers hold it       each reader, by a CAS; who lets
 *	                                        readers in, under the lock
 *
 *	word                     who gets in at once    what an unlock does
 *	0                        a writer, a reader     fatal
 *	WRITER                   nobody                 CAS to 0
 *	WRITER, any queue        nobody                 pass on: the readers, or
 *	                                                else the first writer
 *	n                        a reader               CAS to n - 1
 *	n, WRITERS               nobody                 CAS to n - 1 if n > 1, or
 *	                                                else pass on: first writer
 *	READERS without WRITER or WRITERS               never; nor any queue with
 *	                                                nobody holding the lock
 *
 * R1  A reader gets in by itself only where it sees neither WRITER nor WRITERS,
 *     and a writer only where it sees 0: one CAS decides and takes. Seeing that
 *     it has to wait and leaving the mark is one CAS as well, under the
 *     bucket's lock; so the unlock that comes after it finds the mark.
 * R2  While the bucket is unlocked nobody is queued for a free lock, and no
 *     reader for one that only readers hold with no writer waiting: whoever
 *     releases with a mark set passes the lock on under the bucket's lock, and
 *     the last writer to give up lets the readers in that it held back.
 *     Tempting and wrong: a writer that gives up and only takes its mark away.
 *     A reads, B waits to write, C waits to read; B gives up. C sleeps beside
 *     a lock that is open to everybody, and if A goes on reading, for ever.
 * R3  With WRITER set, or with WRITERS and a count of one, only the holder of
 *     the bucket's lock changes the word, if that holder is also the one that
 *     holds the lock: takers are kept out by the marks, other holders there are
 *     none, and marks change under that lock. So passing on may store.
 * R4  The last access to *m of an unlock is the one after which another may
 *     hold the lock; where the lock is passed on, the store before the claims.
 *     After it only the bucket and the waiters are touched. While a waiter is
 *     queued, or one whose claim failed has not had our lock, *m lives (Q3).
 *     Tempting and wrong: to let the readers in one by one, an add to the word
 *     and a claim for each. The first reads and unlocks before our second add;
 *     the count is zero, a new writer takes the lock inline, and then we add a
 *     reader beside it. So all are counted first, in one step, and those that
 *     had left are taken off again.
 * R5  A reader that had left when it was let in is taken off the count like any
 *     reader that unlocks. If it was the last, with a writer waiting, the lock
 *     is ours to pass on: nobody else can have seen the count at one and have
 *     the bucket's lock.
 * R6  Nobody starves, since nobody gets in past one who waits: the lock goes
 *     from a writer to all readers that are queued when it unlocks, from the
 *     last reader to the first writer. A reader waits for one writer at most,
 *     the holder or else the first in the queue; a writer for those who were
 *     queued before it and for one round of readers with each.
 * R7  With the bucket locked, a mark without a queue, or a queue without its
 *     mark, is proof that this is a copy, or has been written over (Q2). In the
 *     child of a fork a mark may be of those who are in the parent (K2): who has
 *     the lock takes it off, and a try_rlock takes the lock for that.
 *
 * Taking is acquire, releasing is release, on the one word. A reader's release
 * is a read-modify-write, so that the last one out acquires what all the others
 * released, and passes that to the writer by its claim. Nothing needs seq_cst.
 *
 * What a call site holds, gcc and clang at -O2, with no call on the way that
 * falls through: lock cmpxchg and jne, for readers as for writers. A reader that
 * is not alone learns the word from the one that fails, and needs a second one.
 * (To load the word first takes longer than to fail: the load has to wait for
 * whatever step was the last on the word, where a failure is that step.)
 */
#include "base/trap.h"
#include "ctx/ctx.h"
#include "sched/lot.h"
#include "sync/spin.h"

#include <weft/rwmutex.h>

#include <stdio.h>

_Static_assert(sizeof(weft_rwmutex) == 4, "documented");

#define WRITER WEFT_PRIV_RWMUTEX_WRITER
#define WRITERS ((uint32_t)1 << 30)
#define READERS ((uint32_t)1 << 29)
#define COUNT WEFT_PRIV_RWMUTEX_MOST

_Static_assert(COUNT == READERS - 1, "the bits of the count");

/* Which of the two waits: its queue, its mark, and what keeps it out (R1). */
typedef struct {
	uint32_t mark;
	uint32_t kept_out_by;
	uint32_t step;	/* what is added to the word by taking the lock */
	const weft__why *why;
} side;

static void tell(const weft__waiter *w, weft__told *told);

static const weft__why why_lock = {.text = "rwmutex lock", .tell = tell};
static const weft__why why_rlock = {.text = "rwmutex rlock", .tell = tell};
static const side writer = {WRITERS, ~(uint32_t)0, WRITER, &why_lock};
static const side reader = {READERS, WRITER | WRITERS, 1, &why_rlock};

static const void *queue_of(const weft_rwmutex *m, uint32_t mark)
{
	return (const char *)m + (mark == READERS);
}

static void tell(const weft__waiter *w, weft__told *told)
{
	const weft_rwmutex *m = w->address;
	uint32_t word;

	if (w->why == &why_rlock)
		m = (const void *)((const char *)w->address - 1);
	word = weft_atomic_load(&m->priv_word, relaxed);
	if (word & WRITER)
		snprintf(told->text, sizeof told->text, "a writer has it");
	else
		snprintf(told->text, sizeof told->text, "%u readers have it",
			 word & COUNT);
}

static weft__waiter *first_of(weft__bucket *b, const weft_rwmutex *m,
			      uint32_t mark)
{
	return weft__lot_first(b, queue_of(m, mark));
}

static bool is_stale(weft__bucket *b, const weft_rwmutex *m, uint32_t mark,
		     uint32_t word)
{
	return weft__lot_stale(b, queue_of(m, mark), word & mark,
			       "sync: inconsistent RWMutex state");
}

static void check_room_for_readers(uint32_t word)
{
	if (unlikely((word & COUNT) == COUNT))
		weft__fatal("sync: too many readers of an RWMutex");
}

/* R7, with b locked. The marks of word that are of nobody who is here. */
static uint32_t stale_marks(weft__bucket *b, const weft_rwmutex *m,
			    uint32_t word)
{
	return (is_stale(b, m, WRITERS, word) ? WRITERS : 0) |
	       (is_stale(b, m, READERS, word) ? READERS : 0);
}

/* The word without them. */
static uint32_t look(weft__bucket *b, weft_rwmutex *m)
{
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);
	uint32_t marks = stale_marks(b, m, word);

	if (unlikely(marks != 0))
		word = weft_atomic_and(&m->priv_word, ~marks, relaxed) & ~marks;
	return word;
}

/* ---- letting others in: with b locked ---- */

static size_t length(const weft__waiter *w)
{
	size_t n = 0;

	for (; w != NULL; w = w->next)
		n++;
	return n;
}

static uint32_t mark_of(weft__bucket *b, const weft_rwmutex *m, uint32_t mark)
{
	return first_of(b, m, mark) != NULL ? mark : 0;
}

/* Hand *m over to the first writer that can be claimed. False: there is none. */
static bool let_writer_in(weft__bucket *b, weft_rwmutex *m,
			  weft__wakeups *wakeups)
{
	weft__waiter *w;

	while ((w = first_of(b, m, WRITERS)) != NULL) {
		weft__lot_remove(b, w);
		weft_atomic_store(&m->priv_word,
				  WRITER | mark_of(b, m, WRITERS) |
					  mark_of(b, m, READERS),
				  release); /* R4 */
		if (weft__claim(w, WEFT__NOTIFIED, wakeups))
			return true;
	}
	return false;
}

/* Claim all queued readers. Returns how many of them had left. */
static uint32_t claim_readers(weft__bucket *b, const weft_rwmutex *m,
			      weft__wakeups *wakeups)
{
	uint32_t left = 0;
	weft__waiter *w;

	while ((w = first_of(b, m, READERS)) != NULL) {
		weft__lot_remove(b, w);
		left += !weft__claim(w, WEFT__NOTIFIED, wakeups);
	}
	return left;
}

/*
 * Let all queued readers in, beside those that are in already; the caller is
 * the writer that lets go (R3), or the last waiting one that leaves.
 */
static void let_readers_in(weft__bucket *b, weft_rwmutex *m,
			   weft__wakeups *wakeups)
{
	uint32_t n = (uint32_t)length(first_of(b, m, READERS)), left, word;
	uint32_t marks = mark_of(b, m, WRITERS);

	word = weft_atomic_load(&m->priv_word, relaxed);
	while (!weft_atomic_cas(&m->priv_word, &word,
				((word & COUNT) + n) | marks, acq_rel, relaxed))
		;
	left = claim_readers(b, m, wakeups);
	if (left == 0)
		return; /* R4 */
	word = weft_atomic_sub(&m->priv_word, left, acq_rel) - left;
	if (word == WRITERS)
		if (!let_writer_in(b, m, wakeups)) /* R5 */
			weft_atomic_store(&m->priv_word, 0, release);
}

/* The caller holds *m alone, for writing or as the last reader: R3. */
static void pass_on(weft__bucket *b, weft_rwmutex *m, uint32_t word,
		    weft__wakeups *wakeups)
{
	(void)stale_marks(b, m, word);	/* every way from here writes them anew */
	if (!(word & WRITER) && let_writer_in(b, m, wakeups))
		return;
	if (first_of(b, m, READERS) != NULL)
		let_readers_in(b, m, wakeups);
	else if (!let_writer_in(b, m, wakeups))
		weft_atomic_store(&m->priv_word, 0, release);
}

void weft_rwmutex_unlock_slow(weft_rwmutex *m)
{
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);
	weft__wakeups wakeups = {0};
	weft__bucket *b;

	if (!(word & WRITER))
		weft__fatal("sync: Unlock of unlocked RWMutex");
	b = weft__lot_lock(m);
	word = weft_atomic_load(&m->priv_word, relaxed);
	if (!(word & WRITER))
		weft__fatal("sync: Unlock of unlocked RWMutex");
	pass_on(b, m, word, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

/* Take one reader off, unless it is the last and a writer waits: false. */
static bool count_off(weft_rwmutex *m, uint32_t *word)
{
	while ((*word & (WRITERS | COUNT)) != (WRITERS | 1)) {
		if ((*word & COUNT) == 0)
			weft__fatal("sync: RUnlock of unlocked RWMutex");
		if (weft_atomic_cas(&m->priv_word, word, *word - 1, release,
				    relaxed))
			return true;
	}
	return false;
}

void weft_rwmutex_runlock_slow(weft_rwmutex *m)
{
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);
	weft__wakeups wakeups = {0};
	weft__bucket *b;

	if (count_off(m, &word))
		return;
	b = weft__lot_lock(m);
	/* Acquire, for the writer's sake: what all readers released. */
	word = weft_atomic_load(&m->priv_word, acquire);
	if (!count_off(m, &word)) /* the writer may have left meanwhile */
		pass_on(b, m, word, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

/* ---- getting in ---- */

static bool take(weft_rwmutex *m, const side *s)
{
	uint32_t word = weft_atomic_load(&m->priv_word, relaxed);

	while (!(word & s->kept_out_by)) {
		check_room_for_readers(word);
		if (weft_atomic_cas(&m->priv_word, &word, word + s->step, acquire,
				    relaxed))
			return true;
	}
	return false;
}

/* Try for a moment, as long as nobody is queued. */
static bool take_spinning(weft_rwmutex *m, const side *s)
{
	uint32_t pauses = 1;

	do {
		if (take(m, s))
			return true;
		if (weft_atomic_load(&m->priv_word, relaxed) & (WRITERS | READERS))
			return false;
	} while (weft__spin(&pauses));
	return false;
}

/* Queue w, or take the lock if that has become possible: true. R1 */
static bool take_or_queue(weft_rwmutex *m, weft__waiter *w, const side *s)
{
	weft__bucket *b = weft__lot_lock(m);
	uint32_t word = look(b, m);
	bool taken;

	do {
		taken = !(word & s->kept_out_by);
		if (taken)
			check_room_for_readers(word);
	} while (!weft_atomic_cas(&m->priv_word, &word,
				  taken ? word + s->step : word | s->mark,
				  acquire, relaxed));
	if (!taken)
		weft__lot_push(b, queue_of(m, s->mark), w);
	weft__lot_unlock(b);
	return taken;
}

/* R2. If an unlock has unlinked w, it has put the word right. */
static int leave(weft_rwmutex *m, weft__waiter *w, const side *s, int error)
{
	weft__bucket *b = weft__lot_lock(m);
	weft__wakeups wakeups = {0};

	if (weft__lot_queued(w)) {
		uint32_t word = weft_atomic_load(&m->priv_word, relaxed);

		weft__lot_remove(b, w);
		if (s == &writer && !(word & WRITER) && (word & READERS) &&
		    first_of(b, m, WRITERS) == NULL)
			let_readers_in(b, m, &wakeups);
		else if (first_of(b, m, s->mark) == NULL)
			weft_atomic_and(&m->priv_word, ~s->mark, relaxed);
	}
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	return error;
}

static int lock(weft_rwmutex *m, weft_ctx *ctx, const side *s)
{
	weft__waiter w;
	int error;

	if (take_spinning(m, s))
		return 0;
	weft__waiter_init(&w, s->why);
	if (take_or_queue(m, &w, s))
		return 0;
	error = weft__ctx_park(&w, ctx);
	return error == 0 ? 0 : leave(m, &w, s, error);
}

int weft_rwmutex_lock_ctx_slow(weft_rwmutex *m, weft_ctx *ctx)
{
	return lock(m, ctx, &writer);
}

int weft_rwmutex_rlock_ctx_slow(weft_rwmutex *m, weft_ctx *ctx)
{
	return lock(m, ctx, &reader);
}

void weft_rwmutex_lock_slow(weft_rwmutex *m)
{
	lock(m, NULL, &writer);
}

void weft_rwmutex_rlock_slow(weft_rwmutex *m)
{
	lock(m, NULL, &reader);
}

static WEFT_PRIV_COLD void look_once(weft_rwmutex *m)
{
	weft__bucket *b = weft__lot_lock(m);

	(void)look(b, m);
	weft__lot_unlock(b);
}

bool weft_rwmutex_try_rlock_slow(weft_rwmutex *m)
{
	if (unlikely(weft__lot_bereft))
		look_once(m);
	return take(m, &reader);
}

/* ---- as a locker ---- */

static void call_lock(void *m)
{
	weft_rwmutex_lock(m);
}

static void call_unlock(void *m)
{
	weft_rwmutex_unlock(m);
}

static void call_rlock(void *m)
{
	weft_rwmutex_rlock(m);
}

static void call_runlock(void *m)
{
	weft_rwmutex_runlock(m);
}

weft_locker weft_rwmutex_locker(weft_rwmutex *m)
{
	return (weft_locker){m, call_lock, call_unlock};
}

weft_locker weft_rwmutex_rlocker(weft_rwmutex *m)
{
	return (weft_locker){m, call_rlock, call_runlock};
}
