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
#include "group/flight.h"

#include "base/alloc.h"
#include "ctx/ctx.h"
#include "group/flight_call.h"
#include "sched/block.h"
#include "sched/lot.h"
#include "sched/park.h"
#include "sched/sched.h"
#include "sched/span.h"

#include <weft/chan.h>
#include <weft/panic.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(weft_flight) == 8 * sizeof(void *), "documented");
_Static_assert(sizeof(weft_key) == 2 * sizeof(void *), "fits two registers");
_Static_assert(sizeof(void *) == sizeof(uint64_t), "weft_key_u64() needs it");

enum {
	DYING = WEFT__CALL_DYING,
	FORGOTTEN = WEFT__CALL_FORGOTTEN,
	ENDED = WEFT__CALL_ENDED,
	DONE = WEFT__CALL_DONE,
};

typedef weft__flight_shard shard;
typedef weft__listener listener;
typedef weft__call call;

/* What a call has that runs in a task of its own. */
typedef struct flight_task {
	weft__task task;
	weft_ctx ctx;
	weft_flight_fn fn;
	void *arg;
} flight_task;

/* Where a key's call would be. */
typedef struct {
	weft_flight *flight;
	shard *shard;
	uint64_t hash;
	weft_key key;	/* none of weft_key_u64() */
} place;

/* What one caller wants to know. */
typedef struct {
	place at;
	uint64_t word;		/* the key, if it is a weft_key_u64() */
	listener *listener;	/* who asks, if it does not wait */
	bool keeps;		/* the flight does */
	weft_time elected;	/* to refresh what is fresh until then, or 0 … */
	bool helpless;		/* … but has no memory for it */
	bool background;		/* and does not wait for that */
	weft_time now;		/* if the flight keeps */
	call *kept;		/* what a refresh in the background gives */
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

/* What is kept at most where the flight does not say. */
enum { KEPT_MOST = 65536 };

static weft__flight_table *make_table(weft_flight *f)
{
	size_t most = f->max_entries > 0 ? f->max_entries : KEPT_MOST;
	weft__flight_table *fresh =
		weft__flight_table_new(weft__flight_keeps(f) ? most : 0);
	void *table = NULL;

	if (fresh == NULL)
		return NULL;
	fresh->owner = f;
	if (weft_atomic_cas(&f->priv_table, &table, (void *)fresh, acq_rel,
			    acquire))
		return fresh;
	weft__flight_table_free(fresh);
	return table;
}

static weft__flight_table *table_of(weft_flight *f)
{
	weft__flight_table *t = weft_atomic_load(&f->priv_table, acquire);

	if (unlikely(t != NULL && t->owner != f))
		weft_panic("weft_flight is copied");
	return t;
}

/* A weft_key_u64() is put into *word, for the place to point to. */
static inline place locate(weft_flight *f, weft__flight_table *t, weft_key key,
			   uint64_t *word)
{
	place at = {.flight = f, .key = key};

	if (key.size == WEFT_PRIV_KEY_WORD) {
		*word = (uintptr_t)key.data;
		at.key = (weft_key){word, sizeof *word};
	}
	at.hash = weft__flight_hash(at.key.data, at.key.size);
	at.shard = weft__flight_shard_of(t, at.hash);
	return at;
}

/* Ask for no more than that. */
static void phrase(question *q)
{
	q->listener = NULL;
	q->keeps = weft__flight_keeps(q->at.flight);
	q->elected = 0;
	q->helpless = false;
	q->background = false;
	q->kept = NULL;
	if (unlikely(q->keeps))
		q->now = weft__flight_now();
}

static bool ask(question *q, weft_flight *f, weft_key key)
{
	weft__flight_table *t = table_of(f);

	if (unlikely(t == NULL) && (t = make_table(f)) == NULL)
		return false;
	q->at = locate(f, t, key, &q->word);
	phrase(q);
	return true;
}

/* With the shard locked. */
static inline call *find(place at)
{
	weft__flight_entry *e = weft__flight_find(at.shard, at.hash, at.key.data,
						  at.key.size);

	return e != NULL ? weft__container(e, call, entry) : NULL;
}

static bool has(const call *c, uint32_t bits)
{
	return (weft_atomic_load(&c->state, acquire) & bits) != 0;
}

#define set(c, bit, order)                                                      \
	weft_atomic_store(&(c)->state,                                         \
			  weft_atomic_load(&(c)->state, relaxed) | (bit), order)

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
	c->mark = 0;
	c->refs = 2;
}

