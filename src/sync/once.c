/* SPDX-License-Identifier: MIT */
/*
 * Once: one word, and the queue of its address in the parking lot.
 *
 *	state            means                        goes to
 *	NEW (0)          nobody runs a function       RUNNING: CAS by a caller,
 *	                                              who becomes the runner
 *	RUNNING          the runner runs its          DONE, BROKEN or NEW: CAS by
 *	                 function, nobody waits       the runner;
 *	                                              RUNNING|WAITERS: CAS by a
 *	                                              caller that queues
 *	RUNNING|WAITERS  … and the queue is not       DONE, BROKEN or NEW: store
 *	                 empty                        by the runner; RUNNING: the
 *	                                              last waiter that leaves
 *	DONE (1)         a function has ended         nothing, ever
 *	BROKEN (8)       likewise, but of a func or   nothing, ever
 *	                 value, by panic or exit
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
 *     caller that has seen DONE, or was claimed, may free *o, with the
 *     value that it is a part of: the runner returns what it has on its stack.
 *     Tempting and wrong: to wake all and then to write DONE, "so that nobody
 *     finds it done before those who waited longest". The last of them returns
 *     and frees *o before the store. (Who waits in weft_once_do() looks once
 *     more and does no harm by that; who is told an error by _try() does.)
 * O4  No waiter is forgotten: one that queues saw RUNNING and set WAITERS in
 *     one CAS under the bucket's lock, so the runner's CAS from RUNNING alone
 *     fails, and it takes that lock and finds the waiter queued.
 * O5  Who waits for an attempt that failed learns it from its own claim, not
 *     from the state, where the next attempt may have begun already. Without a
 *     claim there is nothing to learn: the result of one who left may have been
 *     written all the same.
 * O6  A caller that finds its own mark in priv_owner is called by the function
 *     that it would wait for. The mark is written by the runner, after its CAS,
 *     and taken away before its last step, so a caller reads its own mark only
 *     if it is the runner: whoever else runs between has taken it away first.
 *     Nobody's decision but that depends on it: relaxed.
 * O7  With the bucket locked, WAITERS without a queue, or a queue without
 *     WAITERS, is proof of a copy (Q2). RUNNING alone proves nothing.
 *
 * The CAS from NEW acquires, because a function that failed before may have
 * left something behind for this one. Everything is in one word: no seq_cst.
 *
 * What a call site holds, gcc and clang at -O2: mov, cmp $1, jne; on aarch64
 * ldar, cmp, b.ne. The call is out of the way.
 */
#include "base/trap.h"
#include "ctx/ctx.h"
#include "sched/lot.h"
#include "sched/panic.h"

#include <weft/once.h>

#include <string.h>

_Static_assert(sizeof(weft_once) == 8, "documented");
_Static_assert(sizeof(weft_once_func) == 8 + 4 * sizeof(void *), "documented");
_Static_assert(sizeof(weft_once_value) == 8 + 5 * sizeof(void *), "documented");
_Static_assert(offsetof(weft_once, priv_state) == 0, "for short code");

enum {
	NEW = 0,
	DONE = 1,
	RUNNING = 2,
	WAITERS = 4,
	BROKEN = 8,
};

static bool is_final(const weft_once *o)
{
	return weft_atomic_load(&o->priv_state, acquire) & (DONE | BROKEN);
}

/*
 * The runner's last step: everybody may go on, and nobody early, for after an
 * error the next attempt needs the bucket. result is the error for those who
 * wait, or 0: they look at the state again.
 */
