/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

enum { LOCKERS = 64 };

double mutex_uncontended(long n)
{
	weft_mutex object = {0}, *m = &object;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(m);
		weft_mutex_lock(m);
		weft_mutex_unlock(m);
	}
	return bench_per_op(start, n);
}

/* A counter and a state to work on, on cache lines of their own. */
struct guarded {
	_Alignas(64) weft_mutex mutex;
	_Alignas(64) long count;
	uint64_t state;
	long each;
	bool work;
};

static void locker(void *arg)
{
	struct guarded *g = arg;
	bool work = g->work;
	for (long i = g->each; i; i--) {
		weft_mutex_lock(&g->mutex);
		g->count++;
		if (work)
			g->state = bench_work(g->state);
		weft_mutex_unlock(&g->mutex);
	}
}

static double contend(long n, bool work)
{
	struct guarded g = {.each = n / LOCKERS, .work = work};
	int64_t start = bench_now();
	bench_tasks(LOCKERS, locker, &g);
	double ns = bench_per_op(start, g.each * LOCKERS);
	BENCH_CHECK(g.count == g.each * LOCKERS);
	return ns;
}

double mutex_contended_0(long n)
{
	return contend(n, false);
}

double mutex_contended_100(long n)
{
	return contend(n, true);
}

static void *thread_locker(void *arg)
{
	locker(arg);
	return NULL;
}

double thread_mutex(long n)
{
	struct guarded g = {.each = n / bench_procs};
	int64_t start = bench_now();
	bench_threads(bench_procs, thread_locker, &g);
	double ns = bench_per_op(start, g.each * bench_procs);
	BENCH_CHECK(g.count == g.each * bench_procs);
	return ns;
}
