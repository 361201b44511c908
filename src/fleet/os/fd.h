/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that the child of a fork must not hold: a lock that it would keep
 * after this process has died, a connection whose end says that it died, a
 * queue of events that it would take from. The child closes them before fork()
 * returns there. Close-on-exec does not do that, since a child need not exec.
 *
 *	weft__fleet_fd_begin();
 *	fd = open(path, O_RDWR | O_CLOEXEC);
 *	weft__fleet_fd_end(fd);
 *
 * Nobody forks in between, so begin and end embrace one system call or two.
 */
#ifndef WEFT_SRC_FLEET_OS_FD_H
#define WEFT_SRC_FLEET_OS_FD_H

#include <weft/base.h>

/* Once, before the first of the others. 0 or -ENOMEM. */
int weft__fleet_fd_prepare(void);

void weft__fleet_fd_begin(void);
/* Keeps errno. A negative fd is none. */
void weft__fleet_fd_end(int fd);

/* Close fd, registered or not. */
void weft__fleet_fd_close(int fd);

#endif
