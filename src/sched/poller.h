/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors, in epoll(7), which is set up by the first wait that
 * finds its descriptor not ready. poller.c says what it promises.
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
	bool looked;		/* in vain, before */
} weft__fd_waiter;

/*
 * Have w->waiter claimed NOTIFIED when w->fd is ready for w->events, or closed.
 * Returns 0, after which weft__poller_end() must be called when the wait is
 * over; or a negative errno value: nothing has happened.
 */
int weft__poller_begin(weft__fd_waiter *w);
void weft__poller_end(weft__fd_waiter *w);

/*
 * Who waits has mostly tried before, and to look first is in vain: it is taken to
 * be so for some more waits when it was once. Counts one of them.
 */
bool weft__poller_is_tried(int fd);

/* How many wait for fd now; and is it one that is not armed? F10 */
size_t weft__poller_count(int fd);
bool weft__poller_is_unarmed(int fd);

/* Does anybody wait; *threads is how many threads it has of its own. */
bool weft__poller_waits(size_t *threads);

/* Close fd; who waits for it is told -EBADF. What close(2) says. */
int weft__poller_close(int fd);

/* ---- the runtime: F7, F8 ---- */

/* It runs: its workers are to look. */
void weft__poller_hand_over(void);
/* It does not: the thread is to, or ends, if nobody waits. */
void weft__poller_stop(void);

/* Is it up to the workers to look, and does anybody wait? */
bool weft__poller_has_duty(void);
bool weft__poller_wanted(void);
/* Look, and wake those who wait no longer. False: nobody, or another one looks. */
bool weft__poller_look(void);
/* Arm all that are not: the caller is about to sleep, or to block. F10 */
void weft__poller_arm_all(void);
/* Has nobody looked for that long, though it is wanted? */
bool weft__poller_neglected(weft_duration age, weft_time now);

/*
 * Watch: sleep until there is something to tell, or until deadline. begin is for
 * one at a time: false, there is one, or it is not wanted. wait returns true if
 * nothing has come of it. end wakes whom it concerns; the caller does not sleep any
 * more.
 */
bool weft__poller_watch_begin(void);
bool weft__poller_watch_wait(weft_time deadline);
void weft__poller_watch_end(void);
/* Have the one who watches return from its wait. */
void weft__poller_ring(void);

#endif
