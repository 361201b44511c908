/* SPDX-License-Identifier: MIT */
/* What the layers above may know of tasks: how to start one. */
#ifndef WEFT_SRC_SCHED_TASK_H
#define WEFT_SRC_SCHED_TASK_H

#include "sched/waiter.h"

/*
 * Start entry(task) as a task, with room for what its starter has to say:
 * object is the caller's to use until the task ends, and NULL only if nobody would
 * wait for ever should entry not return nor its cleanups run (E5 of panic.c); entry,
 * fn and arg are until entry lets it wait or calls what may, for a sleep takes their
 * place (T3). What has to be known of a task for longer it says by marks. site is
 * where the user started it, __builtin_return_address(0) of the public function.
 * Returns 0 or -ENOMEM. Never switches tasks.
 */
int weft__task_start(weft__task_entry *entry, void *object, void *fn, void *arg,
		     void *site);

/*
 * The same with a task whose memory is the caller's, so that it cannot fail
 * where the runtime runs already (weft__runtime_start() was called). The
 * scheduler does not touch *task any more once entry has been called.
 */
void weft__task_start_embedded(weft__task *task, weft__task_entry *entry,
			       void *object, void *fn, void *arg, void *site);

/* Start the worker threads if they do not run. 0 or -ENOMEM. */
int weft__runtime_start(void);

/*
 * The caller is about to wait for count things, and has perhaps just started
 * those who do them: let so many run, if there are any that its worker would
 * come to anyway. Then it need not be queued and woken, for what it would wait
 * for has been done. False: it has to wait. True: it may look again, on another
 * thread perhaps; each time somebody has run, so that this comes to an end.
 */
bool weft__task_help(size_t count);

/*
 * The calling task, NULL on a plain thread. Compare what is in it, do not keep it:
 * it is another one once it has waited.
 */
weft__task *weft__task_self(void);

/* In flags: what its entry says of the calling task, until it ends. */
enum {
	WEFT__TASK_OF_GROUP = 2,	/* its object is the group */
	WEFT__TASK_HAS_SLOT = 4,	/* of that group's limit */
};

#endif
