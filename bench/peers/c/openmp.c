/* SPDX-License-Identifier: MIT */
/* The subject "openmp": tasks of OpenMP, as the compiler brings them. */
#include "bench.h"

#include <omp.h>

const char *bench_version(void)
{
	static char version[32];
	snprintf(version, sizeof version, "OpenMP %d", _OPENMP);
	return version;
}

/* Its threads are there before the work begins, as weft's workers are. */
void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	(void)bench;
#pragma omp parallel num_threads(bench_procs)
#pragma omp single
	fn(arg);
}

static long done;

static double spawn_join(long n)
{
	done = 0;
	int64_t start = bench_now();
#pragma omp taskgroup
	for (long i = n; i; i--)
#pragma omp task default(shared) untied
		__atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(done == n);
	return ns;
}

static void grow(long leaves)
{
	if (leaves > 1) {
#pragma omp task
		grow(leaves / 2);
		grow(leaves - leaves / 2);
#pragma omp taskwait
	}
}

static double spawn_tree(long n)
{
	int64_t start = bench_now();
	grow(n);
	return bench_per_op(start, n);
}

static double growth_spawn(long n)
{
	double total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = rounds; i; i--)
		total += spawn_join(n);
	return total / (double)rounds;
}

const struct bench benches[] = {
	{"spawn_join", spawn_join, .cold = false},
	{"spawn_tree", spawn_tree, .cold = false},
	{"growth_spawn", growth_spawn, .cold = false},
	{NULL, NULL, .cold = false},
};
