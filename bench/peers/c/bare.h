/* SPDX-License-Identifier: MIT */
/* What the files of the subject "bare" share: its rows, and stacks. */
#ifndef BARE_H
#define BARE_H

#include "bench.h"

enum { LINE = 64 };

bench_fn bare_spawn_join;
bench_fn bare_flight_solo;
bench_fn bare_spawn_tree, bare_group_limit16, bare_flight_hot,
	bare_cond_pingpong, bare_cond_barrier, bare_chan_pingpong,
	bare_chan_buffered, bare_select_pingpong;
bench_fn bare_wake_crowd;
bench_fn bare_fd_pingpong, bare_fd_echo100, bare_fd_serve100;
bench_fn bare_thread_sema, bare_thread_sema_pingpong;

/* What cannot be is: the bench has failed. Out of the way. */
__attribute__((noinline, cold)) void bare_miss(void);

/* Leave this stack, whose pointer goes to *from, for that at to. */
void bare_switch(void **from, void *to);

/* Where to switch to, to have fn called on the stack that ends at top. */
void *bare_begin(void *top, void (*fn)(void));

#endif
