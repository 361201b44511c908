/* SPDX-License-Identifier: MIT */
/* A second clock, beside weft_now(). */
#ifndef WEFT_SRC_PLAT_CLOCK_H
#define WEFT_SRC_PLAT_CLOCK_H

#include <weft/time.h>

/*
 * weft_now() as it was at the kernel's last tick, some milliseconds ago at most:
 * to read that takes a sixth of the time.
 */
weft_time weft__clock_coarse(void);

#endif
