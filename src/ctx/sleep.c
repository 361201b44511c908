/* SPDX-License-Identifier: MIT */
#include "ctx/ctx.h"

#include <weft/task.h>

static weft_time after(weft_duration d)
{
	weft_time now = weft_now();

	return d < WEFT_NEVER - now ? now + d : WEFT_NEVER;
}

static const weft__why why = {.text = "sleep", .object = WEFT__OF_NOTHING};

int weft_sleep(weft_ctx *ctx, weft_duration d)
{
	int err = weft_ctx_err(ctx);
	weft__waiter w;
	weft_time end;

	if (err != 0 || d <= 0)
		return err;
	end = after(d);
	if (ctx == NULL) {
		weft__sleep(&why, end);
		return 0;
	}
	weft__waiter_init(&w, &why);
	weft__ctx_park_until(&w, ctx, end);
	/*
	 * The time is over, or ctx is done. A deadline that is not later than
	 * the end was reached, one that is later was not, even if it has passed
	 * by now.
	 */
	if (weft__ctx_deadline(ctx) <= end)
		return weft__ctx_expire(ctx);
	err = weft_atomic_load(&ctx->priv_err, acquire);
	return err == -ECANCELED ? err : 0;
}
