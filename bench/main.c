/* SPDX-License-Identifier: MIT */
/* The subject "weft": which benches it has, and how they are entered. */
#include "weft_bench.h"

const char *bench_version(void)
{
	return "weft";
}

struct entry {
	void (*fn)(void *);
	void *arg;
};

static int enter_task(void *arg)
{
	struct entry *e = arg;
	e->fn(e->arg);
	return 0;
}

static void *enter_thread(void *arg)
{
	enter_task(arg);
	return NULL;
}

void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	char procs[16];
	struct entry e = {fn, arg};
	snprintf(procs, sizeof procs, "%d", bench_procs);
	BENCH_CHECK(!setenv("WEFT_PROCS", procs, 1));
	if (bench->threads) {
		bench_pin();
		bench_threads(1, enter_thread, &e);
	} else {
		BENCH_CHECK(!weft_run(enter_task, &e));
	}
}

/* Those of tasks, then those of plain threads. */
#define TASKS(name) {#name, name, .cold = false}
#define BRIEF(name) {#name, name, .brief = true}
#define THREADS(name) {#name, name, .threads = true}

const struct bench benches[] = {
	TASKS(spawn_join),
	TASKS(spawn_tree),
	TASKS(sleepers),
	TASKS(idle),
	{"blocked_rss", blocked_rss, .cold = true},
	{"blocked_rss_3k", blocked_rss_3k, .cold = true},
	{"blocked_rss_12k", blocked_rss_12k, .cold = true},
	TASKS(group_go),
	TASKS(group_limit16),
	TASKS(group_ctx_fan10),
	BRIEF(once_hit),
	TASKS(once_value_hit),
	BRIEF(waitgroup_add_done),
	BRIEF(mutex_uncontended),
	TASKS(mutex_contended_0),
	TASKS(mutex_contended_100),
	TASKS(rwmutex_read),
	TASKS(rwmutex_mixed),
	TASKS(cond_pingpong),
	TASKS(cond_barrier32),
	TASKS(cond_barrier1000),
	TASKS(chan_pingpong),
	TASKS(chan_buffered128),
	TASKS(select_pingpong),
	TASKS(skynet),
	TASKS(fd_pingpong),
	TASKS(fd_echo100),
	TASKS(fd_serve100),
	TASKS(flight_solo),
	TASKS(flight_keys),
	TASKS(flight_hot),
	TASKS(flight_stampede),
	TASKS(ctx_cancel_fan),
	TASKS(lag_mutex_0),
	TASKS(lag_mutex_100),
	TASKS(lag_cond),
	TASKS(lag_flight),
	TASKS(lag_chan),
	TASKS(lag_chan_busy),
	TASKS(lag_chan_hog),
	TASKS(lag_chan_blocking),
	TASKS(lag_chan_silent),
	TASKS(lag_spawn_hog),
	TASKS(growth_spawn),
	TASKS(growth_waiters),
	TASKS(growth_keys),
	TASKS(growth_ctx_deep),
	TASKS(growth_ctx_wide),
	TASKS(growth_timers),
	TASKS(growth_descriptors),
	THREADS(thread_once),
	THREADS(thread_mutex),
	THREADS(thread_sema),
	THREADS(thread_sema_pingpong),
	THREADS(thread_cond_pingpong),
	THREADS(thread_chan),
	THREADS(thread_flight),
	{"start", start, .cold = true, .threads = true},
	{NULL, NULL, .cold = false},
};
