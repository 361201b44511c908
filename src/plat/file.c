/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/file.h"

#include "plat/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is no file, a pipe or a terminal, is for all. */
static bool is_taken(int fd)
{
	struct stat file;

	return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
	       flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

int weft__file_create(char *path, size_t size)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC;
	int fd = open(path, flags, 0666);
	size_t length = strlen(path);

	if (fd >= 0 && is_taken(fd)) {
		close(fd);
		snprintf(path + length, size - length, ".%d", (int)getpid());
		fd = open(path, flags, 0666);
	}
	if (fd < 0)
		return -errno;
	weft__file_cut(fd, 0);
	return fd;
}

static int poll_for_room(int fd, int milliseconds)
{
	struct pollfd set = {.fd = fd, .events = POLLOUT};

	return poll(&set, 1, milliseconds);
}

bool weft__file_has_room(int fd, int milliseconds)
{
	WEFT__UNCANCELLED();

	return poll_for_room(fd, milliseconds) != 0;
}

/* A descriptor of others' may be non-blocking. */
static int wait_for_room(int fd)
{
	return poll_for_room(fd, -1) < 0 && errno != EINTR ? -errno : 0;
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
