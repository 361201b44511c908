/* SPDX-License-Identifier: MIT */
/*
 * Readiness of descriptors: poll(2) for a look, epoll(7) for waiting. Events
 * are poll's; epoll's have the same values. All errors are negative errno
 * values, and errno itself is kept.
 */
#ifndef WEFT_SRC_PLAT_POLLSET_H
#define WEFT_SRC_PLAT_POLLSET_H

#include "base/base.h"

#include <weft/time.h>

#include <poll.h>

/*
 * What fd is ready for now, of events and of what poll() reports unasked; 0:
 * nothing; -EBADF: it is not open.
 */
int weft__poll_now(int fd, uint32_t events);
/*
 * Look at count at once, as poll(2) does. Returns how many have something to tell,
 * or a negative errno value: nothing is known of any.
 */
int weft__poll_several(struct pollfd *fds, int count);
/* Those that poll() reports unasked: an error, the other end closed. */
extern const uint32_t weft__poll_always;

typedef struct {
	int epoll;
	int bell;	/* an eventfd */
} weft__pollset;

/* What is told of a descriptor: the tag it was armed with. */
typedef struct {
	uint64_t tag;
	uint32_t revents;
} weft__pollset_event;

#define WEFT__POLLSET_BELL UINT64_MAX	/* the tag of a ring */

int weft__pollset_open(weft__pollset *p);
void weft__pollset_close(weft__pollset *p);

/*
 * Have fd's readiness for events told, once, at once if it is ready already.
 * add is for a descriptor that is not in the set (-EEXIST: it is), change for
 * one that is (-ENOENT: it is not; fd's number may have been, but for another
 * file). -EPERM: a file that is always ready, or never.
 */
int weft__pollset_add(weft__pollset *p, int fd, uint32_t events, uint64_t tag);
int weft__pollset_change(weft__pollset *p, int fd, uint32_t events,
			 uint64_t tag);
void weft__pollset_remove(weft__pollset *p, int fd);

/*
 * Sleep until there is something to tell, or until deadline (WEFT_NEVER: none; 0:
 * do not sleep at all). Returns how much there is, 0 … max; for no reason, or when
 * the deadline has passed, 0.
 */
int weft__pollset_wait(weft__pollset *p, weft__pollset_event *events, int max,
		       weft_time deadline);
enum { WEFT__POLLSET_MAX = 64 };

/* Is fd one of the set's own? */
static inline bool weft__pollset_owns(const weft__pollset *p, int fd)
{
	return fd == p->epoll || fd == p->bell;
}

/* Let one weft__pollset_wait() tell of WEFT__POLLSET_BELL. */
void weft__pollset_ring(weft__pollset *p);

/*
 * close(2). With rest, only the number is given back: what else a close has to
 * do, and may wait for (SO_LINGER), is left to weft__close_rest(*rest).
 */
int weft__close(int fd, int *rest);
void weft__close_rest(int rest);

#endif
