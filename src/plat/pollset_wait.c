/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/pollset.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Rounded up: who comes too early comes again. */
static int milliseconds(weft_duration left)
{
	return left / WEFT_MS(1) >= INT_MAX ? INT_MAX
					    : (int)((left + WEFT_MS(1) - 1) / WEFT_MS(1));
}

/*
 * Not by its name, which glibc has since 2.35 only. Linux has it since 5.11, and
 * who filters calls may refuse it in any way.
 */
static int wait_precisely(int epoll, struct epoll_event *e, int max,
			  weft_duration left)
{
#ifdef SYS_epoll_pwait2
	struct timespec timeout = {
		.tv_sec = left / WEFT_SECOND,
		.tv_nsec = left % WEFT_SECOND,
	};

	return (int)syscall(SYS_epoll_pwait2, epoll, e, max, &timeout, NULL, 0);
#else
	(void)epoll, (void)e, (void)max, (void)left;
	errno = ENOSYS;
	return -1;
#endif
}

static int wait_for(int epoll, struct epoll_event *e, int max, weft_duration left)
{
	static uint32_t refused;	/* atomic */
	int n;

	if (!weft_atomic_load(&refused, relaxed)) {
		n = wait_precisely(epoll, e, max, left);
		if (n >= 0 || errno == EINTR)
			return n;
		weft_atomic_store(&refused, 1, relaxed);
	}
	return epoll_wait(epoll, e, max, milliseconds(left));
}

int weft__pollset_wait(weft__pollset *p, weft__pollset_event *events, int max,
		       weft_time deadline)
{
	struct epoll_event e[WEFT__POLLSET_MAX];
	weft_duration left = 0;
	int saved_errno = errno;
	int n;

	if (deadline != 0 && deadline != WEFT_NEVER)
		left = deadline - weft_now();
	if (deadline == WEFT_NEVER)
		n = epoll_wait(p->epoll, e, max, -1);
	else if (left <= 0)
		n = epoll_wait(p->epoll, e, max, 0);
	else
		n = wait_for(p->epoll, e, max, left);
	for (int i = 0; i < n; i++)
		events[i] = (weft__pollset_event){
			.tag = e[i].data.u64,
			.revents = e[i].events,
		};
	errno = saved_errno;
	return n > 0 ? n : 0;
}
