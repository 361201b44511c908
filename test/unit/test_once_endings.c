/* SPDX-License-Identifier: MIT */
/* Functions of a once that panic, exit, or call it again; what that leaves. */
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/once.h>
#include <weft/panic.h>

#include "unit/once_header.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { CROWD = 8 };

enum how { RETURN, PANIC, EXIT };

/* A function that ends when it is let go, and a crowd that waits for it. */
typedef struct {
	enum how how;
	weft_once once;
	weft_once_func func;
	weft_once_value value;
	bool running, go;
	int runs, returns, panics, exits;
	int thing;
	weft_panic_info first;
} scene;

static void end(void *arg)
{
	scene *s = arg;

	weft_atomic_add(&s->runs, 1, relaxed);
	weft_atomic_store(&s->running, true, release);
	test_until(weft_atomic_load(&s->go, acquire));
	if (s->how == PANIC)
		weft_panic_value(&s->thing);
	if (s->how == EXIT)
		weft_exit();
}

static void *end_with_value(void *arg)
{
	end(arg);
	return &((scene *)arg)->thing;
}

static int end_as_attempt(void *arg)
{
	end(arg);
	return 0;
}

static void call_once(void *s)
{
	weft_once_do(&((scene *)s)->once, end, s);
}

static void call_try(void *s)
{
	CHECK_EQ(weft_once_try(&((scene *)s)->once, end_as_attempt, s), 0);
}

static void call_func(void *s)
{
	weft_once_func_call(&((scene *)s)->func);
}

static void call_value(void *s)
{
	CHECK(weft_once_value_call(&((scene *)s)->value) ==
	      &((scene *)s)->thing);
}

static void count(scene *s, weft_fn call)
{
	weft_panic_info info;

	switch (weft_try(call, s, &info)) {
	case WEFT_RETURNED:
		weft_atomic_add(&s->returns, 1, relaxed);
		break;
	case WEFT_PANICKED:
		weft_atomic_add(&s->panics, 1, relaxed);
		if (s->how == PANIC)
			CHECK(info.value == &s->thing);
		else
			CHECK_EQ(strcmp(info.message,
					"sync: the function of a once has "
					"exited"),
				 0);
		break;
	case WEFT_EXITED:
		weft_atomic_add(&s->exits, 1, relaxed);
	}
}

static void count_once(void *s)
{
	count(s, call_once);
}

static void count_try(void *s)
{
	count(s, call_try);
}

static void count_func(void *s)
{
	count(s, call_func);
}

static void count_value(void *s)
{
	count(s, call_value);
}

/* One runs, CROWD wait, one comes later. */
static void play(scene *s, weft_fn who, const void *address)
{
	test_start(who, s);
	test_until(weft_atomic_load(&s->running, acquire));
	for (int i = 0; i < CROWD; i++)
		test_start(who, s);
	test_until(queue_length(address) == CROWD);
	weft_atomic_store(&s->go, true, release);
	test_join_all();
	test_start(who, s);
	test_join_all();
}

TEST_FLAVOURS(once_counts_as_done_after_a_panic)
{
	scene s = {.how = PANIC};

	play(&s, count_once, &s.once);
	CHECK_EQ(s.runs, 1);
	CHECK_EQ(s.panics, 1);
	CHECK_EQ(s.returns, CROWD + 1);
	CHECK(weft_once_done(&s.once));
}

TEST_FLAVOURS(once_counts_as_done_after_an_exit)
{
	scene s = {.how = EXIT};

	play(&s, count_once, &s.once);
	CHECK_EQ(s.runs, 1);
	CHECK_EQ(s.exits, 1);
	CHECK_EQ(s.returns, CROWD + 1);
}

TEST_FLAVOURS(once_try_goes_on_after_an_attempt_that_panicked)
{
	scene s = {.how = PANIC};

	play(&s, count_try, &s.once);
	CHECK_EQ(s.runs, CROWD + 2);
	CHECK_EQ(s.panics, CROWD + 2);
	CHECK(!weft_once_done(&s.once));
	CHECK_EQ(s.once.priv_state, 0);
}

