/* SPDX-License-Identifier: MIT */
/* What the layers above may do with a semaphore that users may not. */
#ifndef WEFT_SRC_SYNC_SEMA_H
#define WEFT_SRC_SYNC_SEMA_H

#include "base/base.h"
#include "sched/waiter.h"

#include <weft/sema.h>

/*
 * Add delta units, which may be negative: the count itself then may become
 * negative, and nobody gets a unit until releases have made up for it. So a
 * limit can shrink while more units are out than it now allows.
 */
void weft__sema_adjust(weft_sema *s, long delta);

/*
 * As weft_sema_acquire_ctx() of one unit, a wait of another kind. Returns also
 * what refuse says.
 */
int weft__sema_acquire_for(weft_sema *s, weft_ctx *ctx, const weft__why *why);

/*
 * Have at most most of those who wait with that why, the first of them, return
 * result, without a unit.
 */
void weft__sema_refuse(weft_sema *s, const weft__why *why, long most,
		       int result);

/* What is known of such a wait. */
void weft__sema_tell(const weft__waiter *w, weft__told *told);

#endif
