/* SPDX-License-Identifier: MIT */
/* Looking at what other threads are at, without stopping them. */
#ifndef WEFT_SRC_PLAT_PEEK_H
#define WEFT_SRC_PLAT_PEEK_H

#include "base/base.h"

/*
 * The string at address, cut to what fits in text, or "" if nothing can be read
 * there: whoever owned it may have freed it. Control characters, which a
 * terminal would obey, become "?".
 */
void weft__peek_string(char *text, size_t size, const char *address);

/*
 * Every other thread of the process passes a full barrier during this call. So
 * if the caller has seen a store of another thread, it sees after the call what
 * that thread had stored before it, in its program's order. False: the kernel
 * does not do it, and what others stored is not to be believed.
 */
bool weft__peek_barrier(void);

#endif
