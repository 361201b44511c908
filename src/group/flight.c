/* SPDX-License-Identifier: MIT */
/*
 * Singleflight: one call for a key, shared by all who ask while it runs.
 *
 * A call lives in memory of its own, counted by references, and has two
 * guards. The lock of its shard guards the table and everything in the call
 * but refs; the bucket of its address in the parking lot guards who sleeps on
 * it. Lock order: a shard before a bucket, and never a context's lock with
 * either held.
 *
 *	bit of state	means				set under, read under
 *	DYING		the last caller has left; the	shard
 *			call's context is or will be
 *			cancelled
 *	FORGOTTEN	not in the table any more,	shard; shard or bucket
 *			though it has not ended
 *	ENDED		result and counts are final;	shard
 *			not in the table any more, but
 *			if it is kept (flight_keep.c)
 *	DONE		callers may go			bucket, alone
 *
 * Bits are only ever set, one after the other: those set under the shard's lock
 * never after ENDED, and DONE after that. So a store sets one. What may be
 * missed: DYING and ENDED by those who sleep, who look at them under the shard's
 * lock once they are awake. What may not be claimed: DONE while the end still
 * has to touch the shard.
 *
 * F1  For a key at most one call is in the table: it is put there in the
 *     critical section that found none, and leaves it in the one that sets
 *     FORGOTTEN or ENDED, whichever is first, and by its own address, so that
 *     the end of a forgotten call does not unlink its successor. (One that is
 *     kept stays: K1 of flight_keep.c.) Joining means finding it there, and not
 *     ENDED; so nobody joins a call that has ended, not even one
 *     who was woken by its end and asks again at once.
 *     Tempting and wrong: to let the callers go first and to unlink after. A
 *     caller returns, asks again, and is given the old result as a new one
 *     (Go until 2022).
 *
 * F2  refs counts the callers that have not let go of the call, those with a
 *     result included, and for a call in a task of its own the task. A caller
 *     counts itself in the critical section that finds the call: so all are
 *     counted before any of them can be woken, and a quick one that releases
 *     its result at once does not destroy what a slow one is still to be given.
 *
 * F3  DYING is set once callers is zero, in the critical section that made it
 *     zero, if the call has not ended. Only callers of a call that is not
 *     DYING join; so callers stays zero, nobody is given the result, and the
 *     end may drop the value. A caller that finds the call DYING waits behind
 *     it for DONE or FORGOTTEN and then looks again. A refresh in the background
 *     begins without callers, and is not DYING when those who joined have left:
 *     its result is the table's.
 *     Wrong, one way: to unlink the call when it is left. The next caller
 *     starts a second one beside it. Wrong, the other way: to leave it in the
 *     table as it is. The next caller joins it and is given its -ECANCELED.
 *
 * F4  Callers return after they have seen DONE, or left before ENDED. The end
 *     sets DONE after it has unlocked the shard for the last time, so that
 *     the flight may be freed when they have returned. Who was cancelled, and
 *     finds the call ENDED when it comes to leave, therefore waits for DONE:
 *     that is a moment. What the end touches after that it reaches through
 *     references, or has claimed.
 *
 * F5  drop(value) runs once: at the end, if nobody will be given the value
 *     (F3), and then value is NULL; else when refs falls to zero. The task of
 *     a call lets go before it wakes anybody, so that the last release of a
 *     result is what drops the value, not the task at some later time.
 *     But for a release, drop is called in the middle of something, whose rest
 *     others wait for: so it is called apart, and cannot but return.
 *
 * F6  A wake finds sleepers by an address, and goes to those of the object that
 *     is meant: they are taken out of the queue while it cannot be gone, since
 *     who comes to sleep there needs the bucket. The end of a call has a
 *     reference, its task's or its first caller's, or those of the callers who
 *     wait for DONE, until it has set that, under the bucket. The call that
 *     forget finds, and the shard that a fini waits for, are there as long as
 *     the shard is locked: the call has not ended, and its end needs the lock;
 *     so does the fini, to see that nothing runs. The sleepers go on when it is
 *     dropped: who is claimed stays until then (P4 of waiter.h). So a wake means
 *     what was waited for, and nobody on a call has to look again.
 *     Tempting and wrong: to wake by the address when the lock is dropped, as
 *     "a sleeper may be woken for no reason". By then the memory may be a
 *     semaphore, or a lock, whose sleeper takes the wake for a unit.
 *
 * F7  Whoever waits for a call waits for the one that runs it to go on. A caller
 *     whose mark is the call's is that one: it would wait for itself, and is
 *     told so. The mark is written before the function is called by the one
 *     whose it is, so it finds its own; whatever else it may find is not its
 *     own, as long as it runs (see weft__flow_mark()).
 *
 * F8  Whoever comes to a call says so in it (slept_on) in the critical section
 *     that finds it. So one that ends in its first caller, with nobody having
 *     said so when the end has the lock, and leaves the table before that is
 *     dropped, is known to nobody else: there is no bit to set, nobody to wake,
 *     and the memory is the caller's. Not so a call that was forgotten, which is
 *     not in the table, one that replaces what was kept, which has to go or to
 *     come back, and any that a fini waits for.
 *
 * F9  A caller that sleeps for DONE alone (P5 of waiter.h) is given value and err
 *     with its claim, if the call has nothing else to give: it has returned, and
 *     no value that is to be dropped. Such a caller, claimed MOVED, does not touch
 *     the call any more, and whoever claims them lets go for all of them, when the
 *     last one is claimed. Until then they keep the call alive, even if they have
 *     gone on and returned.
 *     Tempting and wrong: to let go for them first, of as many as are queued. The
 *     others may be gone already, and then the call is, while we read it.
 */
