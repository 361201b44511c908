/* SPDX-License-Identifier: MIT */
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/once.h>

#include <limits.h>

enum { CROWD = 16 };

static struct {
	weft_once once;
	int runs;	/* plain: whoever returns must see what the runner did */
	int returned;
} first;

static void run_first(void *arg)
{
	int runs = first.runs;

	for (int i = 0; i < 100; i++)
		weft_yield();
	first.runs = runs + 1;
	CHECK_EQ(weft_atomic_load(&first.returned, relaxed), 0);
	(void)arg;
}

static void do_first(void *arg)
{
	weft_once_do(&first.once, run_first, arg);
	weft_atomic_add(&first.returned, 1, relaxed);
	CHECK_EQ(first.runs, 1);
	CHECK(weft_once_done(&first.once));
}

TEST_FLAVOURS(once_runs_once_and_all_return_after_it)
{
	CHECK(!weft_once_done(&first.once));
	for (int i = 0; i < CROWD; i++)
		test_start(do_first, NULL);
	test_join_all();
	CHECK_EQ(first.runs, 1);
	CHECK_EQ(first.once.priv_state, 1);
}

static void increment(void *arg)
{
	++*(int *)arg;
}

static int made;

static void make(void *unused)
{
	(void)unused;
	made = 42;
}

static void make_once(void *once)
{
	weft_once_do(once, make, NULL);
}

/* Seen by one who has not called, and so has nothing else to go by. */
TEST_FLAVOURS(once_that_is_seen_done_shows_what_it_did)
{
	weft_once once = {0};

	test_start(make_once, &once);
	test_until(weft_once_done(&once));
	CHECK_EQ(made, 42);
	test_join_all();
}

TEST(once_runs_the_first_function_only)
{
	weft_once o = {0};
	int a = 0, b = 0;

	weft_once_do(&o, increment, &a);
	weft_once_do(&o, increment, &b);
	CHECK_EQ(a, 1);
	CHECK_EQ(b, 0);
}

/* A function that waits to be let go, and those who wait for it. */
typedef struct {
	weft_once once;
	weft_ctx ctx;
	bool running, go;
	int attempts;
	int outcome;	/* of the attempt */
	int waiters_result;
	bool waiter_ended;
} slow;

static int attempt(void *arg)
{
	slow *s = arg;

	weft_atomic_add(&s->attempts, 1, relaxed);
	weft_atomic_store(&s->running, true, release);
	test_until(weft_atomic_load(&s->go, acquire));
	return s->outcome;
}

static void run(void *arg)
{
	(void)attempt(arg);
}

static void runner_do(void *arg)
{
	weft_once_do(&((slow *)arg)->once, run, arg);
}

static void runner_try(void *arg)
{
	slow *s = arg;

	CHECK_EQ(weft_once_try(&s->once, attempt, s), s->outcome);
}

static void waiter_do(void *arg)
{
	slow *s = arg;

	s->waiters_result = weft_once_do_ctx(&s->once, &s->ctx, run, s);
	weft_atomic_store(&s->waiter_ended, true, release);
}

static void waiter_try(void *arg)
{
	slow *s = arg;

	s->waiters_result = weft_once_try_ctx(&s->once, &s->ctx, attempt, s);
	weft_atomic_store(&s->waiter_ended, true, release);
}

static void start_both(slow *s, weft_fn runner, weft_fn waiter)
{
	test_start(runner, s);
	test_until(weft_atomic_load(&s->running, acquire));
	test_start(waiter, s);
	test_until(queue_length(&s->once) == 1);
}

TEST_FLAVOURS(once_do_ctx_waiter_leaves_and_the_runner_runs_on)
{
	slow s = {0};

	start_both(&s, runner_do, waiter_do);
	weft_ctx_cancel(&s.ctx, 0);
	test_until(weft_atomic_load(&s.waiter_ended, acquire));
	CHECK_EQ(s.waiters_result, -ECANCELED);
	CHECK(!weft_once_done(&s.once));
	CHECK_EQ(s.once.priv_state, 2); /* running, nobody waits */
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK(weft_once_done(&s.once));
	CHECK_EQ(weft_once_do_ctx(&s.once, &s.ctx, run, &s), 0); /* done wins */
	CHECK_EQ(s.attempts, 1);
	weft_ctx_fini(&s.ctx);
}

TEST_FLAVOURS(once_do_ctx_gives_up_at_the_deadline)
{
	slow s = {0};
	weft_ctx soon;

	test_start(runner_do, &s);
	test_until(weft_atomic_load(&s.running, acquire));
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(2));
	CHECK_EQ(weft_once_do_ctx(&s.once, &soon, run, &s), -ETIMEDOUT);
	weft_ctx_fini(&soon);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK(weft_once_done(&s.once));
}

