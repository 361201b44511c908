/* SPDX-License-Identifier: MIT */
/* What C subjects share of the rows in which bytes go over sockets. */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#include "bench.h"

#include <sys/socket.h>
#include <unistd.h>

enum { BENCH_CONNECTIONS = 100 };

/* One end for each task: the first of them ask, the others echo. */
struct bench_sockets {
	int ends[2 * BENCH_CONNECTIONS];
	int count;
	int askers;
	int seats;	/* how many tasks have taken their end */
	long each;	/* round trips over each connection */
};

/* flags: SOCK_NONBLOCK or 0. ends[i] is to ask ends[pairs + i]. */
void bench_pairs(struct bench_sockets *s, long n, int pairs, int flags);

void bench_sockets_end(struct bench_sockets *s, int (*close_end)(int fd));

static inline long bench_round_trips(const struct bench_sockets *s)
{
	return s->each * (s->count - s->askers);
}

static inline void bench_write_byte(int fd)
{
	BENCH_CHECK(write(fd, "", 1) == 1);
}

/* From a socket that blocks. */
static inline void bench_read_byte(int fd)
{
	char byte;
	BENCH_CHECK(read(fd, &byte, 1) == 1);
}

#endif
