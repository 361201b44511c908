// SPDX-License-Identifier: MIT
// Panics and exits in C++: destructors, catch clauses, exceptions beside them.
#define _Noreturn [[noreturn]]
extern "C" {
#include "test.h"
}

#include <weft.h>

#include <stdexcept>
#include <string>

namespace {

enum how { RETURN, PANIC, EXIT };

struct scene {
	how as = RETURN;
	std::string log;
};

class note {
public:
	note(scene *s, char c) : scene_(s), char_(c)
	{
	}
	~note()
	{
		scene_->log += char_;
	}
	note(const note &) = delete;
	note &operator=(const note &) = delete;

private:
	scene *scene_;
	char char_;
};

void note_d(void *s)
{
	static_cast<scene *>(s)->log += 'd';
}

void end_as(how as)
{
	if (as == PANIC)
		weft_panic("from C++");
	if (as == EXIT)
		weft_exit();
}

void nested(void *arg)
{
	scene *s = static_cast<scene *>(arg);
	note a(s, 'a');
	{
		WEFT_DEFER(note_d, s);
		note b(s, 'b');
		std::string text = "a text that is too long to be kept in place";

		end_as(s->as);
	}
}

void rethrows(void *arg)
{
	scene *s = static_cast<scene *>(arg);

	try {
		nested(s);
	} catch (...) {
		s->log += 'c';
		throw;
	}
}

void catches_its_own(void *arg)
{
	scene *s = static_cast<scene *>(arg);

	try {
		nested(s);
	} catch (const std::exception &) {
		s->log += '!';	// a panic is none
	}
}

weft_outcome outcome_of(how as)
{
	return as == PANIC  ? WEFT_PANICKED
	       : as == EXIT ? WEFT_EXITED
			    : WEFT_RETURNED;
}

void check_all(weft_fn fn, const std::string &ended, const std::string &log)
{
	for (how as : {RETURN, PANIC, EXIT}) {
		scene s;

		s.as = as;
		CHECK_EQ(weft_try(fn, &s, nullptr), outcome_of(as));
		CHECK(s.log == (as == RETURN ? ended : log));
	}
}

void panic_again(void *)
{
	weft_panic("second");
}

void panics_twice(void *arg)
{
	note a(static_cast<scene *>(arg), 'a');
	WEFT_DEFER(panic_again, nullptr);
	weft_panic("first");
}

void throws(void *arg)
{
	note a(static_cast<scene *>(arg), 'a');
	throw std::runtime_error("an exception");
}

void tries_what_throws(void *s)
{
	weft_try(throws, s, nullptr);
}

} // namespace

TEST_FLAVOURS(cxx_destructors_and_defers_run_in_the_order_of_their_scopes)
{
	check_all(nested, "bda", "bda");
}

TEST_FLAVOURS(cxx_catch_of_all_may_look_and_rethrow)
{
	check_all(rethrows, "bda", "bdac");
}

TEST_FLAVOURS(cxx_catch_of_exceptions_catches_no_panic)
{
	check_all(catches_its_own, "bda", "bda");
}

TEST_FLAVOURS(cxx_panic_in_a_defer_takes_the_place_of_the_first)
{
	weft_panic_info info;
	scene s;

	CHECK_EQ(weft_try(panics_twice, &s, &info), WEFT_PANICKED);
	CHECK(info.message == std::string("second"));
	CHECK(s.log == "a");
}

TEST_FLAVOURS(cxx_exception_passes_through_a_try)
{
	for (int i = 0; i < 3; i++) {
		scene s;
		std::string caught;

		try {
			weft_try(tries_what_throws, &s, nullptr);
		} catch (const std::exception &e) {
			caught = e.what();
		}
		CHECK(caught == "an exception");
		CHECK(s.log == "a");
	}
	check_all(nested, "bda", "bda");
}

TEST_FLAVOURS(cxx_exception_of_a_once_counts_as_its_end)
{
	weft_once once = {};
	scene s;

	try {
		weft_once_do(&once, throws, &s);
		CHECK(false);
	} catch (const std::exception &) {
	}
	CHECK(weft_once_done(&once));
}

TEST_FLAVOURS(cxx_exception_of_a_once_func_breaks_it)
{
	weft_once_func f;
	scene s;

	weft_once_func_init(&f, throws, &s);
	try {
		weft_once_func_call(&f);
		CHECK(false);
	} catch (const std::exception &) {
	}
	CHECK_EQ(weft_try([](void *func) {
			 weft_once_func_call(static_cast<weft_once_func *>(func));
		 }, &f, nullptr),
		 WEFT_PANICKED);
	weft_once_func_fini(&f);
}

static void exit_in_cxx(void *arg)
{
	std::string text = "a text that is too long to be kept in place";

	weft_waitgroup_done(static_cast<weft_waitgroup *>(arg));
	weft_exit();
}

TEST(cxx_exit_ends_a_task)
{
	weft_waitgroup wg = {};

	weft_waitgroup_add(&wg, 100);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft_go(exit_in_cxx, &wg), 0);
	weft_waitgroup_wait(&wg);
	test_until(weft_task_count() == 0);
}

static void swallow(void *)
{
	try {
		weft_panic("swallowed");
	} catch (...) {
	}
}

TEST_TRAP(cxx_catch_of_all_that_swallows_a_panic,
	  "fatal error: a panic or exit was caught by catch (...) and not rethrown")
{
	weft_try(swallow, nullptr, nullptr);
}

TEST_TRAP(cxx_exception_that_leaves_a_task, "terminate called")
{
	CHECK_EQ(weft_go([](void *) { throw std::runtime_error("lost"); },
			 nullptr),
		 0);
	for (;;)
		weft_yield();
}