#include "group/flight_seek.h"

#include "sched/lot.h"
#include "sched/park.h"
#include "sched/sched.h"
#include "sched/span.h"

#include <errno.h>

_Static_assert(sizeof(weft_flight) == 8 * sizeof(void *), "documented");
_Static_assert(sizeof(weft_key) == 2 * sizeof(void *), "fits two registers");
_Static_assert(sizeof(void *) == sizeof(uint64_t), "weft_key_u64() needs it");

typedef weft__flight_shard shard;
typedef weft__flight_place place;
typedef weft__flight_question question;
typedef weft__call call;
typedef weft__call_ending ending;

/* ---- a first caller, who runs the call ---- */

/* A first caller runs its call itself. It passes on what it did not return. */
static void lead_left(ending *e)
{
	if (likely(e->outcome == WEFT_RETURNED))
		return;
	weft__guard_end();
	e->outcome = weft__left(&e->panic);
	weft__call_finish(e);
	weft__call_put(e->call);
}

/* True: the call is its first caller's alone: F8. */
static inline bool finish_alone(const ending *e)
{
	call *c = e->call;
	shard *s = c->shard;

	if (unlikely(weft__spans || weft__flight_keeps(c->flight))) {
		weft__call_finish(e);
		return false;
	}
	weft__lock_take(&s->lock);
	if (unlikely(c->slept_on || c->old != NULL || s->fini_waits ||
		     weft__call_has(c, WEFT__CALL_FORGOTTEN))) {
		weft__call_finish_locked(e, 0);
		return false;
	}
	weft__flight_unlink(s, &c->entry);
	s->running--;
	weft__lock_drop(&s->lock);
	return true;
}

/* What is left of the call is that it drops the value. */
static inline weft_result result_alone(const weft__stack *self, const ending *e)
{
	weft_result r = {.value = e->value, .err = e->err};
	call *c = e->call;

	if (c->drop != NULL && e->value != NULL) {
		c->value = e->value;
		r.priv_call = c;
	} else {
		weft__call_free_block(self, c);
	}
	return r;
}

static inline __attribute__((always_inline)) weft_result
lead_on(weft__stack *self, call *c, weft_flight_fn fn, void *arg)
{
	__attribute__((cleanup(lead_left))) ending e = {
		.call = c,
		.outcome = WEFT_EXITED,
	};

	weft__guard_begin_on(self);
	weft__check_fn(fn != NULL);
	e.err = fn(NULL, arg, &e.value);
	weft__guard_end_on(self);
	e.outcome = WEFT_RETURNED;
	return likely(finish_alone(&e)) ? result_alone(self, &e)
					: weft__call_result(e.call);
}

/* Twice in full: so a task does not ask whether it is one. */
static __attribute__((noinline, nonnull(1))) weft_result
lead(weft__stack *self, call *c, weft_flight_fn fn, void *arg)
{
	return lead_on(self, c, fn, arg);
}

static __attribute__((noinline)) weft_result
lead_on_thread(call *c, weft_flight_fn fn, void *arg)
{
	return lead_on(NULL, c, fn, arg);
}

/* ---- one who joins it ---- */

