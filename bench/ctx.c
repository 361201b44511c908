/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

struct fan {
	weft_ctx ctx;
	weft_waitgroup arrived;
	weft_waitgroup returned;
	long late;
};

static void waiter(void *arg)
{
	struct fan *f = arg;
	weft_waitgroup_done(&f->arrived);
	if (weft_ctx_done(&f->ctx))
		__atomic_fetch_add(&f->late, 1, __ATOMIC_RELAXED);
	weft_ctx_wait(&f->ctx);
	weft_waitgroup_done(&f->returned);
}

/* -1 when one came only after the cancellation: it never waited. */
static int64_t cancel_fan(long n)
{
	struct fan f = {.late = 0};
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
	return f.late ? -1 : elapsed;
}

/* n tasks wait on one context; from its cancellation to their last return. */
double ctx_cancel_fan(long n)
{
	int64_t total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = 0; i < rounds;) {
		int64_t elapsed = cancel_fan(n);
		if (elapsed < 0)
			continue;
		total += elapsed;
		i++;
	}
	return (double)total / (double)rounds / (double)n;
}
