/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/signal.h"

#include "plat/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void (*noticed)(void);

static void handle(int number)
{
	int saved_errno = weft__errno_get();

	(void)number;
	noticed();
	weft__errno_set(saved_errno);
}

static bool is_taken(const struct sigaction *a)
{
	return (a->sa_flags & SA_SIGINFO) ||
	       (a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN &&
		a->sa_handler != handle);
}

int weft__signal_watch(int number, void (*notice)(void))
{
	struct sigaction action = {.sa_handler = handle,
				   .sa_flags = SA_RESTART | SA_ONSTACK};
	struct sigaction old;

	if (sigaction(number, NULL, &old) != 0)
		return -EINVAL;
	if (is_taken(&old))
		return -EBUSY;
	noticed = notice;
	sigemptyset(&action.sa_mask);
	return sigaction(number, &action, NULL) == 0 ? 0 : -EINVAL;
}

int weft__signal_number(const char *name)
{
	char *end;
	long given = strtol(name, &end, 10);

	if (*name != 0 && *end == 0)
		return given > 0 && given < NSIG ? (int)given : 0;
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int number = 1; number < NSIG; number++) {
		const char *known = sigabbrev_np(number);

		if (known != NULL && strcmp(known, name) == 0)
			return number;
	}
	return 0;
}