/* Most are short: two words that may overlap, and no call. */
static inline void copy_key(char *to, const void *key, size_t key_bytes)
{
	uint64_t first, last;

	if (key_bytes >= sizeof first && key_bytes <= 2 * sizeof first) {
		memcpy(&first, key, sizeof first);
		memcpy(&last, (const char *)key + key_bytes - sizeof last,
		       sizeof last);
		memcpy(to, &first, sizeof first);
		memcpy(to + key_bytes - sizeof last, &last, sizeof last);
	} else if (key_bytes != 0) {
		memcpy(to, key, key_bytes);
	}
}

/* A call that runs in its first caller, with that one counted. */
static inline __attribute__((always_inline)) call *
call_new_before(const weft__stack *self, place at, size_t before_key)
{
	call *c;

	if (at.key.size > PTRDIFF_MAX || before_key > PTRDIFF_MAX)
		return NULL;
	c = weft__block_alloc(self, before_key + at.key.size);
	if (unlikely(c == NULL))
		return NULL;
	c->in_kept_block = weft__block_is_kept(self, before_key + at.key.size);
	c->entry.hash = at.hash;
	c->entry.key = (char *)c + before_key;
	c->entry.key_bytes = at.key.size;
	copy_key((char *)c + before_key, at.key.data, at.key.size);
	c->shard = at.shard;
	c->flight = at.flight;
	c->old = NULL;
	c->task = NULL;
	c->drop = at.flight->drop;
	c->panic = NULL;
	c->listeners = NULL;
	c->mark = weft__flow_mark_on(self);
	c->state = 0;
	c->refs = 1;
	c->callers = 1;
	c->duplicates = 0;
	c->slept_on = false;
	c->background = false;
	return c;
}

static inline __attribute__((always_inline)) call *
call_new_led(const weft__stack *self, place at)
{
	return call_new_before(self, at, round_up(sizeof(call)));
}

/* With a plan: the same that runs in a task. */
static call *call_new(const question *q, const task_plan *plan)
{
	size_t extra = plan != NULL ? task_bytes(plan) : 0;
	call *c;

	if (plan != NULL && (extra == 0 || weft__runtime_start() != 0))
		return NULL;
	c = call_new_before(weft__stack_self(), q->at,
			    round_up(sizeof(call)) + extra);
	if (c != NULL && plan != NULL)
		place_task(c, plan);
	return c;
}

static inline void block_free(const weft__stack *self, call *c)
{
	weft__block_free(self, c, c->in_kept_block);
}

static void call_free(call *c)
{
	if (c->task != NULL)
		weft_ctx_fini(&c->task->ctx);
	if (unlikely(c->panic != NULL))
		weft__panic_put(c->panic);
	block_free(weft__stack_self(), c);
}

static void free_it(call **c)
{
	call_free(*c);
}

/* F5: the last one has let go of c, which has ended. drop may exit. */
static void destroy(call *last)
{
	__attribute__((cleanup(free_it))) call *c = last;

	if (c->drop != NULL && c->value != NULL)
		c->drop(c->value);
}

/*
 * Let go of c. Who reads 1 is the last, without a read-modify-write: others
 * can come only by finding c in the table, and while it is there its task or
 * its first caller is counted beside whoever lets go.
 */
void weft__call_put(call *c)
{
	if (weft_atomic_load(&c->refs, acquire) == 1 ||
	    weft_atomic_sub(&c->refs, 1, acq_rel) == 1)
		destroy(c);
}

/* ---- sleeping on a call ---- */

/*
 * For reports. Keys of weft_key_str() and the like can be read, others are
 * shown in hex, and long ones cut.
 */
