/* SPDX-License-Identifier: MIT */
/*
 * Something that happens exactly once, and whose every caller finds it done.
 *
 * weft_once_do() runs its function if nobody did before; if another task or
 * thread is running one right now, it waits until that has returned. After any
 * weft_once_do() on an object everything its one function did can be seen. The
 * test whether it is done already is inlined: one load and one branch.
 *
 *   - Only the first call's function runs, even if later calls pass others.
 *   - A function that calls weft_once_do() on the object it is run by waits for
 *     itself.
 *   - The function may wait, sleep, and use other once objects.
 *   - There is no reset. weft_once_try() is for what may fail and be repeated.
 *
 *	static weft_once once;
 *	static struct table table;
 *
 *	static void load(void *path)
 *	{
 *		table_load(&table, path);
 *	}
 *
 *	struct table *table_get(void)
 *	{
 *		weft_once_do(&once, load, "/etc/services");
 *		return &table;
 *	}
 *
 * The same with the value as the result of a function:
 *
 *	WEFT_ONCE_VALUE(struct table *, table_get)
 *	{
 *		return table_load("/etc/services");
 *	}
 */
#ifndef WEFT_ONCE_H
#define WEFT_ONCE_H

#include <weft/atomic.h>
#include <weft/base.h>

WEFT_BEGIN

typedef struct weft_once weft_once;
struct weft_once {
	uint32_t priv_state;	/* first, for short code; 1 is done: the inline
				   paths know it, the rest is in src/sync/once.c */
	uint32_t priv_owner;	/* reserved: who runs the function */
	WEFT_PRIV_NOCOPY(weft_once)
};

/* The out-of-line rest of the functions below. Do not call these. */
WEFT_API WEFT_PRIV_COLD void weft_once_do_slow(weft_once *o, weft_fn fn,
					       void *arg);
WEFT_API WEFT_PRIV_COLD int weft_once_do_ctx_slow(weft_once *o, weft_ctx *ctx,
						  weft_fn fn, void *arg);
WEFT_API WEFT_PRIV_COLD int weft_once_try_slow(weft_once *o,
					       int (*fn)(void *), void *arg);
WEFT_API WEFT_PRIV_COLD int weft_once_try_ctx_slow(weft_once *o, weft_ctx *ctx,
						   int (*fn)(void *), void *arg);

/*
 * True when *o is done: when weft_once_do() would return at once.
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: the return of the function that ran happens before this
 *           return. false orders nothing, and may be outdated at once.
 */
WEFT_PRIV_INLINE bool weft_once_done(const weft_once *o)
{
	return WEFT_PRIV_LIKELY(weft_atomic_load(&o->priv_state, acquire) == 1);
}

/*
 * Run fn(arg), unless *o is done; wait while another caller runs its function.
 *
 * Context   a task or a plain thread; may switch tasks. fn runs in the caller.
 * Order     the return of the one function that ran happens before this return.
 * Lifetime  *o may be freed once every call on it has returned that did not
 *           run the function, even while the one that did is still returning:
 *           see O3 in once.c.
 */
WEFT_PRIV_INLINE void weft_once_do(weft_once *o, weft_fn fn, void *arg)
{
	if (WEFT_PRIV_UNLIKELY(!weft_once_done(o)))
		weft_once_do_slow(o, fn, arg);
}

/*
 * As weft_once_do(), but wait for another caller's function no longer than
 * until ctx is done. ctx, which may be NULL, limits the wait alone: a function
 * that runs, in this caller or another, is never interrupted, and fn is run
 * even if ctx is done already.
 *
 * Returns   0            *o is done
 *           -ECANCELED   ctx was cancelled while another caller's function ran
 *           -ETIMEDOUT   ctx's deadline passed while another caller's function
 *                        ran
 *           When several hold, the first in this list is returned.
 * Context   a task or a plain thread; may switch tasks. fn runs in the caller.
 * Order     0: as weft_once_do(). A nonzero return orders nothing.
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_once_do_ctx(weft_once *o, weft_ctx *ctx, weft_fn fn, void *arg)
{
	if (WEFT_PRIV_LIKELY(weft_once_done(o)))
		return 0;
	return weft_once_do_ctx_slow(o, ctx, fn, arg);
}

/*
 * As weft_once_do() with a function that may fail. If it returns 0, *o is done
 * for good. Anything else leaves *o as it was before: this caller, and those
 * who waited for this very attempt in weft_once_try(), return that value; the
 * next call makes a new attempt. There is one attempt at a time.
 *
 * May be mixed with weft_once_do() on one object: a weft_once_do() that waited
 * for an attempt that failed runs its own function then.
 *
 * Returns   0         *o is done
 *           nonzero   what fn, or the attempt that was waited for, returned
 * Context   a task or a plain thread; may switch tasks. fn runs in the caller.
 * Order     0: as weft_once_do(). Nonzero: the return of the attempt that
 *           failed happens before this return, and before the next attempt.
 */
WEFT_PRIV_INLINE int weft_once_try(weft_once *o, int (*fn)(void *), void *arg)
{
	if (WEFT_PRIV_LIKELY(weft_once_done(o)))
		return 0;
	return weft_once_try_slow(o, fn, arg);
}

