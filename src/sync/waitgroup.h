/* SPDX-License-Identifier: MIT */
/* What the layers above may do with a wait group that users may not. */
#ifndef WEFT_SRC_SYNC_WAITGROUP_H
#define WEFT_SRC_SYNC_WAITGROUP_H

#include "sched/waiter.h"

#include <weft/waitgroup.h>

int weft__waitgroup_wait_for_slow(weft_waitgroup *wg, weft_ctx *ctx,
				  const weft__why *why);

/* weft_waitgroup_wait_ctx(), for reports a wait of another kind: why->counts. */
static inline int weft__waitgroup_wait_for(weft_waitgroup *wg, weft_ctx *ctx,
					   const weft__why *why)
{
	if (weft_atomic_load(&wg->priv_word, acquire) == 0)
		return 0;
	return weft__waitgroup_wait_for_slow(wg, ctx, why);
}

/* What is known of such a wait. */
void weft__waitgroup_tell(const weft__waiter *w, weft__told *told);

#endif
