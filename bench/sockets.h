/* SPDX-License-Identifier: MIT */
/*
 * What C subjects share of the rows in which bytes go over sockets: between two
 * tasks of the subject, or between one and the clients of clients.c.
 */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#include "bench.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { BENCH_CONNECTIONS = 100 };

/* One end for each task: the first of them ask, the others echo. */
struct bench_sockets {
	int ends[2 * BENCH_CONNECTIONS];
	int count;
	int askers;
	int seats;	/* how many tasks have taken their end */
	long each;	/* round trips over each connection */
	pid_t clients;	/* 0: none, both ends are here */
};

/* flags: SOCK_NONBLOCK or 0. ends[i] is to ask ends[pairs + i]. */
void bench_pairs(struct bench_sockets *s, long n, int pairs, int flags);

/* The same where clients ask, who have begun with it. */
void bench_clients(struct bench_sockets *s, long n, int flags);

/* Close all ends; clients must have had all their answers. */
void bench_sockets_end(struct bench_sockets *s, int (*close_end)(int fd));

static inline long bench_round_trips(const struct bench_sockets *s)
{
	return s->each * (s->count - s->askers);
}

/* By send(), and recv() below, as tokio does it: write() and read() have longer ways. */
static inline void bench_write_byte(int fd)
{
	BENCH_CHECK(send(fd, "", 1, MSG_NOSIGNAL) == 1);
}

/* What a task does: its end's part of all round trips. */
static inline void bench_talk(struct bench_sockets *s, void (*read_byte)(int fd))
{
	int me = __atomic_fetch_add(&s->seats, 1, __ATOMIC_RELAXED);
	int end = s->ends[me];
	bool asks = me < s->askers;
	for (long i = s->each; i; i--) {
		if (asks)
			bench_write_byte(end);
		read_byte(end);
		if (!asks)
			bench_write_byte(end);
	}
}

/* From a socket that blocks. */
static inline void bench_read_byte(int fd)
{
	char byte;
	BENCH_CHECK(recv(fd, &byte, 1, 0) == 1);
}

#endif
