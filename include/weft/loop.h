/* SPDX-License-Identifier: MIT */
/*
 * A door into a foreign event loop: what tasks want done on the loop's own
 * thread, as a descriptor that the loop watches and a step that it calls.
 *
 * GLib, Qt, libuv, a game's frame loop: each has one thread that alone may touch
 * its objects. Tasks do the work beside it; what has to happen on that thread
 * they hand over, and wait for it, without blocking their worker.
 *
 *	static weft_loop door;
 *
 *	static void show(void *text)		// on the loop's thread
 *	{
 *		gtk_label_set_text(label, text);
 *	}
 *
 *	static void fetch(void *url)		// a task
 *	{
 *		char *text = download(url);
 *		weft_loop_call(&door, show, text);
 *		free(text);
 *	}
 *
 *	weft_loop_init(&door);			// on the loop's thread
 *	g_unix_fd_add(weft_loop_fd(&door), G_IO_IN, step, &door);
 *						// step calls weft_loop_step()
 *
 *   - The loop goes on being the program's; weft has its workers beside it.
 *     Nothing is started for the door itself.
 *   - Calls are made in the order in which they were handed over.
 *   - A loop without a poll can call weft_loop_step() whenever it likes.
 */
#ifndef WEFT_LOOP_H
#define WEFT_LOOP_H

#include <weft/base.h>

WEFT_BEGIN

typedef struct weft_loop weft_loop;
struct weft_loop {
	int priv_fd;
	uint32_t priv_lock;
	uint32_t priv_stepper;      /* who is in a step */
	uint32_t priv_stamp;        /* of where it was initialised */
	weft_priv_link priv_calls;  /* handed over, not begun */
	WEFT_PRIV_NOCOPY(weft_loop)
};

/*
 * Make *l a door.
 *
 * Returns   0                  it is one
 *           -EMFILE, -ENFILE, -ENOMEM   no descriptor could be had
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API int weft_loop_init(weft_loop *l) WEFT_PRIV_WARN_UNUSED;

/*
 * Close the descriptor. Panics if a call is waiting to be made: "loop: finished
 * while calls wait".
 *
 * Context   a task or a plain thread; never switches tasks. Nobody else may use
 *           *l any more.
 */
WEFT_API void weft_loop_fini(weft_loop *l);

/*
 * The descriptor that is readable (POLLIN, by level) while there is something
 * for a step to do. To be watched only: weft_loop_step() reads it.
 */
WEFT_API int weft_loop_fd(const weft_loop *l);

/*
 * Make the calls that have been handed over so far; do not wait for others. A
 * function that it calls may step in turn, as one does that runs the loop until
 * its dialog is closed.
 *
 * Returns   how many were made
 * Context   one thread at a time, or one task that is pinned. Never switches
 *           tasks, unless a function that it calls does.
 */
WEFT_API int weft_loop_step(weft_loop *l);

/*
 * Have fn(arg) called by the next weft_loop_step(), and wait until it has ended.
 * In such a call, on the loop's thread, it is called at once. On that thread
 * outside of a step it would wait for itself: do not.
 *
 * Returns   0                 fn has returned
 *           WEFT_ERR_EXITED   it exited (see panic.h): the step goes on
 *           If it panicked, the caller panics with that, and the step goes on.
 * Context   a task or a plain thread; may switch tasks.
 * Order     this call happens before fn begins, fn's end before the return.
 */
WEFT_API int weft_loop_call(weft_loop *l, weft_fn fn, void *arg);

/*
 * As weft_loop_call(), but if ctx is done before fn has begun, do without it.
 *
 * Returns   0, WEFT_ERR_EXITED   as above
 *           -ECANCELED   ctx was cancelled first; fn is not called
 *           -ETIMEDOUT   ctx's deadline passed first; fn is not called
 *           Where fn has begun its end is waited for, whatever ctx says.
 */
WEFT_API int weft_loop_call_ctx(weft_loop *l, weft_ctx *ctx, weft_fn fn,
				void *arg) WEFT_PRIV_WARN_UNUSED;

WEFT_END

#endif
