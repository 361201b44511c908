/* SPDX-License-Identifier: MIT */
/*
 * What descriptors cost the machine. Of bytes over sockets a single thread does
 * the calls of both ends, in an order in which no read has to wait; or it asks
 * the kernel which of its connections have something, and echoes that. Of many
 * events it makes all happen, and then asks which have.
 */
#include "bare.h"

#include "sockets.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

static double go_and_return(long n, int pairs)
{
	struct bench_sockets s;
	bench_pairs(&s, n, pairs, 0);
	int64_t start = bench_now();
	for (long round = s.each; round; round--)
		for (int i = 0; i < pairs; i++) {
			int here = s.ends[i], there = s.ends[pairs + i];
			bench_write_byte(here);
			bench_read_byte(there);
			bench_write_byte(there);
			bench_read_byte(here);
		}
	double ns = bench_per_op(start, bench_round_trips(&s));
	bench_sockets_end(&s, close);
	return ns;
}

double bare_fd_pingpong(long n)
{
	return go_and_return(n, 1);
}

double bare_fd_echo100(long n)
{
	return go_and_return(n, BENCH_CONNECTIONS);
}

double bare_fd_serve100(long n)
{
	struct bench_sockets s;
	struct epoll_event events[BENCH_CONNECTIONS];
	int epoll = epoll_create1(EPOLL_CLOEXEC), ready;
	BENCH_CHECK(epoll >= 0);
	bench_clients(&s, n, 0);
	int64_t start = bench_now();
	for (int i = 0; i < s.count; i++) {
		events[i] = (struct epoll_event){EPOLLIN, {.fd = s.ends[i]}};
		BENCH_CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, s.ends[i],
				       &events[i]));
	}
	for (long left = bench_round_trips(&s); left; left -= ready) {
		ready = epoll_wait(epoll, events, BENCH_CONNECTIONS, -1);
		BENCH_CHECK(ready > 0);
		for (int i = 0; i < ready; i++) {
			bench_read_byte(events[i].data.fd);
			bench_write_byte(events[i].data.fd);
		}
	}
	double ns = bench_per_op(start, bench_round_trips(&s));
	close(epoll);
	bench_sockets_end(&s, close);
	return ns;
}

enum { NAMED_AT_ONCE = 256 };

/* All are named, once each. */
static void name_all(int epoll, long n)
{
	struct epoll_event events[NAMED_AT_ONCE];
	for (long ready; n; n -= ready) {
		ready = epoll_wait(epoll, events, NAMED_AT_ONCE, -1);
		BENCH_CHECK(ready > 0);
	}
}

double bare_growth_descriptors(long n)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int *fds = calloc((size_t)n, sizeof *fds);
	uint64_t one = 1;
	BENCH_CHECK(epoll >= 0 && fds);
	bench_allow_descriptors(n);
	for (long i = 0; i < n; i++) {
		struct epoll_event e = {EPOLLIN | EPOLLET, {.fd = (int)i}};
		fds[i] = eventfd(0, EFD_NONBLOCK);
		BENCH_CHECK(fds[i] >= 0);
		BENCH_CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e));
	}
	int64_t start = bench_now();
	for (long i = 0; i < n; i++)
		BENCH_CHECK(write(fds[i], &one, sizeof one) == sizeof one);
	name_all(epoll, n);
	double ns = bench_per_op(start, n);
	for (long i = 0; i < n; i++)
		close(fds[i]);
	close(epoll);
	free(fds);
	return ns;
}
