/* SPDX-License-Identifier: MIT */
/*
 * After-funcs: a task that waits to be started, in its user's storage.
 *
 *	priv_state   it is …                      linked  who changes it
 *	IDLE         nobody's                     no      start: to SETUP
 *	SETUP        being started; its timer may no      start: to ARMED, QUEUED
 *	             run already                          the timer: to FIRED
 *	FIRED        the timer was faster         no      start: to QUEUED
 *	ARMED        waiting for its context      yes     stop: to IDLE
 *	                                                  a walk, the timer: to
 *	                                                  QUEUED, and starts it
 *	QUEUED       a task that has not begun    no      the task: to IDLE
 *
 * A1  State and link change under the bucket lock of the address in priv_ctx,
 *     not under the lock in the context: the timer and weft_ctx_after_stop()
 *     cannot know whether the context still exists. It does as long as an
 *     after-func is linked, because weft_ctx_fini() and weft__ctx_detach()
 *     unlink them all under the bucket's lock; and in no other case do they
 *     touch it. The tempting wrong
 *     version uses the context's lock: the timer reads ARMED, the owner
 *     finishes the context and frees it, the timer takes a lock that is no
 *     more.
 * A2  The timer runs before *a is linked. From then on start does not touch *a:
 *     its function may have run and freed it. What the timer finds too early
 *     it leaves to start, as FIRED.
 * A3  The task stops the timer before it calls the function, so that the timer
 *     is neither running nor ever will when *a goes. It cannot be left to the
 *     walk: a timer is not to be stopped under a lock that its fire may take.
 * A4  A start on another context goes over to that one's bucket: it stores
 *     priv_ctx (release) as the last thing under the lock of the old one. Who
 *     has a lock and finds (acquire) that it belongs to what priv_ctx says by
 *     now sees all that was done under the old one, and nobody else can have
 *     the right one. The tempting wrong version does not look again: it has
 *     read priv_ctx and sleeps at the old lock while the function starts *a
 *     anew, and then takes *a out of a list under a lock that is not the list's.
 */
#include "base/list.h"
#include "base/trap.h"
#include "ctx/ctx.h"
#include "sched/lot.h"
#include "sched/task.h"
#include "sched/timer.h"

#include <weft/panic.h>

enum { IDLE, SETUP, FIRED, ARMED, QUEUED };

/* What lies in priv_room. */
typedef struct {
	weft__task task;
	weft__timer timer;
} room;

_Static_assert(sizeof(room) <= sizeof(((weft_ctx_after *)0)->priv_room),
	       "priv_room is large enough");
_Static_assert(_Alignof(room) <= 8, "priv_room is aligned");
_Static_assert(sizeof(weft_ctx_after) <= 160, "an after-func is small");

static room *room_of(weft_ctx_after *a)
{
	return (room *)(void *)a->priv_room;
}

/* A4 */
static weft__bucket *lock_bucket(const weft_ctx_after *a)
{
	for (;;) {
		weft_ctx *c = weft_atomic_load(&a->priv_ctx, relaxed);
		/* One without a context has a bucket too. */
		const void *address = c != NULL ? (const void *)c : a;
		weft__bucket *b = weft__lot_lock(address);

		if (likely(weft_atomic_load(&a->priv_ctx, acquire) == c))
			return b;
		weft__lot_unlock(b);
	}
}

static void set_state(weft_ctx_after *a, uint32_t state)
{
	weft__bucket *b = lock_bucket(a);

	a->priv_state = state;
	weft__lot_unlock(b);
}

static weft_ctx_after *with_room(room *r)
{
	return weft__container((char *)r, weft_ctx_after, priv_room);
}

static void run(weft__task *task)
{
	weft_ctx_after *a = with_room(weft__container(task, room, task));
	weft_fn fn = __extension__(weft_fn) task->fn;
	void *arg = task->arg;

	weft__timer_stop(&room_of(a)->timer);	/* A3 */
	set_state(a, IDLE);
	fn(arg);
}

static void start(weft_ctx_after *a)
{
	weft__task *task = &room_of(a)->task;

	weft__task_start_embedded(task, run, NULL, task->fn, task->arg,
				  task->site);
}

/* With the bucket locked. True if it was waiting: it has not been started. */
static bool take(weft_ctx_after *a, uint32_t state)
{
	weft_ctx *c = weft_atomic_load(&a->priv_ctx, relaxed);

	if (a->priv_state != ARMED)
		return false;
	if (weft__list_linked(&a->priv_link))	/* A1: so *c is there */
		weft__circle_remove(&c->priv_afters, &a->priv_link);
	a->priv_state = state;
	return true;
}