/* A runner that is frozen between its last store and its waking. */
TEST_FLAVOURS(once_leaver_that_finds_it_done_has_succeeded)
{
	slow s = {0};

	s.once.priv_state = 2;
	test_start(waiter_do, &s);
	test_until(queue_length(&s.once) == 1);
	weft_atomic_store(&s.once.priv_state, 1, release);
	weft_ctx_cancel(&s.ctx, 0);
	test_join_all();
	CHECK_EQ(s.waiters_result, 0);
	CHECK_EQ(s.attempts, 0);
	CHECK(weft_once_done(&s.once));
	weft_ctx_fini(&s.ctx);
}

TEST(once_do_ctx_runs_the_function_of_a_new_one_whatever_the_context_says)
{
	slow s = {.go = true};

	weft_ctx_cancel(&s.ctx, 0);
	CHECK_EQ(weft_once_do_ctx(&s.once, &s.ctx, run, &s), 0);
	CHECK_EQ(s.attempts, 1);
	weft_ctx_fini(&s.ctx);
}

static int fail_twice(void *arg)
{
	int *calls = arg;

	return ++*calls < 3 ? -EIO : 0;
}

TEST(once_try_latches_on_success_only)
{
	weft_once o = {0};
	int calls = 0;

	CHECK_EQ(weft_once_try(&o, fail_twice, &calls), -EIO);
	CHECK(!weft_once_done(&o));
	CHECK_EQ(weft_once_try(&o, fail_twice, &calls), -EIO);
	CHECK_EQ(weft_once_try(&o, fail_twice, &calls), 0);
	CHECK(weft_once_done(&o));
	CHECK_EQ(weft_once_try(&o, fail_twice, &calls), 0);
	CHECK_EQ(calls, 3);
}

TEST_FLAVOURS(once_try_waiters_get_the_error_of_the_attempt_they_waited_for)
{
	int outcomes[] = {42, -1, INT_MIN, INT_MAX};

	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
		slow s = {.outcome = outcomes[i]};

		start_both(&s, runner_try, waiter_try);
		weft_atomic_store(&s.go, true, release);
		test_join_all();
		CHECK_EQ(s.waiters_result, outcomes[i]);
		CHECK_EQ(s.attempts, 1);
		CHECK_EQ(s.once.priv_state, 0);
	}
}

TEST_FLAVOURS(once_try_waiters_share_the_success)
{
	slow s = {0};

	start_both(&s, runner_try, waiter_try);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(s.waiters_result, 0);
	CHECK_EQ(s.attempts, 1);
}

TEST_FLAVOURS(once_try_ctx_waiter_leaves)
{
	slow s = {.outcome = 42};

	start_both(&s, runner_try, waiter_try);
	weft_ctx_cancel(&s.ctx, 0);
	test_until(weft_atomic_load(&s.waiter_ended, acquire));
	CHECK_EQ(s.waiters_result, -ECANCELED);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(s.attempts, 1);
	weft_ctx_fini(&s.ctx);
}

static bool is_waited_with(weft_ctx *c)
{
	bool any;

	weft__ctx_lock(c);
	any = c->priv_waiters != NULL;
	weft__ctx_unlock(c);
	return any;
}

/* Whoever waits with s->ctx leaves before this attempt fails. */
static int fail_when_nobody_waits(void *arg)
{
	slow *s = arg;

	weft_atomic_store(&s->running, true, release);
	test_until(weft_atomic_load(&s->go, acquire) && is_waited_with(&s->ctx));
	weft_ctx_cancel(&s->ctx, 0);
	return 42;
}

static int succeed(void *arg)
{
	(void)arg;
	return 0;
}

static void fail_and_succeed(void *arg)
{
	slow *s = arg;

	CHECK_EQ(weft_once_try(&s->once, fail_when_nobody_waits, s), 42);
	CHECK_EQ(weft_once_try(&s->once, succeed, s), 0);
}

TEST_FLAVOURS(once_try_ctx_that_was_left_returns_no_error_of_an_attempt)
{
	for (int i = 0; i < 300 / test_slowdown(); i++) {
		slow s = {0};

		start_both(&s, fail_and_succeed, waiter_try);
		weft_atomic_store(&s.go, true, release);
		test_join_all();
		CHECK(s.waiters_result == 0 || s.waiters_result == -ECANCELED);
		CHECK(weft_once_done(&s.once));
		weft_ctx_fini(&s.ctx);
	}
}

TEST_FLAVOURS(once_do_that_waited_for_a_failed_attempt_runs_its_own)
{
	slow s = {.outcome = 42};

	start_both(&s, runner_try, waiter_do);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(s.waiters_result, 0);
	CHECK_EQ(s.attempts, 2);
	CHECK(weft_once_done(&s.once));
}

/* One attempt at a time, until one succeeds. */
static struct {
	weft_once once;
	int running, attempts;	/* plain: attempts are ordered by the once */
	int successes;
} serial;

