/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

struct fan {
	weft_ctx ctx;
	weft_waitgroup arrived;
	weft_waitgroup returned;
};

static void waiter(void *arg)
{
	struct fan *f = arg;
	weft_waitgroup_done(&f->arrived);
	weft_ctx_wait(&f->ctx);
	weft_waitgroup_done(&f->returned);
}

static int64_t cancel_fan(long n)
{
	struct fan f = {.arrived = {0}};
	weft_ctx_init(&f.ctx, NULL);
	weft_waitgroup_add(&f.arrived, (int)n);
	weft_waitgroup_add(&f.returned, (int)n);
	for (long i = n; i; i--)
		bench_go(waiter, &f);
	weft_waitgroup_wait(&f.arrived);
	bench_settle();
	int64_t start = bench_now();
	weft_ctx_cancel(&f.ctx, 0);
	weft_waitgroup_wait(&f.returned);
	int64_t elapsed = bench_now() - start;
	weft_ctx_fini(&f.ctx);
	return elapsed;
}

/* n tasks wait on one context; from its cancellation to their last return. */
double ctx_cancel_fan(long n)
{
	int64_t total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = rounds; i; i--)
		total += cancel_fan(n);
	return (double)total / (double)rounds / (double)n;
}
