/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/file.h"

#include "plat/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

int weft__file_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	return fd >= 0 ? fd : -errno;
}

/* A descriptor of others' may be non-blocking. */
static int wait_for_room(int fd)
{
	struct pollfd set = {.fd = fd, .events = POLLOUT};

	return poll(&set, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int weft__file_write(int fd, const void *bytes, size_t size_bytes)
{
	const char *from = bytes;
	int err = 0;
	WEFT__UNCANCELLED();

	while (size_bytes > 0 && err == 0) {
		ssize_t n = write(fd, from, size_bytes);

		if (n >= 0) {
			from += n;
			size_bytes -= (size_t)n;
		} else if (errno == EAGAIN) {
			err = wait_for_room(fd);
		} else if (errno != EINTR) {
			err = -errno;
		}
	}
	return err;
}

void weft__file_cut(int fd, uint64_t size_bytes)
{
	if (ftruncate(fd, (off_t)size_bytes) == 0)
		lseek(fd, (off_t)size_bytes, SEEK_SET);
}
