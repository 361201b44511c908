/* SPDX-License-Identifier: MIT */
/*
 * Connections of a thread of the library's own, which may block: for tasks
 * they do not. Descriptors are closed in the child of a fork (fd.h).
 */
#ifndef WEFT_SRC_FLEET_OS_NET_H
#define WEFT_SRC_FLEET_OS_NET_H

#include <weft/base.h>
#include <weft/time.h>

/*
 * Connect to port of host, or to the socket at path if that is not NULL, until
 * the time is until; looking up host may take longer. All addresses of host
 * are tried. The descriptor does not block.
 *
 * Returns the descriptor, or a negative errno value: -ENXIO if there is no such
 * host.
 */
int weft__net_connect(const char *host, const char *port, const char *path,
		      weft_time until);

/* As send(2) and recv(2), without a signal; -EAGAIN, -errno; recv: 0 at the end. */
ptrdiff_t weft__net_send(int fd, const void *data, size_t size);
ptrdiff_t weft__net_recv(int fd, void *data, size_t size);

/* A descriptor that ends the wait of another thread. */
int weft__net_bell(void);
void weft__net_ring(int bell);

enum { WEFT__NET_IN = 1, WEFT__NET_OUT = 2, WEFT__NET_BELL = 4 };

/*
 * Wait until fd can be read or written, as events says, or bell was rung, which
 * is silent again then, or the time is until. fd may be -1. Returns what is,
 * 0 for none; a connection that broke can be read.
 */
int weft__net_wait(int fd, int events, int bell, weft_time until);

/*
 * End the waits of others for fd and what they send, without closing it: the
 * descriptor stays theirs.
 */
void weft__net_hang_up(int fd);

#endif
