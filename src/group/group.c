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
 *
 * G5  At most limit - 1 nested goes, those by tasks of the group that have a
 *     slot, are queued for another one. Each of those tasks keeps its slot as
 *     long as it waits. So if as many as the limit waited, no slot would be free
 *     or on its way, ever: all who could give one back would wait for one. With
 *     one fewer there is a slot that others give back, or have.
 *     Tempting and wrong: to compare with the number of tasks. One that was
 *     started and has not come to its own go yet will end.
 *     The limit may also come down to those who wait. Who is about to queue
 *     looks at it with the queue locked, and who has changed it looks at the
 *     queue after that, so none is overlooked: S5 of the semaphore. And so one
 *     is refused by the limit that is, not by one that was set before it.
 *     Tempting and wrong: to count in, look at the limit, and then queue. The
 *     limit is 2 and nobody else is nested: a task looks, and may wait. The
 *     limit becomes 1; one is counted, but none is queued that could be told.
 *     The task queues, and waits for its own slot.
 *     priv_nested counts the goes that have come so far and not returned, before
 *     they queue. It only spares looks: where it is less than the limit no more
 *     can be queued, and where who has changed the limit finds it 0 (seq_cst),
 *     those who come see the change (seq_cst).
 */
#include "base/alloc.h"
#include "base/trap.h"
#include "ctx/ctx.h"
#include "sched/panic.h"
#include "sched/span.h"
#include "sched/task.h"
#include "sync/sema.h"
#include "sync/waitgroup.h"

#include <weft/group.h>
#include <weft/panic.h>

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(weft_group) == sizeof(weft_ctx) + 72, "documented");

#define UNLIMITED ((int64_t)-1)
#define MANY ((int64_t)1 << 40)

enum { ATTACHED = 1, DETACHED = 2 };

/* What is to be run. */
typedef struct {
	weft_group_fn fn;
	weft_group_value_fn value_fn;	/* instead of fn, with a value */
	void **value;
	void *arg;
	size_t copy_bytes;
	bool copy;
	void *site;
} work;

/*
 * A task in memory of ours: its argument may be a copy, its value goes
 * somewhere, its panic is caught.
 */
typedef struct {
	weft__task task;
	weft_group_value_fn value_fn;
	void **value;
	void *given;		/* what the caller gave */
	bool catches;
	max_align_t copy[];
} job;

static inline weft_ctx *ctx_of(weft_group *g)
{
	uint32_t state = weft_atomic_load(&g->priv_ctx_state, relaxed);

	return state != 0 ? &g->priv_ctx : NULL;
}

weft_ctx *weft_group_ctx(weft_group *g)
{
	return ctx_of(g);
}

void weft_group_init(weft_group *g, weft_ctx *parent)
{
	memset(g, 0, sizeof *g);
	weft_ctx_init(&g->priv_ctx, parent);
	weft_atomic_store(&g->priv_ctx_state, ATTACHED, relaxed);
}

/* ---- the limit ---- */

static const weft__why why_go = {.text = "group go", .tell = weft__sema_tell};

/* G5 */
static int64_t most_nested(const weft_sema *slots)
{
	const weft_group *g = weft__container(slots, weft_group, priv_slots);
	int64_t limit = weft_atomic_load(&g->priv_limit, seq_cst);

	if (limit == UNLIMITED ||
	    weft_atomic_load(&g->priv_nested, seq_cst) < limit - 1)
		return INT64_MAX;
	return limit - 2;
}

static const weft__sema_bound nested_go = {
	.why = {.text = "nested group go", .tell = weft__sema_tell},
	.most = most_nested,
	.refused = -EDEADLK,
};

static long units_of(int64_t limit)
{
	return limit == 0 ? 0 : limit == UNLIMITED ? MANY : limit - 1;
}

