/* SPDX-License-Identifier: MIT */
/* Functions that run once a context is done. */
#include "test.h"

#include <weft/ctx.h>

#include <stdlib.h>

static void count_up(void *arg)
{
	weft_atomic_add((int *)arg, 1, seq_cst);
}

static int count_of(int *count)
{
	return weft_atomic_load(count, seq_cst);
}

/* After this no after-func is on its way: only the others are left. */
static void let_tasks_end(size_t others)
{
	test_until(weft_task_count() == others);
}

TEST_FLAVOURS(ctx_after_runs_when_its_context_is_cancelled)
{
	weft_ctx parent, c;
	weft_ctx_after a = {0}, b = {0};
	size_t others = weft_task_count();
	int count = 0;

	weft_ctx_init(&parent, NULL);
	weft_ctx_init(&c, &parent);
	CHECK_EQ(weft_ctx_after_start(&a, &c, count_up, &count), 0);
	CHECK_EQ(weft_ctx_after_start(&b, &parent, count_up, &count), 0);
	weft_yield();
	CHECK_EQ(count_of(&count), 0);
	weft_ctx_cancel(&parent, 0);
	test_until(count_of(&count) == 2);
	weft_ctx_cancel(&parent, 0);
	weft_ctx_fini(&c);
	weft_ctx_fini(&parent);
	let_tasks_end(others);
	CHECK_EQ(count_of(&count), 2);
}

TEST_FLAVOURS(ctx_after_runs_at_once_if_its_context_is_done)
{
	weft_ctx cancelled = {0}, expired;
	weft_ctx_after a = {0}, b = {0};
	int count = 0;

	weft_ctx_cancel(&cancelled, 0);
	weft_ctx_init_timeout(&expired, NULL, 0);
	CHECK_EQ(weft_ctx_after_start(&a, &cancelled, count_up, &count), 0);
	CHECK_EQ(weft_ctx_after_start(&b, &expired, count_up, &count), 0);
	test_until(count_of(&count) == 2);
	weft_ctx_fini(&expired);
	CHECK(!weft_ctx_after_stop(&a));
	CHECK(!weft_ctx_after_stop(&b));
}

typedef struct {
	weft_ctx *c;
	int err;
	int returned;	/* atomic */
	int ran;	/* atomic */
} after_state;

static void wait_for_return(void *arg)
{
	after_state *s = arg;

	s->err = weft_ctx_err(s->c);
	test_until(weft_atomic_load(&s->returned, acquire) != 0);
	weft_atomic_store(&s->ran, 1, release);
}

TEST_FLAVOURS(ctx_after_does_not_run_inside_the_cancellation)
{
	weft_ctx c = {0};
	weft_ctx_after a = {0};
	after_state s = {.c = &c};

	CHECK_EQ(weft_ctx_after_start(&a, &c, wait_for_return, &s), 0);
	weft_ctx_cancel(&c, 0);
	weft_atomic_store(&s.returned, 1, release);
	test_until(weft_atomic_load(&s.ran, acquire));
	CHECK_EQ(s.err, -ECANCELED);
}

static void note_err(void *arg)
{
	after_state *s = arg;

	s->err = weft_ctx_err(s->c);
	weft_atomic_store(&s->ran, 1, release);
}

TEST_FLAVOURS(ctx_after_runs_at_the_deadline)
{
	weft_time when = weft_now() + WEFT_MS(20);
	weft_ctx c, child;
	weft_ctx_after a = {0};
	after_state s = {.c = &child};

	weft_ctx_init_deadline(&c, NULL, when);
	weft_ctx_init(&child, &c);
	CHECK_EQ(weft_ctx_after_start(&a, &child, note_err, &s), 0);
	test_until(weft_atomic_load(&s.ran, acquire));
	CHECK_LE(when, weft_now());
	CHECK_EQ(s.err, -ETIMEDOUT);
	CHECK(!weft_ctx_after_stop(&a));
	weft_ctx_fini(&child);
	weft_ctx_fini(&c);
}

