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

/* As weft_sema_acquire_ctx() of one unit, a wait of another kind. */
int weft__sema_acquire_for(weft_sema *s, weft_ctx *ctx, const weft__why *why);

/*
 * Waits of one kind of which only so many may be at a time: most(s) says how
 * many, whenever it is asked, with the queue locked.
 */
typedef struct {
	weft__why why;
	int64_t (*most)(const weft_sema *s);	/* INT64_MAX: any number */
	int refused;	/* what is returned to one too many */
} weft__sema_bound;

/* As weft__sema_acquire_for(); returns bound->refused as well, without a unit. */
int weft__sema_acquire_bound(weft_sema *s, weft_ctx *ctx,
			     const weft__sema_bound *bound);

/*
 * bound->most(s) has become less: refuse those who are too many now, the first
 * of them. Who is about to wait sees the new bound, or is seen here (S5).
 */
void weft__sema_refuse(weft_sema *s, const weft__sema_bound *bound);

/* Does anybody wait for a unit (QUEUED)? As it was a moment ago. */
static inline bool weft__sema_wanted(const weft_sema *s)
{
	return weft_atomic_load(&s->priv_word, relaxed) & 1;
}

/* What is known of such a wait. */
void weft__sema_tell(const weft__waiter *w, weft__told *told);

#endif
