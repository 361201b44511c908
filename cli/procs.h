/* SPDX-License-Identifier: MIT */
/*
 * Processes by their family, as /proc tells it. Where there is no /proc there
 * are no descendants: process groups are all that is known then.
 */
#ifndef WEFT_CLI_PROCS_H
#define WEFT_CLI_PROCS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Send a signal to every process that descends from root, whatever its process
 * group or session; not to root itself, nor to the dead. Who is stopped is
 * continued, to hear of it. Left out are those of whose group has_heard, which may
 * be NULL, says that it was sent the signal already: to some a second one is
 * another word.
 *
 * Returns how many it was sent to. What may not be signalled does not count.
 */
int procs_signal_descendants(pid_t root, int signal,
			     bool (*has_heard)(void *arg, pid_t group),
			     void *arg);

#endif
