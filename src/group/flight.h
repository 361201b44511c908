/* SPDX-License-Identifier: MIT */
/* What reports and tests may ask a flight that users may not. */
#ifndef WEFT_SRC_GROUP_FLIGHT_H
#define WEFT_SRC_GROUP_FLIGHT_H

#include "base/base.h"

#include <weft/flight.h>

/*
 * The address that those who wait for the call for key are queued at in the
 * parking lot, NULL without a call. It may be another call's at any time.
 */
const void *weft__flight_address(weft_flight *f, weft_key key);

/* Let all flights' clocks go forward, by which they keep results. */
void weft__flight_shift_clock(weft_duration by);

#endif
