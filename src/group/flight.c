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
 *			not in the table any more
 *	DONE		callers may go			bucket, alone
 *
 * Bits are only ever set. What may be missed: DYING and ENDED by those who
 * sleep, who look at them under the shard's lock once they are awake. What may
 * not be claimed: DONE while the end still has to touch the shard.
 *
 * F1  For a key at most one call is in the table: it is put there in the
 *     critical section that found none, and leaves it in the one that sets
 *     FORGOTTEN or ENDED, whichever is first, and by its own address, so that
 *     the end of a forgotten call does not unlink its successor. Joining means
 *     finding it there; so nobody joins a call that has ended, not even one
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
 *     it for DONE or FORGOTTEN and then looks again.
 *     Wrong, one way: to unlink the call when it is left. The next caller
 *     starts a second one beside it. Wrong, the other way: to leave it in the
 *     table as it is. The next caller joins it and is given its -ECANCELED.
 *
 * F4  Callers return after they have seen DONE, or left before ENDED. The end
 *     sets DONE after it has unlocked the shard for the last time, so that
 *     the flight may be freed when they have returned. Who was cancelled, and
 *     finds the call ENDED when it comes to leave, therefore waits for DONE:
 *     that is a moment. What the end touches after that it reaches through
 *     references or through addresses that it does not look into.
 *
 * F5  drop(value) runs once: at the end, if nobody will be given the value
 *     (F3), and then value is NULL; else when refs falls to zero. The task of
 *     a call lets go before it wakes anybody, so that the last release of a
 *     result is what drops the value, not the task at some later time.
 *
 * F6  A sleeper may be woken for no reason: forget wakes those who sleep on a
 *     call that it holds no reference to, and the end, for fini's sake, those
 *     who sleep on a shard; by then the address may be that of another one. So
 *     all who sleep look again.
 *
 * F7  Whoever waits for a call waits for the one that runs it to go on. A caller
 *     whose mark is the call's is that one: it would wait for itself, and is
 *     told so. The mark is written before the function is called by the one
 *     whose it is, so it finds its own; whatever else it may find is not its
 *     own, as long as it runs (see weft__flow_mark()).
 */
#include "group/flight.h"

#include "base/alloc.h"
#include "ctx/ctx.h"
#include "group/flight_table.h"
#include "sched/lot.h"
#include "sched/panic.h"
#include "sched/task.h"

#include <weft/chan.h>
#include <weft/panic.h>

#include <errno.h>

_Static_assert(sizeof(weft_flight) == 3 * sizeof(void *), "documented");
_Static_assert(sizeof(weft_key) == 2 * sizeof(void *), "fits two registers");
_Static_assert(sizeof(void *) == sizeof(uint64_t), "weft_key_u64() needs it");

enum { DYING = 1, FORGOTTEN = 2, ENDED = 4, DONE = 8 };

typedef weft__flight_shard shard;

/* What a call has that runs in a task of its own. */
typedef struct {
	weft__task task;
	weft_ctx ctx;
	weft_flight_fn fn;
	void *arg;
} flight_task;

/* Who wants the result in a channel. The task is for one that is full. */
typedef struct listener listener;
struct listener {
	listener *next;
	weft_chan *results;
	weft_result result;
	weft__task task;
};

/* In one block: the call, its flight_task, values, copy of arg; the key. */
typedef struct call {
	weft__flight_entry entry;
	shard *shard;
	flight_task *task;		/* NULL: it runs in its first caller */
	void (*drop)(void *value);
	void *value;
	int err;
	enum weft_outcome outcome;	/* how fn ended … */
	weft__panic *panic;		/* … and with what, or NULL */
	listener *listeners;		/* in the order in which they came */
	listener **listeners_end;
	bool aborts;			/* on a panic */
	uint32_t mark;			/* atomic: who runs fn; F7 */
	uint32_t state;			/* atomic */
	uint32_t refs;			/* atomic; F2 */
	uint32_t callers;		/* those who want the result */
	uint32_t duplicates;		/* those who joined, ever */
	bool slept_on;			/* the lot may have sleepers for it */
} call;

