/* SPDX-License-Identifier: MIT */
/*
 * The door: a list of calls, each on the stack of who waits for it, and an
 * eventfd.
 *
 * L1  While the list is not locked the descriptor is readable exactly if it is not
 *     empty: who adds to an empty one signals, and who takes the last call out
 *     clears, both under the lock.
 *     Tempting and wrong: to clear at the begin of a step, and to signal at its
 *     end if something is left. A function that the step calls may run the loop,
 *     for a dialog, and poll for the call that closes it: that one is in the
 *     list, and nothing tells of it.
 * L2  A call is begun by taking it out of the list, under the lock. Who gives up
 *     takes it out itself; so it is either made, and waited for, or not.
 * L3  The step touches a call for the last time when it sets ended, under the
 *     lock of the bucket of its address; after that it wakes by address. It
 *     does so however the function ends: a thread that ends in it leaves the
 *     rest of the calls to the next step.
 * L4  Steps nest, as loops do: a function may run its loop, for a dialog. So
 *     each gives back what it found in priv_stepper.
 */
#include "base/list.h"
#include "ctx/ctx.h"
#include "plat/event.h"
#include "plat/lock.h"
#include "sched/lot.h"
#include "sched/panic.h"

#include <weft/loop.h>

#include <string.h>

_Static_assert(sizeof(weft__lock) == sizeof(uint32_t), "priv_lock is one");

typedef struct {
	weft__link link;
	weft_fn fn;
	void *arg;
	enum weft_outcome outcome;
	weft__panic *panic;
	uint32_t ended;		/* atomic */
} call;

static weft__lock *lock_of(weft_loop *l)
{
	return (weft__lock *)&l->priv_lock;
}

int weft_loop_init(weft_loop *l)
{
	int fd = weft__event_open();

	memset(l, 0, sizeof *l);
	l->priv_fd = fd;
	l->priv_stamp = weft__stamp(l);
	return fd < 0 ? fd : 0;
}

static void check_not_copied(const weft_loop *l)
{
	if (unlikely(l->priv_stamp != weft__stamp(l)))
		weft_panic("weft_loop is %s", l->priv_stamp != 0 ?
				   "copied" : "not initialised");
}

void weft_loop_fini(weft_loop *l)
{
	bool waiting;

	check_not_copied(l);
	weft__lock_take(lock_of(l));
	waiting = !weft__list_empty(&l->priv_calls);
	weft__lock_drop(lock_of(l));
	if (unlikely(waiting))
		weft_panic("loop: finished while calls wait");
	weft__event_close(l->priv_fd);
	l->priv_fd = -1;
}

int weft_loop_fd(const weft_loop *l)
{
	return l->priv_fd;
}

/* ---- the loop's side ---- */

/* With the list locked, after a call was taken out of it: L1. */
static void clear_if_empty(weft_loop *l)
{
	if (weft__list_empty(&l->priv_calls))
		weft__event_clear(l->priv_fd);
}

static call *take(weft_loop *l)
{
	weft__link *link;

	weft__lock_take(lock_of(l));
	link = weft__list_pop(&l->priv_calls); /* L2 */
	if (link != NULL)
		clear_if_empty(l);
	weft__lock_drop(lock_of(l));
	return link != NULL ? weft__container(link, call, link) : NULL;
}

static void ended(call **made)
{
	call *c = *made;
	weft__wakeups wakeups = {0};
	weft__bucket *b = weft__lot_lock(c);

	weft_atomic_store(&c->ended, 1, release); /* L3 */
	weft__lot_claim_all(b, c, 0, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

static void make(call *c)
{
	__attribute__((cleanup(ended), unused)) call *made = c;

	c->outcome = WEFT_EXITED;	/* of a thread that does so */
	c->outcome = weft__try(c->fn, c->arg, &c->panic);
}

/* As many as there are now. */
static size_t count_calls(weft_loop *l)
{
	size_t count = 0;

	weft__lock_take(lock_of(l));
	if (!weft__list_empty(&l->priv_calls))
		for (weft__link *k = l->priv_calls.next; k != &l->priv_calls;
		     k = k->next)
			count++;
	weft__lock_drop(lock_of(l));
	return count;
}

typedef struct {
	weft_loop *loop;
	uint32_t outer;
} step;

/* L4; what is left is for the next one. */
static void step_over(const step *s)
{
	weft_atomic_store(&s->loop->priv_stepper, s->outer, relaxed);
}

int weft_loop_step(weft_loop *l)
{
	size_t count;
	int made = 0;
	call *c;

	check_not_copied(l);
	__attribute__((cleanup(step_over), unused)) step s = {
		l, weft_atomic_load(&l->priv_stepper, relaxed)};
	count = count_calls(l);
	weft_atomic_store(&l->priv_stepper, weft__flow_mark(), relaxed);
	for (; count > 0 && (c = take(l)) != NULL; count--, made++)
		make(c);
	return made;
}

/* ---- the callers' side ---- */

static void hand_over(weft_loop *l, call *c)
{
	bool first;

	weft__lock_take(lock_of(l));
	first = weft__list_empty(&l->priv_calls);
	weft__list_push(&l->priv_calls, &c->link);
	if (first)	/* locked, so that *l is there still */
		weft__event_signal(l->priv_fd);
	weft__lock_drop(lock_of(l));
}

static bool take_back(weft_loop *l, call *c)
{
	bool waiting;

	weft__lock_take(lock_of(l));
	waiting = weft__list_linked(&c->link);
	if (waiting) {
		weft__list_remove(&c->link);
		clear_if_empty(l);
	}
	weft__lock_drop(lock_of(l));
	return waiting;
}

static void tell(const weft__waiter *w, weft__told *told)
{
	const weft_loop *l = w->data;

	if (told->still)
		told->holder = weft_atomic_load(&l->priv_stepper, relaxed);
}

static const weft__why why = {.text = "loop call", .object = WEFT__OF_DATA,
			      .tell = tell};

/* 0: *c has ended. Else ctx's error. */
static int wait_for(weft_loop *l, call *c, weft_ctx *ctx)
{
	for (;;) {
		weft__bucket *b = weft__lot_lock(c);
		weft__waiter w;
		int err;

		if (weft_atomic_load(&c->ended, acquire)) {
			weft__lot_unlock(b);
			return 0;
		}
		weft__waiter_init(&w, &why);
		w.data = l;
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

int weft_loop_call_ctx(weft_loop *l, weft_ctx *ctx, weft_fn fn, void *arg)
{
	call c = {.fn = fn, .arg = arg};
	int err = weft_ctx_err(ctx);

	check_not_copied(l);
	if (err != 0)
		return err;
	if (weft_atomic_load(&l->priv_stepper, relaxed) == weft__flow_mark()) {
		make(&c);
	} else {
		hand_over(l, &c);
		err = wait_for(l, &c, ctx);
		if (err != 0 && take_back(l, &c))
			return err;
		if (err != 0)
			(void)wait_for(l, &c, NULL);
	}
	if (c.outcome == WEFT_PANICKED)
		weft__panic_again(c.panic);
	weft__panic_put(c.panic);
	return c.outcome == WEFT_EXITED ? WEFT_ERR_EXITED : 0;
}

int weft_loop_call(weft_loop *l, weft_fn fn, void *arg)
{
	return weft_loop_call_ctx(l, NULL, fn, arg);
}
