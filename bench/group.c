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

double group_limit16(long n)
{
	weft_group g = {0};
	weft_group_set_limit(&g, 16);
	int64_t start = bench_now();
	for (long i = n; i; i--)
		weft_group_go(&g, task, NULL);
	BENCH_CHECK(!weft_group_wait(&g));
	return bench_per_op(start, n);
}

/* A group with a context of its own for ten tasks; one operation is all that. */
double group_ctx_fan10(long n)
{
	weft_ctx parent;
	weft_ctx_init(&parent, NULL);
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		weft_group g;
		weft_group_init(&g, &parent);
		for (int j = 0; j < 10; j++)
			weft_group_go(&g, task, NULL);
		BENCH_CHECK(!weft_group_wait(&g));
	}
	double ns = bench_per_op(start, n);
	weft_ctx_fini(&parent);
	return ns;
}
