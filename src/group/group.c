/* SPDX-License-Identifier: MIT */
/*
 * The errgroup: a wait group for the tasks, a semaphore for the limit, a word
 * for the first error, and a context.
 *
 *	priv_limit	means					units in all
 *	0		no limit, and never had one		0
 *	UNLIMITED	no limit any more			MANY
 *	n + 1		at most n tasks at once			n
 *
 *	priv_ctx_state	means
 *	0		no context
 *	ATTACHED	in its parent's tree
 *	DETACHED	not any more: a wait has seen the end
 *
 * G1  A task counts from before its go looks for room until its done, and done
 *     is the last touch of *g: what has to be cancelled was cancelled before,
 *     and its slot was given back before. So a wait covers a go that waits for
 *     room, and *g may be freed when the wait returns (W2 of the wait group).
 *     Tempting and wrong: first the slot, then the count, as Go has it. A wait
 *     that comes while the only go waits for room sees no task and returns;
 *     the task runs later, in a group that is no more.
 *
 * G2  The error is stored before the context is cancelled, and by a CAS from
 *     0, so by one task. Who is stopped by the context and returns an error of
 *     its own because of that has lost already; and who sees the context done
 *     by an error can read it.
 *
 * G3  Units free + units of tasks + units of goes between taking and starting
 *     = the number that priv_limit stands for, whenever no set_limit runs.
 *     set_limit swaps the word and adds the difference, so that several at
 *     once commute. A task gives back a unit if and only if it took one, which
 *     its entry remembers, not the group. Tempting and wrong: to look at the
 *     limit again at the task's end, as Go does. A task that was started
 *     without one takes away a slot from the limit that was set meanwhile, or
 *     hangs.
 *
 * G4  Taking a limit away adds MANY units instead of letting the word alone
 *     say so: whoever is queued for one then is let in.
 */
#include "base/alloc.h"
#include "base/trap.h"
#include "ctx/ctx.h"
#include "sched/task.h"
#include "sync/sema.h"

#include <weft/group.h>
#include <weft/panic.h>

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(weft_group) == sizeof(weft_ctx) + 32, "documented");

#define UNLIMITED ((int64_t)-1)
#define MANY ((int64_t)1 << 40)

enum { ATTACHED = 1, DETACHED = 2 };

/* What is to be run. */
typedef struct {
	weft_group_fn fn;
	void *arg;
	size_t copy_bytes;
	bool copy;
	void *site;
} work;

weft_ctx *weft_group_ctx(weft_group *g)
{
	uint32_t state = weft_atomic_load(&g->priv_ctx_state, relaxed);

	return state != 0 ? &g->priv_ctx : NULL;
}

void weft_group_init(weft_group *g, weft_ctx *parent)
{
	memset(g, 0, sizeof *g);
	weft_ctx_init(&g->priv_ctx, parent);
	weft_atomic_store(&g->priv_ctx_state, ATTACHED, relaxed);
}

/* ---- the limit ---- */

static long units_of(int64_t limit)
{
	return limit == 0 ? 0 : limit == UNLIMITED ? MANY : limit - 1;
}

void weft_group_set_limit(weft_group *g, int n)
{
	int64_t limit = n < 0 ? UNLIMITED : (int64_t)n + 1;
	int64_t old = weft_atomic_xchg(&g->priv_limit, limit, acq_rel);

	weft__sema_adjust(&g->priv_slots, units_of(limit) - units_of(old));
}

static bool is_limited(weft_group *g)
{
	return weft_atomic_load(&g->priv_limit, acquire) > 0;
}

/* A context that is done when either of two is. */
typedef struct {
	weft_ctx ctx;
	weft_ctx_after after;
	weft_waitgroup passed_on;
} either;

static void pass_on(void *arg)
{
	either *e = arg;

	weft_ctx_cancel(&e->ctx, 0);
	weft_waitgroup_done(&e->passed_on);
}

static int acquire_until_either(weft_sema *slots, weft_ctx *one, weft_ctx *two)
{
	either e = {0};
	int err;

	weft_ctx_init(&e.ctx, one);
	weft_waitgroup_add(&e.passed_on, 1);
	err = weft_ctx_after_start(&e.after, two, pass_on, &e);
	if (err == 0) {
		err = weft_sema_acquire_ctx(slots, &e.ctx, 1);
		if (!weft_ctx_after_stop(&e.after))
			weft_waitgroup_wait(&e.passed_on);
	}
	weft_ctx_fini(&e.ctx);
	if (err == -ECANCELED && !weft_ctx_done(one))
		err = weft_ctx_err(two);
	return err;
}

static int take_slot(weft_group *g, weft_ctx *ctx)
{
	weft_ctx *own = weft_group_ctx(g);

	if (weft_sema_try_acquire(&g->priv_slots, 1))
		return 0;
	if (ctx == NULL || own == NULL)
		return weft_sema_acquire_ctx(&g->priv_slots,
					     ctx != NULL ? ctx : own, 1);
	return acquire_until_either(&g->priv_slots, ctx, own);
}

/* ---- the end of a task ---- */

static void fail(weft_group *g, int err)
{
	int none = 0;

	if (weft_atomic_cas(&g->priv_err, &none, err, acq_rel, relaxed) &&
	    weft_group_ctx(g) != NULL)
		weft_ctx_cancel(&g->priv_ctx, err); /* G2 */
}

/*
 * Every task ends here, however its function ended: G1. Panics and exits will
 * be told apart by outcome.
 */
