// SPDX-License-Identifier: MIT
// The subject "fiber": Boost.Fiber. With one thread its default scheduler, with
// more the one that steals; stacks from a list that each thread keeps.
#include "bench.h"

#include <atomic>
#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <malloc.h>
#include <thread>
#include <vector>

namespace fibers = boost::fibers;
namespace ctx = boost::context;

const char *bench_version(void)
{
	return "Boost.Fiber " BOOST_LIB_VERSION;
}

// Small stacks that are used again by whichever thread they end in: Boost's own
// pool must not be shared between threads.
class stacks {
public:
	static constexpr size_t bytes = 16 * 1024;
	static inline bool keep = true; // until the program wants them back

	ctx::stack_context allocate()
	{
		void *low;
		if (spare.empty()) {
			low = malloc(bytes);
			BENCH_CHECK(low);
		} else {
			low = spare.back();
			spare.pop_back();
		}
		ctx::stack_context context;
		context.size = bytes;
		context.sp = static_cast<char *>(low) + bytes;
		return context;
	}

	void deallocate(ctx::stack_context &context)
	{
		void *low = static_cast<char *>(context.sp) - bytes;
		if (keep)
			spare.push_back(low);
		else
			free(low);
	}

private:
	static thread_local std::vector<void *> spare;
};

thread_local std::vector<void *> stacks::spare;

// dispatch runs the fiber at once, post queues it.
template <typename Fn> static fibers::fiber go(fibers::launch launch, Fn fn)
{
	return fibers::fiber(launch, std::allocator_arg, stacks(), std::move(fn));
}

template <typename Fn> static void post(Fn fn)
{
	go(fibers::launch::post, std::move(fn)).detach();
}

// Workers without work sleep until there is some, so that mostly one does it all.
// Those that go on looking instead take longer, cond_barrier1000 fourteen times.
static void schedule()
{
	if (bench_procs > 1)
		fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(
			static_cast<uint32_t>(bench_procs), true);
}

void bench_enter(const struct bench *, void (*fn)(void *), void *arg)
{
	std::vector<std::thread> others;
	fibers::mutex mutex;
	fibers::condition_variable_any over;
	bool is_over = false;
	for (int i = 1; i < bench_procs; i++)
		others.emplace_back([&] {
			schedule();
			std::unique_lock<fibers::mutex> lock(mutex);
			over.wait(lock, [&] { return is_over; });
		});
	schedule();
	fn(arg);
	{
		std::unique_lock<fibers::mutex> lock(mutex);
		is_over = true;
	}
	over.notify_all();
	for (auto &other : others)
		other.join();
}

// Waits for a number of fibers: Boost has no such thing but its barrier. Never
// deleted: the one that has notified may still be inside.
class countdown {
public:
	explicit countdown(long count) : left(count) {}

	void done()
	{
		if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
			std::unique_lock<fibers::mutex> lock(mutex);
			zero = true;
			cond.notify_one();
		}
	}

	void wait()
	{
		std::unique_lock<fibers::mutex> lock(mutex);
		cond.wait(lock, [this] { return zero; });
	}

private:
	std::atomic<long> left;
	fibers::mutex mutex;
	fibers::condition_variable cond;
	bool zero = false;
};

static void settle()
{
	for (int i = 0; i < 100; i++)
		boost::this_fiber::yield();
}

// tasks

static double spawn_join(long n)
{
	auto &all = *new countdown(n);
	int64_t start = bench_now();
	for (long i = n; i; i--)
		go(fibers::launch::dispatch, [&all] { all.done(); }).detach();
	all.wait();
	return bench_per_op(start, n);
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
	if (leaves > 1) {
		auto half = go(fibers::launch::dispatch,
			       [leaves] { grow(leaves / 2); });
		grow(leaves - leaves / 2);
		half.join();
	}
}

static double spawn_tree(long n)
{
	int64_t start = bench_now();
	grow(n);
	return bench_per_op(start, n);
}

using channel = fibers::unbuffered_channel<long>;

static void skynet_node(channel &above, long number, long leaves)
{
	long sum = number;
	if (leaves > 1) {
		channel below;
		fibers::fiber nodes[10];
		for (long i = 0; i < 10; i++)
			nodes[i] = go(fibers::launch::dispatch, [&below, number,
								 leaves, i] {
				skynet_node(below, number + i * (leaves / 10),
					    leaves / 10);
			});
		sum = 0;
		for (int i = 0; i < 10; i++)
			sum += below.value_pop();
		for (auto &node : nodes)
			node.join(); // may still be inside the channel
	}
	above.push(sum);
}

static double skynet(long n)
{
	channel result;
	int64_t start = bench_now();
	auto root = go(fibers::launch::post,
		       [&result, n] { skynet_node(result, 0, n); });
	long sum = result.value_pop();
	root.join();
	double ns = bench_per_op(start, (10 * n - 1) / 9);
	BENCH_CHECK(sum == n * (n - 1) / 2);
	return ns;
}