TEST_FLAVOURS(ctx_after_with_a_deadline_runs_once_when_it_is_cancelled)
{
	weft_time when = weft_now() + WEFT_MS(20);
	weft_ctx c;
	weft_ctx_after a = {0};
	size_t others = weft_task_count();
	int count = 0;

	weft_ctx_init_deadline(&c, NULL, when);
	CHECK_EQ(weft_ctx_after_start(&a, &c, count_up, &count), 0);
	weft_ctx_cancel(&c, 0);
	test_until(weft_now() > when + WEFT_MS(10) && count_of(&count) > 0);
	let_tasks_end(others);
	CHECK_EQ(count_of(&count), 1);
	weft_ctx_fini(&c);
}

TEST_FLAVOURS(ctx_after_runs_when_its_context_is_finished)
{
	weft_ctx plain = {0}, timed;
	weft_ctx_after a = {0}, b = {0};
	int count = 0;

	weft_ctx_init_timeout(&timed, NULL, WEFT_MINUTE);
	CHECK_EQ(weft_ctx_after_start(&a, &plain, count_up, &count), 0);
	CHECK_EQ(weft_ctx_after_start(&b, &timed, count_up, &count), 0);
	weft_ctx_fini(&plain);
	weft_ctx_fini(&timed);
	CHECK(!weft_ctx_after_stop(&a));
	CHECK(!weft_ctx_after_stop(&b));
	test_until(count_of(&count) == 2);
}

TEST_FLAVOURS(ctx_after_stop_prevents_it)
{
	weft_ctx plain = {0}, timed;
	weft_ctx_after a = {0}, b = {0};
	size_t others = weft_task_count();
	int count = 0;

	weft_ctx_init_timeout(&timed, NULL, WEFT_MINUTE);
	CHECK_EQ(weft_ctx_after_start(&a, &plain, count_up, &count), 0);
	CHECK_EQ(weft_ctx_after_start(&b, &timed, count_up, &count), 0);
	CHECK(weft_ctx_after_stop(&a));
	CHECK(weft_ctx_after_stop(&b));
	CHECK(!weft_ctx_after_stop(&a));
	CHECK(!weft_ctx_after_stop(&b));
	weft_ctx_cancel(&plain, 0);
	weft_ctx_fini(&timed);
	let_tasks_end(others);
	CHECK_EQ(count_of(&count), 0);
}

TEST_FLAVOURS(ctx_after_stop_before_the_deadline_prevents_it)
{
	weft_ctx c;
	weft_ctx_after a = {0};
	size_t others = weft_task_count();
	int count = 0;
	bool prevented;

	weft_ctx_init_timeout(&c, NULL, WEFT_MS(20));
	CHECK_EQ(weft_ctx_after_start(&a, &c, count_up, &count), 0);
	prevented = weft_ctx_after_stop(&a);	/* unless this is a slow machine */
	CHECK_EQ(weft_ctx_wait(&c), -ETIMEDOUT);
	weft_ctx_fini(&c);
	let_tasks_end(others);
	CHECK_EQ(count_of(&count), prevented ? 0 : 1);
}

TEST(ctx_after_that_was_never_started_is_not_stopped)
{
	weft_ctx_after a = {0};

	CHECK(!weft_ctx_after_stop(&a));
}

TEST(ctx_after_without_a_context_never_runs)
{
	weft_ctx_after a = {0};
	int count = 0;

	CHECK_EQ(weft_ctx_after_start(&a, NULL, count_up, &count), 0);
	CHECK(weft_ctx_after_stop(&a));
	CHECK(!weft_ctx_after_stop(&a));
	CHECK_EQ(count, 0);
}

enum { AFTERS = 9 };

TEST_FLAVOURS(ctx_afters_of_one_context_are_independent)
{
	weft_ctx c = {0};
	weft_ctx_after all[AFTERS] = {0};
	size_t others = weft_task_count();
	int counts[AFTERS] = {0};

	for (int i = 0; i < AFTERS; i++)
		CHECK_EQ(weft_ctx_after_start(&all[i], &c, count_up, &counts[i]),
			 0);
	for (int i = 0; i < AFTERS; i += 2)
		CHECK(weft_ctx_after_stop(&all[i]));
	weft_ctx_cancel(&c, 0);
	for (int i = 1; i < AFTERS; i += 2)
		test_until(count_of(&counts[i]) == 1);
	let_tasks_end(others);
	for (int i = 0; i < AFTERS; i++)
		CHECK_EQ(count_of(&counts[i]), i % 2);
}

