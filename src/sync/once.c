/* SPDX-License-Identifier: MIT */
/*
 * Once: one word, and the queue of its address in the parking lot.
 *
 *	state            means                        goes to
 *	NEW (0)          nobody runs a function       RUNNING: CAS by a caller,
 *	                                              who becomes the runner
 *	RUNNING          the runner runs its          DONE or NEW: CAS by the
 *	                 function, nobody waits       runner; RUNNING|WAITERS:
 *	                                              CAS by a caller that queues
 *	RUNNING|WAITERS  … and the queue is not       DONE or NEW: store by the
 *	                 empty                        runner; RUNNING: the last
 *	                                              waiter that leaves
 *	DONE (1)         a function has returned      nothing, ever
 *
 * WAITERS changes under the bucket's lock alone (Q2), apart from the runner's
 * final store, which is made under it too.
 *
 * O1  At most one runner: only the CAS from NEW makes one, and the state does
 *     not return to NEW before that runner has written it.
 * O2  A caller returns as for DONE only after an acquire load of DONE, or with
 *     a claim that the runner made after its store: either way the return of
 *     the function happens before.
 *     Tempting and wrong: a caller that finds RUNNING and returns, since "it is
 *     being done". (A bare compare-and-swap is proposed as Go's sync.Once again
 *     and again.) And: DONE written before the function is called, so that the
 *     flag and the lock are one.
 * O3  The runner touches *o for the last time in the step that writes DONE or
 *     NEW. After that it uses the bucket and the waiters, by address. So a
 *     caller that has seen DONE, or was claimed, may free *o.
 *     Tempting and wrong: to wake all and then to write DONE, "so that nobody
 *     finds it done before those who waited longest". The last of them returns
 *     and frees *o before the store.
 * O4  No waiter is forgotten: one that queues saw RUNNING and set WAITERS in
 *     one CAS under the bucket's lock, so the runner's CAS from RUNNING alone
 *     fails, and it takes that lock and finds the waiter queued.
 * O5  Who waits for an attempt that failed learns it from its own claim, not
 *     from the state, where the next attempt may have begun already.
 *
 * The CAS from NEW acquires, because a function that failed before may have
 * left something behind for this one. Everything is in one word: no seq_cst.
 *
 * What a call site holds, gcc and clang at -O2: mov, cmp $1, jne; on aarch64
 * ldar, cmp, b.ne. The call is out of the way.
 */
#include "ctx/ctx.h"
#include "sched/lot.h"

#include <weft/once.h>

_Static_assert(sizeof(weft_once) == 8, "documented");
_Static_assert(sizeof(weft_once_func) == 8 + 2 * sizeof(void *), "documented");
_Static_assert(sizeof(weft_once_value) == 8 + 3 * sizeof(void *), "documented");
_Static_assert(offsetof(weft_once, priv_state) == 0, "for short code");

enum {
	NEW = 0,
	DONE = 1,
	RUNNING = 2,
	WAITERS = 4,
};

/* The runner's last step: everybody may go on. result is for those who wait. */
static void finish(weft_once *o, uint32_t state, int result)
{
	uint32_t alone = RUNNING;
	weft__wakeups wakeups = {0};
	weft__bucket *b;

	if (weft_atomic_cas(&o->priv_state, &alone, state, release, relaxed))
		return;
	b = weft__lot_lock(o);
	weft_atomic_store(&o->priv_state, state, release); /* O3 */
	weft__lot_wake_all(b, o, result, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

/* Become the runner, if *o is new. */
static bool begin(weft_once *o)
{
	uint32_t state = NEW;

	return weft_atomic_cas(&o->priv_state, &state, RUNNING, acquire, relaxed);
}

/* Queue w behind the runner, if there is one. */
static bool queue(weft_once *o, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(o);
	uint32_t state = weft_atomic_load(&o->priv_state, relaxed);
	bool queued = false;

	while ((state & RUNNING) && !queued) /* O4 */
		queued = weft_atomic_cas(&o->priv_state, &state,
					 RUNNING | WAITERS, relaxed, relaxed);
	if (queued) {
		weft__waiter_init(w, "once");
		weft__lot_push(b, o, w);
	}
	weft__lot_unlock(b);
	return queued;
}

/* Out of the queue. If *o has become done meanwhile, that counts. */
static int leave(weft_once *o, weft__waiter *w, int error)
{
	weft__bucket *b = weft__lot_lock(o);

	if (weft__lot_queued(w)) {
		weft__lot_remove(b, w);
		if (weft__lot_first(b, o) == NULL)
			weft_atomic_and(&o->priv_state, ~(uint32_t)WAITERS,
					relaxed);
	}
	weft__lot_unlock(b);
	return weft_once_done(o) ? 0 : error;
}

/*
 * The two runners. Their function returns; the other ways in which a function
 * can end belong between the call and finish().
 */
static void run(weft_once *o, weft_fn fn, void *arg)
{
	fn(arg);
	finish(o, DONE, 0);
}

static int attempt(weft_once *o, int (*fn)(void *), void *arg)
{
	int error = fn(arg);

	finish(o, error == 0 ? DONE : NEW, error);
	return error;
}

int weft_once_do_ctx_slow(weft_once *o, weft_ctx *ctx, weft_fn fn, void *arg)
{
	while (!weft_once_done(o)) {
		weft__waiter w;
		int error;

		if (begin(o)) {
			run(o, fn, arg);
			return 0;
		}
		if (!queue(o, &w))
			continue;
		error = weft__ctx_park(&w, ctx);
		if (error != 0)
			return leave(o, &w, error);
		if (w.result == 0)
			return 0;
		/* That was an attempt, and it failed. */
	}
	return 0;
}

void weft_once_do_slow(weft_once *o, weft_fn fn, void *arg)
{
	weft_once_do_ctx_slow(o, NULL, fn, arg);
}

int weft_once_try_ctx_slow(weft_once *o, weft_ctx *ctx, int (*fn)(void *),
			   void *arg)
{
	while (!weft_once_done(o)) {
		weft__waiter w;
		int error;

		if (begin(o))
			return attempt(o, fn, arg);
		if (!queue(o, &w))
			continue;
		error = weft__ctx_park(&w, ctx);
		return error == 0 ? w.result : leave(o, &w, error); /* O5 */
	}
	return 0;
}

int weft_once_try_slow(weft_once *o, int (*fn)(void *), void *arg)
{
	return weft_once_try_ctx_slow(o, NULL, fn, arg);
}

void weft_once_func_init(weft_once_func *f, weft_fn fn, void *arg)
{
	f->priv_once.priv_state = NEW;
	f->priv_once.priv_owner = 0;
	f->priv_fn = fn;
	f->priv_arg = arg;
}

void weft_once_value_init(weft_once_value *v, void *(*fn)(void *), void *arg)
{
	v->priv_once.priv_state = NEW;
	v->priv_once.priv_owner = 0;
	v->priv_value = NULL;
	v->priv_fn = fn;
	v->priv_arg = arg;
}

void weft_once_value_run_slow(void *arg)
{
	weft_once_value *v = arg;

	v->priv_value = v->priv_fn(v->priv_arg);
}
