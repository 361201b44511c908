/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

/* As many permits as threads: nobody ever waits. */
struct permits {
	_Alignas(64) weft_sema sema;
	_Alignas(64) long each;
};

static void *holder(void *arg)
{
	struct permits *p = arg;
	for (long i = p->each; i; i--) {
		weft_sema_acquire(&p->sema, 1);
		weft_sema_release(&p->sema, 1);
	}
	return NULL;
}

double thread_sema(long n)
{
	struct permits p = {.each = n / bench_procs};
	weft_sema_init(&p.sema, bench_procs);
	int64_t start = bench_now();
	bench_threads(bench_procs, holder, &p);
	return bench_per_op(start, p.each * bench_procs);
}

/* Two threads hand a permit to each other; one operation is one hand-over. */
struct relay {
	weft_sema turns[2];
	long each;
	int seats;
};

static void *runner(void *arg)
{
	struct relay *r = arg;
	int me = __atomic_fetch_add(&r->seats, 1, __ATOMIC_RELAXED);
	for (long i = r->each; i; i--) {
		weft_sema_acquire(&r->turns[me], 1);
		weft_sema_release(&r->turns[1 - me], 1);
	}
	return NULL;
}

double thread_sema_pingpong(long n)
{
	struct relay r = {.each = n / 2};
	weft_sema_init(&r.turns[0], 1);
	weft_sema_init(&r.turns[1], 0);
	int64_t start = bench_now();
	bench_threads(2, runner, &r);
	return bench_per_op(start, r.each * 2);
}
