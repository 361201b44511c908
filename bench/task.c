/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

static void task(void *arg)
{
	weft_waitgroup_done(arg);
}

double spawn_join(long n)
{
	weft_waitgroup wg = {0};
	int64_t start = bench_now();
	weft_waitgroup_add(&wg, (int)n);
	for (long i = n; i; i--)
		bench_go(task, &wg);
	weft_waitgroup_wait(&wg);
	return bench_per_op(start, n);
}

struct crowd {
	weft_waitgroup gate;
	weft_waitgroup arrived;
	weft_waitgroup returned;
};

static void member(void *arg)
{
	struct crowd *c = arg;
	weft_waitgroup_done(&c->arrived);
	weft_waitgroup_wait(&c->gate);
	weft_waitgroup_done(&c->returned);
}

/* n tasks wait at a gate; what they keep resident, page tables included. */
double blocked_rss(long n)
{
	struct crowd c = {0};
	spawn_join(1000);
	long before = bench_status_bytes("VmRSS") + bench_status_bytes("VmPTE");
	int64_t start = bench_now();
	weft_waitgroup_add(&c.gate, 1);
	weft_waitgroup_add(&c.arrived, (int)n);
	weft_waitgroup_add(&c.returned, (int)n);
	for (long i = n; i; i--)
		bench_go(member, &c);
	weft_waitgroup_wait(&c.arrived);
	bench_settle();
	double ns = bench_per_op(start, n);
	long after = bench_status_bytes("VmRSS") + bench_status_bytes("VmPTE");
	bench_resident_each = (after - before) / n;
	weft_waitgroup_done(&c.gate);
	weft_waitgroup_wait(&c.returned);
	return ns;
}
