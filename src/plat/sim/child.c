/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/sim/child.h"

#include "plat/sim/machine.h"

#include <weft/atomic.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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
	uint64_t steps;
} ending;

int weft__sim_patience_ms = 30000;

static _Noreturn void be_child(int (*fn)(void *), void *arg, ending *e)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	weft__sim_pulse = &e->steps;
	e->result = fn(arg);
	e->returned = true;
	fflush(NULL);
	_exit(EXIT_SUCCESS);
}

/*
 * Wait until the child has ended, or makes no step any more. False: no more. An
 * old kernel has no descriptor for that, and then nobody watches.
 */
static bool watch(pid_t child, ending *e)
{
	struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, child, 0),
			     .events = POLLIN};
	uint64_t before;
	int n;

	if (end.fd < 0)
		return true;
	do {
		before = weft_atomic_load(&e->steps, relaxed);
		n = poll(&end, 1, weft__sim_patience_ms);
	} while ((n < 0 && errno == EINTR) ||
		 (n == 0 && weft_atomic_load(&e->steps, relaxed) != before));
	close(end.fd);
	return n != 0;
}

int weft__sim_child(int (*fn)(void *), void *arg, char *how, size_t size)
{
	static ending *e;
	bool moves;
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
	moves = watch(child, e);
	if (!moves)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!moves)
		snprintf(how, size, "no step for %d s: a call that blocks, or "
				    "a loop without weft_sim_point()",
			 weft__sim_patience_ms / 1000);
	else if (WIFSIGNALED(status))
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
