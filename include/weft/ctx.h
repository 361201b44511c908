/* SPDX-License-Identifier: MIT */
/*
 * A context: the word that gets around that something is over. It carries a
 * cancellation with its cause, a deadline, and values, from whoever started
 * something down to everybody who works on it.
 *
 * Contexts form a tree. Cancelling one cancels all below it, none above it.
 * Every waiting call of this library has a form that ends in _ctx and gives up
 * when its context is done.
 *
 *   - A context lives in the caller's storage, needs no memory and no timer of
 *     its own, and ends with weft_ctx_fini(), children before their parent.
 *     All bytes zero are a context without a parent that nobody has cancelled.
 *   - NULL is a context too, wherever one is asked, waited with, or made the
 *     parent of another: it is never done. It is not one to cancel or finish.
 *   - A context is done when it was cancelled, or when a deadline of its own
 *     or of an ancestor has passed, whichever was first; and it stays so.
 *   - Pass a context down as an argument; do not keep it in objects that
 *     outlive the call. The word is advice: who works on something looks at
 *     its context, or waits with it. Nothing is stopped by force.
 *   - Any task or thread may cancel, ask and wait at the same time. What ends
 *     a context's life must come after all calls on it have returned, with one
 *     exception: who has learnt that it is cancelled may call weft_ctx_fini()
 *     and free it even while the weft_ctx_cancel() that did it, of this
 *     context or of an ancestor, is still on its way out.
 *   - A copy of an initialised context is caught: "weft_ctx is copied".
 *
 *	static void worker(void *arg)
 *	{
 *		struct job *job = arg;
 *
 *		while (weft_sleep(job->ctx, WEFT_SECOND) == 0)
 *			job_step(job);
 *		weft_waitgroup_done(&job->wg);
 *	}
 *
 *	void job_run_for_a_minute(struct job *job)
 *	{
 *		weft_ctx ctx;
 *
 *		weft_ctx_init_timeout(&ctx, NULL, WEFT_MINUTE);
 *		job->ctx = &ctx;
 *		weft_waitgroup_add(&job->wg, 1);
 *		if (weft_go(worker, job) == 0)
 *			weft_waitgroup_wait(&job->wg);
 *		weft_ctx_fini(&ctx);
 *	}
 */
#ifndef WEFT_CTX_H
#define WEFT_CTX_H

#include <weft/atomic.h>
#include <weft/base.h>
#include <weft/time.h>

#include <errno.h>

WEFT_BEGIN

struct weft_ctx {
	int32_t priv_err;	/* the inline paths know this and the deadline: */
	int32_t priv_cause;
	int64_t priv_deadline;	/* the earliest of the chain; 0: none */
	weft_ctx *priv_parent;	/* for values, and if attached also for the rest */
	const void *priv_key;
	void *priv_value;
	uint32_t priv_lock;
	uint16_t priv_flags;
	uint16_t priv_scout_lag;
	uint32_t priv_child_count;
	uint32_t priv_stamp;	/* of where it was initialised; 0: nowhere */
	weft_priv_link priv_sibling;
	weft_priv_link *priv_children;	/* the first of each, which has the last */
	weft_priv_link *priv_waiters;
	weft_priv_link *priv_afters;
	WEFT_PRIV_NOCOPY(weft_ctx)
};

/* The out-of-line rest of weft_ctx_err(). Do not call it. */
WEFT_API WEFT_PRIV_SLOW int weft_ctx_err_slow(const weft_ctx *c);

/*
 * Make *c a child of parent: done when parent is, or when it is cancelled
 * itself. With a parent that is done already, *c is done at once, with the
 * parent's error and cause.
 *
 * Context   a task or a plain thread; never switches tasks. The same holds for
 *           every function in this file but weft_ctx_wait() and its _ctx form.
 * Lifetime  parent must not be finished before *c is.
 */
WEFT_API void weft_ctx_init(weft_ctx *c, weft_ctx *parent);