/* False: c is done. */
static inline __attribute__((always_inline)) bool queue_alone(call *c,
							      weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(c);
	bool done = weft__call_has(c, WEFT__CALL_DONE);

	if (likely(!done)) {
		weft__waiter_init(w, &weft__why_alone);
		weft__lot_push(b, c, w);
	}
	weft__lot_unlock(b);
	return !done;
}

/* The same for who has joined c by weft_flight_do(). */
static inline __attribute__((always_inline)) weft_result
follow_alone(weft__stack *self, call *c)
{
	weft__waiter w;

	if (!queue_alone(c, &w) ||
	    weft__park_alone_on(self, &w) != WEFT__MOVED)
		return weft__call_result(c);
	return (weft_result){	/* F9 */
		.value = w.data,
		.err = w.result,
		.outcome = WEFT_RETURNED,
		.shared = true,
	};
}

/* ---- which of them a caller is ---- */

/* What weft_flight_do() has come to; found < 0: why it has not. */
typedef struct {
	call *call;
	int found;
} entered;

/* Wherever there is more to it than enter_at_once() does. */
static __attribute__((noinline)) entered enter_at_length(weft_flight *f, weft_key key)
{
	enum weft__found found;
	question q;
	call *c;
	int err;

	if (!weft__flight_ask(&q, f, key))
		return (entered){NULL, -ENOMEM};
	err = weft__flight_seek(&q, NULL, NULL, &c, &found);
	return err == 0 ? (entered){c, found} : (entered){NULL, err};
}

/* c was found, with its shard locked; fresh is not needed. NULL: c is not to be joined. */
static inline call *join_found(const weft__stack *self, call *c, call *fresh)
{
	bool other = weft__call_has(c, WEFT__CALL_DYING | WEFT__CALL_ENDED) ||
		     weft__call_is_own(self, c);

	if (likely(!other))
		weft__call_join(c, NULL);
	weft__lock_drop(&c->shard->lock);
	if (unlikely(fresh != NULL))
		weft__call_free_block(self, fresh);
	return likely(!other) ? c : NULL;
}

/* Start c, with its shard locked. */
static inline void start_led(shard *s, call *c)
{
	bool resize;

	weft__call_put_in(s, c);
	resize = weft__flight_shard_wants_resize(s->linked, s->mask);
	weft__lock_drop(&s->lock);
	if (unlikely(resize))
		weft__flight_shard_resize(s);
}

/*
 * The call there, joined or started, for who waits for it. An idle shard has none to
 * be joined: that saves looking twice. Apart, so that its variables are not on the
 * stack of who sleeps.
 */
static __attribute__((noinline)) entered
enter_at_once(const weft__stack *self, weft_flight *f, weft_key key)
{
	weft__flight_table *t = weft__flight_table_of(f);
	call *fresh = NULL, *c;
	uint64_t word;
	bool busy;
	place at;

	if (unlikely(t == NULL || weft__flight_keeps(f)))
		return enter_at_length(f, key);
	at = weft__flight_locate(f, t, key, &word);
	busy = weft_atomic_load(&at.shard->linked, relaxed) != 0;
	for (;;) {
		if (!busy) {
			fresh = weft__call_new(self, at, WEFT__CALL_BYTES);
			if (unlikely(fresh == NULL))
				return (entered){NULL, -ENOMEM};
		}
		weft__lock_take(&at.shard->lock);
		c = weft__call_find(at);
		if (c != NULL)
			break;
		if (likely(fresh != NULL)) {
			start_led(at.shard, fresh);
			return (entered){fresh, WEFT__FOUND_STARTED};
		}
		weft__lock_drop(&at.shard->lock);
		busy = false;
	}
	c = join_found(self, c, fresh);
	return likely(c != NULL) ? (entered){c, WEFT__FOUND_JOINED}
				 : enter_at_length(f, key);
}

weft_result weft_flight_do(weft_flight *f, weft_key key, weft_flight_fn fn,
			   void *arg)
{
	weft__stack *self = weft__stack_self();
	entered in = enter_at_once(self, f, key);

	if (in.found == WEFT__FOUND_JOINED)
		return follow_alone(self, in.call);
	if (likely(in.found == WEFT__FOUND_STARTED)) {
		if (unlikely(weft__spans))
			weft__call_trace(in.call, true);
		return likely(self != NULL)
			       ? lead(self, in.call, fn, arg)
			       : lead_on_thread(in.call, fn, arg);
	}
	return in.found == WEFT__FOUND_KEPT ? weft__call_kept_result(in.call)
					    : weft__refused(in.found);
}