/* What one caller wants to know. */
typedef struct {
	weft_flight *flight;
	shard *shard;
	uint64_t hash;
	const void *key;
	size_t key_bytes;
	uint64_t word;		/* the key, if it is a weft_key_u64() */
	listener *listener;	/* who asks, if it does not wait */
} question;

/* How a call is made that runs in a task. */
typedef struct {
	weft_ctx *values;
	weft_flight_fn fn;
	void *arg;
	size_t copy_bytes;
	bool copy;
	void *site;
} task_plan;

/* ---- the table ---- */

static weft__flight_table *make_table(weft_flight *f)
{
	weft__flight_table *fresh = weft__flight_table_new();
	void *table = NULL;

	if (fresh == NULL)
		return NULL;
	if (weft_atomic_cas(&f->priv_table, &table, (void *)fresh, acq_rel,
			    acquire))
		return fresh;
	weft__flight_table_free(fresh);
	return table;
}

static weft__flight_table *table_of(weft_flight *f)
{
	return weft_atomic_load(&f->priv_table, acquire);
}

/* q->key may point into *q: q stays where it is. */
static void phrase(question *q, weft_flight *f, weft__flight_table *t,
		   weft_key key)
{
	q->flight = f;
	q->listener = NULL;
	q->key = key.data;
	q->key_bytes = key.size;
	if (key.size == WEFT_PRIV_KEY_WORD) {
		q->word = (uintptr_t)key.data;
		q->key = &q->word;
		q->key_bytes = sizeof q->word;
	}
	q->hash = weft__flight_hash(q->key, q->key_bytes);
	q->shard = weft__flight_shard_of(t, q->hash);
}

static bool ask(question *q, weft_flight *f, weft_key key)
{
	weft__flight_table *t = table_of(f);

	if (unlikely(t == NULL) && (t = make_table(f)) == NULL)
		return false;
	phrase(q, f, t, key);
	return true;
}

/* With the shard locked. */
static call *find(const question *q)
{
	weft__flight_entry *e = weft__flight_find(q->shard, q->hash, q->key,
						  q->key_bytes);

	return e != NULL ? weft__container(e, call, entry) : NULL;
}

static bool has(const call *c, uint32_t bits)
{
	return (weft_atomic_load(&c->state, acquire) & bits) != 0;
}

/* ---- a call's memory ---- */

static size_t round_up(size_t n)
{
	return (n + _Alignof(max_align_t) - 1) & -_Alignof(max_align_t);
}

/*
 * The values of a context are copied, key by key: the first caller may leave,
 * and end its contexts, while the call still asks for them.
 */
static size_t values_bytes(const weft_ctx *from)
{
	size_t count = 0;

	for (; from != NULL; from = from->priv_parent)
		count += from->priv_key != NULL;
	return round_up(count * sizeof(weft_ctx));
}

/* Returns the first of the copies, which make a chain; NULL if from has none. */
static weft_ctx *copy_values(weft_ctx *copies, const weft_ctx *from)
{
	weft_ctx *c = copies, *last = NULL;

	for (; from != NULL; from = from->priv_parent) {
		if (from->priv_key == NULL)
			continue;
		weft_ctx_init_value(c, NULL, from->priv_key, from->priv_value);
		if (last != NULL)
			last->priv_parent = c;
		last = c++;
	}
	return last != NULL ? copies : NULL;
}

/* What a call in a task needs behind the call itself; 0 is too much. */
static size_t task_bytes(const task_plan *plan)
{
	size_t fixed = round_up(sizeof(flight_task)) +
		       values_bytes(plan->values);

	if (plan->copy_bytes > PTRDIFF_MAX - fixed)
		return 0;
	return round_up(fixed + plan->copy_bytes);
}