static void fire(weft__timer *timer, weft__wakeups *wakeups)
{
	weft_ctx_after *a = with_room(weft__container(timer, room, timer));
	weft__bucket *b = lock_bucket(a);
	bool due;

	(void)wakeups;
	if (a->priv_state == SETUP)
		a->priv_state = FIRED;	/* A2 */
	due = take(a, QUEUED);
	weft__lot_unlock(b);
	if (due)
		start(a);
}

/* Wait for c. True if that is over already: the caller has to start it. */
static bool arm(weft_ctx_after *a, weft_ctx *c)
{
	weft__bucket *b;
	bool due;

	weft__ctx_lock(c);
	b = lock_bucket(a);
	due = a->priv_state == FIRED || weft_atomic_load(&c->priv_err, acquire);
	a->priv_state = due ? QUEUED : ARMED;
	if (!due) {
		weft__circle_push(&c->priv_afters, &a->priv_link);
		c->priv_flags |= WEFT__CTX_AFTERS;
	}
	weft__lot_unlock(b);
	weft__ctx_unlock(c);
	return due;
}

static int start_timer(weft_ctx_after *a, const weft_ctx *c)
{
	weft__timer *timer = &room_of(a)->timer;

	timer->owner = NULL;
	if (c->priv_deadline == 0 || weft_ctx_done(c))
		return 0;
	return weft__timer_start(timer, c->priv_deadline, fire);
}

static void check_not_copied(const weft_ctx_after *a)
{
	uint32_t stamp = weft_atomic_load(&a->priv_stamp, relaxed);

	if (unlikely(stamp != 0 && stamp != weft__stamp(a)))
		weft_panic("weft_ctx_after is copied");
}

static void prepare(weft_ctx_after *a, weft_ctx *c)
{
	weft__bucket *b;

	check_not_copied(a);
	b = lock_bucket(a);	/* of the last context, for the last start */
	if (a->priv_state != IDLE) {
		weft__lot_unlock(b);
		weft_panic("context: after-func started twice");
	}
	a->priv_state = SETUP;
	weft_atomic_store(&a->priv_stamp, weft__stamp(a), relaxed);
	weft_atomic_store(&a->priv_ctx, c, release);	/* A4 */
	weft__lot_unlock(b);
}

int weft_ctx_after_start(weft_ctx_after *a, weft_ctx *c, weft_fn fn, void *arg)
{
	weft__task *task = &room_of(a)->task;

	if (unlikely(fn == NULL))
		weft__fatal("go of nil func value");
	prepare(a, c);
	if (c == NULL) {
		set_state(a, ARMED);
		return 0;
	}
	task->fn = __extension__(void *) fn;
	task->arg = arg;
	task->site = __builtin_return_address(0);
	if (weft__runtime_start() != 0 || start_timer(a, c) != 0) {
		set_state(a, IDLE);
		return -ENOMEM;
	}
	if (arm(a, c))
		start(a);
	return 0;
}

bool weft_ctx_after_stop(weft_ctx_after *a)
{
	weft__bucket *b;
	bool prevented, timed;

	check_not_copied(a);
	b = lock_bucket(a);
	timed = weft_atomic_load(&a->priv_ctx, relaxed) != NULL;
	prevented = take(a, IDLE);
	weft__lot_unlock(b);
	if (prevented && timed)
		weft__timer_stop(&room_of(a)->timer);
	return prevented;
}

void weft__after_take(weft_ctx *c, weft__link *afters)
{
	weft__bucket *b = weft__lot_lock(c);
	weft__link *link;

	while ((link = weft__circle_pop(&c->priv_afters)) != NULL) {
		weft_ctx_after *a =
			weft__container(link, weft_ctx_after, priv_link);

		a->priv_state = QUEUED;
		weft__list_push(afters, link);
	}
	weft__lot_unlock(b);
}

void weft__after_run(weft__link *afters)
{
	weft__link *link;

	if (weft__list_empty(afters))
		return;
	/* After a weft_run() the workers may be gone. If they cannot be had
	   now, the next one to start any runs these too. */
	(void)weft__runtime_start();
	while ((link = weft__list_pop(afters)) != NULL)
		start(weft__container(link, weft_ctx_after, priv_link));
}
