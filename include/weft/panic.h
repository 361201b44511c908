/* SPDX-License-Identifier: MIT */
/*
 * Endings: a function returns, panics, or exits its task; and what is run on
 * the way out.
 *
 *	static void unlock(void *m)
 *	{
 *		weft_mutex_unlock(m);
 *	}
 *
 *	static void withdraw(void *account)
 *	{
 *		struct account *a = account;
 *
 *		weft_mutex_lock(&a->mutex);
 *		WEFT_DEFER(unlock, &a->mutex);
 *		if (a->balance < 0)
 *			weft_panic("balance of %s is %ld", a->name, a->balance);
 *		...
 *	}
 *
 *	weft_panic_info info;
 *	if (weft_try(withdraw, account, &info) == WEFT_PANICKED)
 *		log("%s\n%s", info.message, info.stack);
 *
 *   - A panic is for what should not happen. It leaves every function up to
 *     the innermost weft_try(), running on the way what has to be run: defers,
 *     variables with the cleanup attribute, destructors of C++.
 *   - An exit ends the task, or the plain thread, in the same way (Go's
 *     runtime.Goexit). It is no panic and no return: weft_try() tells them
 *     apart.
 *   - A panic that nobody catches ends the process. The defers are run, as in
 *     Go; then message, stack, task and where the task was started are printed
 *     and the process aborts, with the stack still there as it was at the
 *     panic, for the debugger. Cleanup variables and destructors are not run.
 *   - A panic in a function that a panic made run takes its place. An exit
 *     there cancels the panic. A panic during an exit that is caught leaves it
 *     an exit: exits cannot be undone but by weft_try().
 *   - Every function on the way should be built with -fexceptions, which
 *     `pkg-config --cflags weft` has. Where it is not, only cleanup variables
 *     are skipped; defers run all the same, in their order. (pthread_exit() and
 *     pthread_cancel(), which unwind without us, skip those defers too.)
 *   - Without unwind tables (-fno-asynchronous-unwind-tables, and no -fexceptions)
 *     a function also hides those that called it: the cleanup variables and
 *     destructors of all of them are skipped, up to the weft_try() or the end of
 *     the task or thread. If that would leave somebody waiting for ever, as it does
 *     where the function was called by a once, a flight, a group, a wait group,
 *     weft_run() or a cond, one line names it and the process aborts.
 *   - A C++ exception is not a panic and weft_try() does not catch it: it
 *     passes through. One that leaves a task calls std::terminate(). A catch
 *     (...) that swallows a panic or an exit ends the process: rethrow it.
 *   - longjmp() past a WEFT_DEFER or a weft_try() is undefined.
 */
#ifndef WEFT_PANIC_H
#define WEFT_PANIC_H

#include <weft/base.h>

#include <errno.h>

WEFT_BEGIN

/* How a function that the library called can end. */
enum weft_outcome {
	WEFT_RETURNED, /* it returned */
	WEFT_PANICKED, /* it left by a panic */
	WEFT_EXITED,   /* it ended its task, or its thread */
};

/*
 * The errors that stand for an ending where only an error can be given, as by a
 * group's wait.
 */
#define WEFT_ERR_PANICKED (-ENOTRECOVERABLE)
#define WEFT_ERR_EXITED (-EOWNERDEAD)

/* A panic, as it is told to who catches it. A plain value. */
typedef struct weft_panic_info weft_panic_info;
struct weft_panic_info {
	void *value;        /* weft_panic_value()'s; else NULL */
	char message[256];  /* cut off where it is longer */
	char stack[1024];   /* where it was raised, innermost first, a line a
	                       frame, as many as there is room for; the names of
	                       functions that are exported. A panic that nobody
	                       catches is reported with all names. */
};

/*
 * Panic with a message, as printf() makes it.
 *
 * Context   a task or a plain thread; does not return, and what it makes run
 *           may switch tasks. Never from a signal handler.
 */
WEFT_API WEFT_PRIV_NORETURN void weft_panic(const char *format, ...)
	__attribute__((format(printf, 1, 2), cold));

/*
 * Panic with a value, which every catcher is given as it is. The library does
 * not look at it: who catches it knows what it is and whose it is.
 */
WEFT_API WEFT_PRIV_NORETURN void weft_panic_value(void *value)
	__attribute__((cold));

/*
 * End the calling task, or plain thread, running what has to be run on the way
 * out. A plain thread ends by pthread_exit(NULL), the main one too: the process
 * goes on without it then, until somebody calls exit(3).
 *
 * Inside a weft_try() this ends only the function that was tried; call it
 * again to go on exiting.
 *
 * Context   a task or a plain thread; does not return.
 */
WEFT_API WEFT_PRIV_NORETURN void weft_exit(void) __attribute__((cold));

/*
 * Call fn(arg) and tell how it ended.
 *
 * Returns   WEFT_RETURNED   fn returned
 *           WEFT_PANICKED   it panicked; *info says with what
 *           WEFT_EXITED     it called weft_exit(). If a panic was caught on the
 *                           way, *info is about that.
 *           Where *info, which may be NULL, has nothing to say its value is
 *           NULL and its strings are empty.
 * Context   a task or a plain thread; switches tasks where fn does.
 */
WEFT_API enum weft_outcome weft_try(weft_fn fn, void *arg,
				    weft_panic_info *info);

/* Private: what is to be run at the end of a scope. */
typedef struct weft_defer weft_defer;
struct weft_defer {
	weft_fn priv_fn;
	void *priv_arg;
	void *priv_frame;
	weft_defer *priv_next;
};

/* Private: the halves of WEFT_DEFER. */
WEFT_API weft_defer *weft_defer_begin(weft_defer *d);
WEFT_API void weft_defer_end(weft_defer *d);

#define WEFT_PRIV_JOIN_(a, b) a##b
#define WEFT_PRIV_JOIN(a, b) WEFT_PRIV_JOIN_(a, b)
#define WEFT_PRIV_DEFER(name, fn, arg)                                         \
	weft_defer name __attribute__((cleanup(weft_defer_end))) =             \
		{(fn), (arg), __builtin_frame_address(0), NULL},               \
		*WEFT_PRIV_JOIN(name, _begun) __attribute__((unused)) =        \
			weft_defer_begin(&name)

/*
 * WEFT_DEFER(fn, arg): run fn(arg) at the end of the scope that this stands in,
 * however it ends: by its closing brace, return, goto or break, by a panic or by
 * an exit. The last one is run first. A statement of its own, in a block.
 *
 * Context   a task or a plain thread; switches tasks where fn does.
 */
#define WEFT_DEFER(fn, ...)                                                    \
	WEFT_PRIV_DEFER(WEFT_PRIV_JOIN(priv_defer_, __COUNTER__), fn,          \
			(__VA_ARGS__))

WEFT_END

#endif
