/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

int net_listen(int *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, size) != 0 ||
	    listen(fd, 1024) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*port = ntohs(address.sin_port);
	return fd;
}

/* After a call that has failed: 0, try again; or why not. */
static int wait_after_error(weft_ctx *ctx, int fd, short events)
{
	int err = weft_errno();

	if (err == EINTR)
		return 0;
	if (err != EAGAIN)
		return -err;
	err = weft_wait_fd(ctx, fd, events);
	return err < 0 ? err : 0;
}

/* What became of a connect that was begun. */
static int finish_connect(weft_ctx *ctx, int fd)
{
	int ready = weft_wait_fd(ctx, fd, POLLOUT), err = 0;
	socklen_t size = sizeof err;

	if (ready < 0)
		return ready;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) == 0 ? -err
								      : -errno;
}

int net_connect(weft_ctx *ctx, const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0, one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
		err = errno == EINPROGRESS ? finish_connect(ctx, fd) : -errno;
	if (err == 0)
		return fd;
	weft_fd_close(fd);
	return err;
}

int net_accept(weft_ctx *ctx, int fd)
{
	for (;;) {
		int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		int err;

		if (one >= 0)
			return one;
		err = wait_after_error(ctx, fd, POLLIN);
		if (err != 0)
			return err;
	}
}

ssize_t net_read(weft_ctx *ctx, int fd, void *bytes, size_t size)
{
	for (;;) {
		ssize_t got = recv(fd, bytes, size, 0);
		int err;

		if (got >= 0)
			return got;
		err = wait_after_error(ctx, fd, POLLIN);
		if (err != 0)
			return err;
	}
}

int net_write(weft_ctx *ctx, int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t put = send(fd, at, size, MSG_NOSIGNAL);
		int err = put < 0 ? wait_after_error(ctx, fd, POLLOUT) : 0;

		if (err != 0)
			return err;
		if (put > 0) {
			at += put;
			size -= (size_t)put;
		}
	}
	return 0;
}
