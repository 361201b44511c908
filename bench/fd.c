/* SPDX-License-Identifier: MIT */
/* Bytes there and back over sockets; one operation is one round trip. */
#include "sockets.h"
#include "weft_bench.h"

#include <poll.h>

/* The answer is seldom there yet: to read before the wait is mostly in vain. */
static void read_byte(int fd)
{
	char byte;
	ssize_t got;
	do
		BENCH_CHECK(weft_wait_fd(NULL, fd, POLLIN) > 0);
	while ((got = recv(fd, &byte, 1, 0)) < 0 && weft_errno() == EAGAIN);
	BENCH_CHECK(got == 1);
}

static void talk(void *arg)
{
	bench_talk(arg, read_byte);
}

static double talk_all(struct bench_sockets *s)
{
	int64_t start = bench_now();
	bench_tasks(s->count, talk, s);
	double ns = bench_per_op(start, bench_round_trips(s));
	bench_sockets_end(s, weft_fd_close);
	return ns;
}

double fd_pingpong(long n)
{
	struct bench_sockets s;
	bench_pairs(&s, n, 1, SOCK_NONBLOCK);
	return talk_all(&s);
}

double fd_echo100(long n)
{
	struct bench_sockets s;
	bench_pairs(&s, n, BENCH_CONNECTIONS, SOCK_NONBLOCK);
	return talk_all(&s);
}

double fd_serve100(long n)
{
	struct bench_sockets s;
	bench_clients(&s, n, SOCK_NONBLOCK);
	return talk_all(&s);
}
