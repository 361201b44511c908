/* SPDX-License-Identifier: MIT */
/*
 * Panics and exits, as the library's own functions see them that call a
 * function of the user's.
 *
 * Such a function has a variable with the cleanup attribute, whose handler asks
 * weft__left() how the function was left when it did not return. Where others
 * would wait for that handler it is a guard, and counted: that is what it costs
 * a function that returns. Who wants to stop a panic calls weft__try().
 */
#ifndef WEFT_SRC_SCHED_PANIC_H
#define WEFT_SRC_SCHED_PANIC_H

#include "base/base.h"
#include "plat/unwind.h"
#include "sched/waiter.h"

#include <weft/panic.h>

#include <setjmp.h>

/* A panic that was raised. Whoever keeps it has a reference to it. */
typedef struct weft__panic weft__panic;

weft__panic *weft__panic_get(weft__panic *p);
void weft__panic_put(weft__panic *p);	/* NULL: nothing */
void weft__panic_tell(const weft__panic *p, weft_panic_info *info);

/* Raise p, a reference to which is the caller's and becomes the panic's. */
_Noreturn WEFT_PRIV_COLD void weft__panic_again(weft__panic *p);

/* The call of a function that is NULL panics, in Go's words. */
_Noreturn WEFT_PRIV_COLD void weft__panic_nil(void);

static inline void weft__check_fn(bool given)
{
	if (unlikely(!given))
		weft__panic_nil();
}

/* Print p, which goes no further, with what became of it. */
WEFT_PRIV_COLD void weft__panic_report(const weft__panic *p, const char *what);

/*
 * In a cleanup handler: how the function is being left. With WEFT_PANICKED *p
 * is a reference, the caller's, to the panic, else NULL. WEFT_EXITED also
 * stands for what is not ours: pthread_exit(), a cancellation, an exception.
 */
WEFT_PRIV_COLD enum weft_outcome weft__left(weft__panic **p);

/* As weft_try(); with a panic *p is a reference to it, else NULL. */
enum weft_outcome weft__try(weft_fn fn, void *arg, weft__panic **p);

/*
 * Call fn(arg), as the first function of a task on a thread's own stack: an
 * exit ends here, a panic is caught by nobody.
 */
void weft__try_exit(weft_fn fn, void *arg);

/*
 * Call fn(arg), a function of the user's, in the middle of what has to be
 * brought to its end: a panic is caught by nobody, an exit ends fn alone, and
 * a cancellation of the thread comes later.
 */
void weft__call_apart(weft_fn fn, void *arg);

/*
 * From here on a handler of the caller's must not be skipped; until it runs, or
 * need not. Begins and ends are of one task or thread, and in pairs. The entry of
 * a task that has an object is such a caller without saying so. E5 of panic.c
 */
void weft__guard_begin(void);
void weft__guard_end(void);

/*
 * A number that tells the calling task or thread from all others that have not
 * ended. Never 0.
 */
uint32_t weft__flow_mark(void);

/* ---- what a task or thread has to remember of it ---- */

typedef struct weft__catch weft__catch;
typedef struct weft__dying weft__dying;

/* How something ended, or is ending. */
typedef struct {
	enum weft_outcome kind;	/* the last: an exit may have panicked since */
	bool exiting;		/* there was an exit: nothing undoes that */
	weft__panic *panic;	/* a reference, with PANICKED */
} weft__ending;

typedef struct {
	uint32_t mutexes;	/* of pthreads that it holds: weft/debug.h */
	uint32_t guards;	/* begun and not ended: weft__guard_begin() */
	weft_defer *defers;	/* innermost first */
	weft__catch *catches;	/* innermost first */
	weft__dying *dying;	/* panics that nobody catches */
	weft__ending *active;	/* what cleanups are being run for */
	weft__ending exit;	/* of the whole task or thread … */
	weft__unwind unwind;	/* … and what that needs */
} weft__flow;

/* The caller, a task, waits, and holds some of those. */
WEFT_PRIV_COLD void weft__debug_report(const weft__why *why);

#endif
