/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/event.h"

#include "plat/thread.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int weft__event_open(void)
{
	int saved_errno = errno;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		fd = -errno;
	errno = saved_errno;
	return fd;
}

void weft__event_close(int fd)
{
	WEFT__UNCANCELLED();
	int saved_errno = errno;

	close(fd);
	errno = saved_errno;
}

void weft__event_signal(int fd)
{
	WEFT__UNCANCELLED();
	int saved_errno = errno;

	(void)!eventfd_write(fd, 1);
	errno = saved_errno;
}

void weft__event_clear(int fd)
{
	WEFT__UNCANCELLED();
	int saved_errno = errno;
	eventfd_t count;

	(void)!eventfd_read(fd, &count);
	errno = saved_errno;
}
