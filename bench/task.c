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

/* The same for one to ten million, the few of them more than once. */
double growth_spawn(long n)
{
	double total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = rounds; i; i--)
		total += spawn_join(n);
	return total / (double)rounds;
}

/*
 * A task with more than one leaf below it starts another for one half, does the
 * other half itself, and waits. One operation is one leaf, and so one task.
 */
struct branch {
	weft_waitgroup *above;
	long leaves;
};

static void grow(long leaves);

static void grow_branch(void *arg)
{
	struct branch *b = arg;
	grow(b->leaves);
	weft_waitgroup_done(b->above);
}

static void grow(long leaves)
{
	if (leaves > 1) {
		weft_waitgroup half = {0};
		struct branch b = {&half, leaves / 2};
		weft_waitgroup_add(&half, 1);
		bench_go(grow_branch, &b);
		grow(leaves - leaves / 2);
		weft_waitgroup_wait(&half);
	}
}

double spawn_tree(long n)
{
	int64_t start = bench_now();
	grow(n);
	return bench_per_op(start, n);
}

enum { NAPS = 10 };

static void sleeper(void *arg)
{
	for (int i = 0; i < NAPS; i++)
		weft_sleep(NULL, WEFT_MS(1));
	weft_waitgroup_done(arg);
}

/* n tasks sleep a millisecond ten times; what counts is the CPU time. */
double sleepers(long n)
{
	weft_waitgroup wg = {0};
	int64_t start = bench_now();
	weft_waitgroup_add(&wg, (int)n);
	for (long i = n; i; i--)
		bench_go(sleeper, &wg);
	weft_waitgroup_wait(&wg);
	return bench_per_op(start, n * NAPS);
}

/* From nothing to the end of the first task. */
double start(long n)
{
	weft_waitgroup wg = {0};
	int64_t start = bench_now();
	weft_waitgroup_add(&wg, 1);
	bench_go(task, &wg);
	weft_waitgroup_wait(&wg);
	return bench_per_op(start, n);
}

/* A second in which nothing is to be done; what counts is the CPU time. */
double idle(long n)
{
	spawn_join(1000);
	double before = bench_cpu_seconds();
	int64_t start = bench_now();
	weft_sleep(NULL, WEFT_SECOND);
	double ns = bench_per_op(start, n);
	bench_cpu_of_part = bench_cpu_seconds() - before;
	return ns;
}

struct crowd {
	weft_waitgroup gate;
	weft_waitgroup arrived;
	weft_waitgroup returned;
	size_t live; /* bytes that a task has on its stack while it waits */
};

static __attribute__((noinline)) void member(void *arg)
{
	struct crowd *c = arg;
	weft_waitgroup_done(&c->arrived);
	weft_waitgroup_wait(&c->gate);
	weft_waitgroup_done(&c->returned);
}

static void member_with_locals(void *arg)
{
	struct crowd *c = arg;
	char locals[c->live];
	memset(locals, 1, c->live);
	__asm__ volatile("" : : "r"(locals) : "memory");
	member(c);
	__asm__ volatile("" : : "r"(locals) : "memory");
}

/* n tasks wait at a gate; what they keep resident, page tables included. */
static double blocked(long n, size_t live)
{
	weft_fn fn = live ? member_with_locals : member;
	struct crowd c = {.live = live};
	spawn_join(1000);
	long before = bench_resident();
	int64_t start = bench_now();
	weft_waitgroup_add(&c.gate, 1);
	weft_waitgroup_add(&c.arrived, (int)n);
	weft_waitgroup_add(&c.returned, (int)n);
	for (long i = n; i; i--)
		bench_go(fn, &c);
	weft_waitgroup_wait(&c.arrived);
	bench_settle();
	double ns = bench_per_op(start, n);
	bench_resident_each = (bench_resident() - before) / n;
	weft_waitgroup_done(&c.gate);
	weft_waitgroup_wait(&c.returned);
	weft_sleep(NULL, bench_kept_seconds(n) * WEFT_SECOND);
	long kept = bench_resident() - before;
	bench_kept_each = kept > 0 ? kept / n : 0;
	return ns;
}

double blocked_rss(long n)
{
	return blocked(n, 0);
}

double blocked_rss_3k(long n)
{
	return blocked(n, 3 * 1024);
}

double blocked_rss_12k(long n)
{
	return blocked(n, 12 * 1024);
}
