/* SPDX-License-Identifier: MIT */
/*
 * The one door to the inside. Tests see what users see, the public headers;
 * the few that look at parts which no public function shows whole include this
 * instead, and are linked with the static library, where nothing is hidden.
 */
#ifndef WEFT_TEST_DOOR_H
#define WEFT_TEST_DOOR_H

#include "base/base.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/wheel.h"
#include "group/flight.h"
#include "ctx/ctx.h"
#include "plat/aes.h"
#include "plat/symbols.h"
#include "sched/block.h"
#include "sched/census.h"
#include "sched/depot.h"
#include "sched/deque.h"
#include "sched/lot.h"
#include "sched/poller.h"
#include "sched/ring.h"
#include "sched/sched.h"
#include "sched/task.h"
#include "sched/timer.h"
#include "sched/waiter.h"
#include "sync/chan.h"
#include "sync/sema.h"

#ifdef WEFT_SIM
#include "plat/sim/child.h"

/* A test's own points are not the library's. */
#undef WEFT_PRIV_POINT_WHERE
#define WEFT_PRIV_POINT_WHERE 0
#endif

#endif
