/* SPDX-License-Identifier: MIT */
/*
 * A group: tasks that work on one thing, and its first error (Go's errgroup).
 *
 * Every function given to the group runs in a task of its own. wait returns
 * when all have ended, with the first error that any of them returned. A group
 * with a context cancels it at the first error, so that the others can stop;
 * a group with a limit runs at most that many at once.
 *
 *	static int fetch(weft_ctx *ctx, void *arg)
 *	{
 *		return download(ctx, (const char *)arg);
 *	}
 *
 *	int fetch_all(weft_ctx *ctx, const char **urls, int n)
 *	{
 *		weft_group g;
 *
 *		weft_group_init(&g, ctx);
 *		weft_group_set_limit(&g, 8);
 *		for (int i = 0; i < n; i++)
 *			weft_group_go(&g, fetch, (void *)urls[i]);
 *		return weft_group_wait(&g);
 *	}
 *
 *   - All bytes zero is a group without a context and without a limit: an
 *     error does not stop the others. weft_group_init() makes one with.
 *   - The first error is the first to be returned, whatever the order in which
 *     the tasks were started. It stays for ever; later ones are dropped. Any
 *     nonzero int is an error, -ECANCELED like every other.
 *   - The first go must happen before the wait; later ones may come from the
 *     group's own tasks, or from anybody as long as one of them runs. A go
 *     that waits for the limit is counted: a wait does not return before the
 *     task that it will start.
 *   - A task that waits in go while all of the limit is taken by others that
 *     do the same would wait for ever: the last of them is told so, -EDEADLK.
 *     Use try_go there, and do the work at hand where it says no. (That none of
 *     the others can free one is known of the group's own tasks, not of tasks
 *     that they wait for.)
 *   - A task that ends by weft_exit() has failed: WEFT_ERR_EXITED. What becomes
 *     of a panic is for weft_group_set_panic() to say.
 *   - A group that was initialised must be waited for: only that takes its
 *     context off the parent. It is for one piece of work: after wait the
 *     context is done and an error remains.
 *   - It may be freed as soon as every wait on it has returned, even while the
 *     last task is still on its way out.
 */
#ifndef WEFT_GROUP_H
#define WEFT_GROUP_H

#include <weft/base.h>
#include <weft/ctx.h>
#include <weft/panic.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

WEFT_BEGIN

typedef struct weft_group weft_group;
struct weft_group {
	weft_waitgroup priv_tasks; /* started, or waiting to be */
	weft_sema priv_slots;      /* what the limit leaves */
	int64_t priv_limit;        /* see src/group/group.c */
	int priv_err;              /* the first */
	uint32_t priv_ctx_state;
	uint16_t priv_policy;      /* enum weft_panic_policy */
	uint16_t priv_raised;      /* a wait has raised the panic */
	uint32_t priv_errors_most;
	void *priv_panic;          /* the first */
	int64_t priv_nested;       /* its tasks that wait in go */
	struct weft_group_error *priv_errors;
	size_t priv_error_count;
	weft_ctx priv_ctx;
	WEFT_PRIV_NOCOPY(weft_group)
};

/* An error, and the argument of the task that returned it. */
typedef struct weft_group_error weft_group_error;
struct weft_group_error {
	int err;
	void *arg; /* for weft_group_go_copy(): the original's address */
};

/* What becomes of a panic in one of the group's tasks. */
enum weft_panic_policy {
	WEFT_PANIC_ABORT,     /* nobody catches it: the process ends there */
	WEFT_PANIC_PROPAGATE, /* wait raises it again */
	WEFT_PANIC_ERROR,     /* it is an error, WEFT_ERR_PANICKED */
};

/*
 * What runs in a group. ctx is the group's context: NULL, which is never done,
 * where it has none. Returns 0, or an error that becomes the group's if it is
 * the first.
 */
typedef int (*weft_group_fn)(weft_ctx *ctx, void *arg);
typedef int (*weft_group_value_fn)(weft_ctx *ctx, void *arg, void **value);

/*
 * Make *g a group without tasks, without a limit, and with a context derived
 * from parent, which may be NULL. The context is cancelled, with the error as
 * its cause, at the first error, or when wait returns.
 *
 * Context   a task or a plain thread; never switches tasks.
 * Lifetime  parent must not be finished before the last wait on *g has
 *           returned.
 */
WEFT_API void weft_group_init(weft_group *g, weft_ctx *parent);

/*
 * The group's context, to derive others from or to wait with; NULL where it
 * has none. It is done when wait returns, and gone when *g is.
 */
