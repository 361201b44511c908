/* SPDX-License-Identifier: MIT */
/* Calls handed to the thread of a foreign event loop. */
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/loop.h>
#include <weft/panic.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

enum { CROWD = 50 };

typedef struct {
	weft_loop loop;
	pthread_t thread;	/* the loop's */
	bool stop;
	int calls, done;
	int order[CROWD];
} scene;

static void *run_loop(void *arg)
{
	scene *s = arg;
	struct pollfd p = {.fd = weft_loop_fd(&s->loop), .events = POLLIN};

	while (!weft_atomic_load(&s->stop, acquire)) {
		CHECK(poll(&p, 1, 10000) == 1 || errno == EINTR);
		CHECK(weft_loop_step(&s->loop) >= 0);
	}
	return NULL;
}

static void stop(void *s)
{
	weft_atomic_store(&((scene *)s)->stop, true, release);
}

static void begin(scene *s)
{
	memset(s, 0, sizeof *s);
	CHECK_EQ(weft_loop_init(&s->loop), 0);
	CHECK_EQ(pthread_create(&s->thread, NULL, run_loop, s), 0);
}

static void end(scene *s)
{
	CHECK_EQ(weft_loop_call(&s->loop, stop, s), 0);
	CHECK_EQ(pthread_join(s->thread, NULL), 0);
	weft_loop_fini(&s->loop);
}

static void count(void *arg)
{
	scene *s = arg;

	CHECK(pthread_equal(pthread_self(), s->thread));
	s->calls++;
}

static void call_often(void *arg)
{
	scene *s = arg;

	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_loop_call(&s->loop, count, s), 0);
}

TEST_FLAVOURS(loop_makes_every_call_on_its_thread)
{
	scene s;

	begin(&s);
	for (int i = 0; i < CROWD; i++)
		test_start(call_often, &s);
	test_join_all();
	end(&s);
	CHECK_EQ(s.calls, 20 * CROWD);
}

/* ---- steps by hand ---- */