static void finish(weft_once *o, uint32_t state, int result)
{
	uint32_t alone = RUNNING;
	weft__wakeups wakeups = {0};
	weft__bucket *b;

	weft__guard_end();
	weft_atomic_store(&o->priv_owner, 0, relaxed);	/* O6 */
	if (weft_atomic_cas(&o->priv_state, &alone, state, release, relaxed))
		return;
	b = weft__lot_lock(o);
	weft_atomic_store(&o->priv_state, state, release); /* O3 */
	weft__lot_claim_all(b, o, result, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

/* Become the runner, if *o is new. */
static bool begin(weft_once *o)
{
	uint32_t state = NEW;

	if (!weft_atomic_cas(&o->priv_state, &state, RUNNING, acquire, relaxed))
		return false;
	weft_atomic_store(&o->priv_owner, weft__flow_mark(), relaxed);
	weft__guard_begin();	/* finish() ends it */
	return true;
}

/* O7 */
static void check_not_copied(weft__bucket *b, const weft_once *o,
			     uint32_t state)
{
	(void)weft__lot_stale(b, o, state & WAITERS,
			      "sync: inconsistent Once state");
}

static void tell(const weft__waiter *w, weft__told *told)
{
	const weft_once *o = w->address;

	told->holder = weft_atomic_load(&o->priv_owner, relaxed);
}

static const weft__why why = {.text = "once", .tell = tell};

/* Queue w behind the runner, if there is one. */
static bool queue(weft_once *o, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(o);
	uint32_t state = weft_atomic_load(&o->priv_state, relaxed);
	bool queued = false;

	check_not_copied(b, o, state);
	while ((state & RUNNING) && !queued) /* O4 */
		queued = weft_atomic_cas(&o->priv_state, &state,
					 RUNNING | WAITERS, relaxed, relaxed);
	if (queued) {
		weft__waiter_init(w, &why);
		weft__lot_push(b, o, w);
	}
	weft__lot_unlock(b);
	return queued;
}

/* Out of the queue. If *o has become final meanwhile, that counts. */
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
	return is_final(o) ? 0 : error;
}

/* What a caller has become when it needs not wait any more. */
enum role {
	RUNNER,		/* it is to run its function */
	LATE,		/* *o is final */
	WITNESS,	/* the attempt that it waited for has failed */
	LEFT,		/* its context is done */
};

/* Returns 0, the attempt's error, or the context's. */
static int approach(weft_once *o, weft_ctx *ctx, enum role *role)
{
	while (!is_final(o)) {
		weft__waiter w;
		int error;

		*role = RUNNER;
		if (begin(o))
			return 0;
		if (weft_atomic_load(&o->priv_owner, relaxed) ==
		    weft__flow_mark()) /* O6 */
			weft_panic("sync: once called by its own function");
		if (!queue(o, &w))
			continue;
		error = weft__ctx_park(&w, ctx);
		if (error != 0) {
			*role = LEFT;
			error = leave(o, &w, error);
			if (error != 0)
				return error;
		} else if (w.result != 0) {
			*role = WITNESS;
			return w.result; /* O5 */
		}
	}
	*role = LATE;
	return 0;
}

/* ---- do ---- */

static void finish_done(weft_once **o)
{
	finish(*o, DONE, 0);
}

/* However fn ends, that was its one call. */
static void run(weft_once *o, weft_fn fn, void *arg)
{
	__attribute__((cleanup(finish_done), unused)) weft_once *running = o;

	weft__check_fn(fn != NULL);
	fn(arg);
}

int weft_once_do_ctx_slow(weft_once *o, weft_ctx *ctx, weft_fn fn, void *arg)
{
	enum role role;
	int error;

	do
		error = approach(o, ctx, &role);
	while (role == WITNESS);
	if (role == RUNNER)
		run(o, fn, arg);
	return error;
}

void weft_once_do_slow(weft_once *o, weft_fn fn, void *arg)
{
	weft_once_do_ctx_slow(o, NULL, fn, arg);
}

/* ---- try ---- */

typedef struct {
	weft_once *once;
	bool returned;
	int error;
} running;

static void finish_attempt(running *r)
{
	finish(r->once, r->returned && r->error == 0 ? DONE : NEW, r->error);
}

static int attempt(weft_once *o, int (*fn)(void *), void *arg)
{
	__attribute__((cleanup(finish_attempt))) running r = {.once = o};

	weft__check_fn(fn != NULL);
	r.error = fn(arg);
	r.returned = true;
	return r.error;
}

int weft_once_try_ctx_slow(weft_once *o, weft_ctx *ctx, int (*fn)(void *),
			   void *arg)
{
	enum role role;
	int error = approach(o, ctx, &role);

	return role == RUNNER ? attempt(o, fn, arg) : error;
}

int weft_once_try_slow(weft_once *o, int (*fn)(void *), void *arg)
{
	return weft_once_try_ctx_slow(o, NULL, fn, arg);
}

/* ---- func and value ---- */

typedef struct {
	weft_once_call *call;
	uint32_t state;
} running_call;

/* The panic stays for those who call later. */
static void finish_call(running_call *r)
{
	weft__panic *p;

	if (unlikely(r->state == BROKEN)) {
		weft__left(&p);
		r->call->priv_panic = p;
	}
	finish(&r->call->priv_once, r->state, 0);
}

static void run_call(weft_once_call *c, weft_fn fn, void *arg)
{
	__attribute__((cleanup(finish_call))) running_call r = {c, BROKEN};

	fn(arg);
	r.state = DONE;
}

static _Noreturn void break_again(weft_once_call *c)
{
	if (c->priv_panic == NULL)
		weft_panic("sync: the function of a once has exited");
	weft__panic_again(weft__panic_get(c->priv_panic));
}

int weft_once_call_ctx_slow(weft_once_call *c, weft_ctx *ctx, weft_fn fn,
			    void *arg)
{
	weft_once *o = &c->priv_once;
	enum role role;
	int error = approach(o, ctx, &role);

	if (role == RUNNER)
		run_call(c, fn, arg);
	else if (role == LATE && !weft_once_done(o))
		break_again(c);
	return error;
}

void weft_once_call_slow(weft_once_call *c, weft_fn fn, void *arg)
{
	weft_once_call_ctx_slow(c, NULL, fn, arg);
}

void weft_once_func_init(weft_once_func *f, weft_fn fn, void *arg)
{
	weft_once_func_init_drop(f, fn, arg, NULL);
}

void weft_once_func_init_drop(weft_once_func *f, weft_fn fn, void *arg,
			      weft_fn drop)
{
	memset(f, 0, sizeof *f);
	f->priv_fn = fn;
	f->priv_arg = arg;
	f->priv_drop = drop;
}

static void drop_func_arg(weft_once_func **func)
{
	weft_once_func *f = *func;
	weft_fn drop = f->priv_drop;

	f->priv_drop = NULL;
	if (drop != NULL)
		weft__call_apart(drop, f->priv_arg);
}

void weft_once_func_run(void *func)
{
	__attribute__((cleanup(drop_func_arg))) weft_once_func *f = func;

	weft__check_fn(f->priv_fn != NULL);
	f->priv_fn(f->priv_arg);
}

void weft_once_func_fini(weft_once_func *f)
{
	drop_func_arg(&f);
	weft__panic_put(f->priv_call.priv_panic);
	memset(f, 0, sizeof *f);
}

void weft_once_value_init(weft_once_value *v, void *(*fn)(void *), void *arg)
{
	weft_once_value_init_drop(v, fn, arg, NULL);
}

void weft_once_value_init_drop(weft_once_value *v, void *(*fn)(void *),
			       void *arg, weft_fn drop)
{
	memset(v, 0, sizeof *v);
	v->priv_fn = fn;
	v->priv_arg = arg;
	v->priv_drop = drop;
}

/* What the runner has on its stack: O3. */
typedef struct {
	weft_once_value *once;
	bool ran;
	void *value;
} computing;

static void drop_value_arg(weft_once_value **value)
{
	weft_once_value *v = *value;
	weft_fn drop = v->priv_drop;

	v->priv_drop = NULL;
	if (drop != NULL)
		weft__call_apart(drop, v->priv_arg);
}

static void compute(void *arg)
{
	computing *c = arg;
	__attribute__((cleanup(drop_value_arg))) weft_once_value *v = c->once;

	weft__check_fn(v->priv_fn != NULL);
	c->value = v->priv_value = v->priv_fn(v->priv_arg);
	c->ran = true;
}

int weft_once_value_call_ctx_slow(weft_once_value *v, weft_ctx *ctx,
				  void **value)
{
	computing c = {.once = v};
	int error = weft_once_call_ctx_slow(&v->priv_call, ctx, compute, &c);

	if (error == 0)
		*value = c.ran ? c.value : v->priv_value;
	return error;
}

void *weft_once_value_call_slow(weft_once_value *v)
{
	void *value = NULL;

	(void)weft_once_value_call_ctx_slow(v, NULL, &value);
	return value;
}

void weft_once_value_fini(weft_once_value *v)
{
	drop_value_arg(&v);
	weft__panic_put(v->priv_call.priv_panic);
	memset(v, 0, sizeof *v);
}
