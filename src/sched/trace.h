/* SPDX-License-Identifier: MIT */
/*
 * WEFT_TRACE=file: what tasks do, in the trace event format of Chrome, which
 * Perfetto and chrome://tracing show: docs/debugging.md.
 *
 * R1  Off, it costs a test of weft__rt.traced where a task is started, parks or
 *     is woken, and nothing where one begins and ends: stacks get another loop
 *     when it is on, which is decided before the first of them.
 * R2  A worker's events go to a buffer of its own, which it alone fills: no
 *     lock, no shared line. What is not a worker shares one, under a lock.
 * R3  Whoever has the file's lock may write out any buffer up to the count that
 *     its owner has published; only the owner, with that lock, starts anew at
 *     the beginning. So memory is bounded, nothing is lost while all goes well,
 *     and at the end of the process one thread can write out all.
 * R4  A chunk that cannot be written whole is taken back, and was the last: the
 *     file is then closed as if it ended there.
 * R5  A signal that ends the process, or a debugger that does, asks nobody. So
 *     the monitor writes out what there is, some times a second and before it
 *     sleeps; and a wait is written when it begins, since it may never end.
 */
#ifndef WEFT_SRC_SCHED_TRACE_H
#define WEFT_SRC_SCHED_TRACE_H

#include "sched/sched.h"
#include "sched/span.h"

/* Before the first worker: what the environment says. */
void weft__trace_open(void);
/* w is new. */
void weft__trace_worker(weft__worker *w);
/* No more events; write out those there are. At the end of the process. */
void weft__trace_close(void);
/* Write out what there is, for those who end the process otherwise: R5. */
void weft__trace_flush(void);
/* The same at times: the monitor's, while others run. */
void weft__trace_tick(weft_time now);

/* All that follow: only if weft__rt.traced. */

/* A task was started by w, or by a plain thread: NULL. */
WEFT_PRIV_COLD void weft__trace_start(weft__worker *w, weft__task *task);
/* self's task begins, or goes on. */
WEFT_PRIV_COLD void weft__trace_run(weft__stack *self);
/* It ends, or stops to wait with w, or with none. */
WEFT_PRIV_COLD void weft__trace_end(weft__stack *self, const char *how);
WEFT_PRIV_COLD void weft__trace_park(weft__stack *self, const weft__waiter *w);
WEFT_PRIV_COLD void weft__trace_yield(weft__stack *self);
/* It goes on after that. */
WEFT_PRIV_COLD void weft__trace_go_on(weft__stack *self);
/* The caller makes a task ready. */
WEFT_PRIV_COLD void weft__trace_wake(weft__task *task);
/* w has taken n tasks from v. */
WEFT_PRIV_COLD void weft__trace_steal(weft__worker *w, const weft__worker *v,
				      uint64_t n);

#endif
