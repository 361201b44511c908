/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors: a thread of its own that sleeps in epoll_wait(2),
 * started by the first wait that finds its descriptor not ready. poller.c says
 * what it promises.
 */
#ifndef WEFT_SRC_SCHED_POLLER_H
#define WEFT_SRC_SCHED_POLLER_H

#include "base/list.h"
#include "sched/waiter.h"

typedef struct weft__fd_waiter {
	weft__waiter waiter;	/* its result: events, or a negative errno */
	weft__link link;	/* in its descriptor's list, under its lock */
	int fd;
	uint32_t events;
} weft__fd_waiter;

/*
 * Have w->waiter claimed NOTIFIED when w->fd is ready for w->events, or closed.
 * Returns 0, after which weft__poller_end() must be called when the wait is
 * over; or a negative errno value: nothing has happened.
 */
int weft__poller_begin(weft__fd_waiter *w);
void weft__poller_end(weft__fd_waiter *w);

/* How many wait for fd now. */
size_t weft__poller_count(int fd);

/* Does anybody wait; *threads is how many the poller has. */
bool weft__poller_waits(size_t *threads);

/* Close fd; who waits for it is told -EBADF. What close(2) says. */
int weft__poller_close(int fd);

/* End the thread, if nobody waits. */
void weft__poller_stop(void);

#endif