TEST_FLAVOURS(once_func_panics_in_every_caller_with_the_same_value)
{
	scene s = {.how = PANIC};

	weft_once_func_init(&s.func, end, &s);
	play(&s, count_func, &s.func);
	CHECK_EQ(s.runs, 1);
	CHECK_EQ(s.panics, CROWD + 2);
	weft_once_func_fini(&s.func);
}

TEST_FLAVOURS(once_func_whose_function_exits_panics_in_the_others)
{
	scene s = {.how = EXIT};

	weft_once_func_init(&s.func, end, &s);
	play(&s, count_func, &s.func);
	CHECK_EQ(s.runs, 1);
	CHECK_EQ(s.exits, 1);
	CHECK_EQ(s.panics, CROWD + 1);
	weft_once_func_fini(&s.func);
}

TEST_FLAVOURS(once_value_panics_in_every_caller_with_the_same_value)
{
	scene s = {.how = PANIC};

	weft_once_value_init(&s.value, end_with_value, &s);
	play(&s, count_value, &s.value);
	CHECK_EQ(s.runs, 1);
	CHECK_EQ(s.panics, CROWD + 2);
	weft_once_value_fini(&s.value);
}

static void panic_plainly(void *unused)
{
	(void)unused;
	weft_panic("plainly");
}

static void call_plain(void *f)
{
	weft_once_func_call(f);
}

TEST_FLAVOURS(once_func_panics_with_the_first_stack)
{
	weft_panic_info first, later;
	weft_once_func f;

	weft_once_func_init(&f, panic_plainly, NULL);
	CHECK_EQ(weft_try(call_plain, &f, &first), WEFT_PANICKED);
	CHECK_EQ(weft_try(call_plain, &f, &later), WEFT_PANICKED);
	CHECK_EQ(strcmp(first.message, "plainly"), 0);
	CHECK_EQ(memcmp(first.stack, later.stack, strlen(first.stack)), 0);
	weft_once_func_fini(&f);
}

/* A caller that gives up does not raise what it did not wait for. */
TEST_FLAVOURS(once_func_ctx_leaves_without_the_panic)
{
	scene s = {.how = PANIC};
	weft_ctx soon;

	weft_once_func_init(&s.func, end, &s);
	test_start(count_func, &s);
	test_until(weft_atomic_load(&s.running, acquire));
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(1));
	CHECK_EQ(weft_once_func_call_ctx(&s.func, &soon), -ETIMEDOUT);
	weft_ctx_fini(&soon);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(s.panics, 1);
	weft_once_func_fini(&s.func);
}

/* ---- the argument's destructor ---- */

static void drop(void *arg)
{
	scene *s = arg;

	CHECK_EQ(s->runs, 1);
	weft_atomic_add(&s->thing, 1, relaxed);
}

TEST_FLAVOURS(once_func_drops_its_argument_once_after_every_ending)
{
	for (int how = RETURN; how <= EXIT; how++) {
		scene s = {.how = how};

		weft_once_func_init_drop(&s.func, end, &s, drop);
		play(&s, count_func, &s.func);
		CHECK_EQ(s.thing, 1);
		weft_once_func_fini(&s.func);
		CHECK_EQ(s.thing, 1);
	}
}

static void drop_and_exit(void *arg)
{
	drop(arg);
	weft_exit();
}

TEST_FLAVOURS(once_func_ends_as_its_function_did_whatever_its_drop_does)
{
	for (int how = RETURN; how <= EXIT; how++) {
		scene s = {.how = how};

		weft_once_func_init_drop(&s.func, end, &s, drop_and_exit);
		play(&s, count_func, &s.func);
		CHECK_EQ(s.runs, 1);
		CHECK_EQ(s.thing, 1);
		CHECK_EQ(s.returns, how == RETURN ? CROWD + 2 : 0);
		CHECK_EQ(s.panics, how == RETURN ? 0
				   : how == PANIC ? CROWD + 2
						  : CROWD + 1);
		weft_once_func_fini(&s.func);
		CHECK_EQ(s.thing, 1);
	}
}