WEFT_API weft_ctx *weft_group_ctx(weft_group *g);

/*
 * Let at most n tasks run at once; n < 0: as many as there are. With 0 no task
 * starts until the limit is raised. It may be changed at any time: raised, it
 * lets those go on that wait in go; lowered, it lets those that run end in
 * peace, and has those of its tasks told -EDEADLK that wait in go and cannot
 * have a slot any more. Tasks that were started while there was no limit are not
 * counted by one that is set later.
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API void weft_group_set_limit(weft_group *g, int n);

/*
 * Say what becomes of a panic in a task; before the first go. Unless it aborts,
 * the group's error becomes WEFT_ERR_PANICKED, if it has none, and its context
 * is cancelled; the first panic is kept. With WEFT_PANIC_PROPAGATE wait panics
 * then instead of returning, in each of its callers, with the first panic's
 * message, value and stack.
 *
 * A panic that is passed on is seen late, and not at all if wait is never
 * called; the stack is gone by then, and in no core dump. That is why Go's
 * errgroup took it back and why to abort is the default.
 *
 * A group with another policy is finished with weft_group_fini().
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API void weft_group_set_panic(weft_group *g, enum weft_panic_policy policy);

/*
 * The group's first panic, where it was caught.
 *
 * Returns   true    there was one, and *info tells it
 *           false   there was none so far; *info is empty
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API bool weft_group_panic(weft_group *g, weft_panic_info *info);

/*
 * Have all errors noted in errors, in the order in which the tasks ended, as
 * many as there is room for; before the first go.
 *
 * Order     what is noted can be read after a wait.
 * Lifetime  *errors must live until wait has returned.
 */
WEFT_API void weft_group_set_errors(weft_group *g, weft_group_error *errors,
				    size_t most);

/* How many errors there were, noted or not. Exact after a wait. */
WEFT_API size_t weft_group_error_count(weft_group *g);

/*
 * Give back the panic that the group keeps. One that was to be raised by a wait
 * and was not is printed. Only groups with a panic policy need this, after the
 * last wait.
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may use
 *           *g any more.
 */
WEFT_API void weft_group_fini(weft_group *g);

/*
 * Run fn(ctx, arg) in a task, when the limit has room for it: until then, wait,
 * in the order in which the calls come to sleep. While nobody does, a call first
 * lets tasks run that have not begun yet: they may be those that have the room.
 *
 * This cannot fail in a way that the caller would have to handle: when no task
 * can be started for lack of memory, the group's error becomes -ENOMEM, unless
 * it has one, and its context is cancelled. When the group's context is done
 * while the call waits for room, fn is not started, and the group's error
 * becomes the context's, unless it has one. Where there is room it is started,
 * even if the context is done. In a task of the group, when all of the limit is
 * taken by tasks that wait here, fn is not started either, and the error is
 * -EDEADLK.
 *
 * Context   a task or a plain thread; may switch tasks where there is a limit.
 * Order     this call happens before fn begins; the end of the task whose room
 *           it takes happens before, too.
 * Lifetime  *arg is the caller's business; see weft_group_go_copy().
 */
WEFT_API void weft_group_go(weft_group *g, weft_group_fn fn, void *arg);

/*
 * As weft_group_go(); fn is given the address of a copy of the size bytes at
 * arg, aligned for any type, which lives until fn has returned.
 */
WEFT_API void weft_group_go_copy(weft_group *g, weft_group_fn fn,
				 const void *arg, size_t size);

/*
 * As weft_group_go(), with a function that has a result: *value is NULL until fn
 * stores it, and may be read after a wait. With a slot for each task results lie
 * in the order of the calls:
 *
 *	for (int i = 0; i < n; i++)
 *		weft_group_go_into(&g, fetch, urls[i], &pages[i]);
 *
 * It is the function of a flight, too: see flight.h.
 *
 * Lifetime  *value must live until wait has returned.
 */
WEFT_API void weft_group_go_into(weft_group *g, weft_group_value_fn fn,
				 void *arg, void **value);

/*
 * Run fn(ctx, arg) in a task if the limit has room now and nobody waits for
 * it; without a limit, always.
 *
 * Returns   true    fn will run
 *           false   there was no room, or no memory for a task; the group is
 *                   as before
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: as weft_group_go(). false orders nothing.
 */
WEFT_API bool weft_group_try_go(weft_group *g, weft_group_fn fn,
				void *arg) WEFT_PRIV_WARN_UNUSED;