static void place_task(call *c, const task_plan *plan)
{
	flight_task *t = (flight_task *)((char *)c + round_up(sizeof *c));
	weft_ctx *values = (weft_ctx *)((char *)t + round_up(sizeof *t));

	t->fn = plan->fn;
	t->arg = plan->arg;
	if (plan->copy) {
		t->arg = (char *)values + values_bytes(plan->values);
		if (plan->copy_bytes != 0)
			memcpy(t->arg, plan->arg, plan->copy_bytes);
	}
	weft_ctx_init_detached(&t->ctx, copy_values(values, plan->values));
	c->task = t;
	c->refs = 2;
}

/* A call with its first caller counted; plan NULL: it runs in the caller. */
static call *call_new(const question *q, const task_plan *plan)
{
	size_t before_key = round_up(sizeof(call));
	size_t extra = plan != NULL ? task_bytes(plan) : 0;
	call *c;

	if (plan != NULL && (extra == 0 || weft__runtime_start() != 0))
		return NULL;
	before_key += extra;
	if (q->key_bytes > PTRDIFF_MAX || before_key > PTRDIFF_MAX)
		return NULL;
	c = weft__alloc(before_key + q->key_bytes);
	if (unlikely(c == NULL))
		return NULL;
	c->entry.hash = q->hash;
	c->entry.key = (char *)c + before_key;
	c->entry.key_bytes = q->key_bytes;
	if (q->key_bytes != 0)
		memcpy((char *)c + before_key, q->key, q->key_bytes);
	c->shard = q->shard;
	c->task = NULL;
	c->drop = q->flight->drop;
	c->aborts = q->flight->abort_on_panic;
	c->panic = NULL;
	c->listeners = NULL;
	c->listeners_end = &c->listeners;
	c->mark = plan == NULL ? weft__flow_mark() : 0;
	c->state = 0;
	c->refs = 1;
	c->callers = 1;
	c->duplicates = 0;
	c->slept_on = false;
	if (plan != NULL)
		place_task(c, plan);
	return c;
}

static void call_free(call *c)
{
	if (c->task != NULL)
		weft_ctx_fini(&c->task->ctx);
	if (unlikely(c->panic != NULL))
		weft__panic_put(c->panic);
	weft__free(c);
}

/* F5: the last one has let go of c, which has ended. */
static void destroy(call *c)
{
	if (c->drop != NULL && c->value != NULL)
		c->drop(c->value);
	call_free(c);
}

/*
 * Let go of c. Who reads 1 is the last, without a read-modify-write: others
 * can come only by finding c in the table, and while it is there its task or
 * its first caller is counted beside whoever lets go.
 */
static void put(call *c)
{
	if (weft_atomic_load(&c->refs, acquire) == 1 ||
	    weft_atomic_sub(&c->refs, 1, acq_rel) == 1)
		destroy(c);
}

/* ---- sleeping on a call ---- */

/* Sleep until c's state has one of bits, or ctx is done. 0 or ctx's error. */
static int sleep_on(call *c, weft_ctx *ctx, uint32_t bits, const char *reason)
{
	for (;;) {
		weft__bucket *b = weft__lot_lock(c);
		weft__waiter w;
		int err;

		if (has(c, bits)) {
			weft__lot_unlock(b);
			return 0;
		}
		weft__waiter_init(&w, reason);
		weft__lot_push(b, c, &w);
		weft__lot_unlock(b);
		err = weft__ctx_park(&w, ctx);
		if (err != 0) {
			b = weft__lot_lock(c);
			if (weft__lot_queued(&w))
				weft__lot_remove(b, &w);
			weft__lot_unlock(b);
			return err;
		}
	}
}

