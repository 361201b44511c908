/* SPDX-License-Identifier: MIT */
#include "fleet/os/process.h"

#include "fleet/os/fd.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- badges: sockets with a name that is no file's ---- */

static int open_badge(const char *name, struct sockaddr_un *address,
		      socklen_t *size)
{
	int fd, length;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1,
			  "weft/fleet/%s", name);
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
		(socklen_t)length;
	weft__fleet_fd_begin();
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	weft__fleet_fd_end(fd);
	return fd < 0 ? -errno : fd;
}

int weft__process_badge(const char *name)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd = open_badge(name, &address, &size), err;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) == 0)
		return fd;
	err = -errno;
	weft__fleet_fd_close(fd);
	return err;
}

int weft__process_wears(const char *name)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd = open_badge(name, &address, &size), err;

	if (fd < 0)
		return fd;
	err = connect(fd, (struct sockaddr *)&address, size) == 0 ? 0 : -errno;
	weft__fleet_fd_close(fd);
	return err == 0 ? 1 : err == -ECONNREFUSED ? 0 : err;
}

/* ---- the end of a process ---- */

/* glibc 2.36 is the first to have it. */
static int pidfd_open(pid_t pid)
{
	int fd;

	weft__fleet_fd_begin();
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	weft__fleet_fd_end(fd);
	return fd < 0 ? -errno : fd;
}

/*
 * It is this very process only if it started then: pids are used again. Once the
 * descriptor is there it does not change any more which one it is. Another start
 * does not tell that they have ended: in another name space of times /proc has
 * another one for the same process.
 */
int weft__process_open(const weft__fleet_self *me, const weft__fleet_self *them)
{
	int64_t start;
	int fd;

	if (me->space == 0 || me->space != them->space || them->start == 0)
		return -EXDEV;
	fd = pidfd_open((pid_t)them->pid);
	if (fd < 0)
		return fd;
	start = weft__fleet_start_of(them->pid);
	if (start == them->start)
		return fd;
	weft__fleet_fd_close(fd);
	return start == 0 ? -EACCES : -EXDEV;
}

void weft__process_wait(int *process, int count, int bell, weft_time until)
{
	struct pollfd *p = malloc(sizeof *p * ((size_t)count + 1));
	struct timespec left = {0};
	weft_duration d = until - weft_now();
	eventfd_t rung;

	if (p == NULL)
		abort();
	for (int i = 0; i < count; i++)
		p[i] = (struct pollfd){.fd = process[i], .events = POLLIN};
	p[count] = (struct pollfd){.fd = bell, .events = POLLIN};
	if (d > 0)
		left = (struct timespec){d / WEFT_SECOND, d % WEFT_SECOND};
	if (ppoll(p, (nfds_t)count + 1, until == WEFT_NEVER ? NULL : &left,
		  NULL) > 0) {
		for (int i = 0; i < count; i++)
			if (p[i].revents != 0)
				process[i] = -1;
		if (p[count].revents != 0)
			eventfd_read(bell, &rung);
	}
	free(p);
}