/*
 * As weft_group_go(), but wait for room no longer than until ctx is done, and
 * tell what became of it. ctx may be NULL.
 *
 * Returns   0            fn will run; also when a context was done before, if
 *                        there was room
 *           -ECANCELED   ctx was cancelled, or else the group's context
 *           -ETIMEDOUT   ctx's deadline passed, or else that of the group's
 *                        context
 *           -ENOMEM      no memory for a task
 *           -EDEADLK     all of the limit is taken by tasks of the group that
 *                        wait for room, the caller included
 *           With a nonzero return fn was not started, and the group is as
 *           before: its error and its context are left alone.
 * Context   a task or a plain thread; may switch tasks where there is a limit.
 * Order     0: as weft_group_go(). A nonzero return orders nothing.
 */
WEFT_API int weft_group_go_ctx(weft_group *g, weft_ctx *ctx, weft_group_fn fn,
			       void *arg) WEFT_PRIV_WARN_UNUSED;

/*
 * As weft_group_go_copy() and weft_group_go_into(), in the manner of
 * weft_group_go_ctx(): wait for room no longer than until ctx is done, leave the
 * group's error alone, and return what that does. *value is NULL then.
 */
WEFT_API int weft_group_go_copy_ctx(weft_group *g, weft_ctx *ctx,
				    weft_group_fn fn, const void *arg,
				    size_t size) WEFT_PRIV_WARN_UNUSED;
WEFT_API int weft_group_go_into_ctx(weft_group *g, weft_ctx *ctx,
				    weft_group_value_fn fn, void *arg,
				    void **value) WEFT_PRIV_WARN_UNUSED;

/*
 * Wait until every task has ended, cancel the group's context, and take it off
 * its parent.
 *
 * Returns   the first error, or 0. Called again, or by several at once, it
 *           returns the same.
 * Context   a task or a plain thread; may switch tasks. One of the group's own
 *           tasks would wait for itself: it panics, "group: waited for by one
 *           of its own tasks".
 * Order     the return of every fn happens before this return.
 * Lifetime  *g may be freed once every wait on it has returned, even while the
 *           last task is still on its way out: see G1 in group.c.
 */
WEFT_API int weft_group_wait(weft_group *g);

/*
 * As weft_group_wait(), but wait no longer than until ctx is done. The group
 * goes on then, and its context is not cancelled.
 *
 * Returns   the first error, or 0, if all tasks have ended; also when ctx was
 *           done before
 *           -ECANCELED   ctx was cancelled first
 *           -ETIMEDOUT   ctx's deadline passed first
 *           The last two may be the group's error as well. Who has to know,
 *           because *g is to be freed, calls weft_group_wait(): if all tasks
 *           have ended it returns at once.
 */
WEFT_API int weft_group_wait_ctx(weft_group *g,
				 weft_ctx *ctx) WEFT_PRIV_WARN_UNUSED;

WEFT_END

#ifdef WEFT_DEBUG
#define weft_group_init(o, ...)                                                \
	weft_group_init(WEFT_PRIV_FRESH(weft_group, o), __VA_ARGS__)
#define weft_group_ctx(o) weft_group_ctx(WEFT_PRIV_USED(weft_group, o))
#define weft_group_set_limit(o, ...)                                           \
	weft_group_set_limit(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_set_panic(o, ...)                                           \
	weft_group_set_panic(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_panic(o, ...)                                               \
	weft_group_panic(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_set_errors(o, ...)                                          \
	weft_group_set_errors(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_error_count(o)                                              \
	weft_group_error_count(WEFT_PRIV_USED(weft_group, o))
#define weft_group_fini(o) weft_group_fini(WEFT_PRIV_USED(weft_group, o))
#define weft_group_go(o, ...)                                                  \
	weft_group_go(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_go_copy(o, ...)                                             \
	weft_group_go_copy(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_go_into(o, ...)                                             \
	weft_group_go_into(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_try_go(o, ...)                                              \
	weft_group_try_go(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_go_ctx(o, ...)                                              \
	weft_group_go_ctx(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_go_copy_ctx(o, ...)                                         \
	weft_group_go_copy_ctx(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_go_into_ctx(o, ...)                                         \
	weft_group_go_into_ctx(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#define weft_group_wait(o) weft_group_wait(WEFT_PRIV_USED(weft_group, o))
#define weft_group_wait_ctx(o, ...)                                            \
	weft_group_wait_ctx(WEFT_PRIV_USED(weft_group, o), __VA_ARGS__)
#endif

#endif
