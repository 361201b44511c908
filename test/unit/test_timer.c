/* SPDX-License-Identifier: MIT */
#include "gate.h"
#include "proc.h"
#include "test.h"

#include <weft/ctx.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static uint32_t counter;

/* ---- weft_sleep ---- */

static void sleep_a_little(void *arg)
{
	weft_duration d = WEFT_US(1 + test_random() % 20000);
	weft_time start = weft_now();

	(void)arg;
	CHECK_EQ(weft_sleep(NULL, d), 0);
	CHECK_LE(d, weft_now() - start);
	weft_atomic_add(&counter, 1, relaxed);
}

TEST_FLAVOURS(sleep_lasts_at_least_its_time)
{
	for (int i = 0; i < 40; i++)
		test_start(sleep_a_little, NULL);
	sleep_a_little(NULL);
	test_join_all();
	CHECK_EQ(counter, 41);
}

TEST_FLAVOURS(sleep_of_nothing_returns_at_once)
{
	static const weft_duration none[] = {0, -1, -WEFT_SECOND, INT64_MIN};
	weft_time start = weft_now();

	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_sleep(NULL, none[i]), 0);
	CHECK_LT(weft_now() - start, WEFT_SECOND);
}

static void sleep_at_most_a_second(void *arg)
{
	weft_duration d = WEFT_US(test_random() % 1000000);
	weft_time start = weft_now();

	CHECK_EQ(weft_sleep(NULL, d), 0);
	CHECK_LE(d, weft_now() - start);
	weft_atomic_add((uint32_t *)arg, 1, relaxed);
}

TEST(sleepers_by_the_thousand_each_sleep_their_time)
{
	weft_time start = weft_now();
	int count = 10000 / test_slowdown();

	for (int i = 0; i < count; i++)
		test_start_task(sleep_at_most_a_second, &counter);
	test_join_all();
	CHECK_EQ(counter, count);
	CHECK_LT(weft_now() - start, test_slowdown() * 3 * WEFT_SECOND);
}

/* ---- weft_sleep with a context ---- */

struct sleeper {
	weft_ctx ctx;
	weft_duration d;
	int result;
	uint32_t state;	/* 1: about to sleep, 2: woken */
};

static void sleep_with_context(void *arg)
{
	struct sleeper *s = arg;

	weft_atomic_store(&s->state, 1, release);
	s->result = weft_sleep(&s->ctx, s->d);
	weft_atomic_store(&s->state, 2, release);
}

TEST_FLAVOURS(sleep_ends_when_its_context_is_cancelled)
{
	enum { SLEEPERS = 50 };
	static struct sleeper s[SLEEPERS];
	weft_time start = weft_now();
	weft_ctx parent;

	weft_ctx_init(&parent, NULL);
	for (int i = 0; i < SLEEPERS; i++) {
		weft_ctx_init(&s[i].ctx, &parent);
		s[i].d = i % 2 == 0 ? WEFT_MINUTE : WEFT_NEVER;
		test_start(sleep_with_context, &s[i]);
	}
	for (int i = 0; i < SLEEPERS / 2; i++)
		test_until(weft_atomic_load(&s[i].state, acquire) == 1);
	weft_ctx_cancel(&parent, 0);
	test_join_all();
	for (int i = 0; i < SLEEPERS; i++) {
		CHECK_EQ(s[i].result, -ECANCELED);
		weft_ctx_fini(&s[i].ctx);
	}
	weft_ctx_fini(&parent);
	CHECK_LT(weft_now() - start, 10 * WEFT_SECOND * test_slowdown());
}

/* Their timers are in one list, and some leave it as it is being opened. */
TEST_FLAVOURS(sleepers_of_a_crowd_wake_while_others_give_up)
{
	enum { SLEEPERS = 200 };
	static struct sleeper s[SLEEPERS];
	weft_ctx parent;

	weft_ctx_init(&parent, NULL);
	for (int i = 0; i < SLEEPERS; i++) {
		weft_ctx_init(&s[i].ctx, i % 2 == 0 ? &parent : NULL);
		s[i].d = WEFT_MS(20) + WEFT_US(SLEEPERS - i);
		test_start(sleep_with_context, &s[i]);
	}
	weft_sleep(NULL, WEFT_MS(20) + WEFT_US(test_random() % 100));
	weft_ctx_cancel(&parent, 0);
	test_join_all();
	for (int i = 0; i < SLEEPERS; i++) {
		CHECK(s[i].result == 0 || (i % 2 == 0 && s[i].result == -ECANCELED));
		weft_ctx_fini(&s[i].ctx);
	}
	weft_ctx_fini(&parent);
}

