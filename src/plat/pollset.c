/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/pollset.h"

#include "plat/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Static_assert(POLLIN == EPOLLIN && POLLPRI == EPOLLPRI &&
		       POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
		       POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP &&
		       POLLRDNORM == EPOLLRDNORM && POLLRDBAND == EPOLLRDBAND &&
		       POLLWRNORM == EPOLLWRNORM && POLLWRBAND == EPOLLWRBAND,
	       "events are told as they come");

enum {
	ASKABLE = POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM |
		  POLLRDBAND | POLLWRNORM | POLLWRBAND,
};

const uint32_t weft__poll_always = POLLERR | POLLHUP;

int weft__poll_several(struct pollfd *fds, int count)
{
	WEFT__UNCANCELLED();
	int saved_errno = errno;
	int n;

	do
		n = poll(fds, (nfds_t)count, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		n = -errno;
	errno = saved_errno;
	return n;
}

int weft__poll_now(int fd, uint32_t events)
{
	struct pollfd p = {.fd = fd, .events = (short)events};
	int n;

	if (fd < 0)
		return -EBADF;
	n = weft__poll_several(&p, 1);
	if (n < 0)
		return n;
	return p.revents & POLLNVAL ? -EBADF : (unsigned short)p.revents;
}

static int control(weft__pollset *p, int operation, int fd, uint32_t events,
		   uint64_t tag)
{
	struct epoll_event e = {.events = events, .data.u64 = tag};
	int saved_errno = errno;
	int err = epoll_ctl(p->epoll, operation, fd, &e) == 0 ? 0 : -errno;

	errno = saved_errno;
	return err;
}

int weft__pollset_add(weft__pollset *p, int fd, uint32_t events, uint64_t tag)
{
	return control(p, EPOLL_CTL_ADD, fd, (events & ASKABLE) | EPOLLONESHOT,
		       tag);
}

int weft__pollset_change(weft__pollset *p, int fd, uint32_t events, uint64_t tag)
{
	return control(p, EPOLL_CTL_MOD, fd, (events & ASKABLE) | EPOLLONESHOT,
		       tag);
}

void weft__pollset_remove(weft__pollset *p, int fd)
{
	(void)control(p, EPOLL_CTL_DEL, fd, 0, 0);
}

/* Both descriptors or none. */
static int open_both(weft__pollset *p)
{
	int err;

	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0)
		return -errno;
	p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->bell < 0) {
		err = -errno;
		close(p->epoll);
		return err;
	}
	/* Edge-triggered: told once for each ring, and never read. */
	err = control(p, EPOLL_CTL_ADD, p->bell, EPOLLIN | EPOLLET,
		      WEFT__POLLSET_BELL);
	if (err != 0)
		weft__pollset_close(p);
	return err;
}

int weft__pollset_open(weft__pollset *p)
{
	WEFT__UNCANCELLED();
	int saved_errno = errno;
	int err = open_both(p);

	errno = saved_errno;
	return err;
}

void weft__pollset_close(weft__pollset *p)
{
	WEFT__UNCANCELLED();
	close(p->bell);
	close(p->epoll);
}

void weft__pollset_ring(weft__pollset *p)
{
	WEFT__UNCANCELLED();
	uint64_t one = 1;
	int saved_errno = errno;
	ssize_t n;

	do
		n = write(p->bell, &one, sizeof one);
	while (n < 0 && errno == EINTR);
	errno = saved_errno;
}

/* With a second descriptor of the same file the close of fd is not the last. */
int weft__close(int fd, int *rest)
{
	WEFT__UNCANCELLED();
	int saved_errno = errno;
	int err;

	if (rest != NULL)
		*rest = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	err = close(fd) == 0 ? 0 : -errno;
	errno = saved_errno;
	return err;
}

void weft__close_rest(int rest)
{
	WEFT__UNCANCELLED();
	int saved_errno = errno;

	if (rest >= 0)
		close(rest);
	errno = saved_errno;
}
