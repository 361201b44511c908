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

const struct bench benches[] = {
	{"spawn_join", spawn_join, .cold = false},
	{"blocked_rss", blocked_rss, .cold = true},
	{"group_go", group_go, .cold = false},
	{"once_hit", once_hit, .cold = false},
	{"waitgroup_add_done", waitgroup_add_done, .cold = false},
	{"mutex_uncontended", mutex_uncontended, .cold = false},
	{"mutex_contended_0", mutex_contended_0, .cold = false},
	{"mutex_contended_100", mutex_contended_100, .cold = false},
	{"rwmutex_read", rwmutex_read, .cold = false},
	{"rwmutex_mixed", rwmutex_mixed, .cold = false},
	{"cond_pingpong", cond_pingpong, .cold = false},
	{"cond_barrier32", cond_barrier32, .cold = false},
	{"chan_pingpong", chan_pingpong, .cold = false},
	{"chan_buffered128", chan_buffered128, .cold = false},
	{"select_pingpong", select_pingpong, .cold = false},
	{"flight_solo", flight_solo, .cold = false},
	{"flight_hot", flight_hot, .cold = false},
	{"flight_stampede", flight_stampede, .cold = false},
	{"ctx_cancel_fan", ctx_cancel_fan, .cold = false},
	{"thread_once", thread_once, .threads = true},
	{"thread_mutex", thread_mutex, .threads = true},
	{"thread_cond_pingpong", thread_cond_pingpong, .threads = true},
	{NULL, NULL, .cold = false},
};
