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
 *   - A function that panics or exits has run: weft_once_do() passes that on to
 *     its own caller; those who wait, and those who come later, return as if it
 *     had returned (Go's sync.Once). The funcs and values below panic in every
 *     caller then.
 *   - A function that calls the object it is run by would wait for itself:
 *     that panics, "sync: once called by its own function".
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
	uint32_t priv_owner;	/* who runs the function */
	WEFT_PRIV_NOCOPY(weft_once)
};

/* The out-of-line rest of the functions below. Do not call these. */
WEFT_API WEFT_PRIV_SLOW void weft_once_do_slow(weft_once *o, weft_fn fn,
					       void *arg);
WEFT_API WEFT_PRIV_SLOW int weft_once_do_ctx_slow(weft_once *o, weft_ctx *ctx,
						  weft_fn fn, void *arg);
WEFT_API WEFT_PRIV_SLOW int weft_once_try_slow(weft_once *o,
					       int (*fn)(void *), void *arg);
WEFT_API WEFT_PRIV_SLOW int weft_once_try_ctx_slow(weft_once *o, weft_ctx *ctx,
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
 * next call makes a new attempt. There is one attempt at a time. An attempt
 * that panics or exits leaves *o as it was too, and those who waited for it
 * make their own.
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
 * Private: a once whose function may panic, for funcs and values. Its state is
 * 1, done, only if the function has returned.
 */
typedef struct weft_once_call weft_once_call;
struct weft_once_call {
	weft_once priv_once;
	void *priv_panic; /* what every later call raises */
	WEFT_PRIV_NOCOPY(weft_once_call)
};

WEFT_API WEFT_PRIV_SLOW void weft_once_call_slow(weft_once_call *c, weft_fn fn,
						 void *arg);
WEFT_API WEFT_PRIV_SLOW int weft_once_call_ctx_slow(weft_once_call *c,
						    weft_ctx *ctx, weft_fn fn,
						    void *arg);

/*
 * A function and its argument, to be called at most once: the run-time form,
 * for what is not known when the program is compiled (Go's sync.OnceFunc).
 *
 *	weft_once_func_init(&session->close, session_close, session);
 *	…
 *	weft_once_func_call(&session->close);	// from as many places as it takes
 *
 * If the function panics, every call panics, for ever, with the same message,
 * value and stack. If it exits, the first caller exits and every later call
 * panics: "sync: the function of a once has exited".
 */
typedef struct weft_once_func weft_once_func;
struct weft_once_func {
	weft_once_call priv_call;
	weft_fn priv_fn;
	void *priv_arg;
	weft_fn priv_drop;
	WEFT_PRIV_NOCOPY(weft_once_func)
};

/*
 * Make *f a callable for fn(arg). The second form gives it arg to keep:
 * drop(arg) is called once, as soon as fn(arg) has ended, in whatever way. It
 * should return: a panic in it is caught by nobody, an exit ends drop alone.
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may
 *           use *f yet, or any more.
 */
WEFT_API void weft_once_func_init(weft_once_func *f, weft_fn fn, void *arg);
WEFT_API void weft_once_func_init_drop(weft_once_func *f, weft_fn fn, void *arg,
				       weft_fn drop);

/*
 * Give back what *f keeps: its argument, if it has a drop and was never called,
 * and the panic, if its function panicked. Not needed otherwise. All bytes of
 * *f are zero after that.
 *
 * Context   a task or a plain thread; calls drop. Nobody else may use *f any
 *           more.
 */
WEFT_API void weft_once_func_fini(weft_once_func *f);

/* Out of line: runs *func, a weft_once_func. Do not call it. */
WEFT_API WEFT_PRIV_SLOW void weft_once_func_run(void *func);

/*
 * Call *f's function, if that has not happened yet, and wait until it has
 * returned, whoever called it.
 *
 * Context, Order, Lifetime   as weft_once_do()
 */
WEFT_PRIV_INLINE void weft_once_func_call(weft_once_func *f)
{
	if (WEFT_PRIV_UNLIKELY(!weft_once_done(&f->priv_call.priv_once)))
		weft_once_call_slow(&f->priv_call, weft_once_func_run, f);
}

/*
 * As weft_once_func_call(), waiting no longer than until ctx is done.
 *
 * Returns   as weft_once_do_ctx()
 */
WEFT_PRIV_INLINE WEFT_PRIV_WARN_UNUSED int
weft_once_func_call_ctx(weft_once_func *f, weft_ctx *ctx)
{
	if (WEFT_PRIV_LIKELY(weft_once_done(&f->priv_call.priv_once)))
		return 0;
	return weft_once_call_ctx_slow(&f->priv_call, ctx, weft_once_func_run,
				       f);
}

/*
 * A value that is computed by the first who asks for it (Go's sync.OnceValue).
 *
 *	weft_once_value_init(&user->avatar, avatar_load, user);
 *	…
 *	struct image *image = weft_once_value_call(&user->avatar);
 *
 * The value belongs to whoever owns the weft_once_value. Panics and exits are
 * as with a weft_once_func.
 */
typedef struct weft_once_value weft_once_value;
struct weft_once_value {
	weft_once_call priv_call;
	void *priv_value;
	void *(*priv_fn)(void *);
	void *priv_arg;
	weft_fn priv_drop;
	WEFT_PRIV_NOCOPY(weft_once_value)
};

/*
 * Make *v the future result of fn(arg). The second form gives it arg to keep,
 * as weft_once_func_init_drop() does.
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may
 *           use *v yet, or any more.
 */
WEFT_API void weft_once_value_init(weft_once_value *v, void *(*fn)(void *),
				   void *arg);
WEFT_API void weft_once_value_init_drop(weft_once_value *v,
					void *(*fn)(void *), void *arg,
					weft_fn drop);

/* As weft_once_func_fini(). The value is left alone. */
WEFT_API void weft_once_value_fini(weft_once_value *v);

/* The out-of-line rest of the functions below. Do not call these. */
WEFT_API WEFT_PRIV_SLOW void *weft_once_value_call_slow(weft_once_value *v);
WEFT_API WEFT_PRIV_SLOW int weft_once_value_call_ctx_slow(weft_once_value *v,
							  weft_ctx *ctx,
							  void **value);

/*
 * The value of *v: computed now, by this caller, if nobody did before.
 *
 * Context, Order, Lifetime   as weft_once_do()
 */
WEFT_PRIV_INLINE void *weft_once_value_call(weft_once_value *v)
{
	if (WEFT_PRIV_UNLIKELY(!weft_once_done(&v->priv_call.priv_once)))
		return weft_once_value_call_slow(v);
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
	if (WEFT_PRIV_UNLIKELY(!weft_once_done(&v->priv_call.priv_once)))
		return weft_once_value_call_ctx_slow(v, ctx, value);
	*value = v->priv_value;
	return 0;
}

/* Private: what the macros below are made of. */
#define WEFT_PRIV_ONCE_PASS(name)                                              \
	if (WEFT_PRIV_UNLIKELY(!weft_once_done(&name##_priv_call.priv_once)))  \
	weft_once_call_slow(&name##_priv_call, name##_priv_run, NULL)

/*
 * Define a function, void name(void), local to this file, whose body is run by
 * the first call, and whose every call returns after that:
 *
 *	WEFT_ONCE_FUNC(library_start)
 *	{
 *		curl_global_init(CURL_GLOBAL_DEFAULT);
 *	}
 *	… library_start(); …
 *
 * Panics and exits are as with a weft_once_func.
 *
 * Context, Order   as weft_once_do(); the body runs in the first caller.
 */
#define WEFT_ONCE_FUNC(name)                                                   \
	static weft_once_call name##_priv_call;                                \
	static void name##_priv_run(void *unused);                             \
	WEFT_PRIV_ONCE_FUNC_INLINE(name)                                       \
	static void name##_priv_run(void *name##_priv_unused                   \
				    __attribute__((unused)))

#define WEFT_PRIV_ONCE_FUNC_INLINE(name)                                       \
	WEFT_PRIV_INLINE void name(void)                                       \
	{                                                                      \
		WEFT_PRIV_ONCE_PASS(name);                                     \
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
 * functions and for arrays in a struct. Otherwise as WEFT_ONCE_FUNC.
 */
#define WEFT_ONCE_VALUE(type, name)                                            \
	static type name##_priv_compute(void);                                 \
	static weft_once_call name##_priv_call;                                \
	static type name##_priv_value;                                         \
	WEFT_PRIV_ONCE_VALUE_RUN(static, name)                                 \
	WEFT_PRIV_ONCE_VALUE_INLINE(type, name)                                \
	static type name##_priv_compute(void)

#define WEFT_PRIV_ONCE_VALUE_RUN(linkage, name)                                \
	linkage void name##_priv_run(void *unused)                             \
	{                                                                      \
		(void)unused;                                                  \
		name##_priv_value = name##_priv_compute();                     \
	}

#define WEFT_PRIV_ONCE_VALUE_INLINE(type, name)                                \
	WEFT_PRIV_INLINE type name(void)                                       \
	{                                                                      \
		WEFT_PRIV_ONCE_PASS(name);                                     \
		return name##_priv_value;                                      \
	}

/*
 * Define a function, void name(type1 *, type2 *), local to this file, for two
 * results (Go's sync.OnceValues). The body stores them in *v1 and *v2; a caller
 * gives NULL for what it does not want:
 *
 *	WEFT_ONCE_VALUES(const char *, int, home)
 *	{
 *		*v1 = getenv("HOME");
 *		*v2 = *v1 != NULL ? 0 : -ENOENT;
 *	}
 *	… home(&path, &err); …
 *
 * Otherwise as WEFT_ONCE_VALUE.
 */
#define WEFT_ONCE_VALUES(type1, type2, name)                                   \
	static void name##_priv_compute(type1 *v1, type2 *v2);                 \
	static weft_once_call name##_priv_call;                                \
	static type1 name##_priv_value1;                                       \
	static type2 name##_priv_value2;                                       \
	WEFT_PRIV_ONCE_VALUES_RUN(static, name)                                \
	WEFT_PRIV_ONCE_VALUES_INLINE(type1, type2, name)                       \
	static void name##_priv_compute(type1 *v1, type2 *v2)

#define WEFT_PRIV_ONCE_VALUES_RUN(linkage, name)                               \
	linkage void name##_priv_run(void *unused)                             \
	{                                                                      \
		(void)unused;                                                  \
		name##_priv_compute(&name##_priv_value1, &name##_priv_value2); \
	}

#define WEFT_PRIV_ONCE_VALUES_INLINE(type1, type2, name)                       \
	WEFT_PRIV_INLINE void name(type1 *v1, type2 *v2)                       \
	{                                                                      \
		WEFT_PRIV_ONCE_PASS(name);                                     \
		if (v1 != NULL)                                                \
			*v1 = name##_priv_value1;                              \
		if (v2 != NULL)                                                \
			*v2 = name##_priv_value2;                              \
	}

/*
 * The same for several files: _DECLARE in a header, with a semicolon, and
 * _DEFINE, with the body, in one file that includes it.
 *
 *	WEFT_ONCE_VALUE_DECLARE(sqlite3 *, database);	// database.h
 *	WEFT_ONCE_VALUE_DEFINE(sqlite3 *, database)	// database.c
 *	{
 *		…
 *	}
 */
#define WEFT_ONCE_FUNC_DECLARE(name)                                           \
	extern weft_once_call name##_priv_call;                                \
	extern void name##_priv_run(void *unused);                             \
	WEFT_PRIV_ONCE_FUNC_INLINE(name)                                       \
	struct weft_once_call
#define WEFT_ONCE_FUNC_DEFINE(name)                                            \
	weft_once_call name##_priv_call;                                       \
	void name##_priv_run(void *name##_priv_unused __attribute__((unused)))

#define WEFT_ONCE_VALUE_DECLARE(type, name)                                    \
	extern weft_once_call name##_priv_call;                                \
	extern type name##_priv_value;                                         \
	extern void name##_priv_run(void *unused);                             \
	WEFT_PRIV_ONCE_VALUE_INLINE(type, name)                                \
	struct weft_once_call
#define WEFT_ONCE_VALUE_DEFINE(type, name)                                     \
	static type name##_priv_compute(void);                                 \
	weft_once_call name##_priv_call;                                       \
	type name##_priv_value;                                                \
	WEFT_PRIV_ONCE_VALUE_RUN(, name)                                       \
	static type name##_priv_compute(void)

#define WEFT_ONCE_VALUES_DECLARE(type1, type2, name)                           \
	extern weft_once_call name##_priv_call;                                \
	extern type1 name##_priv_value1;                                       \
	extern type2 name##_priv_value2;                                       \
	extern void name##_priv_run(void *unused);                             \
	WEFT_PRIV_ONCE_VALUES_INLINE(type1, type2, name)                       \
	struct weft_once_call
#define WEFT_ONCE_VALUES_DEFINE(type1, type2, name)                            \
	static void name##_priv_compute(type1 *v1, type2 *v2);                 \
	weft_once_call name##_priv_call;                                       \
	type1 name##_priv_value1;                                              \
	type2 name##_priv_value2;                                              \
	WEFT_PRIV_ONCE_VALUES_RUN(, name)                                      \
	static void name##_priv_compute(type1 *v1, type2 *v2)

WEFT_END

#ifdef WEFT_DEBUG
#define weft_once_func_init(o, ...)                                            \
	weft_once_func_init(WEFT_PRIV_FRESH(weft_once_func, o), __VA_ARGS__)
#define weft_once_func_init_drop(o, ...)                                       \
	weft_once_func_init_drop(WEFT_PRIV_FRESH(weft_once_func, o), __VA_ARGS__)
#define weft_once_value_init(o, ...)                                           \
	weft_once_value_init(WEFT_PRIV_FRESH(weft_once_value, o), __VA_ARGS__)
#define weft_once_value_init_drop(o, ...)                                      \
	weft_once_value_init_drop(WEFT_PRIV_FRESH(weft_once_value, o), __VA_ARGS__)
#define weft_once_do(o, ...)                                                   \
	weft_once_do(WEFT_PRIV_USED(weft_once, o), __VA_ARGS__)
#define weft_once_do_ctx(o, ...)                                               \
	weft_once_do_ctx(WEFT_PRIV_USED(weft_once, o), __VA_ARGS__)
#define weft_once_try(o, ...)                                                  \
	weft_once_try(WEFT_PRIV_USED(weft_once, o), __VA_ARGS__)
#define weft_once_try_ctx(o, ...)                                              \
	weft_once_try_ctx(WEFT_PRIV_USED(weft_once, o), __VA_ARGS__)
#define weft_once_func_fini(o)                                                 \
	weft_once_func_fini(WEFT_PRIV_USED(weft_once_func, o))
#define weft_once_func_call(o)                                                 \
	weft_once_func_call(WEFT_PRIV_USED(weft_once_func, o))
#define weft_once_func_call_ctx(o, ...)                                        \
	weft_once_func_call_ctx(WEFT_PRIV_USED(weft_once_func, o), __VA_ARGS__)
#define weft_once_value_fini(o)                                                \
	weft_once_value_fini(WEFT_PRIV_USED(weft_once_value, o))
#define weft_once_value_call(o)                                                \
	weft_once_value_call(WEFT_PRIV_USED(weft_once_value, o))
#define weft_once_value_call_ctx(o, ...)                                       \
	weft_once_value_call_ctx(WEFT_PRIV_USED(weft_once_value, o), __VA_ARGS__)
#endif

#endif