void weft_group_set_limit(weft_group *g, int n)
{
	int64_t limit = n < 0 ? UNLIMITED : (int64_t)n + 1;
	int64_t old = weft_atomic_xchg(&g->priv_limit, limit, seq_cst);

	weft__sema_adjust(&g->priv_slots, units_of(limit) - units_of(old));
	if (weft_atomic_load(&g->priv_nested, seq_cst) > 0)	/* G5 */
		weft__sema_refuse(&g->priv_slots, &nested_go);
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

static int acquire(weft_sema *slots, weft_ctx *ctx, bool nested)
{
	return nested ? weft__sema_acquire_bound(slots, ctx, &nested_go)
		      : weft__sema_acquire_for(slots, ctx, &why_go);
}

static int acquire_until_either(weft_sema *slots, weft_ctx *one, weft_ctx *two,
				bool nested)
{
	either e = {0};
	int err;

	weft_ctx_init(&e.ctx, one);
	weft_waitgroup_add(&e.passed_on, 1);
	err = weft_ctx_after_start(&e.after, two, pass_on, &e);
	if (err == 0) {
		err = acquire(slots, &e.ctx, nested);
		if (!weft_ctx_after_stop(&e.after))
			weft_waitgroup_wait(&e.passed_on);
	}
	weft_ctx_fini(&e.ctx);
	if (err == -ECANCELED && !weft_ctx_done(one))
		err = weft_ctx_err(two);
	return err;
}

/* Is the caller a task of g's that has a slot? Defined with the entries. */
static bool is_nested(const weft_group *g);

static int wait_for_slot(weft_group *g, weft_ctx *ctx, bool nested)
{
	weft_ctx *own = ctx_of(g);

	if (ctx == NULL || own == NULL)
		return acquire(&g->priv_slots, ctx != NULL ? ctx : own, nested);
	return acquire_until_either(&g->priv_slots, ctx, own, nested);
}

static int wait_for_nested_slot(weft_group *g, weft_ctx *ctx)
{
	int err;

	weft_atomic_add(&g->priv_nested, 1, seq_cst);	/* G5 */
	err = wait_for_slot(g, ctx, true);
	weft_atomic_sub(&g->priv_nested, 1, acq_rel);
	return err;
}

/* Those who have the slots may not have begun. */
static bool help_those_with_slots(weft_group *g)
{
	int64_t limit = weft_atomic_load(&g->priv_limit, relaxed);

	return limit > 1 && weft__task_help((size_t)limit - 1);
}

/* Where somebody waits already nothing is taken past him: so we join the queue. */
static int take_slot(weft_group *g, weft_ctx *ctx)
{
	do {
		if (weft_sema_try_acquire(&g->priv_slots, 1))
			return 0;
	} while (ctx == NULL && !weft__sema_wanted(&g->priv_slots) &&
		 help_those_with_slots(g));
	return is_nested(g) ? wait_for_nested_slot(g, ctx)
			    : wait_for_slot(g, ctx, false);
}

/* ---- the end of a task ---- */

static void collect(weft_group *g, int err, void *arg)
{
	size_t i = weft_atomic_add(&g->priv_error_count, 1, relaxed);

	if (i < g->priv_errors_most) {
		g->priv_errors[i].err = err;
		g->priv_errors[i].arg = arg;
	}
}

static void fail(weft_group *g, int err, void *arg)
{
	int none = 0;

	collect(g, err, arg);
	if (weft_atomic_cas(&g->priv_err, &none, err, acq_rel, relaxed) &&
	    ctx_of(g) != NULL)
		weft_ctx_cancel(&g->priv_ctx, err); /* G2 */
}

/* Every task ends here, however its function ended: G1. */
static inline void finish(weft_group *g, int err, void *arg, bool has_slot)
{
	if (unlikely(err != 0))
		fail(g, err, arg);
	if (has_slot)
		weft_sema_release(&g->priv_slots, 1);
	weft_waitgroup_done(&g->priv_tasks);
}

/* The first panic is kept, for who waits. */
static void keep(weft_group *g, weft__panic *p)
{
	void *none = NULL;

	if (!weft_atomic_cas(&g->priv_panic, &none, (void *)p, acq_rel, relaxed))
		weft__panic_put(p);
}

/* ---- entries: four, so that a task remembers its slot for free ---- */

/* A task that was entered. */
typedef struct {
	weft_group *group;
	void *arg;	/* the task has it only until it begins */
	bool has_slot;
	bool returned;
} running;

static WEFT_PRIV_COLD void exited(weft_group *g, void *arg, bool has_slot)
{
	finish(g, WEFT_ERR_EXITED, arg, has_slot);
}

static inline void left(const running *r)
{
	if (unlikely(!r->returned))
		exited(r->group, r->arg, r->has_slot);
}

/* A task may be asked for that as long as it runs: see task.h. */
static inline void mark(weft__task *self, bool has_slot)
{
	self->flags |= has_slot ? WEFT__TASK_OF_GROUP | WEFT__TASK_HAS_SLOT
				: WEFT__TASK_OF_GROUP;
}

static inline void run_fn(weft__task *task, bool has_slot)
{
	__attribute__((cleanup(left))) running r = {task->object, task->arg,
						    has_slot, false};
	weft_group_fn fn = __extension__(weft_group_fn) task->fn;
	int err;

	mark(task, has_slot);
	err = fn(ctx_of(r.group), r.arg);
	r.returned = true;
	finish(r.group, err, r.arg, has_slot);
}

static void run(weft__task *task)
{
	run_fn(task, false);
}

static void run_with_slot(weft__task *task)
{
	run_fn(task, true);
}

static int call(job *j)
{
	weft_ctx *ctx = ctx_of(j->task.object);

	if (j->value_fn != NULL)
		return j->value_fn(ctx, j->task.arg, j->value);
	return (__extension__(weft_group_fn) j->task.fn)(ctx, j->task.arg);
}

struct tried {
	job *job;
	int err;
};

static void try_call(void *arg)
{
	struct tried *t = arg;

	t->err = call(t->job);
}

static int call_and_catch(job *j)
{
	struct tried t = {j, 0};
	weft__panic *p;

	switch (weft__try(try_call, &t, &p)) {
	case WEFT_RETURNED:
		return t.err;
	case WEFT_PANICKED:
		keep(j->task.object, p);
		return WEFT_ERR_PANICKED;
	default:
		weft__panic_put(p);
		return WEFT_ERR_EXITED;
	}
}

/* The block does not outlive the group, which may be gone after finish. */
typedef struct {
	job *job;
	int err;
	bool has_slot;
} running_job;

static void finish_job(const running_job *r)
{
	weft_group *g = r->job->task.object;
	void *given = r->job->given;

	weft__free(r->job);
	finish(g, r->err, given, r->has_slot);
}

static void run_block(weft__task *task, bool has_slot)
{
	job *j = weft__container(task, job, task);
	__attribute__((cleanup(finish_job))) running_job r = {
		j, WEFT_ERR_EXITED, has_slot};
	weft__task *self = weft__task_self();	/* stands for that in *j */

	if (self != NULL)
		mark(self, has_slot);
	r.err = j->catches ? call_and_catch(j) : call(j);
}

static void run_job(weft__task *task)
{
	run_block(task, false);
}

static void run_job_with_slot(weft__task *task)
{
	run_block(task, true);
}

static bool is_nested(const weft_group *g)
{
	const weft__task *self = weft__task_self();

	return self != NULL && self->object == g &&
	       (self->flags & WEFT__TASK_HAS_SLOT);
}

static bool is_own(const weft_group *g)
{
	const weft__task *self = weft__task_self();

	return self != NULL && self->object == g &&
	       (self->flags & WEFT__TASK_OF_GROUP);
}

/* ---- starting ---- */

static int start_job(weft_group *g, const work *w, bool has_slot, bool catches)
{
	void *arg = w->arg;
	job *j;

	if (weft__runtime_start() != 0 ||
	    w->copy_bytes > PTRDIFF_MAX - sizeof *j)
		return -ENOMEM;
	j = weft__alloc(sizeof *j + w->copy_bytes);
	if (j == NULL)
		return -ENOMEM;
	j->value_fn = w->value_fn;
	j->value = w->value;
	j->given = w->arg;
	j->catches = catches;
	if (w->copy)
		arg = j->copy;
	if (w->copy_bytes != 0)
		memcpy(j->copy, w->arg, w->copy_bytes);
	weft__task_start_embedded(&j->task,
				  has_slot ? run_job_with_slot : run_job, g,
				  __extension__(void *) w->fn, arg, w->site);
	return 0;
}

/* 0: *g may be gone. Else the slot was given back; the count was not. */
static inline __attribute__((always_inline)) int
start(weft_group *g, const work *w, bool has_slot)
{
	bool catches = g->priv_policy != WEFT_PANIC_ABORT;
	int err = unlikely(w->copy || w->value != NULL || catches)
			  ? start_job(g, w, has_slot, catches)
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
static inline __attribute__((always_inline)) int
launch(weft_group *g, weft_ctx *ctx, const work *w)
{
	bool limited = is_limited(g);
	int err = 0;

	if (unlikely(w->fn == NULL && w->value_fn == NULL))
		weft__fatal("go of nil func value");
	weft_waitgroup_add(&g->priv_tasks, 1);
	if (limited)
		err = take_slot(g, ctx);
	return err != 0 ? err : start(g, w, limited);
}

/* A task that was counted could not be started. */
static WEFT_PRIV_COLD void not_started(weft_group *g, int err, void *arg)
{
	fail(g, err, arg);
	weft_waitgroup_done(&g->priv_tasks);
}

static void go(weft_group *g, const work *w)
{
	int err = launch(g, NULL, w);

	if (unlikely(err != 0))
		not_started(g, err, w->arg);
}

/* In most groups there is nothing to ask for a task, or to remember of it. */
void weft_group_go(weft_group *g, weft_group_fn fn, void *arg)
{
	void *site = __builtin_return_address(0);
	int err;

	if (unlikely(fn == NULL || is_limited(g) ||
		     g->priv_policy != WEFT_PANIC_ABORT)) {
		go(g, &(work){.fn = fn, .arg = arg, .site = site});
		return;
	}
	weft_waitgroup_add(&g->priv_tasks, 1);
	err = weft__task_start(run, g, __extension__(void *) fn, arg, site);
	if (unlikely(err != 0))
		not_started(g, err, arg);
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

void weft_group_go_into(weft_group *g, weft_group_value_fn fn, void *arg,
			void **value)
{
	work w = {
		.value_fn = fn,
		.value = value,
		.arg = arg,
		.site = __builtin_return_address(0),
	};

	*value = NULL;
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

static inline __attribute__((always_inline)) int
go_ctx(weft_group *g, weft_ctx *ctx, const work *w)
{
	int err = launch(g, ctx, w);

	if (unlikely(err != 0))
		weft_waitgroup_done(&g->priv_tasks);
	return err;
}

int weft_group_go_ctx(weft_group *g, weft_ctx *ctx, weft_group_fn fn, void *arg)
{
	work w = {
		.fn = fn,
		.arg = arg,
		.site = __builtin_return_address(0),
	};

	return go_ctx(g, ctx, &w);
}

int weft_group_go_copy_ctx(weft_group *g, weft_ctx *ctx, weft_group_fn fn,
			   const void *arg, size_t size)
{
	work w = {
		.fn = fn,
		.arg = (void *)(uintptr_t)arg,
		.copy_bytes = size,
		.copy = true,
		.site = __builtin_return_address(0),
	};

	return go_ctx(g, ctx, &w);
}

int weft_group_go_into_ctx(weft_group *g, weft_ctx *ctx, weft_group_value_fn fn,
			   void *arg, void **value)
{
	work w = {
		.value_fn = fn,
		.value = value,
		.arg = arg,
		.site = __builtin_return_address(0),
	};

	*value = NULL;
	return go_ctx(g, ctx, &w);
}

/* ---- waiting ---- */

/* All tasks have ended. Of several waiters one detaches; none frees *g yet. */
static int settle(weft_group *g)
{
	int err = weft_atomic_load(&g->priv_err, acquire);

	if (ctx_of(g) == NULL)
		return err;
	weft_ctx_cancel(&g->priv_ctx, err);
	if (weft_atomic_xchg(&g->priv_ctx_state, DETACHED, acq_rel) == ATTACHED)
		weft__ctx_detach(&g->priv_ctx);
	return err;
}

/* The panic comes before the error: it was no answer at all. */
static int result(weft_group *g)
{
	int err = settle(g);
	weft__panic *p = weft_atomic_load(&g->priv_panic, acquire);

	if (likely(p == NULL || g->priv_policy != WEFT_PANIC_PROPAGATE))
		return err;
	weft_atomic_store(&g->priv_raised, 1, relaxed);
	weft__panic_again(weft__panic_get(p));
}

/* It is for the tasks that have g as their object. */
static void tell_wait(const weft__waiter *w, weft__told *told)
{
	weft__waitgroup_tell(w, told);
	told->tasks_of = weft__container(w->address, weft_group, priv_tasks);
}

static const weft__why why_wait = {.text = "group wait", .counts = true,
				   .tell = tell_wait};

static void check_not_own(const weft_group *g)
{
	if (unlikely(is_own(g)))
		weft_panic("group: waited for by one of its own tasks");
}

static int wait(weft_group *g, weft_ctx *ctx)
{
	int err;

	check_not_own(g);
	if (likely(!weft__spans))
		return weft__waitgroup_wait_for(&g->priv_tasks, ctx, &why_wait);
	weft__trace_span("group", g, "group wait", true);
	err = weft__waitgroup_wait_for(&g->priv_tasks, ctx, &why_wait);
	weft__trace_span("group", g, "group wait", false);
	return err;
}

int weft_group_wait(weft_group *g)
{
	(void)wait(g, NULL);
	return result(g);
}

int weft_group_wait_ctx(weft_group *g, weft_ctx *ctx)
{
	int err = wait(g, ctx);

	return err != 0 ? err : result(g);
}

/* ---- panics and errors ---- */

void weft_group_set_panic(weft_group *g, enum weft_panic_policy policy)
{
	g->priv_policy = (uint16_t)policy;
}

bool weft_group_panic(weft_group *g, weft_panic_info *info)
{
	weft__panic *p = weft_atomic_load(&g->priv_panic, acquire);

	weft__panic_tell(p, info);
	return p != NULL;
}

void weft_group_set_errors(weft_group *g, weft_group_error *errors, size_t most)
{
	g->priv_errors = errors;
	g->priv_errors_most = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

size_t weft_group_error_count(weft_group *g)
{
	return weft_atomic_load(&g->priv_error_count, relaxed);
}

void weft_group_fini(weft_group *g)
{
	weft__panic *p = g->priv_panic;

	if (p != NULL && g->priv_policy == WEFT_PANIC_PROPAGATE &&
	    !weft_atomic_load(&g->priv_raised, relaxed))
		weft__panic_report(p, "a group ended with a panic that no wait "
				      "has raised");
	weft__panic_put(p);
	g->priv_panic = NULL;
}
