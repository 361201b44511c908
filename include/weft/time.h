/* SPDX-License-Identifier: MIT */
/*
 * Time: int64_t nanoseconds. A weft_time is a point on CLOCK_MONOTONIC, a
 * weft_duration the distance between two.
 */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <weft/base.h>

typedef int64_t weft_duration; /* ns */
typedef int64_t weft_time;     /* ns since an arbitrary start, CLOCK_MONOTONIC */

#define WEFT_NS(n) ((weft_duration)(n))
#define WEFT_US(n) ((weft_duration)(n) * 1000)
#define WEFT_MS(n) ((weft_duration)(n) * 1000000)
#define WEFT_SECOND WEFT_MS(1000)
#define WEFT_MINUTE (60 * WEFT_SECOND)

/* The weft_time that never comes. */
#define WEFT_NEVER INT64_MAX

WEFT_BEGIN

/*
 * The time now.
 *
 * Context   anywhere, signal handlers included; never switches tasks.
 */
WEFT_API weft_time weft_now(void);

WEFT_END

#endif