static int attempt_serial(void *arg)
{
	(void)arg;
	CHECK_EQ(serial.running++, 0);
	weft_yield();
	serial.running--;
	return ++serial.attempts < 10 ? -EAGAIN : 0;
}

static void try_serial(void *arg)
{
	int error;

	(void)arg;
	while ((error = weft_once_try(&serial.once, attempt_serial, NULL)) != 0)
		CHECK_EQ(error, -EAGAIN);
	weft_atomic_add(&serial.successes, 1, relaxed);
}

TEST_FLAVOURS(once_try_makes_one_attempt_at_a_time)
{
	for (int i = 0; i < CROWD; i++)
		test_start(try_serial, NULL);
	test_join_all();
	CHECK_EQ(serial.attempts, 10);
	CHECK_EQ(serial.successes, CROWD);
}

/* Cancels race with the end of the run. */
static void nothing(void *arg)
{
	(void)arg;
	weft_yield();
}

static void do_or_leave(void *arg)
{
	slow *s = arg;
	int result = weft_once_do_ctx(&s->once, &s->ctx, nothing, s);

	CHECK(result == 0 ? weft_once_done(&s->once) : result == -ECANCELED);
}

static void cancel(void *arg)
{
	weft_ctx_cancel(&((slow *)arg)->ctx, 0);
}

TEST_FLAVOURS(once_cancel_races_with_the_end)
{
	for (int i = 0; i < 1000 / test_slowdown(); i++) {
		slow s = {0};

		for (int j = 0; j < 3; j++)
			test_start(do_or_leave, &s);
		test_start(cancel, &s);
		test_join_all();
		CHECK(weft_once_done(&s.once));
		CHECK_EQ(queue_length(&s.once), 0);
		weft_ctx_fini(&s.ctx);
	}
}

/* The callables */

static int computed;

WEFT_ONCE_VALUE(const char *, greeting)
{
	computed++;
	weft_yield();
	return "hello";
}

static void check_greeting(void *arg)
{
	(void)arg;
	CHECK(greeting()[0] == 'h');
	CHECK_EQ(computed, 1);
}

TEST_FLAVOURS(once_value_macro_computes_once)
{
	for (int i = 0; i < CROWD; i++)
		test_start(check_greeting, NULL);
	test_join_all();
	CHECK_EQ(computed, 1);
}

static void *square(void *arg)
{
	int *n = arg;

	*n *= *n;
	return n;
}

TEST(once_value_call_computes_once)
{
	weft_once_value v;
	weft_ctx done = {0};
	void *value = NULL;
	int n = 7;

	weft_once_value_init(&v, square, &n);
	CHECK_EQ(n, 7);
	CHECK(weft_once_value_call(&v) == &n);
	CHECK(weft_once_value_call(&v) == &n);
	CHECK_EQ(n, 49);
	weft_ctx_cancel(&done, 0);
	CHECK_EQ(weft_once_value_call_ctx(&v, &done, &value), 0);
	CHECK(value == &n);
	weft_ctx_fini(&done);
}

TEST(once_func_call_calls_once)
{
	weft_once_func f;
	int n = 0;

	weft_once_func_init(&f, increment, &n);
	weft_once_func_call(&f);
	weft_once_func_call(&f);
	CHECK_EQ(weft_once_func_call_ctx(&f, NULL), 0);
	CHECK_EQ(n, 1);
}

/* The one of two callers that did not run the function takes the memory away. */
static void mark(void *arg)
{
	weft_yield();
	*(bool *)arg = true;
}

static void do_and_bury(void *arg)
{
	weft_once *o = arg;
	bool ran = false;

	weft_once_do(o, mark, &ran);
	if (!ran)
		grave_close(o);
}

TEST_FLAVOURS(once_may_end_while_its_runner_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_once *o = grave_open();

		test_start(do_and_bury, o);
		do_and_bury(o);
		test_join_all();
	}
}

/* The same with a value. */
static uint32_t value_runner;

static void *tell_runner(void *arg)
{
	weft_yield();
	value_runner = weft__flow_mark();
	return arg;
}

static void get_and_bury(void *arg)
{
	weft_once_value *v = arg;
	void *value = NULL;

	if (test_random() % 2 == 0)
		value = weft_once_value_call(v);
	else
		CHECK_EQ(weft_once_value_call_ctx(v, NULL, &value), 0);
	CHECK(value == &value_runner);
	if (value_runner != weft__flow_mark())
		grave_close(v);
}

TEST_FLAVOURS(once_value_may_end_while_its_runner_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_once_value *v = grave_open();

		weft_once_value_init(v, tell_runner, &value_runner);
		test_start(get_and_bury, v);
		get_and_bury(v);
		test_join_all();
	}
}
