/* SPDX-License-Identifier: MIT */
/*
 * Calls that run in a task of their own: those of callers who may leave, because they
 * have a context, or who do not wait, because they have a channel. The rules are
 * flight.c's.
 */
#include "group/flight_seek.h"

#include "base/alloc.h"
#include "ctx/ctx.h"
#include "sched/span.h"

#include <weft/chan.h>
#include <weft/panic.h>

#include <errno.h>
#include <string.h>

typedef weft__flight_shard shard;
typedef weft__flight_task flight_task;
typedef weft__flight_plan task_plan;
typedef weft__flight_question question;
typedef weft__listener listener;
typedef weft__call call;
typedef weft__call_ending ending;

/* ---- its memory, behind the call's own ---- */

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

size_t weft__flight_plan_bytes(const task_plan *plan)
{
	size_t fixed = round_up(sizeof(flight_task)) +
		       values_bytes(plan->values);

	if (plan->copy_bytes > PTRDIFF_MAX - fixed)
		return 0;
	return round_up(fixed + plan->copy_bytes);
}

void weft__flight_plan_place(call *c, const task_plan *plan)
{
	flight_task *t = (flight_task *)((char *)c + WEFT__CALL_BYTES);
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

/* ---- its task ---- */

/* Whatever fn has left on its context goes on now, not with the last release. */
static void finish_in_task(const ending *e)
{
	weft_ctx_cancel(&e->call->task->ctx, -ECANCELED);
	weft__call_finish(e);
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
		weft__call_trace(e.call, true);
	if (e.call->flight->abort_on_panic) {
		call_fn(&e);
		e.outcome = WEFT_RETURNED;
	} else {
		e.outcome = weft__try(call_fn, &e, &e.panic);
	}
}

/* ---- its callers ---- */

/* Give up c, unless it has ended; the last one out cancels it. */
static bool leave(call *c)
{
	shard *s = c->shard;
	bool last;

	weft__lock_take(&s->lock);
	if (weft__call_has(c, WEFT__CALL_ENDED)) {
		weft__lock_drop(&s->lock);
		return false;
	}
	last = --c->callers == 0;
	if (last)
		s->abandoned++;
	last = last && !c->background;
	if (last)
		weft__call_set(c, WEFT__CALL_DYING, relaxed);
	weft__lock_drop(&s->lock);
	if (last)
		weft_ctx_cancel(&c->task->ctx, -ECANCELED);
	weft__call_put(c);
	return true;
}

static weft_result follow(call *c, weft_ctx *ctx)
{
	int err = weft__call_sleep_on(c, ctx, WEFT__CALL_DONE, &weft__why_flight);

	if (err != 0) {
		if (leave(c))
			return weft__refused(err);
		weft__call_sleep_on(c, NULL, WEFT__CALL_DONE, &weft__why_flight); /* F4 */
	}
	return weft__call_result(c);
}

/* Become a caller of a call in a task, or be given what is kept: 0, or why not. */
static int join_or_start(question *q, weft_ctx *ctx, const task_plan *plan,
			 call **c)
{
	enum weft__found found;
	int err;

	q->background = plan->copy;
	err = weft__flight_seek(q, ctx, plan, c, &found);
	if (err != 0)
		return err;
	if (found == WEFT__FOUND_KEPT)
		q->kept = *c;
	if (found == WEFT__FOUND_STARTED)
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

	if (err == 0 && unlikely(!weft__flight_ask(&q, f, key)))
		err = -ENOMEM;
	if (err == 0)
		err = join_or_start(&q, ctx, plan, &c);
	if (err != 0)
		return weft__refused(err);
	return q.kept != NULL ? weft__call_kept_result(q.kept) : follow(c, ctx);
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

/* ---- those who do not wait ---- */

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

	if (!weft__flight_ask(&q, f, key))
		return -ENOMEM;
	q.listener = l;
	err = join_or_start(&q, ctx, plan, &c);
	if (err == 0 && q.kept != NULL) {
		l->result = weft__call_kept_result(q.kept);
		weft__listener_deliver(l, plan->site);
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
	weft_result refusal = weft__refused(err);

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
