// SPDX-License-Identifier: MIT
// The subject "tbb": oneTBB's task groups, once, mutex and bounded queue.
#include "bench.h"

#include <atomic>
#include <oneapi/tbb.h>
#include <oneapi/tbb/collaborative_call_once.h>
#include <oneapi/tbb/mutex.h>

const char *bench_version(void)
{
	static char version[32];
	snprintf(version, sizeof version, "oneTBB %d.%d", TBB_VERSION_MAJOR,
		 TBB_VERSION_MINOR);
	return version;
}

void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	oneapi::tbb::global_control workers(
		oneapi::tbb::global_control::max_allowed_parallelism,
		static_cast<size_t>(bench_procs));
	if (bench->threads)
		bench_pin();
	fn(arg);
}

// Few enough at once for their memory to stay in the cache.
enum { BATCH = 1024 };

static double spawn_join(long n)
{
	oneapi::tbb::task_group group;
	std::atomic<long> done{0};
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		group.run([&done] { done.fetch_add(1, std::memory_order_relaxed); });
		if (i % BATCH == 0)
			group.wait();
	}
	group.wait();
	double ns = bench_per_op(start, n);
	BENCH_CHECK(done == n);
	return ns;
}

static double growth_spawn(long n)
{
	double total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = rounds; i; i--)
		total += spawn_join(n);
	return total / static_cast<double>(rounds);
}

static void grow(long leaves)
{
	if (leaves > 1)
		oneapi::tbb::parallel_invoke([=] { grow(leaves / 2); },
					     [=] { grow(leaves - leaves / 2); });
}

static double spawn_tree(long n)
{
	int64_t start = bench_now();
	grow(n);
	return bench_per_op(start, n);
}

// once

static oneapi::tbb::collaborative_once_flag once;
static int once_runs;

static void *once_caller(void *arg)
{
	auto *o = &once;
	for (long i = *static_cast<long *>(arg); i; i--) {
		BENCH_OPAQUE(o);
		oneapi::tbb::collaborative_call_once(*o, [] { once_runs++; });
	}
	return nullptr;
}

static double once_hit(long n)
{
	long first = 1;
	once_caller(&first);
	int64_t start = bench_now();
	once_caller(&n);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(once_runs == 1);
	return ns;
}

static double thread_once(long n)
{
	long first = 1;
	once_caller(&first);
	int64_t start = bench_now();
	bench_threads(bench_procs, once_caller, &n);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(once_runs == 1);
	return ns;
}

// mutex: the one that spins and then sleeps, and does not starve the machine

static double mutex_uncontended(long n)
{
	oneapi::tbb::mutex mutex;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		auto *m = &mutex;
		BENCH_OPAQUE(m);
		m->lock();
		m->unlock();
	}
	return bench_per_op(start, n);
}

struct guarded {
	alignas(64) oneapi::tbb::mutex mutex;
	alignas(64) long count;
	long each;
};

static void *locker(void *arg)
{
	auto *g = static_cast<guarded *>(arg);
	for (long i = g->each; i; i--) {
		g->mutex.lock();
		g->count++;
		g->mutex.unlock();
	}
	return nullptr;
}

static double thread_mutex(long n)
{
	guarded g{};
	g.each = n / bench_procs;
	int64_t start = bench_now();
	bench_threads(bench_procs, locker, &g);
	double ns = bench_per_op(start, g.each * bench_procs);
	BENCH_CHECK(g.count == g.each * bench_procs);
	return ns;
}

// One produces, one consumes: two threads, for tasks of TBB must not wait.

struct belt {
	oneapi::tbb::concurrent_bounded_queue<long> queue;
	long n;
};

static void *produce(void *arg)
{
	auto *b = static_cast<belt *>(arg);
	for (long i = 0; i < b->n; i++)
		b->queue.push(i);
	return nullptr;
}

static double chan_buffered128(long n)
{
	belt b{};
	b.n = n;
	b.queue.set_capacity(128);
	pthread_t producer;
	long sum = 0;
	int64_t start = bench_now();
	BENCH_CHECK(!pthread_create(&producer, nullptr, produce, &b));
	for (long i = n; i; i--) {
		long value = 0;
		b.queue.pop(value);
		sum += value;
	}
	double ns = bench_per_op(start, n);
	BENCH_CHECK(!pthread_join(producer, nullptr));
	BENCH_CHECK(sum == n * (n - 1) / 2);
	return ns;
}

const struct bench benches[] = {
	{"spawn_join", spawn_join, false, false, false},
	{"spawn_tree", spawn_tree, false, false, false},
	{"group_go", spawn_join, false, false, false},
	{"growth_spawn", growth_spawn, false, false, false},
	{"once_hit", once_hit, false, false, false},
	{"mutex_uncontended", mutex_uncontended, false, false, false},
	{"chan_buffered128", chan_buffered128, false, true, false},
	{"thread_once", thread_once, false, true, false},
	{"thread_mutex", thread_mutex, false, true, false},
	{nullptr, nullptr, false, false, false},
};