TEST_FLAVOURS(sleep_ends_at_the_deadline_of_its_context)
{
	weft_time start = weft_now();
	weft_ctx ctx;

	weft_ctx_init_deadline(&ctx, NULL, start + WEFT_MS(20));
	CHECK_EQ(weft_sleep(&ctx, WEFT_MINUTE), -ETIMEDOUT);
	CHECK_LE(start + WEFT_MS(20), weft_now());
	CHECK_LT(weft_now() - start, 10 * WEFT_SECOND * test_slowdown());
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(sleep_shorter_than_the_deadline_returns_0)
{
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_MINUTE);
	CHECK_EQ(weft_sleep(&ctx, WEFT_MS(5)), 0);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(sleep_with_a_context_that_is_done_returns_why)
{
	static const weft_duration durations[] = {-1, 0, 1, WEFT_MINUTE};
	weft_ctx cancelled, expired;

	weft_ctx_init(&cancelled, NULL);
	weft_ctx_cancel(&cancelled, 0);
	weft_ctx_init_timeout(&expired, NULL, -1);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(weft_sleep(&cancelled, durations[i]), -ECANCELED);
		CHECK_EQ(weft_sleep(&expired, durations[i]), -ETIMEDOUT);
	}
	weft_ctx_fini(&cancelled);
	weft_ctx_fini(&expired);
}

/* Cancelling at about the moment at which the sleep ends: one of the two. */
TEST_FLAVOURS(sleep_and_cancel_race_to_one_result)
{
	for (int i = 0; i < 300; i++) {
		struct sleeper s = {.d = WEFT_US(50 + test_random() % 100)};
		weft_time end;

		weft_ctx_init(&s.ctx, NULL);
		test_start(sleep_with_context, &s);
		test_until(weft_atomic_load(&s.state, acquire) != 0);
		end = weft_now() + WEFT_US(test_random() % 200);
		while (weft_now() < end)
			weft_yield();
		weft_ctx_cancel(&s.ctx, 0);
		test_until(weft_atomic_load(&s.state, acquire) == 2);
		CHECK(s.result == 0 || s.result == -ECANCELED);
		test_join_all();
		weft_ctx_fini(&s.ctx);
	}
}

static void compute(void *arg)
{
	weft_time end = weft_now() + *(weft_duration *)arg;

	while (weft_now() < end)
		;
}

/* The only worker computes: the monitor has to see to its timers. */
TEST(sleeper_wakes_while_the_only_worker_computes)
{
	weft_duration hog = 2 * WEFT_SECOND;
	struct sleeper s = {.d = WEFT_MS(100)};
	weft_time start;

	one_worker();
	weft_ctx_init(&s.ctx, NULL);
	test_start_task(sleep_with_context, &s);
	test_until(weft_atomic_load(&s.state, acquire) == 1);
	start = weft_now();
	test_start_task(compute, &hog);
	test_until(weft_atomic_load(&s.state, acquire) == 2);
	CHECK_LT(weft_now() - start, WEFT_SECOND);
	test_join_all();
	weft_ctx_fini(&s.ctx);
}

TEST(sleep_of_a_thread_starts_no_thread)
{
	int before = thread_count();
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_MINUTE);
	CHECK_EQ(weft_sleep(NULL, WEFT_MS(1)), 0);
	CHECK_EQ(weft_sleep(&ctx, WEFT_MS(1)), 0);
	CHECK_EQ(thread_count(), before);
	weft_ctx_fini(&ctx);
}

/* ---- inside: timers that are run by hand ---- */

enum { TIMERS = 500 };
static struct {
	weft__timer timer;
	int64_t when;
	int fired;
} timers[TIMERS];
static int64_t last_fired;
static int fired_count;

static void note_fired(weft__timer *timer, weft__wakeups *wakeups)
{
	int i = (int)((char *)timer - (char *)timers) / (int)sizeof timers[0];

	(void)wakeups;
	CHECK_LE(last_fired, timers[i].when);
	last_fired = timers[i].when;
	timers[i].fired++;
	fired_count++;
}

static void add_random(weft__timers *all)
{
	for (int i = 0; i < TIMERS; i++) {
		timers[i].when = (int64_t)(test_random() % 10000);
		weft__timers_add(all, &timers[i].timer, timers[i].when,
				 note_fired);
	}
}

static void run_all(weft__timers *all, weft_time now)
{
	while (weft__timers_run(all, now))
		;
}

TEST(timers_fire_in_order_and_not_early)
{
	weft__timers all;

	weft__timers_init(&all);
	CHECK_EQ(all.next, WEFT_NEVER);
	add_random(&all);
	for (int64_t now = 0; now < 11000; now += 97) {
		run_all(&all, now);
		CHECK_LE(last_fired, now);
		CHECK_LT(now, all.next);
	}
	CHECK_EQ(fired_count, TIMERS);
	CHECK_EQ(all.next, WEFT_NEVER);
	for (int i = 0; i < TIMERS; i++)
		CHECK(!weft__timer_stop(&timers[i].timer));
}

TEST(timers_that_were_stopped_do_not_fire)
{
	weft__timers all;
	int stopped = 0;

	weft__timers_init(&all);
	add_random(&all);
	run_all(&all, 3000);
	for (int i = 0; i < TIMERS; i += 2) {
		bool prevented = weft__timer_stop(&timers[i].timer);

		CHECK_EQ(prevented, timers[i].when > 3000);
		stopped += prevented;
	}
	run_all(&all, 10000);
	CHECK_EQ(fired_count, TIMERS - stopped);
	for (int i = 1; i < TIMERS; i += 2)
		CHECK_EQ(timers[i].fired, 1);
	CHECK(weft__wheel_empty(&all.wheel));
}

