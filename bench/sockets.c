/* SPDX-License-Identifier: MIT */
#include "sockets.h"

void bench_pairs(struct bench_sockets *s, long n, int pairs, int flags)
{
	*s = (struct bench_sockets){
		.count = 2 * pairs, .askers = pairs, .each = n / pairs};
	for (int i = 0; i < pairs; i++) {
		int ends[2];
		BENCH_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends));
		s->ends[i] = ends[0];
		s->ends[pairs + i] = ends[1];
	}
}

void bench_sockets_end(struct bench_sockets *s, int (*close_end)(int fd))
{
	for (int i = 0; i < s->count; i++)
		close_end(s->ends[i]);
}
