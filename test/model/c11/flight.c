/* SPDX-License-Identifier: MIT */
/*
 * src/group/flight.c with its table, on real contexts, waiters and lot: F1 … F5.
 * CALLERS ask for one key, the first AGAIN of them once more while they have a
 * result; the last one out ends the flight and frees it. The calls run in those
 * who ask first, but those of the first TASKS callers in tasks: each has a thread
 * for what it starts. With CANCELS the last caller begins by cancelling the first
 * one's context; with FORGETS another thread forgets the key. With FRESH the
 * flight has no table before. With KEEPS results are kept, one for the key too: 1,
 * it is fresh, so nothing runs; 2, it is stale, so whoever comes first refreshes it
 * in a task (K1 of flight_keep.c). With HURRIES another thread cancels the first
 * caller's context and then that of a first try to end the flight; when it has ended
 * its memory is something else's, for which somebody sleeps. With GIVES nothing is
 * to be dropped, and callers need not release what they are given (F9).
 */
#include "explore.h"
#include "machine/machine.h"

#include "base/alloc.h"
#include "ctx/ctx.h"
#include "group/flight_call.h"
#include "sched/block.h"
#include "sched/panic.h"
#include "sched/span.h"

#include <errno.h>
#include <string.h>

#include <weft/chan.h>

enum {
	ASKS = 1 + AGAIN,	/* of a caller, at most … */
	USERS = CALLERS + FORGETS,	/* … and those who use the flight */
};

#ifndef HURRIES
#define HURRIES 0
#endif

#ifndef GIVES
#define GIVES 0
#endif

typedef struct {
	int n;		/* plain, as all here */
} thing;

static weft_flight *f;
static weft_ctx ctx, patience;
static int running;		/* plain: F1 */
static uint32_t forgotten;
static uint32_t users = USERS;
static uint32_t made, dropped;
static weft_time now = 1;	/* plain: it stands still while threads run */

/* ---- the calls ---- */

/* F1: of those that nobody has forgotten one runs after the other. */
static int function(weft_ctx *c, void *unused, void **value)
{
	thing *t = model_new(sizeof *t);

	(void)c, (void)unused;
	if (!FORGETS)
		model_check(++running == 1);
	t->n = 1;
	if (!FORGETS)
		running--;
	weft_atomic_add(&made, 1, relaxed);
	*value = t;
	return 0;
}

static void drop(void *value)
{
	thing *t = value;

	model_check(t->n == 1);
	model_free(t, sizeof *t);	/* F5: once */
	weft_atomic_add(&dropped, 1, relaxed);
}

/* What a caller has started; nothing: it starts no more. */
static weft__task nothing;
static weft__task *started[CALLERS][ASKS];	/* atomic */
static int start_count[CALLERS];

static void start(int caller, weft__task *task)
{
	weft_atomic_store(&started[caller][start_count[caller]++], task, release);
}

static weft__task *next_started(int caller, int n)
{
	weft__task *task;

	model_await((task = weft_atomic_load(&started[caller][n], acquire)) != NULL);
	return task;
}

void weft__task_start_embedded(weft__task *task, weft__task_entry *entry,
			       void *object, void *fn, void *arg, void *site)
{
	(void)fn, (void)arg, (void)site;
	task->entry = entry;
	task->object = object;
	start((int)model_self() - 1, task);
}

static void *runner(void *of)
{
	for (int i = 0; i < ASKS; i++) {
		weft__task *task = next_started((int)(uintptr_t)of, i);

		if (task == &nothing)
			break;
		task->entry(task);
	}
	return NULL;
}

/* ---- the callers ---- */

static weft_result ask(weft_ctx *with)
{
	weft_key key = weft_key_u64(1);

	if (model_self() <= TASKS)
		return weft_flight_do_ctx(f, with, key, function, NULL);
	return weft_flight_do(f, key, function, NULL);
}

static weft__waiter other;

/* Where the key's shard was. */
static void sleep_there(const void *address)
{
	static const weft__why why = {.text = "other"};
	weft__bucket *b = weft__lot_lock(address);

	weft__waiter_init(&other, &why);
	weft__lot_push(b, address, &other);
	weft__lot_unlock(b);
}

/* F4: nobody comes to it any more. */
static void end(void)
{
	uint64_t key = 1, hash = weft__flight_hash(&key, sizeof key);
	const void *shard = weft__flight_shard_of(f->priv_table, hash);

	if (!HURRIES || weft_flight_fini_ctx(f, &patience) != 0)
		weft_flight_fini(f);
	model_free(f, sizeof *f);
	if (HURRIES)
		sleep_there(shard);
}