static void drop_unused(void *n)
{
	++*(int *)n;
}

TEST(once_fini_drops_the_argument_of_one_that_was_never_called)
{
	weft_once_func f;
	weft_once_value v;
	int n = 0;

	weft_once_func_init_drop(&f, end, &n, drop_unused);
	weft_once_func_fini(&f);
	CHECK_EQ(n, 1);
	CHECK_EQ(memcmp(&f, (char[sizeof f]){0}, sizeof f), 0);
	weft_once_value_init_drop(&v, end_with_value, &n, drop_unused);
	weft_once_value_fini(&v);
	CHECK_EQ(n, 2);
	CHECK_EQ(memcmp(&v, (char[sizeof v]){0}, sizeof v), 0);
	weft_once_value_fini(&v);
	CHECK_EQ(n, 2);
}

/* ---- the macros ---- */

static int value_calls, values_calls, func_calls;

WEFT_ONCE_FUNC(start_up)
{
	func_calls++;
}

WEFT_ONCE_VALUE(int, answer)
{
	value_calls++;
	return 42;
}

WEFT_ONCE_VALUES(const char *, int, pair)
{
	values_calls++;
	*v1 = "two";
	*v2 = 2;
}

WEFT_ONCE_VALUE(int, broken)
{
	value_calls++;
	weft_panic("broken for good");
}

static void use_all(void *unused)
{
	const char *text;
	int number;

	(void)unused;
	start_up();
	CHECK_EQ(answer(), 42);
	pair(&text, &number);
	CHECK_EQ(strcmp(text, "two"), 0);
	CHECK_EQ(number, 2);
	pair(NULL, &number);
	pair(&text, NULL);
	shared_start_up();
	CHECK_EQ(shared_answer(), 43);
	shared_pair(&text, &number);
	CHECK_EQ(number, 3);
}

TEST_FLAVOURS(once_macros_define_functions_that_run_once)
{
	for (int i = 0; i < CROWD; i++)
		test_start(use_all, NULL);
	test_join_all();
	CHECK_EQ(func_calls, 1);
	CHECK_EQ(value_calls, 1);
	CHECK_EQ(values_calls, 1);
	CHECK_EQ(shared_calls(), 3);
}

static void use_broken(void *unused)
{
	(void)unused;
	broken();
}

TEST_FLAVOURS(once_macro_value_panics_for_ever)
{
	weft_panic_info info;

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(weft_try(use_broken, NULL, &info), WEFT_PANICKED);
		CHECK_EQ(strcmp(info.message, "broken for good"), 0);
	}
	CHECK_EQ(value_calls, 1);
}

/* ---- recursion ---- */

static void call_itself(void *o)
{
	weft_once_do(o, call_itself, o);
}

static void do_recursively(void *o)
{
	weft_once_do(o, call_itself, o);
}

static int try_itself(void *o)
{
	return weft_once_try(o, try_itself, o);
}

static void try_recursively(void *o)
{
	(void)weft_once_try(o, try_itself, o);
}

TEST_FLAVOURS(once_reports_a_recursive_call)
{
	weft_panic_info info;
	weft_once o = {0}, p = {0};

	CHECK_EQ(weft_try(do_recursively, &o, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, "sync: once called by its own function"),
		 0);
	CHECK_EQ(weft_try(try_recursively, &p, &info), WEFT_PANICKED);
	CHECK(!weft_once_done(&p));
}

static void call_other(void *o)
{
	weft_once_do((weft_once *)o + 1, call_itself, o);
}

static void call_first_of_two(void *o)
{
	weft_once_do(o, call_other, o);
}

TEST_FLAVOURS(once_reports_a_recursive_call_through_another_one)
{
	weft_once two[2] = {{0}, {0}};

	CHECK_EQ(weft_try(call_first_of_two, two, NULL), WEFT_PANICKED);
}