/* Wake all who sleep on an address; nothing is read from there. */
static void rouse(const void *address)
{
	weft__bucket *b = weft__lot_lock(address);
	weft__wakeups wakeups = {0};

	weft__lot_wake_all(b, address, 0, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

/*
 * Set DONE and wake the sleepers. As long as the bucket is locked, those who
 * wait for DONE stay and keep c alive; so the task may let go before they are
 * woken (F5), and if it was the last nobody sleeps.
 */
static void let_go(call *c)
{
	weft__bucket *b = weft__lot_lock(c);
	weft__wakeups wakeups = {0};
	bool last;

	weft_atomic_or(&c->state, DONE, release);
	last = c->task != NULL && weft_atomic_sub(&c->refs, 1, acq_rel) == 1;
	weft__lot_wake_all(b, c, 0, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	if (last)
		destroy(c);
}

/* ---- results ---- */

static weft_result refused(int err)
{
	weft_result r = {.err = err};

	return r;
}

/* The caller's reference becomes its result's, if that refers to anything. */
static weft_result result_of(call *c)
{
	weft_result r = {
		.value = c->value,
		.err = c->err,
		.outcome = c->outcome,
		.shared = c->duplicates != 0,
	};

	if ((c->drop != NULL && c->value != NULL) || unlikely(c->panic != NULL))
		r.priv_call = c;
	else
		put(c);
	return r;
}

/* The same for a caller who has to end as the function did, if it did not return. */
static weft_result result_or_ending(call *c)
{
	weft__panic *p;

	switch (c->outcome) {
	case WEFT_PANICKED:
		p = weft__panic_get(c->panic);
		put(c);
		weft__panic_again(p);
	case WEFT_EXITED:
		put(c);
		weft_exit();
	default:
		return result_of(c);
	}
}

static void send_later(weft__task *task)
{
	listener *l = task->object;

	weft_chan_send(l->results, &l->result);
	weft__free(l);
}

/* One that has no room is waited for by a task of its own. */
static void deliver(listener *l, void *site)
{
	if (weft_chan_try_send(l->results, &l->result))
		weft__free(l);
	else
		weft__task_start_embedded(&l->task, send_later, l, NULL, NULL,
					  site);
}

/* Those not served yet keep c alive. */
static void deliver_all(call *c)
{
	listener *l = c->listeners, *next;

	for (; l != NULL; l = next) {
		next = l->next;
		l->result = result_of(c);
		deliver(l, NULL);
	}
}

/* ---- the end of a call ---- */

/* How a function ended. */
typedef struct {
	call *call;
	enum weft_outcome outcome;
	weft__panic *panic;
	void *value;
	int err;
} ending;

/* F3: nobody wants value, nor ever will; or it was not what fn ended with. */
static void *drop_unwanted(call *c, void *value)
{
	if (value == NULL || c->drop == NULL ||
	    (c->callers != 0 && c->outcome == WEFT_RETURNED))
		return value;
	weft__lock_drop(&c->shard->lock);
	c->drop(value);
	weft__lock_take(&c->shard->lock);
	return NULL;
}

static int error_of(const ending *e)
{
	return e->outcome == WEFT_RETURNED   ? e->err
	       : e->outcome == WEFT_PANICKED ? WEFT_ERR_PANICKED
					     : WEFT_ERR_EXITED;
}

/*
 * Every call ends here, however its function ended, in whoever ran it. After
 * this a call that ran in a task may be gone; a first caller that ran it holds
 * its reference still.
 */
static void finish(const ending *e)
{
	call *c = e->call;
	shard *s = c->shard;
	bool fini_waits, listened, unheard;

	weft__lock_take(&s->lock);
	c->outcome = e->outcome;
	c->value = drop_unwanted(c, e->value);
	c->err = error_of(e);
	c->panic = e->panic;
	if (!has(c, FORGOTTEN))
		weft__flight_unlink(s, &c->entry);
	weft_atomic_or(&c->state, ENDED, relaxed);
	s->abandoned -= c->callers == 0;
	s->running--;
	fini_waits = s->fini_waits && s->running == 0;
	listened = c->listeners != NULL;
	unheard = c->callers == 0 && e->panic != NULL;
	weft__lock_drop(&s->lock); /* F4: the shard may be gone from here on */

	if (unlikely(fini_waits))
		rouse(s);
	if (unlikely(unheard))
		weft__panic_report(e->panic, "every caller had left a flight's "
					     "function that panicked");
	if (c->slept_on || c->task != NULL)
		let_go(c);
	if (unlikely(listened))
		deliver_all(c);
}

static void call_fn(void *arg)
{
	ending *e = arg;
	flight_task *t = e->call->task;

	e->err = t->fn(&t->ctx, t->arg, &e->value);
}

/* A panic goes to the callers, unless the flight wants none to be caught. */
static void run_call(weft__task *task)
{
	__attribute__((cleanup(finish))) ending e = {
		.call = task->object,
		.outcome = WEFT_EXITED,
	};

	weft_atomic_store(&e.call->mark, weft__flow_mark(), relaxed);
	if (e.call->aborts) {
		call_fn(&e);
		e.outcome = WEFT_RETURNED;
	} else {
		e.outcome = weft__try(call_fn, &e, &e.panic);
	}
}

/* A first caller runs its call itself. It passes on what it did not return. */
static void lead_left(ending *e)
{
	if (likely(e->outcome == WEFT_RETURNED))
		return;
	e->outcome = weft__left(&e->panic);
	finish(e);
	put(e->call);
}

static void lead(call *c, weft_flight_fn fn, void *arg)
{
	__attribute__((cleanup(lead_left))) ending e = {
		.call = c,
		.outcome = WEFT_EXITED,
	};

	e.err = fn(NULL, arg, &e.value);
	e.outcome = WEFT_RETURNED;
	finish(&e);
}

/* ---- callers ---- */

/* What a caller finds, and in the same critical section becomes part of. */
enum found { NOTHING, STARTED, JOINED, IS_DYING, IS_OWN };

static void listen(call *c, listener *l)
{
	l->next = NULL;
	*c->listeners_end = l;
	c->listeners_end = &l->next;
}

static enum found join(call *c, listener *l)
{
	if (weft_atomic_load(&c->mark, relaxed) == weft__flow_mark()) /* F7 */
		return IS_OWN;
	c->slept_on = true;
	weft_atomic_add(&c->refs, 1, relaxed);
	if (has(c, DYING))
		return IS_DYING;
	if (l != NULL)
		listen(c, l);
	c->callers++;
	c->duplicates++;
	return JOINED;
}

static void start(shard *s, call *c)
{
	weft__flight_link(s, &c->entry);
	s->running++;
}

/* Join the call for q in *c, or start *fresh, if that is one. */
static enum found enter(const question *q, call **c, call **fresh)
{
	shard *s = q->shard;
	enum found found = NOTHING;
	bool resize = false;

	weft__lock_take(&s->lock);
	*c = find(q);
	if (*c != NULL) {
		found = join(*c, q->listener);
	} else if (*fresh != NULL) {
		*c = *fresh;
		*fresh = NULL;
		start(s, *c);
		if (q->listener != NULL)
			listen(*c, q->listener);
		found = STARTED;
		resize = weft__flight_shard_wants_resize(s->linked, s->mask);
	}
	weft__lock_drop(&s->lock);
	if (unlikely(resize))
		weft__flight_shard_resize(s);
	return found;
}

/* IS_DYING: wait until c has ended or was forgotten. */
static int wait_behind(call *c, weft_ctx *ctx)
{
	int err = sleep_on(c, ctx, DONE | FORGOTTEN, "flight, a dying call");

	put(c);
	return err;
}

/*
 * Come to be a caller of the call for q, of a new one if need be, or to an
 * error. An idle shard has no call to be joined: that saves looking twice.
 */
static int seek(const question *q, weft_ctx *ctx, const task_plan *plan,
		call **c, enum found *found)
{
	call *fresh = NULL;
	int err = 0;

	if (weft_atomic_load(&q->shard->linked, relaxed) == 0) {
		fresh = call_new(q, plan);
		if (unlikely(fresh == NULL))
			return -ENOMEM;
	}
	for (;;) {
		*found = enter(q, c, &fresh);
		if (*found == NOTHING) {
			fresh = call_new(q, plan);
			err = fresh == NULL ? -ENOMEM : 0;
		} else if (*found == IS_DYING) {
			err = wait_behind(*c, ctx);
		} else if (*found == IS_OWN) {
			err = -EDEADLK;
		} else {
			break;
		}
		if (unlikely(err != 0))
			break;
	}
	if (unlikely(fresh != NULL))
		call_free(fresh);
	return err;
}

/* Give up c, unless it has ended; the last one out cancels it. */
static bool leave(call *c)
{
	shard *s = c->shard;
	bool last;

	weft__lock_take(&s->lock);
	if (has(c, ENDED)) {
		weft__lock_drop(&s->lock);
		return false;
	}
	last = --c->callers == 0;
	if (last) {
		weft_atomic_or(&c->state, DYING, relaxed);
		s->abandoned++;
	}
	weft__lock_drop(&s->lock);
	if (last)
		weft_ctx_cancel(&c->task->ctx, -ECANCELED);
	put(c);
	return true;
}

static weft_result follow(call *c, weft_ctx *ctx)
{
	int err = sleep_on(c, ctx, DONE, "flight");

	if (err != 0) {
		if (leave(c))
			return refused(err);
		sleep_on(c, NULL, DONE, "flight"); /* F4 */
	}
	return result_or_ending(c);
}

weft_result weft_flight_do(weft_flight *f, weft_key key, weft_flight_fn fn,
			   void *arg)
{
	enum found found;
	question q;
	call *c;
	int err;

	if (unlikely(!ask(&q, f, key)))
		return refused(-ENOMEM);
	err = seek(&q, NULL, NULL, &c, &found);
	if (unlikely(err != 0))
		return refused(err);
	if (found == JOINED)
		return follow(c, NULL);
	lead(c, fn, arg);
	return result_of(c);
}

/* Become a caller of a call in a task: 0, or why not. */
static int join_or_start(question *q, weft_ctx *ctx, const task_plan *plan,
			 call **c)
{
	enum found found;
	int err = seek(q, ctx, plan, c, &found);

	if (err == 0 && found == STARTED)
		weft__task_start_embedded(&(*c)->task->task, run_call, *c,
					  __extension__(void *) plan->fn,
					  plan->arg, plan->site);
	return err;
}

static weft_result do_in_task(weft_flight *f, weft_ctx *ctx, weft_key key,
			      const task_plan *plan)
{
	question q;
	call *c;
	int err = ctx != NULL ? weft_ctx_err(ctx) : 0;

	if (err == 0 && unlikely(!ask(&q, f, key)))
		err = -ENOMEM;
	if (err == 0)
		err = join_or_start(&q, ctx, plan, &c);
	return err != 0 ? refused(err) : follow(c, ctx);
}

static listener *listener_new(weft_chan *results)
{
	listener *l;

	if (weft__runtime_start() != 0)
		return NULL;
	l = weft__alloc(sizeof *l);
	if (l != NULL)
		l->results = results;
	return l;
}

static int do_for_listener(weft_flight *f, weft_key key, const task_plan *plan,
			   listener *l)
{
	question q;
	call *c;

	if (!ask(&q, f, key))
		return -ENOMEM;
	q.listener = l;
	return join_or_start(&q, NULL, plan, &c);
}

void weft_flight_do_chan(weft_flight *f, weft_key key, weft_flight_fn fn,
			 void *arg, weft_chan *results)
{
	task_plan plan = {
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};
	weft_result refusal;
	listener *l;
	int err;

	if (results->priv_elem_bytes != sizeof(weft_result))
		weft_panic("flight: the channel is not one of weft_result");
	l = listener_new(results);
	err = l != NULL ? do_for_listener(f, key, &plan, l) : -ENOMEM;
	if (err == 0)
		return;
	weft__free(l);
	refusal = refused(err);
	weft_chan_send(results, &refusal);
}

weft_result weft_flight_do_ctx(weft_flight *f, weft_ctx *ctx, weft_key key,
			       weft_flight_fn fn, void *arg)
{
	task_plan plan = {
		.values = ctx,
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};

	return do_in_task(f, ctx, key, &plan);
}

weft_result weft_flight_do_ctx_copy(weft_flight *f, weft_ctx *ctx, weft_key key,
				    weft_flight_fn fn, const void *arg,
				    size_t size)
{
	task_plan plan = {
		.values = ctx,
		.fn = fn,
		.arg = (void *)(uintptr_t)arg,
		.copy_bytes = size,
		.copy = true,
		.site = __builtin_return_address(0),
	};

	return do_in_task(f, ctx, key, &plan);
}

void weft_result_release(weft_result *r)
{
	call *c = r->priv_call;

	if (c == NULL)
		return;
	r->value = NULL;
	r->priv_call = NULL;
	put(c);
}

bool weft_result_panic(const weft_result *r, weft_panic_info *info)
{
	const call *c = r->priv_call;
	const weft__panic *p = c != NULL ? c->panic : NULL;

	weft__panic_tell(p, info);
	return p != NULL;
}

/* ---- forget ---- */

/* Forget the call for key if it has no more than most callers. */
static bool forget(weft_flight *f, weft_key key, uint32_t most)
{
	weft__flight_table *t = table_of(f);
	bool forgotten = true, behind = false;
	question q;
	call *c;

	if (t == NULL)
		return true;
	phrase(&q, f, t, key);
	weft__lock_take(&q.shard->lock);
	c = find(&q);
	if (c != NULL) {
		forgotten = c->callers <= most;
		if (forgotten) {
			weft__flight_unlink(q.shard, &c->entry);
			weft_atomic_or(&c->state, FORGOTTEN, release);
			behind = has(c, DYING) && c->slept_on;
		}
	}
	weft__lock_drop(&q.shard->lock);
	if (behind)
		rouse(c); /* F6 */
	return forgotten;
}

void weft_flight_forget(weft_flight *f, weft_key key)
{
	forget(f, key, UINT32_MAX);
}

bool weft_flight_forget_unshared(weft_flight *f, weft_key key)
{
	return forget(f, key, 1);
}

const void *weft__flight_address(weft_flight *f, weft_key key)
{
	weft__flight_table *t = table_of(f);
	question q;
	call *c;

	if (t == NULL)
		return NULL;
	phrase(&q, f, t, key);
	weft__lock_take(&q.shard->lock);
	c = find(&q);
	weft__lock_drop(&q.shard->lock);
	return c;
}

/* ---- fini ---- */

/* True if no call runs; else w is queued, with the shard's last end to come. */
static bool idle_or_queue(shard *s, weft__waiter *w)
{
	weft__bucket *b;
	bool idle;

	weft__lock_take(&s->lock);
	if (unlikely(s->running != s->abandoned)) {
		weft__lock_drop(&s->lock);
		weft_panic("flight: fini while callers wait");
	}
	idle = s->running == 0;
	if (!idle) {
		s->fini_waits = 1;
		b = weft__lot_lock(s);
		weft__lot_push(b, s, w);
		weft__lot_unlock(b);
	}
	weft__lock_drop(&s->lock);
	return idle;
}

static int drain(shard *s, weft_ctx *ctx)
{
	for (;;) {
		weft__waiter w;
		weft__bucket *b;
		int err;

		weft__waiter_init(&w, "flight fini");
		if (idle_or_queue(s, &w))
			return 0;
		err = weft__ctx_park(&w, ctx);
		if (err == 0)
			continue;
		b = weft__lot_lock(s);
		if (weft__lot_queued(&w))
			weft__lot_remove(b, &w);
		weft__lot_unlock(b);
		return err;
	}
}

int weft_flight_fini_ctx(weft_flight *f, weft_ctx *ctx)
{
	weft__flight_table *t = table_of(f);

	if (t == NULL)
		return 0;
	for (uint32_t i = 0; i <= t->shard_mask; i++) {
		int err = drain(&t->shards[i], ctx);

		if (err != 0)
			return err;
	}
	weft_atomic_store(&f->priv_table, NULL, relaxed);
	weft__flight_table_free(t);
	return 0;
}

void weft_flight_fini(weft_flight *f)
{
	int never = weft_flight_fini_ctx(f, NULL);

	(void)never;
}
