/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

static int task(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	return 0;
}

double group_go(long n)
{
	weft_group g = {0};
	int64_t start = bench_now();
	for (long i = n; i; i--)
		weft_group_go(&g, task, NULL);
	BENCH_CHECK(!weft_group_wait(&g));
	return bench_per_op(start, n);
}