static void print_key(const call *c, char *text, size_t size)
{
	const unsigned char *key = c->entry.key;
	size_t n = c->entry.key_bytes;
	size_t used = (size_t)snprintf(text, size, "key ");

	for (size_t i = 0; i < n && used + sizeof "\\x00…" <= size; i++)
		used += (size_t)snprintf(text + used, size - used,
					 isprint(key[i]) ? "%c" : "\\x%02x",
					 key[i]);
	if (used + sizeof "\\x00…" > size)
		memcpy(text + used, "…", sizeof "…");
}

static void tell(const weft__waiter *w, weft__told *told)
{
	const call *c = w->address;

	told->holder = weft_atomic_load(&c->mark, relaxed);
	print_key(c, told->text, sizeof told->text);
}

/* Its function is called, or was. */
static WEFT_PRIV_COLD void trace(const call *c, bool begins)
{
	char name[40];

	print_key(c, name, sizeof name);
	weft__trace_span("flight", c, name, begins);
}

static const weft__why why_flight = {.text = "flight", .tell = tell};
static const weft__why why_alone = {.text = "flight", .tell = tell};	/* F9 */
static const weft__why why_behind = {.text = "flight, a dying call", .tell = tell};

static void get_up(const void *address, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(address);

	if (weft__lot_queued(w))
		weft__lot_remove(b, w);
	weft__lot_unlock(b);
}

/* Sleep until c's state has one of bits, or ctx is done. 0 or ctx's error. */
static int sleep_on(call *c, weft_ctx *ctx, uint32_t bits, const weft__why *why)
{
	weft__bucket *b = weft__lot_lock(c);
	weft__waiter w;
	int err;

	if (has(c, bits)) {
		weft__lot_unlock(b);
		return 0;
	}
	weft__waiter_init(&w, why);
	weft__lot_push(b, c, &w);
	weft__lot_unlock(b);
	err = weft__ctx_park(&w, ctx);
	if (err != 0)
		get_up(c, &w);
	return err; /* 0: F6 */
}

/*
 * Drop s's lock, and wake all who slept on an address until then: F6. Nobody goes
 * on early, for all want that lock.
 */
static WEFT_PRIV_COLD void drop_and_rouse(shard *s, const void *address)
{
	weft__bucket *b = weft__lot_lock(address);
	weft__wakeups wakeups = {0};

	weft__lot_claim_all(b, address, 0, &wakeups);
	weft__lot_unlock(b);
	weft__lock_drop(&s->lock);
	weft__wake(&wakeups);
}

/* A result is more than value and err: it refers to the call. */
static inline bool has_to_refer(const call *c)
{
	return (c->drop != NULL && c->value != NULL) || c->panic != NULL;
}

/* Returns how many have been given what there is to give: F9. */
static uint32_t hand_out(const call *c, weft__bucket *b, weft__wakeups *wakeups)
{
	weft__waiter *w = weft__lot_take_all(b, c), *next;
	uint32_t handed = 0, count = 0;

	for (; w != NULL; w = next) {
		bool alone = w->why == &why_alone;

		next = w->next;
		weft__lot_fetch(w);
		w->address = NULL;
		w->data = c->value;
		w->result = c->err;
		weft__claim(w, alone ? WEFT__MOVED : WEFT__NOTIFIED, wakeups);
		weft__wake_early(wakeups, ++count);
		handed += alone;
	}
	return handed;
}

/*
 * Set DONE and wake the sleepers. As long as the bucket is locked, those who
 * wait for DONE stay and keep c alive; so the task may let go before they are
 * woken (F5), and if it was the last nobody sleeps.
 */
static void let_go(call *c, bool kept)
{
	weft__bucket *b = weft__lot_lock(c);
	uint32_t ours = c->task != NULL && !kept;
	weft__wakeups wakeups = {0};
	bool last;

	set(c, DONE, release);
	if (c->outcome == WEFT_RETURNED && !has_to_refer(c))
		ours += hand_out(c, b, &wakeups);
	last = ours != 0 && weft_atomic_sub(&c->refs, ours, acq_rel) == ours;
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

	if (has_to_refer(c))
		r.priv_call = c;
	else
		weft__call_put(c);
	return r;
}

static weft_result kept_result(call *c)
{
	weft_result r = result_of(c);

	r.kept = true;
	return r;
}

