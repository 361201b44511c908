/* SPDX-License-Identifier: MIT */
/* Sockets for tasks: each call waits without holding up its thread. */
#ifndef EXAMPLES_COMMON_NET_H
#define EXAMPLES_COMMON_NET_H

#include <weft.h>

#include <sys/types.h>

/*
 * A socket that listens on a free port of 127.0.0.1, which is stored in *port;
 * or a negative errno.
 */
int net_listen(int *port);

/* The next connection; or a negative errno, -EBADF when fd was closed. */
int net_accept(weft_ctx *ctx, int fd);

struct sockaddr_in;

/* A connection there; or a negative errno. */
int net_connect(weft_ctx *ctx, const struct sockaddr_in *address);

/* What comes first, at most size bytes: 0 at the end; or a negative errno. */
ssize_t net_read(weft_ctx *ctx, int fd, void *bytes, size_t size);

/* All of it: 0; or a negative errno. */
int net_write(weft_ctx *ctx, int fd, const void *bytes, size_t size);

#endif
