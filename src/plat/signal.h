/* SPDX-License-Identifier: MIT */
/* A signal that asks for something. */
#ifndef WEFT_SRC_PLAT_SIGNAL_H
#define WEFT_SRC_PLAT_SIGNAL_H

#include "base/base.h"

/*
 * Have notice() called in the handler of a signal from now on, on whatever
 * thread it comes to; notice may do what a handler may.
 *
 * Returns   0         it will be
 *           -EBUSY    the program has a handler of its own for it
 *           -EINVAL   there is no such signal, or nobody can handle it
 */
int weft__signal_watch(int number, void (*notice)(void));

/* The number of the signal with that name, "QUIT", "SIGQUIT" or "3"; 0: none. */
int weft__signal_number(const char *name);

#endif
