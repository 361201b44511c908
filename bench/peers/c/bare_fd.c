/* SPDX-License-Identifier: MIT */
/*
 * What bytes over sockets cost the machine: a single thread that does the calls
 * of both ends, in an order in which no read has to wait.
 */
#include "bare_wait.h"

#include "sockets.h"

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