/* The same for a caller who has to end as the function did, if it did not return. */
static __attribute__((noinline)) weft_result result_or_ending(call *c)
{
	weft__panic *p;

	switch (c->outcome) {
	case WEFT_PANICKED:
		p = weft__panic_get(c->panic);
		weft__call_put(c);
		weft__panic_again(p);
	case WEFT_EXITED:
		weft__call_put(c);
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

/*
 * F3: nobody wants the value, nor ever will; or it was not what fn ended with.
 * Nobody can come while it is dropped but to a refresh in the background, which
 * is not dying; so that is only given up, for those who join it.
 */
static void drop_unwanted(call *c)
{
	void *value = c->value;

	c->value = NULL;
	weft__lock_drop(&c->shard->lock);
	weft__call_apart(c->drop, value);
	weft__lock_take(&c->shard->lock);
}

static bool is_unwanted(const call *c, bool keep)
{
	return c->value != NULL && c->drop != NULL &&
	       (c->outcome != WEFT_RETURNED || (c->callers == 0 && !keep));
}

/* Out of the table, where an old result may come back to: K1. */
static void unlink_ended(call *c, weft_time now, call **out)
{
	call *old = c->old;

	weft__flight_unlink(c->shard, &c->entry);
	c->old = NULL;
	if (old == NULL)
		return;
	if (weft__keep_is_usable(old, now)) {
		weft__flight_link(c->shard, &old->entry);
		weft__keep_insert(old, out);
	} else {
		weft__keep_drop(old, out);
	}
}

/*
 * In the table for as long as it is kept; the old one is not any more. A task's
 * reference becomes the table's, so that a fini finds no other one.
 */
static void keep(call *c, call **out)
{
	if (c->old != NULL)
		weft__keep_drop(c->old, out);
	c->old = NULL;
	if (c->task == NULL)
		weft_atomic_add(&c->refs, 1, relaxed);
	weft__keep_insert(c, out);
}

/* Does anybody sleep on it, or is a reference to be let go, when it has ended? */
static bool has_to_let_go(const call *c, bool kept)
{
	if (c->task == NULL)
		return c->slept_on;
	return !kept || c->callers != 0;
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
static void finish_locked(const ending *e, weft_time now)
{
	call *c = e->call, *out = NULL;
	shard *s = c->shard;
	bool abandoned, unheard, listened, awaited, kept = false;

	c->outcome = e->outcome;
	c->value = e->value;
	c->err = error_of(e);
	c->panic = e->panic;
	if (unlikely(now != 0) && !has(c, FORGOTTEN | DYING))
		kept = weft__keep_wants(c, now);
	if (is_unwanted(c, kept))
		drop_unwanted(c);
	if (kept)
		keep(c, &out);
	else if (!has(c, FORGOTTEN))	/* perhaps since the drop */
		unlink_ended(c, now, &out);
	set(c, ENDED, relaxed);
	abandoned = c->callers == 0;
	unheard = abandoned && e->panic != NULL;
	listened = c->listeners != NULL;
	awaited = has_to_let_go(c, kept);
	/* From here on *c may be gone, if it is kept and nobody waits for it. */
	if (unlikely(out != NULL)) {	/* while a fini waits for us still */
		weft__lock_drop(&s->lock);
		weft__keep_put_all(out);
		weft__lock_take(&s->lock);
	}
	s->abandoned -= abandoned;
	s->running--;
	if (unlikely(s->fini_waits) && s->running == 0)
		drop_and_rouse(s, s);
	else
		weft__lock_drop(&s->lock);
	/* F4: the shard may be gone from here on. */

	if (unlikely(unheard))
		weft__panic_report(e->panic, "every caller had left a flight's "
					     "function that panicked");
	if (awaited)
		let_go(c, kept);
	if (unlikely(listened))
		deliver_all(c);
}

static void finish(const ending *e)
{
	weft_time now = 0;

	if (unlikely(weft__spans))
		trace(e->call, false);
	if (unlikely(weft__flight_keeps(e->call->flight)))
		now = weft__flight_now();
	weft__lock_take(&e->call->shard->lock);
	finish_locked(e, now);
}

/* Whatever fn has left on its context goes on now, not with the last release. */
static void finish_in_task(const ending *e)
{
	weft_ctx_cancel(&e->call->task->ctx, -ECANCELED);
	finish(e);
}

static void call_fn(void *arg)
{
	ending *e = arg;
	flight_task *t = e->call->task;

	weft__check_fn(t->fn != NULL);
	e->err = t->fn(&t->ctx, t->arg, &e->value);
}

/* A panic goes to the callers, unless the flight wants none to be caught. */
static void run_call(weft__task *task)
{
	__attribute__((cleanup(finish_in_task))) ending e = {
		.call = task->object,
		.outcome = WEFT_EXITED,
	};

	weft_atomic_store(&e.call->mark, weft__flow_mark(), relaxed);
	if (unlikely(weft__spans))
		trace(e.call, true);
	if (e.call->flight->abort_on_panic) {
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
	weft__call_put(e->call);
}

/* True: the call is its first caller's alone: F8. */
static inline bool finish_alone(const ending *e)
{
	call *c = e->call;
	shard *s = c->shard;

	if (unlikely(weft__spans || weft__flight_keeps(c->flight))) {
		finish(e);
		return false;
	}
	weft__lock_take(&s->lock);
	if (unlikely(c->slept_on || c->old != NULL || s->fini_waits ||
		     has(c, FORGOTTEN))) {
		finish_locked(e, 0);
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
		block_free(self, c);
	}
	return r;
}

static __attribute__((noinline)) weft_result
lead(const weft__stack *self, call *c, weft_flight_fn fn, void *arg)
{
	__attribute__((cleanup(lead_left))) ending e = {
		.call = c,
		.outcome = WEFT_EXITED,
	};

	weft__check_fn(fn != NULL);
	e.err = fn(NULL, arg, &e.value);
	e.outcome = WEFT_RETURNED;
	return likely(finish_alone(&e)) ? result_alone(self, &e)
					: result_or_ending(e.call);
}

/* ---- callers ---- */

/* What a caller finds, and in the same critical section becomes part of. */
enum found { NOTHING, STARTED, JOINED, KEPT, IS_DYING, IS_OWN };

static inline void listen(call *c, listener *l)
{
	l->next = NULL;
	if (c->listeners == NULL)
		c->listeners = l;
	else
		c->last_listener->next = l;
	c->last_listener = l;
}

static inline bool is_own(const weft__stack *self, const call *c)
{
	return weft_atomic_load(&c->mark, relaxed) == /* F7 */
	       weft__flow_mark_on(self);
}

static inline void count_in(call *c)
{
	c->slept_on = true;
	weft_atomic_add(&c->refs, 1, relaxed);
}

/* c has not ended, and is not dying. */
static inline enum found join(call *c, listener *l)
{
	count_in(c);
	if (l != NULL)
		listen(c, l);
	if (c->callers++ == 0)
		c->shard->abandoned--;	/* a refresh in the background */
	c->duplicates++;
	c->shard->joined++;
	return JOINED;
}

static enum found join_or_not(call *c, listener *l)
{
	if (is_own(weft__stack_self(), c))
		return IS_OWN;
	if (!has(c, DYING))
		return join(c, l);
	count_in(c);
	return IS_DYING;
}

/* A caller of c, which is kept, beside the table. */
static enum found give(call *c, weft_time now)
{
	shard *s = c->shard;

	s->hits++;
	s->stale += now >= c->fresh_until;
	weft_atomic_add(&c->refs, 1, relaxed);
	return KEPT;
}

/*
 * What *c, found in the table or NULL, is to q, if it is kept or replaces one that
 * is; NOTHING: neither, or it has to be replaced now. *c becomes what is given.
 */
static enum found look_at_kept(question *q, call **c, call **out)
{
	call *found = *c;
	weft_time elected = q->elected;

	q->elected = 0;	/* for what is not there any more */
	if (found == NULL)
		return NOTHING;
	if (!has(found, ENDED)) {
		if (found->old == NULL ||
		    !weft__keep_is_usable(found->old, q->now))
			return NOTHING;
		*c = found->old;
		return give(found->old, q->now);
	}
	switch (weft__keep_look(found, q->now, elected)) {
	case WEFT__KEPT_FRESH:
		return give(found, q->now);
	case WEFT__KEPT_REFRESH:
		if (unlikely(q->helpless))
			return give(found, q->now);
		q->elected = found->fresh_until;
		break;
	case WEFT__KEPT_EXPIRED:
		weft__keep_evict(found, out);
		*c = NULL;
	}
	return NOTHING;
}

static inline void put_in(shard *s, call *c)
{
	weft__flight_link(s, &c->entry);
	s->running++;
	s->led++;
}

/* The same in the place of old, if there is one. */
static void start(question *q, call *c, call *old)
{
	shard *s = q->at.shard;

	c->started = q->now;
	if (unlikely(old != NULL)) {
		weft__flight_unlink(s, &old->entry);
		weft__keep_remove(old);
		c->old = old;
		s->refreshed++;
	}
	put_in(s, c);
	if (unlikely(old != NULL && q->background)) {
		c->background = true;
		c->callers = 0;
		s->abandoned++;
		q->kept = old;
		weft_atomic_sub(&c->refs, 1, relaxed);	/* no caller's */
		give(old, q->now);
	} else if (q->listener != NULL) {
		listen(c, q->listener);
	}
}

/* Be given what is kept, join the call for q in *c, or start *fresh, if any. */
static enum found enter(question *q, call **c, call **fresh)
{
	shard *s = q->at.shard;
	enum found found = NOTHING;
	bool resize = false;
	call *out = NULL;

	weft__lock_take(&s->lock);
	*c = find(q->at);
	if (unlikely(q->keeps))
		found = look_at_kept(q, c, &out);
	if (found == NOTHING && *c != NULL && !has(*c, ENDED)) {
		found = join_or_not(*c, q->listener);
	} else if (found == NOTHING && *fresh != NULL) {
		start(q, *fresh, *c);
		*c = *fresh;
		*fresh = NULL;
		found = STARTED;
		resize = weft__flight_shard_wants_resize(s->linked, s->mask);
	}
	weft__lock_drop(&s->lock);
	weft__keep_put_all(out);
	if (unlikely(resize))
		weft__flight_shard_resize(s);
	return found;
}

/* IS_DYING: wait until c has ended or was forgotten. */
static int wait_behind(call *c, weft_ctx *ctx)
{
	int err = sleep_on(c, ctx, DONE | FORGOTTEN, &why_behind);

	weft__call_put(c);
	return err;
}

/*
 * Come to be a caller of the call for q, of a new one if need be, or to an
 * error. An idle shard has no call to be joined: that saves looking twice.
 */
static int seek(question *q, weft_ctx *ctx, const task_plan *plan,
		call **c, enum found *found)
{
	call *fresh = NULL;
	int err = 0;

	if (weft_atomic_load(&q->at.shard->linked, relaxed) == 0) {
		fresh = call_new(q, plan);
		if (unlikely(fresh == NULL))
			return -ENOMEM;
	}
	for (;;) {
		*found = enter(q, c, &fresh);
		if (*found == NOTHING) {
			fresh = call_new(q, plan);
			q->helpless = fresh == NULL && q->elected != 0;
			err = fresh == NULL && q->elected == 0 ? -ENOMEM : 0;
		} else if (*found == IS_DYING) {
			err = wait_behind(*c, ctx);
			if (q->keeps)
				q->now = weft__flight_now();
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
	if (last)
		s->abandoned++;
	last = last && !c->background;
	if (last)
		set(c, DYING, relaxed);
	weft__lock_drop(&s->lock);
	if (last)
		weft_ctx_cancel(&c->task->ctx, -ECANCELED);
	weft__call_put(c);
	return true;
}

static weft_result follow(call *c, weft_ctx *ctx)
{
	int err = sleep_on(c, ctx, DONE, &why_flight);

	if (err != 0) {
		if (leave(c))
			return refused(err);
		sleep_on(c, NULL, DONE, &why_flight); /* F4 */
	}
	return result_or_ending(c);
}

/* False: c is done. */
static inline __attribute__((always_inline)) bool queue_alone(call *c, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(c);
	bool done = has(c, DONE);

	if (likely(!done)) {
		weft__waiter_init(w, &why_alone);
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
		return result_or_ending(c);
	return (weft_result){	/* F9 */
		.value = w.data,
		.err = w.result,
		.outcome = WEFT_RETURNED,
		.shared = true,
	};
}

/* What weft_flight_do() has come to; found < 0: why it has not. */
typedef struct {
	call *call;
	int found;
} entered;

/* Wherever there is more to it than enter_at_once() does. */
static __attribute__((noinline)) entered enter_at_length(weft_flight *f, weft_key key)
{
	enum found found;
	question q;
	call *c;
	int err;

	if (!ask(&q, f, key))
		return (entered){NULL, -ENOMEM};
	err = seek(&q, NULL, NULL, &c, &found);
	return err == 0 ? (entered){c, found} : (entered){NULL, err};
}

/* c was found, with its shard locked; fresh is not needed. NULL: c is not to be joined. */
static inline call *join_found(const weft__stack *self, call *c, call *fresh)
{
	bool other = has(c, DYING | ENDED) || is_own(self, c);

	if (likely(!other))
		join(c, NULL);
	weft__lock_drop(&c->shard->lock);
	if (unlikely(fresh != NULL))
		block_free(self, fresh);
	return likely(!other) ? c : NULL;
}

/* Start c, with its shard locked. */
static inline void start_led(shard *s, call *c)
{
	bool resize;

	put_in(s, c);
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
	weft__flight_table *t = table_of(f);
	call *fresh = NULL, *c;
	uint64_t word;
	bool busy;
	place at;

	if (unlikely(t == NULL || weft__flight_keeps(f)))
		return enter_at_length(f, key);
	at = locate(f, t, key, &word);
	busy = weft_atomic_load(&at.shard->linked, relaxed) != 0;
	for (;;) {
		if (!busy && unlikely((fresh = call_new_led(self, at)) == NULL))
			return (entered){NULL, -ENOMEM};
		weft__lock_take(&at.shard->lock);
		c = find(at);
		if (c != NULL)
			break;
		if (likely(fresh != NULL)) {
			start_led(at.shard, fresh);
			return (entered){fresh, STARTED};
		}
		weft__lock_drop(&at.shard->lock);
		busy = false;
	}
	c = join_found(self, c, fresh);
	return likely(c != NULL) ? (entered){c, JOINED} : enter_at_length(f, key);
}

weft_result weft_flight_do(weft_flight *f, weft_key key, weft_flight_fn fn,
			   void *arg)
{
	weft__stack *self = weft__stack_self();
	entered in = enter_at_once(self, f, key);

	if (in.found == JOINED)
		return follow_alone(self, in.call);
	if (likely(in.found == STARTED)) {
		if (unlikely(weft__spans))
			trace(in.call, true);
		return lead(self, in.call, fn, arg);
	}
	return in.found == KEPT ? kept_result(in.call) : refused(in.found);
}

/* Become a caller of a call in a task, or be given what is kept: 0, or why not. */
static int join_or_start(question *q, weft_ctx *ctx, const task_plan *plan,
			 call **c)
{
	enum found found;
	int err;

	q->background = plan->copy;
	err = seek(q, ctx, plan, c, &found);
	if (err != 0)
		return err;
	if (found == KEPT)
		q->kept = *c;
	if (found == STARTED)
		weft__task_start_embedded(&(*c)->task->task, run_call, *c,
					  __extension__(void *) plan->fn,
					  plan->arg, plan->site);
	return 0;
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
	if (err != 0)
		return refused(err);
	return q.kept != NULL ? kept_result(q.kept) : follow(c, ctx);
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

static int do_for_listener(weft_flight *f, weft_ctx *ctx, weft_key key,
			   const task_plan *plan, listener *l)
{
	question q;
	call *c;
	int err;

	if (!ask(&q, f, key))
		return -ENOMEM;
	q.listener = l;
	err = join_or_start(&q, ctx, plan, &c);
	if (err == 0 && q.kept != NULL) {
		l->result = kept_result(q.kept);
		deliver(l, plan->site);
	}
	return err;
}

static int do_chan(weft_flight *f, weft_ctx *ctx, weft_key key,
		   const task_plan *plan, weft_chan *results)
{
	listener *l;
	int err = ctx != NULL ? weft_ctx_err(ctx) : 0;

	if (results == NULL || results->priv_elem_bytes != sizeof(weft_result))
		weft_panic("flight: the channel is not one of weft_result");
	if (err != 0)
		return err;
	l = listener_new(results);
	if (l == NULL)
		return -ENOMEM;
	err = do_for_listener(f, ctx, key, plan, l);
	if (err != 0)
		weft__free(l);
	return err;
}

void weft_flight_do_chan(weft_flight *f, weft_key key, weft_flight_fn fn,
			 void *arg, weft_chan *results)
{
	task_plan plan = {
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};
	int err = do_chan(f, NULL, key, &plan, results);
	weft_result refusal = refused(err);

	if (err != 0)
		weft_chan_send(results, &refusal);
}

int weft_flight_do_chan_ctx(weft_flight *f, weft_ctx *ctx, weft_key key,
			    weft_flight_fn fn, void *arg, weft_chan *results)
{
	task_plan plan = {
		.values = ctx,
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};

	return do_chan(f, ctx, key, &plan, results);
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
	weft__call_put(c);
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
	call *c, *out = NULL;
	uint64_t word;
	place at;

	if (t == NULL)
		return true;
	at = locate(f, t, key, &word);
	weft__lock_take(&at.shard->lock);
	c = find(at);
	if (c != NULL && has(c, ENDED)) {
		weft__keep_evict(c, &out);
	} else if (c != NULL) {
		forgotten = c->callers <= most;
		if (forgotten) {
			weft__flight_unlink(at.shard, &c->entry);
			set(c, FORGOTTEN, release);
			behind = has(c, DYING) && c->slept_on;
			if (c->old != NULL)
				weft__keep_drop(c->old, &out);
			c->old = NULL;
		}
	}
	if (behind)
		drop_and_rouse(at.shard, c);
	else
		weft__lock_drop(&at.shard->lock);
	weft__keep_put_all(out);
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
	uint64_t word;
	place at;
	call *c;

	if (t == NULL)
		return NULL;
	at = locate(f, t, key, &word);
	weft__lock_take(&at.shard->lock);
	c = find(at);
	weft__lock_drop(&at.shard->lock);
	return c;
}

/* ---- fini ---- */

static const weft__why why_fini = {.text = "flight fini"};

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
		int err;

		weft__waiter_init(&w, &why_fini);
		if (idle_or_queue(s, &w))
			return 0;
		err = weft__ctx_park(&w, ctx);
		if (err != 0) {
			get_up(s, &w);
			return err;
		}
	}
}

/* No call runs: whatever is in the table is kept. */
static void drop_kept(shard *s)
{
	call *out = NULL;
	weft__link *link;

	weft__lock_take(&s->lock);
	while ((link = weft__list_first(&s->clock)) != NULL)
		weft__keep_evict(weft__container(link, call, in_clock), &out);
	weft__lock_drop(&s->lock);
	weft__keep_put_all(out);
}

void weft_flight_count(weft_flight *f, weft_flight_counters *counters)
{
	weft__flight_table *t = table_of(f);

	memset(counters, 0, sizeof *counters);
	for (uint32_t i = 0; t != NULL && i <= t->shard_mask; i++) {
		shard *s = &t->shards[i];

		weft__lock_take(&s->lock);
		counters->led += s->led;
		counters->joined += s->joined;
		counters->kept += s->hits;
		counters->stale += s->stale;
		counters->refreshed += s->refreshed;
		counters->dropped += s->dropped;
		counters->evicted += s->evicted;
		counters->running += s->running;
		counters->entries += s->kept;
		weft__lock_drop(&s->lock);
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
	for (uint32_t i = 0; i <= t->shard_mask; i++)
		drop_kept(&t->shards[i]);
	weft_atomic_store(&f->priv_table, NULL, relaxed);
	weft__flight_table_free(t);
	return 0;
}

void weft_flight_fini(weft_flight *f)
{
	int never = weft_flight_fini_ctx(f, NULL);

	(void)never;
}