static void leave_for_good(void)
{
	if (weft_atomic_sub(&users, 1, acq_rel) != 1)
		return;
	end();
	if (GIVES)
		return;
	model_check(weft_atomic_load(&made, relaxed) ==
		    weft_atomic_load(&dropped, relaxed));
	if (KEEPS && !FORGETS)	/* K1: one refreshes, if at all */
		model_check(weft_atomic_load(&made, relaxed) ==
			    (FRESH ? 0 : 1) + KEEPS);
}

static const thing *thing_of(const weft_result *r)
{
	const thing *t = r->value;

	model_check(r->err == 0);
	model_check(t->n == 1);
	return t;
}

static void *caller(void *with)
{
	int self = (int)model_self() - 1;
	weft_result r;

	if (CANCELS && self == CALLERS - 1)
		weft_ctx_cancel(&ctx, -ECANCELED);
	r = ask(with);
	if (with == NULL)
		thing_of(&r);	/* F3: who stays has a result */
	if (self < AGAIN && r.err == 0) {
		weft_result other = ask(NULL);

		model_check(thing_of(&other) != thing_of(&r)); /* F1 */
		weft_result_release(&other);
	}
	weft_result_release(&r);
	if (self < TASKS && start_count[self] < ASKS)
		start(self, &nothing);
	leave_for_good();
	return NULL;
}

static void *forgetter(void *unused)
{
	weft_flight_forget(f, weft_key_u64(1));
	leave_for_good();
	return unused;
}

static void *hurrier(void *unused)
{
	weft_ctx_cancel(&ctx, -ECANCELED);
	weft_ctx_cancel(&patience, -ECANCELED);
	return unused;
}

static void call_before(uint64_t key)
{
	weft_result r = weft_flight_do(f, weft_key_u64(key), function, NULL);

	weft_result_release(&r);
}

int main(void)
{
	pthread_t threads[CALLERS + TASKS + FORGETS + HURRIES];
	int n = 0;

	f = model_new(sizeof *f);
	f->drop = GIVES ? NULL : drop;
	weft_ctx_init(&ctx, NULL);
	weft_ctx_init(&patience, NULL);
	if (KEEPS)
		f->ttl = f->stale = 1000;
	if (!FRESH)
		call_before(2);
	if (KEEPS)
		call_before(1);
	if (KEEPS == 2)
		now += 1500;
	for (int i = 0; i < CALLERS; i++)
		pthread_create(&threads[n++], NULL, caller,
			       i < CANCELS + HURRIES ? &ctx : NULL);
	for (int i = 0; i < TASKS; i++)
		pthread_create(&threads[n++], NULL, runner,
			       (void *)(uintptr_t)i);
	for (int i = 0; i < FORGETS; i++)
		pthread_create(&threads[n++], NULL, forgetter, NULL);
	for (int i = 0; i < HURRIES; i++)
		pthread_create(&threads[n++], NULL, hurrier, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	if (HURRIES)
		model_check(weft__lot_queued(&other)); /* F6 */
	return 0;
}

/* ---- what is another matter ---- */

bool weft__spans;

void weft__trace_span(const char *kind, const void *id, const char *name,
		      bool begins)
{
	(void)kind, (void)id, (void)name, (void)begins;
}

uint32_t weft__flow_mark(void)
{
	return 1 + model_self();
}

int weft__runtime_start(void)
{
	return 0;
}

void weft__call_apart(weft_fn fn, void *arg)
{
	fn(arg);
}

enum weft_outcome weft__try(weft_fn fn, void *arg, weft__panic **p)
{
	*p = NULL;
	fn(arg);
	return WEFT_RETURNED;
}

enum weft_outcome weft__left(weft__panic **p)
{
	(void)p;
	MODEL_WRONG("left");
}

void weft_exit(void)
{
	MODEL_WRONG("exit");
}

weft__panic *weft__panic_get(weft__panic *p)
{
	return p;
}

void weft__panic_put(weft__panic *p)
{
	(void)p;
}

void weft__panic_tell(const weft__panic *p, weft_panic_info *info)
{
	(void)p, (void)info;
}

void weft__panic_again(weft__panic *p)
{
	(void)p;
	MODEL_WRONG("panic");
}

void weft__panic_nil(void)
{
	MODEL_WRONG("panic");
}

void weft__panic_report(const weft__panic *p, const char *what)
{
	(void)p, (void)what;
}

void weft__after_take(weft_ctx *c, weft__link *afters)
{
	(void)c, (void)afters;
}

void weft__after_run(weft__link *afters)
{
	(void)afters;
}

bool weft_chan_try_send(weft_chan *c, const void *elem)
{
	(void)c, (void)elem;
	MODEL_WRONG("listener");
}

void weft_chan_send(weft_chan *c, const void *elem)
{
	(void)c, (void)elem;
	MODEL_WRONG("listener");
}

weft_time weft_now(void)
{
	return now;
}

int weft__cpu_count(void)
{
	return 1;
}

void weft__random_bytes(void *bytes, size_t n)
{
	memset(bytes, 0, n);
}
