/* SPDX-License-Identifier: MIT */
/*
 * One call of every function that has an inlined fast path, as a user would
 * write it, with something to do after it. tools/inline_report.py compiles this
 * file and looks at what has become of each site_NAME.
 */
#include <weft.h>

extern void user_fn(void *arg);
extern int user_try(void *arg);

void site_weft_ctx_err(const weft_ctx *c, int *after)
{
	*after = weft_ctx_err(c);
}

void site_weft_ctx_done(const weft_ctx *c, int *after)
{
	if (!weft_ctx_done(c))
		*after += 1;
}

void site_weft_mutex_try_lock(weft_mutex *m, int *after)
{
	if (weft_mutex_try_lock(m))
		*after += 1;
}

void site_weft_mutex_lock(weft_mutex *m, int *after)
{
	weft_mutex_lock(m);
	*after += 1;
}

void site_weft_mutex_lock_ctx(weft_mutex *m, weft_ctx *c, int *after)
{
	if (weft_mutex_lock_ctx(m, c) == 0)
		*after += 1;
}

void site_weft_mutex_unlock(weft_mutex *m, int *after)
{
	weft_mutex_unlock(m);
	*after += 1;
}

void site_weft_rwmutex_try_lock(weft_rwmutex *m, int *after)
{
	if (weft_rwmutex_try_lock(m))
		*after += 1;
}

void site_weft_rwmutex_lock(weft_rwmutex *m, int *after)
{
	weft_rwmutex_lock(m);
	*after += 1;
}

void site_weft_rwmutex_lock_ctx(weft_rwmutex *m, weft_ctx *c, int *after)
{
	if (weft_rwmutex_lock_ctx(m, c) == 0)
		*after += 1;
}

void site_weft_rwmutex_unlock(weft_rwmutex *m, int *after)
{
	weft_rwmutex_unlock(m);
	*after += 1;
}

void site_weft_rwmutex_try_rlock(weft_rwmutex *m, int *after)
{
	if (weft_rwmutex_try_rlock(m))
		*after += 1;
}

void site_weft_rwmutex_rlock(weft_rwmutex *m, int *after)
{
	weft_rwmutex_rlock(m);
	*after += 1;
}

void site_weft_rwmutex_rlock_ctx(weft_rwmutex *m, weft_ctx *c, int *after)
{
	if (weft_rwmutex_rlock_ctx(m, c) == 0)
		*after += 1;
}

void site_weft_rwmutex_runlock(weft_rwmutex *m, int *after)
{
	weft_rwmutex_runlock(m);
	*after += 1;
}

void site_weft_once_do(weft_once *o, int *after)
{
	weft_once_do(o, user_fn, after);
	*after += 1;
}

void site_weft_once_do_ctx(weft_once *o, weft_ctx *c, int *after)
{
	if (weft_once_do_ctx(o, c, user_fn, after) == 0)
		*after += 1;
}

void site_weft_once_try(weft_once *o, int *after)
{
	if (weft_once_try(o, user_try, after) == 0)
		*after += 1;
}

void site_weft_once_try_ctx(weft_once *o, weft_ctx *c, int *after)
{
	if (weft_once_try_ctx(o, c, user_try, after) == 0)
		*after += 1;
}

void site_weft_once_func_call(weft_once_func *f, int *after)
{
	weft_once_func_call(f);
	*after += 1;
}

void site_weft_once_func_call_ctx(weft_once_func *f, weft_ctx *c, int *after)
{
	if (weft_once_func_call_ctx(f, c) == 0)
		*after += 1;
}

void site_weft_once_value_call(weft_once_value *v, void **after)
{
	*after = weft_once_value_call(v);
}

void site_weft_once_value_call_ctx(weft_once_value *v, weft_ctx *c,
				   void **after)
{
	if (weft_once_value_call_ctx(v, c, after) != 0)
		*after = v;
}

WEFT_ONCE_FUNC_DECLARE(user_once);
WEFT_ONCE_VALUE_DECLARE(int, user_value);
WEFT_ONCE_VALUES_DECLARE(int, long, user_values);

void site_WEFT_ONCE_FUNC(int *after)
{
	user_once();
	*after += 1;
}

void site_WEFT_ONCE_VALUE(int *after)
{
	*after = user_value();
}

void site_WEFT_ONCE_VALUES(int *after, long *other)
{
	user_values(after, other);
}

void site_weft_sema_acquire(weft_sema *s, int *after)
{
	weft_sema_acquire(s, 1);
	*after += 1;
}

void site_weft_sema_acquire_ctx(weft_sema *s, weft_ctx *c, int *after)
{
	if (weft_sema_acquire_ctx(s, c, 1) == 0)
		*after += 1;
}

void site_weft_sema_try_acquire(weft_sema *s, int *after)
{
	if (weft_sema_try_acquire(s, 1))
		*after += 1;
}

void site_weft_sema_release(weft_sema *s, int *after)
{
	weft_sema_release(s, 1);
	*after += 1;
}

void site_weft_waitgroup_add(weft_waitgroup *wg, int *after)
{
	weft_waitgroup_add(wg, 1);
	*after += 1;
}

void site_weft_waitgroup_done(weft_waitgroup *wg, int *after)
{
	weft_waitgroup_done(wg);
	*after += 1;
}

void site_weft_waitgroup_wait(weft_waitgroup *wg, int *after)
{
	weft_waitgroup_wait(wg);
	*after += 1;
}

void site_weft_waitgroup_wait_ctx(weft_waitgroup *wg, weft_ctx *c, int *after)
{
	if (weft_waitgroup_wait_ctx(wg, c) == 0)
		*after += 1;
}
