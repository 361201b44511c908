/* SPDX-License-Identifier: MIT */
#include "fleet/os/net.h"

#include "fleet/os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* After so long without an answer of the other machine it is gone. */
enum { DEAD_MS = 5000 };

static int open_socket(int family)
{
	int fd;

	weft__fleet_fd_begin();
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	weft__fleet_fd_end(fd);
	return fd < 0 ? -errno : fd;
}

static int close_with(int fd, int err)
{
	weft__fleet_fd_close(fd);
	return err;
}

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof value);
}

/* A cable that was cut sends nothing: notice by the silence. */
static void notice_silence(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, DEAD_MS / 1000);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_MS);
}

static int poll_until(struct pollfd *fds, nfds_t count, weft_time until)
{
	int n;

	do {
		weft_duration left = until - weft_now();
		struct timespec t = {0};

		if (left > 0) {
			t.tv_sec = left / WEFT_SECOND;
			t.tv_nsec = left % WEFT_SECOND;
		}
		n = ppoll(fds, count, until == WEFT_NEVER ? NULL : &t, NULL);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int connect_to(const struct sockaddr *address, socklen_t size,
		      weft_time until)
{
	int fd = open_socket(address->sa_family), err = 0;
	socklen_t err_size = sizeof err;
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (fd < 0)
		return fd;
	if (connect(fd, address, size) == 0)
		return fd;
	if (errno != EINPROGRESS)
		return close_with(fd, -errno);
	if (poll_until(&p, 1, until) == 0)
		return close_with(fd, -ETIMEDOUT);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_size);
	return err == 0 ? fd : close_with(fd, -err);
}

static int connect_path(const char *path, weft_time until)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	return connect_to((struct sockaddr *)&address, sizeof address, until);
}

int weft__net_connect(const char *host, const char *port, const char *path,
		      weft_time until)
{
	struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list, *a;
	int fd = -ENXIO;

	if (path != NULL)
		return connect_path(path, until);
	if (getaddrinfo(host, port, &wanted, &list) != 0)
		return -ENXIO;
	for (a = list; a != NULL; a = a->ai_next) {
		fd = connect_to(a->ai_addr, a->ai_addrlen, until);
		if (fd >= 0)
			break;
	}
	freeaddrinfo(list);
	if (fd >= 0)
		notice_silence(fd);
	return fd;
}

ptrdiff_t weft__net_send(int fd, const void *data, size_t size)
{
	ssize_t n;

	do
		n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ptrdiff_t weft__net_recv(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, data, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int weft__net_bell(void)
{
	int fd;

	weft__fleet_fd_begin();
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	weft__fleet_fd_end(fd);
	return fd < 0 ? -errno : fd;
}

void weft__net_ring(int bell)
{
	eventfd_write(bell, 1);
}

int weft__net_wait(int fd, int events, int bell, weft_time until)
{
	struct pollfd p[2] = {
		{.fd = fd, .events = (short)((events & WEFT__NET_IN ? POLLIN : 0) |
					     (events & WEFT__NET_OUT ? POLLOUT : 0))},
		{.fd = bell, .events = POLLIN},
	};
	eventfd_t count;
	int happened = 0;

	if (poll_until(p, 2, until) <= 0)
		return 0;
	if (p[0].revents & POLLOUT)
		happened |= WEFT__NET_OUT;
	if (p[0].revents & ~POLLOUT)
		happened |= WEFT__NET_IN;
	if (p[1].revents != 0) {
		eventfd_read(bell, &count);
		happened |= WEFT__NET_BELL;
	}
	return happened;
}

void weft__net_hang_up(int fd)
{
	shutdown(fd, SHUT_RDWR);
}