static double blocked_rss(long n)
{
	spawn_join(1000);
	long before = bench_resident();
	auto &arrived = *new countdown(n), &returned = *new countdown(n);
	fibers::mutex mutex;
	fibers::condition_variable cond;
	bool open = false;
	int64_t start = bench_now();
	for (long i = n; i; i--)
		post([&] {
			arrived.done();
			{
				std::unique_lock<fibers::mutex> lock(mutex);
				cond.wait(lock, [&open] { return open; });
			}
			returned.done();
		});
	arrived.wait();
	settle();
	double ns = bench_per_op(start, n);
	bench_resident_each = (bench_resident() - before) / n;
	{
		std::unique_lock<fibers::mutex> lock(mutex);
		open = true;
		stacks::keep = false;
	}
	cond.notify_all();
	returned.wait();
	settle();
	malloc_trim(0); // as one would who wants the memory back now
	boost::this_fiber::sleep_for(
		std::chrono::seconds(bench_kept_seconds(n)));
	long kept = bench_resident() - before;
	bench_kept_each = kept > 0 ? kept / n : 0;
	return ns;
}

// mutex

enum { LOCKERS = 64 };

static double mutex_uncontended(long n)
{
	fibers::mutex mutex;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		mutex.lock();
		mutex.unlock();
	}
	return bench_per_op(start, n);
}

static double contend(long n, bool work)
{
	fibers::mutex mutex;
	long count = 0, each = n / LOCKERS;
	uint64_t state = 0;
	auto &all = *new countdown(LOCKERS);
	int64_t start = bench_now();
	for (int i = 0; i < LOCKERS; i++)
		post([&] {
			for (long left = each; left; left--) {
				mutex.lock();
				count++;
				if (work)
					state = bench_work(state);
				mutex.unlock();
			}
			all.done();
		});
	all.wait();
	double ns = bench_per_op(start, each * LOCKERS);
	BENCH_OPAQUE(state);
	BENCH_CHECK(count == each * LOCKERS);
	return ns;
}

static double mutex_contended_0(long n)
{
	return contend(n, false);
}

static double mutex_contended_100(long n)
{
	return contend(n, true);
}

// cond

static double cond_pingpong(long n)
{
	fibers::mutex mutex;
	fibers::condition_variable cond;
	int turn = 0;
	auto &both = *new countdown(2);
	auto player = [&](int me) {
		for (long i = n / 2; i; i--) {
			std::unique_lock<fibers::mutex> lock(mutex);
			cond.wait(lock, [&] { return turn == me; });
			turn = 1 - me;
			lock.unlock();
			cond.notify_one();
		}
		both.done();
	};
	int64_t start = bench_now();
	post([&player] { player(0); });
	post([&player] { player(1); });
	both.wait();
	return bench_per_op(start, n / 2 * 2);
}

static double meet(long n, int parties)
{
	fibers::barrier barrier(static_cast<size_t>(parties));
	auto &all = *new countdown(parties);
	long rounds = n / parties;
	int64_t start = bench_now();
	for (int i = 0; i < parties; i++)
		post([&] {
			for (long left = rounds; left; left--)
				barrier.wait();
			all.done();
		});
	all.wait();
	return bench_per_op(start, rounds * parties);
}

static double cond_barrier32(long n)
{
	return meet(n, 32);
}

static double cond_barrier1000(long n)
{
	return meet(n, 1000);
}

// channels

static double chan_pingpong(long n)
{
	channel there, back;
	auto other = go(fibers::launch::post, [&] {
		for (long ball : there)
			back.push(ball);
	});
	long ball;
	int64_t start = bench_now();
	for (long i = 0; i < n; i++) {
		there.push(i);
		back.pop(ball);
	}
	double ns = bench_per_op(start, n);
	there.close();
	other.join();
	return ns;
}

// A buffered_channel takes a power of two, and has room for one less: 127.
static double chan_buffered128(long n)
{
	fibers::buffered_channel<long> belt(128);
	auto &producer = *new countdown(1);
	int64_t start = bench_now();
	post([&] {
		for (long i = 0; i < n; i++)
			belt.push(i);
		belt.close();
		producer.done();
	});
	long sum = 0;
	for (long value : belt)
		sum += value;
	double ns = bench_per_op(start, n);
	producer.wait();
	BENCH_CHECK(sum == n * (n - 1) / 2);
	return ns;
}

const struct bench benches[] = {
	{"spawn_join", spawn_join, false, false, false},
	{"spawn_tree", spawn_tree, false, false, false},
	{"skynet", skynet, false, false, false},
	{"growth_spawn", growth_spawn, false, false, false},
	{"blocked_rss", blocked_rss, true, false, false},
	{"mutex_uncontended", mutex_uncontended, false, false, false},
	{"mutex_contended_0", mutex_contended_0, false, false, false},
	{"mutex_contended_100", mutex_contended_100, false, false, false},
	{"cond_pingpong", cond_pingpong, false, false, false},
	{"cond_barrier32", cond_barrier32, false, false, false},
	{"cond_barrier1000", cond_barrier1000, false, false, false},
	{"chan_pingpong", chan_pingpong, false, false, false},
	{"chan_buffered128", chan_buffered128, false, false, false},
	{nullptr, nullptr, false, false, false},
};
