/* SPDX-License-Identifier: MIT */
/* A run in a process of its own. */
#ifndef WEFT_SRC_PLAT_SIM_CHILD_H
#define WEFT_SRC_PLAT_SIM_CHILD_H

#include "base/base.h"

/* Zeros that children share with their parent; NULL: no memory. */
void *weft__sim_share(size_t size_bytes);

/*
 * Run fn(arg) in a child. Returns 0 when it returns 0; 1 when it returns
 * something else, or does not return because the child has exited or died, or
 * makes no step for so long that it was killed, and then how tells it; or a
 * negative errno value.
 */
int weft__sim_child(int (*fn)(void *), void *arg, char *how, size_t size);

extern int weft__sim_patience_ms;	/* as long as that, of real time */

/*
 * From now on, when this process aborts, call function first, which may call
 * what a signal handler may.
 */
void weft__sim_on_abort(void (*function)(void));

#endif
