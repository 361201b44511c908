/* SPDX-License-Identifier: MIT */
#include <weft/time.h>

#include <time.h>

weft_time weft_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (weft_time)now.tv_sec * WEFT_SECOND + now.tv_nsec;
}
