/* SPDX-License-Identifier: MIT */
/* All of weft. Each header is the manual of what it declares. */
#ifndef WEFT_H
#define WEFT_H

#include <weft/base.h>
#include <weft/chan.h>
#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/debug.h>
#include <weft/dump.h>
#include <weft/fd.h>
#include <weft/flight.h>
#include <weft/group.h>
#include <weft/loop.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/panic.h>
#include <weft/rwmutex.h>
#include <weft/sema.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/waitgroup.h>

#endif
