/* SPDX-License-Identifier: MIT */
#include "plat/clock.h"

#include <time.h>

static inline weft_time read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (weft_time)now.tv_sec * WEFT_SECOND + now.tv_nsec;
}

weft_time weft_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

weft_time weft__clock_coarse(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}
