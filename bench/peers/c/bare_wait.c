/* SPDX-License-Identifier: MIT */
/*
 * What waiting costs the machine: for each row the locked instructions without
 * which several workers cannot share its objects, and its switches between two
 * stacks; nothing is looked at, decided, queued or copied. bench/README.md
 * counts them.
 */
#include "bare.h"

enum { WORDS = 16, STACK_BYTES = 16384 };

/* A lock is an exchange and a store, a step a compare-and-swap. */
struct op {
	int locks;
	int steps;
	int switches;
};

static struct {
	_Alignas(LINE) uint32_t word;
} words[WORDS];

static void *here, *there;

static inline __attribute__((always_inline)) void run(struct op op)
{
#pragma GCC unroll 16
	for (int i = 0; i < op.locks; i++) {
		uint32_t *word = &words[i].word;
		if (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) != 0)
			bench_fail("the lock was taken");
		__atomic_store_n(word, 0, __ATOMIC_RELEASE);
	}
#pragma GCC unroll 16
	for (int i = 0; i < op.steps; i++) {
		uint32_t *word = &words[WORDS / 2 + i].word;
		uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
		if (!__atomic_compare_exchange_n(word, &old, old + 1, false,
						 __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			bench_fail("the word was changed");
	}
}

/* The other stack: it is left as soon as it is come to. */
static void other(void)
{
	for (;;)
		bare_switch(&there, here);
}

static void begin_other(void)
{
	static _Alignas(LINE) unsigned char stack[STACK_BYTES];
	there = bare_begin(stack + sizeof stack - LINE, other);
}

static inline __attribute__((always_inline)) double measure(long n, struct op op)
{
	begin_other();
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		run(op);
		/* there and back are two */
		if (op.switches == 2 || (op.switches == 1 && i % 2))
			bare_switch(&here, there);
	}
	return bench_per_op(start, n);
}

double bare_spawn_tree(long n)
{
	return measure(n, (struct op){.locks = 1, .steps = 6, .switches = 2});
}

double bare_group_limit16(long n)
{
	return measure(n, (struct op){.locks = 0, .steps = 5, .switches = 0});
}

double bare_flight_hot(long n)
{
	return measure(n, (struct op){.locks = 2, .steps = 5, .switches = 1});
}

double bare_cond_pingpong(long n)
{
	return measure(n, (struct op){.locks = 2, .steps = 7, .switches = 1});
}

double bare_cond_barrier(long n)
{
	return measure(n, (struct op){.locks = 1, .steps = 7, .switches = 1});
}

double bare_chan_pingpong(long n)
{
	return measure(n, (struct op){.locks = 4, .steps = 6, .switches = 2});
}

double bare_chan_buffered(long n)
{
	return measure(n, (struct op){.locks = 2, .steps = 0, .switches = 0});
}

double bare_select_pingpong(long n)
{
	return measure(n, (struct op){.locks = 6, .steps = 6, .switches = 2});
}
