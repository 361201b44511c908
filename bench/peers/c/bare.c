/* SPDX-License-Identifier: MIT */
/* The subject "bare": the fewest instructions that could do the work. */
#include "bare.h"

const char *bench_version(void)
{
	return "the machine";
}

void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	if (bench->threads)
		bench_pin();
	fn(arg);
}

void bare_miss(void)
{
	bench_fail("the word was set");
}

void bare_meet(uint32_t *lock)
{
	for (int i = 0; i < 100; i++)
		if (!__atomic_load_n(lock, __ATOMIC_RELAXED))
			return;
	sched_yield();
}

/* One acquire load and a branch that is never taken. */
static double once_hit(long n)
{
	unsigned done = 1, *word = &done;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(word);
		if (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
			bare_miss();
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
			bare_miss();
		if (__atomic_fetch_sub(word, 1, __ATOMIC_SEQ_CST) != 1)
			bare_miss();
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
			bare_miss();
		if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) != 1)
			bare_miss();
	}
	return bench_per_op(start, n);
}

/* The load and the branch, and what was made. */
static double once_value_hit(long n)
{
	struct {
		unsigned done;
		long value;
	} once = {1, 1}, *made = &once;
	long sum = 0;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		__asm__ volatile("" : : "r"(made) : "memory");
		if (!__atomic_load_n(&made->done, __ATOMIC_ACQUIRE))
			bare_miss();
		sum += made->value;
	}
	double ns = bench_per_op(start, n);
	BENCH_CHECK(sum == n);
	return ns;
}

/* One CPU does all of it, and nobody meets another: as if it were uncontended. */
static double mutex_contended(long n, bool work)
{
	struct {
		_Alignas(LINE) unsigned word;
		_Alignas(LINE) long count;
		uint64_t state;
	} guarded = {0}, *g = &guarded;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		unsigned unlocked = 0;
		BENCH_OPAQUE(g);
		if (!__atomic_compare_exchange_n(&g->word, &unlocked, 1, false,
						 __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			bare_miss();
		g->count++;
		if (work)
			g->state = bench_work(g->state);
		if (__atomic_exchange_n(&g->word, 0, __ATOMIC_RELEASE) != 1)
			bare_miss();
	}
	return bench_per_op(start, n);
}

static double mutex_contended_0(long n)
{
	return mutex_contended(n, false);
}

static double mutex_contended_100(long n)
{
	return mutex_contended(n, true);
}

const struct bench benches[] = {
	{"spawn_join", bare_spawn_join, .cold = false},
	{"spawn_tree", bare_spawn_tree, .cold = false},
	{"skynet", bare_skynet, .cold = false},
	{"sleepers", bare_sleepers, .cold = false},
	{"group_go", bare_spawn_join, .cold = false},
	{"group_limit16", bare_group_limit16, .cold = false},
	{"group_ctx_fan10", bare_group_ctx_fan10, .cold = false},
	{"flight_solo", bare_flight_solo, .cold = false},
	{"flight_keys", bare_flight_keys, .cold = false},
	{"flight_hot", bare_flight_hot, .cold = false},
	{"flight_stampede", bare_flight_stampede, .cold = false},
	{"ctx_cancel_fan", bare_ctx_cancel_fan, .cold = false},
	{"once_hit", once_hit, .brief = true},
	{"once_value_hit", once_value_hit, .cold = false},
	{"waitgroup_add_done", waitgroup_add_done, .brief = true},
	{"mutex_uncontended", mutex_uncontended, .brief = true},
	{"mutex_contended_0", mutex_contended_0, .cold = false},
	{"mutex_contended_100", mutex_contended_100, .cold = false},
	{"cond_pingpong", bare_cond_pingpong, .cold = false},
	{"cond_barrier32", bare_cond_barrier, .cold = false},
	{"cond_barrier1000", bare_cond_barrier, .cold = false},
	{"chan_pingpong", bare_chan_pingpong, .cold = false},
	{"chan_buffered128", bare_chan_buffered, .cold = false},
	{"select_pingpong", bare_select_pingpong, .cold = false},
	{"fd_pingpong", bare_fd_pingpong, .cold = false},
	{"fd_echo100", bare_fd_echo100, .cold = false},
	{"fd_serve100", bare_fd_serve100, .cold = false},
	{"thread_sema", bare_thread_sema, .threads = true},
	{"thread_sema_pingpong", bare_thread_sema_pingpong, .threads = true},
	{"thread_cond_pingpong", bare_thread_cond_pingpong, .threads = true},
	{"growth_spawn", bare_growth_spawn, .cold = false},
	{"growth_waiters", bare_growth_waiters, .cold = false},
	{"growth_keys", bare_growth_keys, .cold = false},
	{"growth_ctx_deep", bare_growth_ctx_deep, .cold = false},
	{"growth_ctx_wide", bare_growth_ctx_wide, .cold = false},
	{"growth_descriptors", bare_growth_descriptors, .cold = false},
	{NULL, NULL, .cold = false},
};