/*
 * The same with a deadline: *c is done, with -ETIMEDOUT, when weft_now() has
 * reached when. The parent's deadline counts too if it is earlier. With a
 * deadline that has passed *c is done at once; WEFT_NEVER is none.
 *
 * No timer runs for it. Each wait with *c, and each after-func, brings its own,
 * and whoever asks looks at the clock.
 */
WEFT_API void weft_ctx_init_deadline(weft_ctx *c, weft_ctx *parent,
				     weft_time when);

/* The same with the deadline d from now. */
WEFT_API void weft_ctx_init_timeout(weft_ctx *c, weft_ctx *parent,
				    weft_duration d);

/*
 * Make *c a child of parent, as weft_ctx_init() does, in which key has value.
 * Keys are compared by address: use that of a static variable of yours. A value
 * of NULL hides one further up. A key of NULL is misuse: panics "nil key".
 */
WEFT_API void weft_ctx_init_value(weft_ctx *c, weft_ctx *parent,
				  const void *key, void *value);

/*
 * Make *c a context with the values of parent, but without its cancellation
 * and its deadline: for work that goes on when the request that caused it is
 * over.
 *
 * Lifetime  parent must live as long as somebody asks *c for values.
 */
WEFT_API void weft_ctx_init_detached(weft_ctx *c, weft_ctx *parent);

/*
 * Cancel *c and everything below it: when this returns they are all done, with
 * -ECANCELED (those whose deadline had passed before, with -ETIMEDOUT), and
 * who waits for them is on the way. It does not wait for anybody.
 *
 * The first cancellation decides; on a context that is done this has no effect.
 * cause, if it is not 0, is what weft_ctx_cause() says then: the error, for
 * instance, that made going on pointless.
 *
 * Order     what the caller did before happens before whatever another task or
 *           thread does after it has seen that the cancelled contexts are done
 *           (weft_ctx_err(), a wait that returns -ECANCELED, an after-func).
 * Lifetime  *c may be finished and freed by whoever has learnt of this
 *           cancellation before this call has returned. Of several calls at
 *           the same time this holds for the one that decided: the others, as
 *           any call, need *c until they return.
 */
WEFT_API void weft_ctx_cancel(weft_ctx *c, int cause);

/*
 * End the life of *c: if it is not done it is cancelled first, so that nothing
 * can go on with it, and its after-funcs run. Every initialised context needs
 * this; a child that is never finished stays in its parent's list.
 *
 * Misuse panics: "context: finished before its children",
 * "context: finished while it is waited for".
 *
 * Lifetime  *c may be freed, or initialised again, when this has returned.
 */
WEFT_API void weft_ctx_fini(weft_ctx *c);

/*
 * Returns   0            *c is not done
 *           -ECANCELED   it was cancelled
 *           -ETIMEDOUT   its deadline passed
 *           What was first is returned, and stays. One load; the clock is read
 *           only if *c has a deadline and is not done yet.
 * Order     -ECANCELED: what the canceller did before happens before the
 *           return. The others order nothing.
 */
WEFT_PRIV_INLINE int weft_ctx_err(const weft_ctx *c)
{
	int err;

	if (!c)
		return 0;
	err = weft_atomic_load(&c->priv_err, acquire);
	if (err == 0 && c->priv_deadline != 0)
		return weft_ctx_err_slow(c);
	return err;
}

/* True if weft_ctx_err() is not 0. */
WEFT_PRIV_INLINE bool weft_ctx_done(const weft_ctx *c)
{
	return weft_ctx_err(c) != 0;
}

/*
 * Why *c is done: the cause given to the cancellation that ended it, its own
 * or an ancestor's; without one the same as weft_ctx_err(). 0 while *c is not
 * done.
 */
WEFT_API int weft_ctx_cause(const weft_ctx *c);

/*
 * The deadline of *c, the earliest of its own and its ancestors'; it does not
 * go away when *c is done. One of 0 or less, which had always passed, is 1.
 *
 * Returns   true    *when is it (when may be NULL)
 *           false   there is none; *when is left alone
 */