/*
 * As weft_once_try(), but wait for another caller's attempt no longer than
 * until ctx is done, as weft_once_do_ctx() does.
 *
 * Returns   0            *o is done
 *           nonzero      what fn, or the attempt that was waited for, returned
 *           -ECANCELED   ctx was cancelled while another caller's attempt ran
 *           -ETIMEDOUT   ctx's deadline passed while another caller's attempt
 *                        ran
 *           When several hold, the first in this list is returned.
 */
WEFT_PRIV_INLINE int weft_once_try_ctx(weft_once *o, weft_ctx *ctx,
				       int (*fn)(void *), void *arg)
{
	if (WEFT_PRIV_LIKELY(weft_once_done(o)))
		return 0;
	return weft_once_try_ctx_slow(o, ctx, fn, arg);
}

/*
 * A function and its argument, to be called at most once: the run-time form,
 * for what is not known when the program is compiled.
 *
 *	weft_once_func_init(&session->close, session_close, session);
 *	…
 *	weft_once_func_call(&session->close);	// from as many places as it takes
 */
typedef struct weft_once_func weft_once_func;
struct weft_once_func {
	weft_once priv_once;
	weft_fn priv_fn;
	void *priv_arg;
	WEFT_PRIV_NOCOPY(weft_once_func)
};

/*
 * Make *f a callable for fn(arg).
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may
 *           use *f yet, or any more.
 */
WEFT_API void weft_once_func_init(weft_once_func *f, weft_fn fn, void *arg);

/*
 * Call *f's function, if that has not happened yet, and wait until it has
 * returned, whoever called it.
 *
 * Context, Order, Lifetime   as weft_once_do()
 */
WEFT_PRIV_INLINE void weft_once_func_call(weft_once_func *f)
{
	weft_once_do(&f->priv_once, f->priv_fn, f->priv_arg);
}

/*
 * As weft_once_func_call(), waiting no longer than until ctx is done.
 *
 * Returns   as weft_once_do_ctx()
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_once_func_call_ctx(weft_once_func *f, weft_ctx *ctx)
{
	return weft_once_do_ctx(&f->priv_once, ctx, f->priv_fn, f->priv_arg);
}

/*
 * A value that is computed by the first who asks for it.
 *
 *	weft_once_value_init(&user->avatar, avatar_load, user);
 *	…
 *	struct image *image = weft_once_value_call(&user->avatar);
 *
 * The value belongs to whoever owns the weft_once_value.
 */
typedef struct weft_once_value weft_once_value;
struct weft_once_value {
	weft_once priv_once;
	void *priv_value;
	void *(*priv_fn)(void *);
	void *priv_arg;
	WEFT_PRIV_NOCOPY(weft_once_value)
};

/*
 * Make *v the future result of fn(arg).
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may
 *           use *v yet, or any more.
 */
WEFT_API void weft_once_value_init(weft_once_value *v, void *(*fn)(void *),
				   void *arg);

/* Out of line, as above: runs *arg, a weft_once_value. Do not call it. */
WEFT_API WEFT_PRIV_COLD void weft_once_value_run_slow(void *arg);

/*
 * The value of *v: computed now, by this caller, if nobody did before.
 *
 * Context, Order, Lifetime   as weft_once_do()
 */
WEFT_PRIV_INLINE void *weft_once_value_call(weft_once_value *v)
{
	weft_once_do(&v->priv_once, weft_once_value_run_slow, v);
	return v->priv_value;
}

/*
 * As weft_once_value_call(), waiting no longer than until ctx is done. On
 * success the value is in *value, which is left alone otherwise.
 *
 * Returns   as weft_once_do_ctx()
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_once_value_call_ctx(weft_once_value *v, weft_ctx *ctx, void **value)
{
	int error = weft_once_do_ctx(&v->priv_once, ctx,
				     weft_once_value_run_slow, v);

	if (error == 0)
		*value = v->priv_value;
	return error;
}

/*
 * Define a function, type name(void), local to this file, that computes its
 * result in the first call and returns that for ever after:
 *
 *	WEFT_ONCE_VALUE(sqlite3 *, database)
 *	{
 *		sqlite3 *db;
 *
 *		sqlite3_open("packages.db", &db);
 *		return db;
 *	}
 *	… database() …
 *
 * type must be one that can stand before a name: use a typedef for pointers to
 * functions and for arrays in a struct.
 *
 * Context, Order   as weft_once_do(); the body runs in the first caller.
 */
#define WEFT_ONCE_VALUE(type, name)                                            \
	static type name##_priv_compute(void);                                 \
	static weft_once name##_priv_once;                                     \
	static type name##_priv_value;                                         \
	static void name##_priv_run(void *unused)                              \
	{                                                                      \
		(void)unused;                                                  \
		name##_priv_value = name##_priv_compute();                     \
	}                                                                      \
	WEFT_PRIV_INLINE type name(void)                                       \
	{                                                                      \
		weft_once_do(&name##_priv_once, name##_priv_run, NULL);        \
		return name##_priv_value;                                      \
	}                                                                      \
	static type name##_priv_compute(void)

WEFT_END

#endif
