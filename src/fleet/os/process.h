/* SPDX-License-Identifier: MIT */
/* Processes of this machine, and their ends. */
#ifndef WEFT_SRC_FLEET_OS_PROCESS_H
#define WEFT_SRC_FLEET_OS_PROCESS_H

#include "fleet/os/os.h"

/*
 * A badge: a name that nobody else chooses, which can be seen on this machine as long
 * as the descriptor is open that this returns, or this process lives. Another machine
 * may be this one's copy, with the same boot and the same processes; but it does not
 * see badges of this one. Or a negative errno value.
 */
int weft__process_badge(const char *name);
/* 1: a process does; 0: none; or why that cannot be seen. */
int weft__process_wears(const char *name);

/*
 * A descriptor that can be read when the process with the pid, start and space
 * of *them has ended; weft__fleet_fd_close() closes it.
 *
 * Returns the descriptor; -ESRCH: it has ended; or why that cannot be known.
 */
int weft__process_open(const weft__fleet_self *me, const weft__fleet_self *them);

/*
 * Wait until one of count of these has ended, bell was rung, which is silent
 * again then, or the time is until. Makes those of the ended -1.
 */
void weft__process_wait(int *process, int count, int bell, weft_time until);

#endif
