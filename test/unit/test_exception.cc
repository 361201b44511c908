// SPDX-License-Identifier: MIT
// C++ exceptions that are in flight, or being handled, while their task waits
// and goes on on another thread.
#define _Noreturn [[noreturn]]
extern "C" {
#include "test.h"
}

#include <weft.h>

#include <cstdlib>
#include <exception>
#include <pthread.h>
#include <string>
#include <unistd.h>

namespace {

constexpr int tasks = 40, rounds = 50;

weft_mutex door;
uint32_t moved; // atomic: how often a task went on on another thread

__attribute__((noinline)) pid_t thread_now()
{
	return gettid();
}

void go_elsewhere()
{
	pid_t before = thread_now();

	switch (test_random() % 3) {
	case 0:
		weft_yield();
		break;
	case 1:
		weft_sleep(nullptr, WEFT_US(1 + test_random() % 50));
		break;
	default:
		weft_mutex_lock(&door); // others wait for it meanwhile
		weft_yield();
		weft_mutex_unlock(&door);
	}
	if (thread_now() != before)
		weft_atomic_add(&moved, 1, relaxed);
}

struct error {
	std::string text;
	int number;
};

// Waits while it is being destroyed by an exception that passes.
struct waits_at_its_end {
	~waits_at_its_end()
	{
		CHECK_EQ(std::uncaught_exceptions(), 1);
		go_elsewhere();
		CHECK_EQ(std::uncaught_exceptions(), 1);
	}
};

void throw_through(int number)
{
	waits_at_its_end guard;

	throw error{"a text that is too long to be kept in place", number};
}

void rethrow(int number)
{
	try {
		throw_through(number);
	} catch (error &e) {
		CHECK_EQ(std::uncaught_exceptions(), 0);
		CHECK_EQ(e.number, number);
		go_elsewhere();
		try {
			throw number;
		} catch (int inner) {
			go_elsewhere();
			CHECK_EQ(inner, number);
		}
		go_elsewhere();
		throw;
	}
}

void throw_and_catch(void *arg)
{
	int number = *static_cast<int *>(arg);

	for (int i = 0; i < rounds; i++) {
		CHECK(!std::current_exception());
		CHECK_EQ(std::uncaught_exceptions(), 0);
		try {
			rethrow(number);
			abort();
		} catch (error &e) {
			CHECK_EQ(e.number, number);
			CHECK(e.text.size() > 20);
			go_elsewhere();
			CHECK(std::current_exception() != nullptr);
		}
		go_elsewhere();
	}
}

} // namespace

TEST_FLAVOURS(an_exception_follows_its_task_to_another_thread)
{
	static int numbers[tasks];

	test_limit(60);
	for (int i = 0; i < tasks; i++) {
		numbers[i] = i;
		test_start(throw_and_catch, &numbers[i]);
	}
	test_join_all();
}

TEST(tasks_do_change_threads_while_they_handle_exceptions)
{
	static int numbers[tasks];

	setenv("WEFT_PROCS", "4", 1);
	test_limit(60);
	while (weft_atomic_load(&moved, relaxed) < 20) {
		for (int i = 0; i < tasks; i++) {
			numbers[i] = i;
			test_start_task(throw_and_catch, &numbers[i]);
		}
		test_join_all();
	}
}
