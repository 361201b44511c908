/* SPDX-License-Identifier: MIT */
/*
 * What is decided for speed alone, and would be right either way: a simulated
 * machine decides it as it likes, so that what seldom happens is explored too.
 */
#ifndef WEFT_SRC_PLAT_WHIM_H
#define WEFT_SRC_PLAT_WHIM_H

#include "base/base.h"

#ifdef WEFT_SIM
/* True where usual says so, and now and then where it does not. */
bool weft__whim(bool usual);
#else
static inline bool weft__whim(bool usual)
{
	return usual;
}
#endif

#endif
