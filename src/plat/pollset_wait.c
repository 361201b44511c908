/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/pollset.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>

/* Rounded up: who comes too early comes again. */
static int milliseconds(weft_duration left)
{
	return left / WEFT_MS(1) >= INT_MAX ? INT_MAX
					    : (int)((left + WEFT_MS(1) - 1) / WEFT_MS(1));
}

static int wait_for(int epoll, struct epoll_event *e, int max, weft_duration left)
{
	struct timespec timeout = {
		.tv_sec = left / WEFT_SECOND,
		.tv_nsec = left % WEFT_SECOND,
	};
	int n = epoll_pwait2(epoll, e, max, &timeout, NULL);

	if (n < 0 && errno == ENOSYS)	/* Linux before 5.11 */
		n = epoll_wait(epoll, e, max, milliseconds(left));
	return n;
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
