/* SPDX-License-Identifier: MIT */
#include "plat/pollset.h"

#include <sys/epoll.h>

int weft__pollset_wait(weft__pollset *p, weft__pollset_event *events, int max)
{
	struct epoll_event e[WEFT__POLLSET_MAX];
	int n = epoll_wait(p->epoll, e, max, -1);

	for (int i = 0; i < n; i++)
		events[i] = (weft__pollset_event){
			.tag = e[i].data.u64,
			.revents = e[i].events,
		};
	return n > 0 ? n : 0;
}
