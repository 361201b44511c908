/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>

enum { SLEEPERS = 50 };

static void check_sleeps(weft_duration d)
{
	weft_time start = weft_now();

	CHECK_EQ(weft_sleep(NULL, d), 0);
	CHECK_LE(d, weft_now() - start);
}

TEST_FLAVOURS(sleep_lasts_as_long_as_asked)
{
	check_sleeps(1);
	check_sleeps(WEFT_US(100));
	check_sleeps(WEFT_MS(30));
}

TEST_FLAVOURS(sleep_of_nothing_only_looks_at_the_context)
{
	weft_ctx open = {0}, cancelled = {0}, expired;

	weft_ctx_cancel(&cancelled, 0);
	weft_ctx_init_timeout(&expired, NULL, 0);
	CHECK_EQ(weft_sleep(NULL, 0), 0);
	CHECK_EQ(weft_sleep(NULL, INT64_MIN), 0);
	CHECK_EQ(weft_sleep(&open, 0), 0);
	CHECK_EQ(weft_sleep(&open, -1), 0);
	CHECK_EQ(weft_sleep(&cancelled, 0), -ECANCELED);
	CHECK_EQ(weft_sleep(&expired, -1), -ETIMEDOUT);
	weft_ctx_fini(&expired);
}

TEST_FLAVOURS(sleep_with_a_context_that_is_done_returns_at_once)
{
	weft_ctx cancelled = {0}, expired;

	weft_ctx_cancel(&cancelled, 0);
	weft_ctx_init_timeout(&expired, NULL, 0);
	CHECK_EQ(weft_sleep(&cancelled, INT64_MAX), -ECANCELED);
	CHECK_EQ(weft_sleep(&expired, INT64_MAX), -ETIMEDOUT);
	weft_ctx_fini(&expired);
}

TEST_FLAVOURS(sleep_with_a_context_that_stays_open_lasts_to_its_end)
{
	weft_time start = weft_now();
	weft_ctx open = {0}, late;

	weft_ctx_init_timeout(&late, NULL, WEFT_MINUTE);
	CHECK_EQ(weft_sleep(&open, WEFT_MS(10)), 0);
	CHECK_EQ(weft_sleep(&late, WEFT_MS(10)), 0);
	CHECK_LE(WEFT_MS(20), weft_now() - start);
	CHECK_EQ(ctx_waiters(&open), 0);
	CHECK_EQ(ctx_waiters(&late), 0);
	weft_ctx_fini(&late);
}

TEST_FLAVOURS(sleep_ends_at_the_deadline)
{
	weft_time when = weft_now() + WEFT_MS(20);
	weft_ctx c, child;

	weft_ctx_init_deadline(&c, NULL, when);
	weft_ctx_init(&child, &c);
	CHECK_EQ(weft_sleep(&child, WEFT_MINUTE), -ETIMEDOUT);
	CHECK_LE(when, weft_now());
	CHECK_EQ(weft_ctx_err(&c), -ETIMEDOUT);
	weft_ctx_fini(&child);
	weft_ctx_fini(&c);
}

typedef struct {
	weft_ctx *ctx;
	weft_duration d;
	int wanted;
	int written;
} sleeps;

static void sleep_with(void *arg)
{
	sleeps *s = arg;

	CHECK_EQ(weft_sleep(s->ctx, s->d), s->wanted);
	CHECK_EQ(s->written, 1);
}

TEST_FLAVOURS(sleep_ends_when_the_context_is_cancelled)
{
	weft_ctx parent, c;
	sleeps s = {.ctx = &c, .d = INT64_MAX, .wanted = -ECANCELED}, shorter;

	weft_ctx_init(&parent, NULL);
	weft_ctx_init_timeout(&c, &parent, WEFT_MINUTE);
	shorter = s;
	shorter.d = WEFT_MINUTE / 2;
	for (int i = 0; i < SLEEPERS; i++)
		test_start(sleep_with, i % 4 < 2 ? &s : &shorter);
	test_until(ctx_waiters(&c) == SLEEPERS);
	s.written = shorter.written = 1;
	weft_ctx_cancel(&parent, 0);
	test_join_all();
	weft_ctx_fini(&c);
	weft_ctx_fini(&parent);
}

TEST_FLAVOURS(sleepers_do_not_wait_for_each_other)
{
	weft_time start = weft_now();
	sleeps s = {.d = WEFT_MS(100), .written = 1};

	for (int i = 0; i < SLEEPERS; i++)
		test_start(sleep_with, &s);
	test_join_all();
	CHECK_LE(s.d, weft_now() - start);
	CHECK_LT(weft_now() - start, SLEEPERS / 2 * s.d);
}

typedef struct {
	weft_duration d;
	int *order;	/* atomic */
	int place;
} ordered;

static void sleep_in_order(void *arg)
{
	ordered *o = arg;

	CHECK_EQ(weft_sleep(NULL, o->d), 0);
	o->place = weft_atomic_add(o->order, 1, relaxed);
}

static bool wake_in_order(weft_duration distance)
{
	ordered all[3];
	int order = 0;

	for (int i = 0; i < 3; i++) {
		all[i] = (ordered){.d = (3 - i) * distance, .order = &order};
		test_start(sleep_in_order, &all[i]);
	}
	test_join_all();
	return all[2].place == 0 && all[1].place == 1 && all[0].place == 2;
}

/* The farther apart they are the less a busy machine mixes them up. */
TEST_FLAVOURS(sleepers_wake_in_the_order_of_their_ends)
{
	weft_duration distance = WEFT_MS(5);

	while (!wake_in_order(distance)) {
		distance *= 2;
		CHECK_LT(distance, WEFT_SECOND);
	}
}