/* A caller that ran the last, failed, attempt itself is not taken for it. */
static int fail(void *n)
{
	return ++*(int *)n < 500 ? -1 : 0;
}

static struct {
	weft_once once;
	int n;
} shared;

static void insist(void *unused)
{
	(void)unused;
	while (weft_once_try(&shared.once, fail, &shared.n) != 0)
		;
}

TEST_FLAVOURS(once_try_does_not_mistake_an_old_attempt_for_recursion)
{
	memset(&shared, 0, sizeof shared);
	for (int i = 0; i < CROWD; i++)
		test_start(insist, NULL);
	test_join_all();
	CHECK_EQ(shared.n, 500);
}

/* ---- plain threads that end inside ---- */

static void *thread_calls_once(void *s)
{
	weft_once_do(&((scene *)s)->once, end, s);
	return s;
}

static void exit_thread(void *arg)
{
	weft_atomic_add(&((scene *)arg)->runs, 1, relaxed);
	pthread_exit(NULL);
}

static void *thread_exits_in_once(void *s)
{
	weft_once_do(&((scene *)s)->once, exit_thread, s);
	return s;
}

TEST(once_of_a_thread_that_calls_pthread_exit_is_done)
{
	scene s = {0};
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, thread_exits_in_once, &s), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(weft_once_done(&s.once));
	CHECK_EQ(s.runs, 1);
}

static void wait_to_be_cancelled(void *arg)
{
	weft_atomic_store(&((scene *)arg)->running, true, release);
	for (;;) {
		pthread_testcancel();
		weft_yield();
	}
}

static void *thread_cancelled_in_once(void *s)
{
	weft_once_do(&((scene *)s)->once, wait_to_be_cancelled, s);
	return s;
}

TEST(once_of_a_thread_that_is_cancelled_is_done)
{
	scene s = {0};
	pthread_t one, other;

	if (test_simulated())
		test_skip("there is no cancellation of threads");
	CHECK_EQ(pthread_create(&one, NULL, thread_cancelled_in_once, &s), 0);
	test_until(weft_atomic_load(&s.running, acquire));
	CHECK_EQ(pthread_create(&other, NULL, thread_calls_once, &s), 0);
	test_until(queue_length(&s.once) == 1);
	CHECK_EQ(pthread_cancel(one), 0);
	CHECK_EQ(pthread_join(one, NULL), 0);
	CHECK_EQ(pthread_join(other, NULL), 0);
	CHECK(weft_once_done(&s.once));
}

/* ---- functions that are NULL ---- */

static void do_no_function(void *o)
{
	weft_once_do(o, NULL, NULL);
}

static void try_no_function(void *o)
{
	(void)weft_once_try(o, NULL, NULL);
}

static void call_func_of_nothing(void *f)
{
	weft_once_func_call(f);
}

static void call_value_of_nothing(void *v)
{
	weft_once_value_call(v);
}

static void expect_nil(weft_fn call, void *arg)
{
	weft_panic_info info;

	CHECK_EQ(weft_try(call, arg, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, "invalid memory address or nil pointer "
				      "dereference"),
		 0);
}

TEST_FLAVOURS(once_of_no_function_panics_at_first)
{
	weft_once once = {0}, tried = {0};

	expect_nil(do_no_function, &once);
	CHECK(weft_once_done(&once));
	do_no_function(&once);
	expect_nil(try_no_function, &tried);
	expect_nil(try_no_function, &tried);
}

TEST_FLAVOURS(once_func_and_value_of_no_function_panic_for_ever)
{
	weft_once_func func;
	weft_once_value value;

	weft_once_func_init(&func, NULL, NULL);
	weft_once_value_init(&value, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		expect_nil(call_func_of_nothing, &func);
		expect_nil(call_value_of_nothing, &value);
	}
	weft_once_func_fini(&func);
	weft_once_value_fini(&value);
}