WEFT_API bool weft_ctx_deadline(const weft_ctx *c, weft_time *when);

/*
 * The value of key in *c or in its nearest ancestor that has one, or NULL. The
 * time it takes grows with the number of contexts in between.
 */
WEFT_API void *weft_ctx_value(const weft_ctx *c, const void *key);

/*
 * Wait until *c is done.
 *
 * Returns   what weft_ctx_err(c) then says, never 0
 * Context   a task or a plain thread; may switch tasks. With c NULL it waits
 *           for ever.
 * Order     as weft_ctx_err()
 */
WEFT_API int weft_ctx_wait(weft_ctx *c);

/*
 * Wait until *c is done, or ctx is.
 *
 * Returns   0            *c is done
 *           -ECANCELED   ctx was cancelled first
 *           -ETIMEDOUT   ctx's deadline passed first
 *           If *c is done when this is called, or both have become so before
 *           the caller went on, the first in this list that holds is returned.
 * Context   a task or a plain thread; may switch tasks.
 */
WEFT_API int weft_ctx_wait_ctx(weft_ctx *c, weft_ctx *ctx);

/*
 * A function that runs once a context is done: to close a descriptor that
 * somebody is reading from, or to pass a cancellation on to other libraries.
 *
 * All bytes zero are one that was not started. It is used by one context at a
 * time; start it again only after it was stopped, or from its function on.
 *
 *	struct download {
 *		weft_ctx_after after;
 *		weft_waitgroup closed;
 *		int fd;
 *	};
 *
 *	static void hang_up(void *arg)
 *	{
 *		struct download *d = arg;
 *
 *		shutdown(d->fd, SHUT_RDWR);
 *		weft_waitgroup_done(&d->closed);
 *	}
 *
 *	weft_waitgroup_add(&d->closed, 1);
 *	if (weft_ctx_after_start(&d->after, ctx, hang_up, d) == 0) {
 *		read_all(d);
 *		if (!weft_ctx_after_stop(&d->after))
 *			weft_waitgroup_wait(&d->closed);
 *	}
 */
typedef struct weft_ctx_after weft_ctx_after;
struct weft_ctx_after {
	weft_ctx *priv_ctx;	/* its address; used only while it is linked */
	uint32_t priv_state;
	uint32_t priv_stamp;	/* of where it was started */
	weft_priv_link priv_link;
	unsigned char priv_room[128] __attribute__((aligned(8)));
	WEFT_PRIV_NOCOPY(weft_ctx_after)
};

/*
 * Run fn(arg) in a task of its own once c is done; if it is done already, now.
 * With c NULL it never runs. Several on one context are independent of each
 * other and run in any order. A deadline that passes after weft_run() has
 * stopped our threads is noticed when the next task starts them.
 *
 * Starting one that waits for its context is misuse: panics
 * "context: after-func started twice".
 *
 * Returns   0         fn will run unless it is stopped
 *           -ENOMEM   none of our threads could be started: it will not run.
 *                     Never while they are there, as after weft_go().
 * Order     this call, and the cancellation, happen before fn begins.
 * Lifetime  *a must live until fn has begun or weft_ctx_after_stop() returned
 *           true, and until every weft_ctx_after_stop() has returned. fn may
 *           free it. It does not matter for *a when c is finished: that is a
 *           cancellation as any other.
 */
WEFT_API int weft_ctx_after_start(weft_ctx_after *a, weft_ctx *c, weft_fn fn,
				  void *arg);

/*
 * Returns   true    fn was prevented: it will not run
 *           false   fn has begun, will begin soon, has been stopped before, or
 *                   was never started. This does not wait for fn.
 * Order     fn, where it was not prevented, may run at the same time as this.
 * Lifetime  the context may be gone.
 */
WEFT_API bool weft_ctx_after_stop(weft_ctx_after *a);

WEFT_END

#endif
