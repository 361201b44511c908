/* SPDX-License-Identifier: MIT */
/*
 * An echo server with a task for each connection, and a task for each client:
 * two hundred of them wait for sockets, and none holds up a thread.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <weft.h>

enum { CONNECTIONS = 100, BYTES = 1000 };

static int echoed;	/* atomic */

/* Without blocking the thread. False at the end of the connection. */
static bool receive(int fd, char *byte)
{
	ssize_t n;

	while ((n = recv(fd, byte, 1, MSG_DONTWAIT)) < 0)
		if (weft_errno() != EAGAIN || weft_wait_fd(NULL, fd, POLLIN) < 0)
			break;
	return n == 1;
}

static void serve(void *arg)
{
	int fd = *(int *)arg;
	char byte;

	while (receive(fd, &byte))
		send(fd, &byte, 1, 0);
	weft_fd_close(fd);
}

static void ask(void *arg)
{
	int fd = *(int *)arg;
	char byte;

	for (int i = 0; i < BYTES; i++)
		if (send(fd, "?", 1, 0) == 1 && receive(fd, &byte))
			weft_atomic_add(&echoed, 1, relaxed);
	weft_fd_close(fd);	/* which ends the server's task */
}

int main(void)
{
	static int fds[CONNECTIONS][2];
	weft_waitgroup all = {0};

	for (int i = 0; i < CONNECTIONS; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]) != 0 ||
		    weft_waitgroup_go(&all, serve, &fds[i][0]) != 0 ||
		    weft_waitgroup_go(&all, ask, &fds[i][1]) != 0)
			return 1;
	weft_waitgroup_wait(&all);
	printf("%d bytes came back over %d connections\n", echoed, CONNECTIONS);
}
/*
 * Output:
 * 100000 bytes came back over 100 connections
 */