static bool readable(scene *s)
{
	struct pollfd p = {.fd = weft_loop_fd(&s->loop), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void note_order(void *number)
{
	int *n = number;

	*n = -*n;
}

static struct {
	scene *s;
	int number;
} callers[CROWD];

static void append(void *arg)
{
	scene *s = callers[*(int *)arg].s;

	s->order[s->done++] = *(int *)arg;
}

static void call_append(void *arg)
{
	CHECK_EQ(weft_loop_call(&callers[*(int *)arg].s->loop, append, arg), 0);
}

static size_t waiting(scene *s)
{
	size_t n = 0;

	weft__lock_take((weft__lock *)&s->loop.priv_lock);
	if (!weft__list_empty(&s->loop.priv_calls))
		for (weft__link *k = s->loop.priv_calls.next;
		     k != &s->loop.priv_calls; k = k->next)
			n++;
	weft__lock_drop((weft__lock *)&s->loop.priv_lock);
	return n;
}

TEST_FLAVOURS(loop_step_makes_the_calls_in_their_order)
{
	scene s = {.done = 0};

	CHECK_EQ(weft_loop_init(&s.loop), 0);
	CHECK(!readable(&s));
	CHECK_EQ(weft_loop_step(&s.loop), 0);
	for (int i = 0; i < CROWD; i++) {
		callers[i].s = &s;
		callers[i].number = i;
		test_start(call_append, &callers[i].number);
		test_until(waiting(&s) == (size_t)i + 1);
	}
	CHECK(readable(&s));
	CHECK_EQ(weft_loop_step(&s.loop), CROWD);
	CHECK(!readable(&s));
	test_join_all();
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(s.order[i], i);
	weft_loop_fini(&s.loop);
}

static void call_from_inside(void *arg)
{
	scene *s = arg;
	int n = 5;

	CHECK_EQ(weft_loop_call(&s->loop, note_order, &n), 0);
	CHECK_EQ(n, -5);
	s->calls++;
}

static void call_nested(void *arg)
{
	CHECK_EQ(weft_loop_call(&((scene *)arg)->loop, call_from_inside, arg), 0);
}

TEST_FLAVOURS(loop_call_inside_a_step_is_made_at_once)
{
	scene s = {.done = 0};

	CHECK_EQ(weft_loop_init(&s.loop), 0);
	test_start(call_nested, &s);
	test_until(waiting(&s) == 1);
	CHECK_EQ(weft_loop_step(&s.loop), 1);
	test_join_all();
	CHECK_EQ(s.calls, 1);
	weft_loop_fini(&s.loop);
}

static void step_and_call(void *arg)
{
	scene *s = arg;

	test_until(waiting(s) == 1);
	CHECK_EQ(weft_loop_step(&s->loop), 1);
	call_from_inside(s);
}

static void call_stepping(void *arg)
{
	CHECK_EQ(weft_loop_call(&((scene *)arg)->loop, step_and_call, arg), 0);
}

TEST_FLAVOURS(loop_function_may_step_and_call_again)
{
	scene s = {.done = 0};

	CHECK_EQ(weft_loop_init(&s.loop), 0);
	test_start(call_stepping, &s);
	test_until(waiting(&s) == 1);
	test_start(call_nested, &s);
	test_until(waiting(&s) == 2);
	CHECK_EQ(weft_loop_step(&s.loop), 1);
	test_join_all();
	CHECK_EQ(s.calls, 2);
	CHECK(!readable(&s));
	weft_loop_fini(&s.loop);
}

static void close_dialog(void *arg)
{
	((scene *)arg)->stop = true;
}

static void call_to_close(void *arg)
{
	CHECK_EQ(weft_loop_call(&((scene *)arg)->loop, close_dialog, arg), 0);
}

static void run_dialog(void *arg)
{
	scene *s = arg;
	struct pollfd p = {.fd = weft_loop_fd(&s->loop), .events = POLLIN};

	while (!s->stop) {
		CHECK_EQ(poll(&p, 1, 10000), 1);
		CHECK_EQ(weft_loop_step(&s->loop), 1);
	}
	CHECK(!readable(s));
}

static void call_dialog(void *arg)
{
	CHECK_EQ(weft_loop_call(&((scene *)arg)->loop, run_dialog, arg), 0);
}

/* Both were handed over before the step: the one that waits is to be heard of. */
TEST_FLAVOURS(loop_function_may_poll_for_a_call_that_is_there_already)
{
	scene s = {.done = 0};

	CHECK_EQ(weft_loop_init(&s.loop), 0);
	test_start(call_dialog, &s);
	test_until(waiting(&s) == 1);
	test_start(call_to_close, &s);
	test_until(waiting(&s) == 2);
	CHECK_EQ(weft_loop_step(&s.loop), 1);
	CHECK(s.stop);
	test_join_all();
	weft_loop_fini(&s.loop);
}

/* ---- giving up ---- */

TEST_FLAVOURS(loop_call_ctx_gives_up_what_has_not_begun)
{
	scene s = {.done = 0};
	weft_ctx soon;

	CHECK_EQ(weft_loop_init(&s.loop), 0);
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(2));
	CHECK_EQ(weft_loop_call_ctx(&s.loop, &soon, count, &s), -ETIMEDOUT);
	CHECK(!readable(&s));
	CHECK_EQ(weft_loop_step(&s.loop), 0);
	CHECK_EQ(s.calls, 0);
	weft_ctx_fini(&soon);
	weft_loop_fini(&s.loop);
}

static weft_ctx cancelled_before;

static void call_too_late(void *arg)
{
	scene *s = arg;

	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft_loop_call_ctx(&s->loop, &cancelled_before, count,
					    s),
			 -ECANCELED);
}

