/* SPDX-License-Identifier: MIT */
/*
 * Channels, as chan.c and select.c share them. An operation is a weft_case,
 * also where it is not one of a select. The facts are in chan.c.
 */
#ifndef WEFT_SRC_SYNC_CHAN_H
#define WEFT_SRC_SYNC_CHAN_H

#include "base/list.h"
#include "plat/lock.h"
#include "sched/waiter.h"

#include <weft/chan.h>

/* Who waits, with one operation or with several. */
typedef struct {
	weft__waiter wake;	/* claimed MOVED by who takes one of them */
	weft__waiter settled;	/* H3: claimed when that one is complete; what
				   is not its state is set when it is needed */
} weft__chan_waiter;

/* Those whose operations a call has completed: to be let go. */
typedef struct {
	weft__wakeups parked;
	weft__link *running;	/* H3: their operations, by priv_link.next */
} weft__chan_moved;

static inline void weft__chan_lock(weft_chan *c)
{
	weft__lock_take((weft__lock *)&c->priv_lock);
}

static inline bool weft__chan_try_lock(weft_chan *c)
{
	return weft__lock_try((weft__lock *)&c->priv_lock);
}

static inline void weft__chan_unlock(weft_chan *c)
{
	weft__lock_drop((weft__lock *)&c->priv_lock);
}

static inline void weft__chan_waiter_init(weft__chan_waiter *w,
					  const weft__why *why, weft_chan *c)
{
	weft__waiter_init(&w->wake, why);
	w->wake.data = c;
	w->settled.state = WEFT__WAITING;
}

/* H3: wake was claimed MOVED while w ran. */
static inline void weft__chan_await(weft__chan_waiter *w)
{
	weft__waiter_init_rest(&w->settled, w->wake.why);
	w->settled.data = w->wake.data;
	weft__park(&w->settled, WEFT_NEVER);
}

/* ---- with op's channel locked ---- */

/*
 * Do op if that is possible without waiting; op->ok false: the channel is
 * closed. False: it is not possible, and whatever looked as if it were is gone.
 */
bool weft__chan_try(weft_case *op, weft__chan_moved *moved);

/* Queue op, which was not possible, for w. */
void weft__chan_queue(weft_case *op, weft__chan_waiter *w);

/* ---- with none locked ---- */

/* Let everybody in *moved go on. After the unlock: H4. */
WEFT_PRIV_COLD void weft__chan_settle_slow(weft__link *running);

static inline void weft__chan_let_go(weft__chan_moved *moved)
{
	if (unlikely(moved->running != NULL))
		weft__chan_settle_slow(moved->running);
	weft__wake(&moved->parked);
}

/* Take op, which did not fire, out of its queue (H5). */
void weft__chan_leave(weft_case *op);

_Noreturn WEFT_PRIV_COLD void weft__chan_panic_closed(void);

#endif
