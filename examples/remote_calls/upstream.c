/* SPDX-License-Identifier: MIT */
#include "upstream.h"

#include "../common/net.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { REQUEST_BYTES = 8192 };

typedef struct {
	upstream *of;
	int fd;
} connection;

/* The next request's first line into text. 0: there is none. */
static ssize_t read_request(weft_ctx *ctx, int fd, char *text)
{
	size_t have = 0;

	while (have < REQUEST_BYTES - 1) {
		ssize_t got = net_read(ctx, fd, text + have,
				       REQUEST_BYTES - 1 - have);

		if (got <= 0)
			return got;
		have += (size_t)got;
		text[have] = '\0';
		if (strstr(text, "\r\n\r\n") != NULL)
			return (ssize_t)have;
	}
	return -E2BIG;
}

/* False: the client has gone. */
static bool take_time(upstream *u, weft_ctx *ctx, int fd)
{
	weft_ctx until;
	int events;

	weft_ctx_init_timeout(&until, ctx, u->delay);
	events = weft_wait_fd(&until, fd, POLLRDHUP);
	weft_ctx_fini(&until);
	return events == -ETIMEDOUT;
}

static void count_one_more(upstream *u)
{
	int now = weft_atomic_add(&u->at_once, 1, relaxed) + 1;
	int most = weft_atomic_load(&u->most_at_once, relaxed);

	weft_atomic_add(&u->requests, 1, relaxed);
	while (now > most && !weft_atomic_cas(&u->most_at_once, &most, now,
					      relaxed, relaxed))
		;
}

static bool answer(upstream *u, weft_ctx *ctx, int fd, const char *request)
{
	char path[256] = "", text[768], body[320];
	bool there;
	int size;

	sscanf(request, "%*15s %255s", path);
	count_one_more(u);
	there = take_time(u, ctx, fd);
	weft_atomic_sub(&u->at_once, 1, relaxed);
	if (!there) {
		weft_atomic_add(&u->abandoned, 1, relaxed);
		return false;
	}
	size = snprintf(body, sizeof body, "answer to %s\n", path);
	size = snprintf(text, sizeof text,
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			"Content-Length: %d\r\n\r\n%s", size, body);
	return net_write(ctx, fd, text, (size_t)size) == 0;
}

static int serve(weft_ctx *ctx, void *arg)
{
	connection *c = arg;
	char request[REQUEST_BYTES];

	while (read_request(ctx, c->fd, request) > 0)
		if (!answer(c->of, ctx, c->fd, request))
			break;
	weft_fd_close(c->fd);
	return 0;	/* a client's trouble is not the server's */
}

static void accept_all(void *arg)
{
	upstream *u = arg;
	connection c = {.of = u};

	while ((c.fd = net_accept(weft_group_ctx(&u->connections), u->fd)) >= 0)
		weft_group_go_copy(&u->connections, serve, &c, sizeof c);
}

int upstream_start(upstream *u)
{
	u->fd = net_listen(&u->port);
	if (u->fd < 0)
		return u->fd;
	weft_group_init(&u->connections, NULL);
	if (weft_waitgroup_go(&u->acceptor, accept_all, u) == 0)
		return 0;
	weft_fd_close(u->fd);
	weft_group_wait(&u->connections);
	return -ENOMEM;
}

void upstream_stop(upstream *u)
{
	weft_ctx_cancel(weft_group_ctx(&u->connections), ECANCELED);
	weft_waitgroup_wait(&u->acceptor);
	weft_group_wait(&u->connections);
	weft_fd_close(u->fd);
}