/* However soon the step comes: in it there is no waiting, elsewhere little. */
TEST_FLAVOURS(loop_call_ctx_that_is_done_before_calls_nothing)
{
	scene s;

	weft_ctx_cancel(&cancelled_before, 0);
	begin(&s);
	CHECK_EQ(weft_loop_call(&s.loop, call_too_late, &s), 0);
	call_too_late(&s);
	CHECK_EQ(s.calls, 0);
	end(&s);
}

static weft_ctx cancelled_inside;

static void cancel_caller(void *unused)
{
	(void)unused;
	weft_ctx_cancel(&cancelled_inside, 0);
	weft_yield();
}

static void call_and_be_cancelled(void *arg)
{
	CHECK_EQ(weft_loop_call_ctx(&((scene *)arg)->loop, &cancelled_inside,
				    cancel_caller, NULL),
		 0);
}

TEST_FLAVOURS(loop_call_ctx_waits_for_what_has_begun)
{
	scene s;

	weft_ctx_init(&cancelled_inside, NULL);
	begin(&s);
	test_start(call_and_be_cancelled, &s);
	test_join_all();
	end(&s);
	weft_ctx_fini(&cancelled_inside);
}

/* ---- endings ---- */

static void panic_there(void *value)
{
	weft_panic_value(value);
}

static void exit_there(void *unused)
{
	(void)unused;
	weft_exit();
}

static void call_panic(void *s)
{
	weft_loop_call(&((scene *)s)->loop, panic_there, s);
}

static void end_badly(void *arg)
{
	scene *s = arg;
	weft_panic_info info;

	CHECK_EQ(weft_try(call_panic, s, &info), WEFT_PANICKED);
	CHECK(info.value == s);
	CHECK_EQ(weft_loop_call(&s->loop, exit_there, NULL), WEFT_ERR_EXITED);
}

TEST_FLAVOURS(loop_call_ends_as_its_function_and_the_loop_goes_on)
{
	scene s;

	begin(&s);
	for (int i = 0; i < 10; i++)
		test_start(end_badly, &s);
	test_join_all();
	CHECK_EQ(weft_loop_call(&s.loop, count, &s), 0);
	end(&s);
	CHECK_EQ(s.calls, 1);
}

static void end_thread(void *unused)
{
	(void)unused;
	pthread_exit(NULL);
}

static void call_end_of_thread(void *s)
{
	CHECK_EQ(weft_loop_call(&((scene *)s)->loop, end_thread, s),
		 WEFT_ERR_EXITED);
}

static void call_after_that(void *arg)
{
	scene *s = arg;

	CHECK_EQ(weft_loop_call(&s->loop, stop, s), 0);
}

/* The call has ended for its caller, and the rest is the next step's. */
TEST_FLAVOURS(loop_whose_thread_ends_in_a_call_can_go_on_in_another)
{
	scene s = {.done = 0};

	CHECK_EQ(weft_loop_init(&s.loop), 0);
	test_start(call_end_of_thread, &s);
	test_until(waiting(&s) == 1);
	test_start(call_after_that, &s);
	test_until(waiting(&s) == 2);
	CHECK_EQ(pthread_create(&s.thread, NULL, run_loop, &s), 0);
	CHECK_EQ(pthread_join(s.thread, NULL), 0);
	CHECK(readable(&s));
	CHECK_EQ(pthread_create(&s.thread, NULL, run_loop, &s), 0);
	CHECK_EQ(pthread_join(s.thread, NULL), 0);
	test_join_all();
	weft_loop_fini(&s.loop);
}

static void call_for_ever(void *s)
{
	weft_loop_call(&((scene *)s)->loop, count, s);
}

TEST_TRAP(loop_finished_while_calls_wait, "panic: loop: finished while calls wait")
{
	static scene s;

	CHECK_EQ(weft_loop_init(&s.loop), 0);
	test_start(call_for_ever, &s);
	test_until(waiting(&s) == 1);
	weft_loop_fini(&s.loop);
}

TEST_TRAP(loop_that_was_not_initialised, "panic: weft_loop is not initialised")
{
	static weft_loop loop;

	weft_loop_step(&loop);
}
