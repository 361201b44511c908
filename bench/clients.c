/* SPDX-License-Identifier: MIT */
/*
 * The clients of fd_serve100, the same ones for all subjects:
 *
 *	bench-clients SOCKET CONNECTIONS REQUESTS
 *
 * connects so many times to SOCKET, a name in the kernel's own name space. A
 * byte that comes is the greeting or an answer; another byte asks again, until
 * a connection has had REQUESTS answers. All stay open until all have had them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	int fd;
	long left;
};

#define CHECK(condition)                                                       \
	do {                                                                   \
		if (!(condition))                                              \
			fail(#condition);                                      \
	} while (0)

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench-clients: failed: %s\n", what);
	exit(1);
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);
	CHECK(value > 0 && !*end);
	return value;
}

static int connect_to(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t length = strlen(name);
	CHECK(length < sizeof at.sun_path);
	memcpy(at.sun_path + 1, name, length);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	CHECK(!connect(fd, (struct sockaddr *)&at,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				   length)));
	return fd;
}

/* Take a byte and ask for the next one. Returns false if c has had all. */
static bool take(struct client *c)
{
	char byte;
	CHECK(recv(c->fd, &byte, 1, 0) == 1);
	if (!c->left--)
		return false;
	CHECK(send(c->fd, &byte, 1, MSG_NOSIGNAL) == 1);
	return true;
}

int main(int argc, char **argv)
{
	CHECK(argc == 4);
	int count = (int)number(argv[2]);
	struct client *clients = calloc((size_t)count, sizeof *clients);
	struct epoll_event *events = calloc((size_t)count, sizeof *events);
	int epoll = epoll_create1(0);
	CHECK(clients && events && epoll >= 0);
	for (int i = 0; i < count; i++) {
		clients[i] = (struct client){connect_to(argv[1]),
					     number(argv[3])};
		struct epoll_event e = {EPOLLIN, {.ptr = &clients[i]}};
		CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &e));
	}
	for (int open = count; open;) {
		int ready = epoll_wait(epoll, events, count, -1);
		CHECK(ready > 0);
		for (int i = 0; i < ready; i++) {
			struct client *c = events[i].data.ptr;
			if (take(c))
				continue;
			CHECK(!epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL));
			open--;
		}
	}
	return 0;
}
