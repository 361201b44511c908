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

/* What the child says to its parent before it exits. */
typedef struct {
	bool returned;
	int result;
} ending;

static _Noreturn void be_child(int (*fn)(void *), void *arg, ending *e)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	e->result = fn(arg);
	e->returned = true;
	fflush(NULL);
	_exit(EXIT_SUCCESS);
}

int weft__sim_child(int (*fn)(void *), void *arg, char *how, size_t size)
{
	static ending *e;
	int status;
	pid_t child;

	if (e == NULL)
		e = weft__sim_share(sizeof *e);
	if (e == NULL)
		return -ENOMEM;
	e->returned = false;
	fflush(NULL);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		be_child(fn, arg, e);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		snprintf(how, size, "killed by signal %d, %s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else if (!e->returned || WEXITSTATUS(status) != 0)
		snprintf(how, size, "it exited, with status %d",
			 WEXITSTATUS(status));
	else if (e->result != 0)
		snprintf(how, size, "it returned %d", e->result);
	else
		return 0;
	return 1;
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