static inline void finish(weft_group *g, enum weft_outcome outcome, int err,
			  bool has_slot)
{
	(void)outcome;
	if (unlikely(err != 0))
		fail(g, err);
	if (has_slot)
		weft_sema_release(&g->priv_slots, 1);
	weft_waitgroup_done(&g->priv_tasks);
}

/* Four entries, so that a task remembers its slot and its copy for free. */

static inline int call_fn(weft__task *task, void *arg)
{
	weft_group_fn fn = __extension__(weft_group_fn) task->fn;

	return fn(weft_group_ctx(task->object), arg);
}

static void run(weft__task *task)
{
	weft_group *g = task->object;

	finish(g, WEFT_RETURNED, call_fn(task, task->arg), false);
}

static void run_with_slot(weft__task *task)
{
	weft_group *g = task->object;

	finish(g, WEFT_RETURNED, call_fn(task, task->arg), true);
}

/* A task and its argument in one block. */
typedef struct {
	weft__task task;
	max_align_t copy[];
} task_with_copy;

static int call_fn_with_copy(weft__task *task)
{
	task_with_copy *block = weft__container(task, task_with_copy, task);
	int err = call_fn(task, block->copy);

	weft__free(block);
	return err;
}

static void run_with_copy(weft__task *task)
{
	weft_group *g = task->object;

	finish(g, WEFT_RETURNED, call_fn_with_copy(task), false);
}

static void run_with_copy_and_slot(weft__task *task)
{
	weft_group *g = task->object;

	finish(g, WEFT_RETURNED, call_fn_with_copy(task), true);
}

/* ---- starting ---- */

static int start_with_copy(weft_group *g, const work *w, bool has_slot)
{
	task_with_copy *block;

	if (weft__runtime_start() != 0 ||
	    w->copy_bytes > PTRDIFF_MAX - sizeof *block)
		return -ENOMEM;
	block = weft__alloc(sizeof *block + w->copy_bytes);
	if (block == NULL)
		return -ENOMEM;
	if (w->copy_bytes != 0)
		memcpy(block->copy, w->arg, w->copy_bytes);
	weft__task_start_embedded(
		&block->task, has_slot ? run_with_copy_and_slot : run_with_copy,
		g, __extension__(void *) w->fn, NULL, w->site);
	return 0;
}

/* 0: *g may be gone. Else the slot was given back; the count was not. */
static inline int start(weft_group *g, const work *w, bool has_slot)
{
	int err = w->copy ? start_with_copy(g, w, has_slot)
			  : weft__task_start(has_slot ? run_with_slot : run, g,
					     __extension__(void *) w->fn,
					     w->arg, w->site);

	if (unlikely(err != 0) && has_slot)
		weft_sema_release(&g->priv_slots, 1);
	return err;
}

/*
 * Count w, get it a slot and start it. If that fails the caller still has the
 * count, which keeps *g alive, and has to give it back as its last touch.
 */
static inline int launch(weft_group *g, weft_ctx *ctx, const work *w)
{
	bool limited = is_limited(g);
	int err = 0;

	if (unlikely(w->fn == NULL))
		weft__fatal("go of nil func value");
	weft_waitgroup_add(&g->priv_tasks, 1);
	if (limited)
		err = take_slot(g, ctx);
	return err != 0 ? err : start(g, w, limited);
}

static inline void go(weft_group *g, const work *w)
{
	int err = launch(g, NULL, w);

	if (unlikely(err != 0)) {
		fail(g, err);
		weft_waitgroup_done(&g->priv_tasks);
	}
}

void weft_group_go(weft_group *g, weft_group_fn fn, void *arg)
{
	work w = {
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};

	go(g, &w);
}

void weft_group_go_copy(weft_group *g, weft_group_fn fn, const void *arg,
			size_t size)
{
	work w = {
		.fn = fn,
		.arg = (void *)(uintptr_t)arg,
		.copy_bytes = size,
		.copy = true,
		.site = __builtin_return_address(0),
	};

	go(g, &w);
}

bool weft_group_try_go(weft_group *g, weft_group_fn fn, void *arg)
{
	bool limited = is_limited(g);
	work w = {
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};

	if (unlikely(fn == NULL))
		weft__fatal("go of nil func value");
	if (limited && !weft_sema_try_acquire(&g->priv_slots, 1))
		return false;
	weft_waitgroup_add(&g->priv_tasks, 1);
	if (start(g, &w, limited) == 0)
		return true;
	weft_waitgroup_done(&g->priv_tasks);
	return false;
}

int weft_group_go_ctx(weft_group *g, weft_ctx *ctx, weft_group_fn fn, void *arg)
{
	work w = {
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};
	int err = launch(g, ctx, &w);

	if (unlikely(err != 0))
		weft_waitgroup_done(&g->priv_tasks);
	return err;
}

/* ---- waiting ---- */

/* All tasks have ended. Of several waiters one detaches; none frees *g yet. */
static int settle(weft_group *g)
{
	int err = weft_atomic_load(&g->priv_err, acquire);

	if (weft_group_ctx(g) == NULL)
		return err;
	weft_ctx_cancel(&g->priv_ctx, err);
	if (weft_atomic_xchg(&g->priv_ctx_state, DETACHED, acq_rel) == ATTACHED)
		weft__ctx_detach(&g->priv_ctx);
	return err;
}

int weft_group_wait(weft_group *g)
{
	weft_waitgroup_wait(&g->priv_tasks);
	return settle(g);
}

int weft_group_wait_ctx(weft_group *g, weft_ctx *ctx)
{
	int err = weft_waitgroup_wait_ctx(&g->priv_tasks, ctx);

	return err != 0 ? err : settle(g);
}
