/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

static weft_once once;
static int once_runs;

static void task(void *arg)
{
	(void)arg;
	once_runs++;
}

static void *caller(void *arg)
{
	weft_once *o = &once;
	for (long i = *(long *)arg; i; i--) {
		BENCH_OPAQUE(o);
		weft_once_do(o, task, NULL);
	}
	return NULL;
}

double once_hit(long n)
{
	caller(&(long){1});
	int64_t start = bench_now();
	caller(&n);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(once_runs == 1);
	return ns;
}

WEFT_ONCE_VALUE(long, make_value)
{
	return ++once_runs;
}

double once_value_hit(long n)
{
	long sum = 0;
	once_runs = 0;
	make_value();
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		__asm__ volatile("" : : : "memory"); /* read it anew */
		sum += make_value();
	}
	double ns = bench_per_op(start, n);
	BENCH_CHECK(sum == n);
	return ns;
}

double thread_once(long n)
{
	caller(&(long){1});
	int64_t start = bench_now();
	bench_threads(bench_procs, caller, &n);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(once_runs == 1);
	return ns;
}
