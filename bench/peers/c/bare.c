/* SPDX-License-Identifier: MIT */
/* The subject "bare": the fewest instructions that could do the work. */
#include "bench.h"

const char *bench_version(void)
{
	return "the machine";
}

void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	(void)bench;
	fn(arg);
}

static __attribute__((noinline, cold)) void miss(void)
{
	bench_fail("the word was set");
}

/* One acquire load and a branch that is never taken. */
static double once_hit(long n)
{
	unsigned done = 1, *word = &done;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(word);
		if (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
			miss();
	}
	return bench_per_op(start, n);
}

/* Two atomic additions, each with a branch on its result. */
static double waitgroup_add_done(long n)
{
	uint64_t count = 0, *word = &count;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(word);
		if (__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST) != 0)
			miss();
		if (__atomic_fetch_sub(word, 1, __ATOMIC_SEQ_CST) != 1)
			miss();
	}
	return bench_per_op(start, n);
}

/* A compare-and-swap and an exchange, each with a branch on its result. */
static double mutex_uncontended(long n)
{
	unsigned state = 0, *word = &state;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		unsigned unlocked = 0;
		BENCH_OPAQUE(word);
		if (!__atomic_compare_exchange_n(word, &unlocked, 1, false,
						 __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			miss();
		if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) != 1)
			miss();
	}
	return bench_per_op(start, n);
}

const struct bench benches[] = {
	{"once_hit", once_hit, .cold = false},
	{"waitgroup_add_done", waitgroup_add_done, .cold = false},
	{"mutex_uncontended", mutex_uncontended, .cold = false},
	{NULL, NULL, .cold = false},
};
