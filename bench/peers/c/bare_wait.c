/* SPDX-License-Identifier: MIT */
/*
 * What waiting costs the machine: for each row the locked instructions without
 * which several workers cannot share its objects, and its switches between two
 * stacks; nothing is looked at, decided, queued or copied. bench/README.md
 * counts them.
 */
#include "bare.h"

enum { STACK_BYTES = 16384 };

/* The other stack of this thread: it is left as soon as it is come to. */
static __thread void *here, *there;

static void other(void)
{
	for (;;)
		bare_switch(&there, here);
}

static inline __attribute__((always_inline)) void repeat(long n, struct bare_op op)
{
	_Alignas(LINE) unsigned char stack[STACK_BYTES];
	struct bare_words words = {0};
	there = bare_begin(stack + sizeof stack - LINE, other);
	for (long i = n; i; i--) {
		bare_run(&words, op);
		/* there and back are two */
		if (op.switches == 2 || (op.switches == 1 && i % 2))
			bare_switch(&here, there);
	}
}

static inline __attribute__((always_inline)) double measure(long n, struct bare_op op)
{
	int64_t start = bench_now();
	repeat(n, op);
	return bench_per_op(start, n);
}

double bare_group_limit16(long n)
{
	return measure(n, (struct bare_op){.locks = 0, .steps = 5, .switches = 0});
}

double bare_flight_hot(long n)
{
	return measure(n, (struct bare_op){.locks = 2, .steps = 5, .switches = 1});
}

double bare_cond_pingpong(long n)
{
	return measure(n, (struct bare_op){.locks = 2, .steps = 7, .switches = 1});
}

double bare_cond_barrier(long n)
{
	return measure(n, (struct bare_op){.locks = 1, .steps = 7, .switches = 1});
}

double bare_chan_pingpong(long n)
{
	return measure(n, (struct bare_op){.locks = 4, .steps = 6, .switches = 2});
}

double bare_chan_buffered(long n)
{
	return measure(n, (struct bare_op){.locks = 2, .steps = 0, .switches = 0});
}

double bare_select_pingpong(long n)
{
	return measure(n, (struct bare_op){.locks = 6, .steps = 6, .switches = 2});
}

/* What a tree needs its branches share out among themselves: P threads do it. */
static double share(long n, void *(*branch)(void *))
{
	long each = n / bench_procs;
	int64_t start = bench_now();
	bench_threads(bench_procs, branch, &each);
	return bench_per_op(start, each * bench_procs);
}

static void *tree_branch(void *each)
{
	repeat(*(long *)each,
	       (struct bare_op){.locks = 1, .steps = 6, .switches = 2});
	return NULL;
}

double bare_spawn_tree(long n)
{
	return share(n, tree_branch);
}

static void *net_branch(void *each)
{
	repeat(*(long *)each,
	       (struct bare_op){.locks = 2, .steps = 4, .switches = 2});
	return NULL;
}

double bare_skynet(long n)
{
	return share((10 * n - 1) / 9, net_branch);
}
