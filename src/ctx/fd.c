/* SPDX-License-Identifier: MIT */
#include <weft/fd.h>

#include "ctx/ctx.h"
#include "plat/pollset.h"
#include "sched/poller.h"

static const weft__why why = {.text = "descriptor", .object = WEFT__OF_DESCRIPTOR};

static int wait_until_ready(weft_ctx *ctx, int fd, uint32_t events, bool looked)
{
	weft__fd_waiter w = {.fd = fd, .events = events, .looked = looked};
	int err;

	weft__waiter_init(&w.waiter, &why);
	w.waiter.data = (void *)(intptr_t)fd;
	err = weft__poller_begin(&w);
	if (err != 0)
		return err;
	err = weft__ctx_park(&w.waiter, ctx);
	weft__poller_end(&w);
	return err != 0 ? err : w.waiter.result;
}

int weft_wait_fd(weft_ctx *ctx, int fd, short events)
{
	uint32_t wanted = (unsigned short)events;
	bool looks = !weft__poller_is_tried(fd);
	int revents = looks ? weft__poll_now(fd, wanted) : 0;
	int err;

	if (revents != 0)
		return revents;
	err = weft_ctx_err(ctx);
	if (err == 0)
		err = wait_until_ready(ctx, fd, wanted, looks);
	if (err > 0 || err == -EBADF ||
	    (looks && err != -ECANCELED && err != -ETIMEDOUT))
		return err;
	/*
	 * It may have become ready before ctx was done; or the number may have got
	 * a file that is always ready, or the wait could not be set up.
	 */
	revents = weft__poll_now(fd, wanted);
	return revents != 0 ? revents : err;
}

int weft_fd_close(int fd)
{
	return weft__poller_close(fd);
}