TEST(timers_tell_when_the_next_is_due)
{
	weft__timers all;

	weft__timers_init(&all);
	weft__timers_add(&all, &timers[1].timer, WEFT_SECOND, note_fired);
	weft__timers_add(&all, &timers[2].timer, WEFT_MINUTE, note_fired);
	weft__timers_add(&all, &timers[0].timer, 10, note_fired);
	for (int i = 0; i < 3; i++) {
		static const weft_time next[] = {10, WEFT_SECOND, WEFT_MINUTE};

		CHECK_EQ(all.next, next[i]);
		CHECK(weft__timer_stop(&timers[i].timer));
	}
	CHECK_EQ(all.next, WEFT_NEVER);
}

static int fired_in_a_row, most_in_a_row;

/* Who is claimed into wakeups is woken without the lock. */
static void count_in_a_row(weft__timer *timer, weft__wakeups *wakeups)
{
	static weft__waiter mark;

	(void)timer;
	fired_in_a_row = wakeups->last_thread == &mark ? fired_in_a_row + 1 : 1;
	if (fired_in_a_row > most_in_a_row)
		most_in_a_row = fired_in_a_row;
	wakeups->last_thread = &mark;	/* no matter where none is first */
	fired_count++;
}

TEST(timers_are_fired_a_part_at_a_time)
{
	weft__timers all;

	weft__timers_init(&all);
	for (int i = 0; i < TIMERS; i++)
		weft__timers_add(&all, &timers[i].timer, 1000, count_in_a_row);
	run_all(&all, 1000);
	CHECK_EQ(fired_count, TIMERS);
	CHECK_LE(most_in_a_row, WEFT__TIMER_STEPS);
}

/* Far ones, of which one is due: a look puts some elsewhere, and is soon over. */
TEST(timers_are_looked_at_a_part_at_a_time)
{
	weft__timers all;
	int looks = 1;

	weft__timers_init(&all);
	for (int i = TIMERS - 1; i >= 0; i--)
		weft__timers_add(&all, &timers[i].timer, WEFT_MINUTE + i,
				 note_fired);
	while (weft__timers_run(&all, WEFT_MINUTE)) {
		CHECK_LE(all.next, WEFT_MINUTE);
		looks++;
	}
	CHECK_LE(TIMERS / WEFT__TIMER_STEPS, looks);
	CHECK_EQ(all.next, WEFT_MINUTE + 1);
	CHECK_EQ(fired_count, 1);
	CHECK(!weft__timer_stop(&timers[0].timer));
	for (int i = 1; i < TIMERS; i++)
		CHECK(weft__timer_stop(&timers[i].timer));
	CHECK(weft__wheel_empty(&all.wheel));
	CHECK_EQ(all.next, WEFT_NEVER);
}

static uint32_t phase;	/* 1: fire runs, 2: it is about to return */
static weft__timer slow_timer;

static void fire_slowly(weft__timer *timer, weft__wakeups *wakeups)
{
	weft_time end = weft_now() + WEFT_MS(20) * test_slowdown();

	(void)timer;
	(void)wakeups;
	weft_atomic_store(&phase, 1, release);
	while (weft_now() < end)
		;
	weft_atomic_store(&phase, 2, release);
}

static void run_slow_timer(void *arg)
{
	CHECK(!weft__timers_run(arg, 1));
}

TEST(timer_stop_waits_for_the_fire_that_runs)
{
	weft__timers all;

	weft__timers_init(&all);
	weft__timers_add(&all, &slow_timer, 1, fire_slowly);
	test_start_thread(run_slow_timer, &all);
	test_until(weft_atomic_load(&phase, acquire) != 0);
	CHECK(!weft__timer_stop(&slow_timer));
	CHECK_EQ(weft_atomic_load(&phase, acquire), 2);
	test_join_all();
}

/* ---- inside: timers of the runtime ---- */

struct alarm {
	weft__timer timer;
	uint32_t fired;
};

static void set_off(weft__timer *timer, weft__wakeups *wakeups)
{
	(void)wakeups;
	weft_atomic_add(&((struct alarm *)timer)->fired, 1, relaxed);
}

static void start_and_stop(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500; i++) {
		struct alarm a = {0};
		weft_time now = weft_now();
		uint32_t fired;
		bool prevented;

		CHECK_EQ(weft__timer_start(&a.timer,
					   now + WEFT_US(test_random() % 100),
					   set_off),
			 0);
		if (i % 2 == 0)
			weft_yield();
		else
			CHECK_EQ(weft_sleep(NULL, WEFT_US(50)), 0);
		prevented = weft__timer_stop(&a.timer);
		fired = weft_atomic_load(&a.fired, relaxed);
		CHECK_EQ(prevented + fired, 1);	/* and nobody touches a now */
	}
}

TEST_FLAVOURS(timer_is_stopped_or_has_fired_and_is_free_then)
{
	for (int i = 0; i < 8; i++)
		test_start(start_and_stop, NULL);
	test_join_all();
}
