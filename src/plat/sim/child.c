/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/sim/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void *weft__sim_share(size_t size_bytes)
{
	void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int weft__sim_child(int (*fn)(void *), void *arg, char *how, size_t size)
{
	int status, result;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		result = fn(arg);
		fflush(NULL);
		_exit(result != 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		snprintf(how, size, "killed by signal %d, %s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, size, "exit status %d", WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static void (*abort_function)(void);

static void on_abort(int number)
{
	abort_function();
	signal(number, SIG_DFL);
	raise(number);
}

void weft__sim_on_abort(void (*function)(void))
{
	abort_function = function;
	signal(SIGABRT, on_abort);
}
