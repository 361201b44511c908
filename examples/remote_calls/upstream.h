/* SPDX-License-Identifier: MIT */
/*
 * A remote service to call, for those who have none at hand: an HTTP server on
 * 127.0.0.1 in tasks of this process, that takes its time with each answer.
 */
#ifndef EXAMPLES_REMOTE_CALLS_UPSTREAM_H
#define EXAMPLES_REMOTE_CALLS_UPSTREAM_H

#include <weft.h>

typedef struct {
	weft_duration delay;	/* before each answer: set it first */
	int port;		/* of 127.0.0.1 */

	/* Read them with weft_atomic_load(). */
	long requests;
	long abandoned;		/* the client closed before the answer */
	int at_once, most_at_once;

	int fd;
	weft_group connections;
	weft_waitgroup acceptor;
} upstream;

/* 0, or a negative errno. */
int upstream_start(upstream *u);
void upstream_stop(upstream *u);

#endif