TEST_FLAVOURS(ctx_after_can_be_started_again_after_it_was_stopped)
{
	weft_ctx c = {0}, timed;
	weft_ctx_after a = {0};
	int count = 0;

	weft_ctx_init_timeout(&timed, NULL, WEFT_MINUTE);
	for (int i = 0; i < 10; i++) {
		weft_ctx *which = i % 2 != 0 ? &c : &timed;

		CHECK_EQ(weft_ctx_after_start(&a, which, count_up, &count), 0);
		CHECK(weft_ctx_after_stop(&a));
	}
	CHECK_EQ(weft_ctx_after_start(&a, &timed, count_up, &count), 0);
	weft_ctx_cancel(&c, 0);
	CHECK_EQ(count_of(&count), 0);
	weft_ctx_cancel(&timed, 0);
	test_until(count_of(&count) == 1);
	weft_ctx_fini(&timed);
}

typedef struct {
	weft_ctx_after after;
	weft_ctx next;
	int *count;
} chained;

/* Its storage is its own from the first line on: for another start, … */
static void start_again(void *arg)
{
	chained *s = arg;

	if (weft_atomic_add(s->count, 1, seq_cst) == 0)
		CHECK_EQ(weft_ctx_after_start(&s->after, &s->next, start_again,
					      s),
			 0);
}

TEST_FLAVOURS(ctx_after_can_be_started_again_by_its_function)
{
	weft_ctx c = {0};
	int count = 0;
	chained s = {.count = &count};

	CHECK_EQ(weft_ctx_after_start(&s.after, &c, start_again, &s), 0);
	weft_ctx_cancel(&c, 0);
	test_until(count_of(&count) == 1);
	weft_ctx_cancel(&s.next, 0);
	test_until(count_of(&count) == 2);
}

/* … or to be freed. */
static void free_self(void *arg)
{
	chained *s = arg;
	int *count = s->count;

	free(s);
	weft_atomic_add(count, 1, seq_cst);
}

TEST_FLAVOURS(ctx_after_may_be_freed_by_its_function)
{
	enum { ROUNDS = 300 };
	int count = 0;

	for (int i = 0; i < ROUNDS; i++) {
		chained *s = calloc(1, sizeof *s);
		weft_ctx c;

		CHECK(s != NULL);
		s->count = &count;
		weft_ctx_init_timeout(&c, NULL, WEFT_US(test_random() % 100));
		CHECK_EQ(weft_ctx_after_start(&s->after, &c, free_self, s), 0);
		if (i % 2 != 0)
			CHECK_EQ(weft_ctx_wait(&c), -ETIMEDOUT);
		weft_ctx_cancel(&c, 0);
		weft_ctx_fini(&c);
	}
	test_until(count_of(&count) == ROUNDS);
}

static void stop_self(void *arg)
{
	chained *s = arg;

	CHECK(!weft_ctx_after_stop(&s->after));
	weft_atomic_add(s->count, 1, seq_cst);
	test_until(weft_ctx_done(&s->next));
	weft_atomic_add(s->count, 1, seq_cst);
}

TEST_FLAVOURS(ctx_after_stop_does_not_wait_for_its_function)
{
	weft_ctx c = {0};
	int count = 0;
	chained s = {.count = &count};

	CHECK_EQ(weft_ctx_after_start(&s.after, &c, stop_self, &s), 0);
	weft_ctx_cancel(&c, 0);
	test_until(count_of(&count) == 1);
	CHECK(!weft_ctx_after_stop(&s.after));
	CHECK_EQ(count_of(&count), 1);
	weft_ctx_cancel(&s.next, 0);
	test_until(count_of(&count) == 2);
}
