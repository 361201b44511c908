/* SPDX-License-Identifier: MIT */
#include "plat/barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool call(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) == 0;
}

/*
 * Until it is asked for once, the kernel does not do it for a process. Others
 * need not wait for who asks. In a child that was made meanwhile nobody does.
 */
static bool ask(void)
{
	static pid_t asking;
	pid_t other = weft_atomic_load(&asking, relaxed), self = getpid();
	bool done;

	if (other == self ||
	    !weft_atomic_cas(&asking, &other, self, relaxed, relaxed))
		return false;
	done = call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	weft_atomic_store(&asking, 0, relaxed);
	return done;
}

bool weft__barrier_all(void)
{
	int saved_errno = errno;
	bool done = call(MEMBARRIER_CMD_PRIVATE_EXPEDITED) ||
		    (ask() && call(MEMBARRIER_CMD_PRIVATE_EXPEDITED));

	errno = saved_errno;
	return done;
}

/* Only glibc tells. */
extern char __libc_single_threaded __attribute__((weak));

void weft__barrier_prepare(void)
{
	int saved_errno = errno;

	if (&__libc_single_threaded != NULL && __libc_single_threaded)
		ask();
	errno = saved_errno;
}
