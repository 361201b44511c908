/* SPDX-License-Identifier: MIT */
/* What weft's own benches share: their names, and how they start tasks. */
#ifndef WEFT_BENCH_H
#define WEFT_BENCH_H

#include "bench.h"

#include <weft.h>

bench_fn spawn_join, spawn_tree, sleepers, start, idle, blocked_rss,
	blocked_rss_3k, blocked_rss_12k;
bench_fn group_go, group_limit16, group_ctx_fan10;
bench_fn once_hit, once_value_hit, thread_once;
bench_fn waitgroup_add_done;
bench_fn mutex_uncontended, mutex_contended_0, mutex_contended_100,
	thread_mutex;
bench_fn rwmutex_read, rwmutex_mixed;
bench_fn thread_sema, thread_sema_pingpong;
bench_fn cond_pingpong, cond_barrier32, cond_barrier1000,
	thread_cond_pingpong;
bench_fn chan_pingpong, chan_buffered128, select_pingpong, skynet;
bench_fn fd_pingpong, fd_echo100, fd_serve100;
bench_fn flight_solo, flight_keys, flight_hot, flight_stampede;
bench_fn thread_chan, thread_flight;
bench_fn ctx_cancel_fan;
bench_fn lag_mutex_0, lag_mutex_100, lag_cond, lag_flight, lag_chan,
	lag_chan_busy, lag_chan_hog, lag_chan_blocking, lag_chan_silent,
	lag_spawn_hog;
bench_fn growth_spawn, growth_waiters, growth_keys, growth_ctx_deep,
	growth_ctx_wide, growth_timers, growth_descriptors;

static inline void bench_go(weft_fn fn, void *arg)
{
	if (weft_go(fn, arg))
		bench_fail("weft_go: no memory");
}

/* Run fn(arg) in count tasks and wait for them all. */
static inline void bench_tasks(int count, weft_fn fn, void *arg)
{
	weft_waitgroup tasks = {0};
	for (int i = 0; i < count; i++)
		BENCH_CHECK(!weft_waitgroup_go(&tasks, fn, arg));
	weft_waitgroup_wait(&tasks);
}

/* Let tasks that have announced a blocking call go on to block in it. */
static inline void bench_settle(void)
{
	for (int i = 0; i < 100; i++)
		weft_yield();
}

#endif
