/* SPDX-License-Identifier: MIT */
/* Flights that keep results: lifetimes, refreshing, eviction, counters. */
#include "queue.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/ctx.h>
#include <weft/flight.h>
#include <weft/panic.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CROWD = 8 };

/* Passes when the clock is shifted, and never by itself. */
#define LONG WEFT_MINUTE

/* The function's answers come from here; its values are counted. */
typedef struct {
	weft_flight flight;
	int runs;
	int err;
	weft_duration took;
	bool held, running, go;
	bool panics;
	int stale;	/* of the crowd, who was given the old value */
} scene;

static int live; /* values that were made and not dropped */

static void drop(void *value)
{
	weft_atomic_sub(&live, 1, relaxed);
	free(value);
}

static int load(weft_ctx *ctx, void *arg, void **value)
{
	scene *s = arg;
	int *number;

	(void)ctx;
	weft__flight_shift_clock(s->took);
	weft_atomic_store(&s->running, true, release);
	test_until(!s->held || weft_atomic_load(&s->go, acquire));
	if (s->panics)
		weft_panic("while loading");
	number = malloc(sizeof *number);
	CHECK(number != NULL);
	*number = weft_atomic_add(&s->runs, 1, relaxed) + 1;
	if (s->err != 0) {
		free(number);
		return s->err;
	}
	weft_atomic_add(&live, 1, relaxed);
	*value = number;
	return 0;
}

static weft_key key(void)
{
	return weft_key_str("key");
}

/* Returns which run the value is of, or the error. */
static int ask_for(scene *s, weft_key k, bool *kept)
{
	weft_result r = weft_flight_do(&s->flight, k, load, s);
	int number = r.err != 0 ? r.err : *(int *)r.value;

	if (kept != NULL)
		*kept = r.kept;
	weft_result_release(&r);
	return number;
}

static int ask(scene *s)
{
	return ask_for(s, key(), NULL);
}

static weft_flight_counters counters(scene *s)
{
	weft_flight_counters c;

	weft_flight_count(&s->flight, &c);
	return c;
}

static void end(scene *s)
{
	weft_flight_fini(&s->flight);
	CHECK_EQ(live, 0);
}

TEST_FLAVOURS(flight_keeps_a_value_for_its_ttl)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG}};
	bool kept;

	CHECK_EQ(ask_for(&s, key(), &kept), 1);
	CHECK(!kept);
	CHECK_EQ(ask_for(&s, key(), &kept), 1);
	CHECK(kept);
	weft__flight_shift_clock(LONG / 2);
	CHECK_EQ(ask(&s), 1);
	weft__flight_shift_clock(LONG / 2);
	CHECK_EQ(ask_for(&s, key(), &kept), 2);
	CHECK(!kept);
	CHECK_EQ(live, 1);
	CHECK_EQ(counters(&s).led, 2);
	CHECK_EQ(counters(&s).kept, 2);
	CHECK_EQ(counters(&s).entries, 1);
	end(&s);
}

TEST_FLAVOURS(flight_that_is_set_to_keep_too_late_keeps_nothing)
{
	scene s = {.flight = {.drop = drop}};

	CHECK_EQ(ask(&s), 1);
	s.flight.ttl = LONG;
	CHECK_EQ(ask(&s), 2);
	CHECK_EQ(ask(&s), 3);
	end(&s);
}

static void ask_for_the_second(void *arg)
{
	CHECK_EQ(ask(arg), 2);
}

TEST_FLAVOURS(flight_that_is_set_to_keep_no_more_loses_nothing_that_it_kept)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG}};

	CHECK_EQ(ask(&s), 1);
	CHECK_EQ(ask(&s), 1);
	s.flight.ttl = 0;
	test_start(ask_for_the_second, &s);
	test_join_all();
	end(&s);
}

TEST_FLAVOURS(flight_keeps_what_it_was_set_to_when_it_ends)
{
	scene s = {.flight = {.drop = drop, .abort_on_panic = true,
			      .ttl = LONG, .early = 0.5, .max_entries = 5}};

	CHECK_EQ(ask(&s), 1);
	end(&s);
	CHECK(s.flight.drop == drop && s.flight.abort_on_panic);
	CHECK_EQ(s.flight.ttl, LONG);
	CHECK(s.flight.early == 0.5);
	CHECK_EQ(s.flight.max_entries, 5);
	CHECK(s.flight.priv_table == NULL);
	CHECK_EQ(ask(&s), 2);
	end(&s);
}

TEST_FLAVOURS(flight_without_a_ttl_keeps_nothing)
{
	scene s = {.flight = {.drop = drop, .stale = LONG, .early = 1}};

	CHECK_EQ(ask(&s), 1);
	CHECK_EQ(live, 0);
	CHECK_EQ(ask(&s), 2);
	CHECK_EQ(counters(&s).led, 2);
	CHECK_EQ(counters(&s).kept, 0);
	CHECK_EQ(counters(&s).entries, 0);
	end(&s);
}

TEST_FLAVOURS(flight_keeps_an_error_for_its_own_ttl)
{
	scene s = {.flight = {.drop = drop, .error_ttl = LONG},
		   .err = -EIO};

	CHECK_EQ(ask(&s), -EIO);
	CHECK_EQ(ask(&s), -EIO);
	CHECK_EQ(s.runs, 1);
	weft__flight_shift_clock(LONG);
	CHECK_EQ(ask(&s), -EIO);
	CHECK_EQ(s.runs, 2);
	weft__flight_shift_clock(LONG);
	s.err = 0;
	CHECK_EQ(ask(&s), 3);
	CHECK_EQ(ask(&s), 4); /* a value has no ttl here */
	end(&s);
}

TEST_FLAVOURS(flight_with_a_ttl_does_not_keep_errors)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG}, .err = -EIO};

	CHECK_EQ(ask(&s), -EIO);
	CHECK_EQ(ask(&s), -EIO);
	CHECK_EQ(s.runs, 2);
	s.err = 0;
	CHECK_EQ(ask(&s), 3);
	CHECK_EQ(ask(&s), 3);
	end(&s);
}

static void ask_and_panic(void *s)
{
	ask(s);
}

TEST_FLAVOURS(flight_does_not_keep_a_panic)
{
	scene s = {.flight = {.ttl = LONG, .error_ttl = LONG,
			      .drop = drop},
		   .panics = true};

	CHECK_EQ(weft_try(ask_and_panic, &s, NULL), WEFT_PANICKED);
	CHECK_EQ(counters(&s).entries, 0);
	s.panics = false;
	CHECK_EQ(ask(&s), 1);
	end(&s);
}

/* ---- refreshing ---- */

static void ask_meanwhile(void *arg)
{
	scene *s = arg;
	bool kept;

	CHECK_EQ(ask_for(s, key(), &kept), 1);
	CHECK(kept);
	weft_atomic_add(&s->stale, 1, relaxed);
}

static void refresh(void *arg)
{
	CHECK_EQ(ask(arg), 2);
}

static void make_stale(scene *s)
{
	CHECK_EQ(ask(s), 1);
	weft__flight_shift_clock(LONG + WEFT_MS(1));
	s->held = true;
	weft_atomic_store(&s->running, false, relaxed);
}

TEST_FLAVOURS(flight_gives_the_stale_value_while_one_refreshes)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG}};

	make_stale(&s);
	test_start(refresh, &s);
	test_until(weft_atomic_load(&s.running, acquire));
	for (int i = 0; i < CROWD; i++)
		test_start(ask_meanwhile, &s);
	test_until(weft_atomic_load(&s.stale, relaxed) == CROWD);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(ask(&s), 2);
	CHECK_EQ(s.runs, 2);
	CHECK_EQ(counters(&s).refreshed, 1);
	CHECK_EQ(counters(&s).stale, CROWD);
	end(&s);
}

TEST_FLAVOURS(flight_refresh_that_takes_too_long_is_joined)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG}};

	make_stale(&s);
	test_start(refresh, &s);
	test_until(weft_atomic_load(&s.running, acquire));
	weft__flight_shift_clock(2 * LONG);
	for (int i = 0; i < CROWD; i++)
		test_start(refresh, &s);
	test_until(queue_length(weft__flight_address(&s.flight, key())) ==
		   CROWD);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(s.runs, 2);
	CHECK_EQ(live, 1);
	end(&s);
}

TEST_FLAVOURS(flight_refresh_that_fails_leaves_the_old_value_until_its_end)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG}};

	CHECK_EQ(ask(&s), 1);
	weft__flight_shift_clock(LONG);
	s.err = -EIO;
	CHECK_EQ(ask(&s), -EIO); /* the one who tried */
	CHECK_EQ(counters(&s).entries, 1);
	s.panics = true;
	CHECK_EQ(weft_try(ask_and_panic, &s, NULL), WEFT_PANICKED);
	CHECK_EQ(counters(&s).entries, 1);
	CHECK_EQ(live, 1);
	s.panics = false;
	weft__flight_shift_clock(LONG);
	CHECK_EQ(ask(&s), -EIO);
	CHECK_EQ(counters(&s).entries, 0);
	CHECK_EQ(live, 0);
	end(&s);
}

TEST_FLAVOURS(flight_refresh_that_fails_keeps_no_error_in_the_place_of_a_value)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG,
			      .error_ttl = 2 * LONG}};

	CHECK_EQ(ask(&s), 1);
	weft__flight_shift_clock(LONG);
	s.err = -EIO;
	CHECK_EQ(ask(&s), -EIO);
	s.err = 0;
	CHECK_EQ(ask(&s), 3);	/* tries again, at once */
	CHECK_EQ(ask(&s), 3);
	weft__flight_shift_clock(2 * LONG);
	s.err = -EIO;
	CHECK_EQ(ask(&s), -EIO);	/* the value is past its use … */
	s.err = 0;
	CHECK_EQ(ask(&s), -EIO);	/* … and the error is kept */
	end(&s);
}

static int load_copy(weft_ctx *ctx, void *arg, void **value)
{
	return load(ctx, *(scene **)arg, value);
}

static int ask_by_copy(scene *s)
{
	weft_result r = weft_flight_do_ctx_copy(&s->flight, NULL, key(),
						load_copy, &s, sizeof s);
	int number = *(int *)r.value;

	CHECK_EQ(r.err, 0);
	weft_result_release(&r);
	return number;
}

TEST_FLAVOURS(flight_do_ctx_copy_refreshes_behind_its_back)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG}};

	make_stale(&s);
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(ask_by_copy(&s), 1);
	test_until(weft_atomic_load(&s.running, acquire));
	CHECK_EQ(counters(&s).running, 1);
	weft_atomic_store(&s.go, true, release);
	test_until(counters(&s).running == 0);
	CHECK_EQ(ask_by_copy(&s), 2);
	CHECK_EQ(s.runs, 2);
	CHECK_EQ(counters(&s).refreshed, 1);
	end(&s);
}

/* Past the old value's time those who come wait for the refresh, or leave it. */
TEST_FLAVOURS(flight_refresh_in_the_background_can_be_joined_and_left)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG}};
	weft_ctx soon;
	scene *p = &s;

	make_stale(&s);
	CHECK_EQ(ask_by_copy(&s), 1);
	weft__flight_shift_clock(LONG);
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(1));
	CHECK_EQ(weft_flight_do_ctx_copy(&s.flight, &soon, key(), load_copy, &p,
					 sizeof p)
			 .err,
		 -ETIMEDOUT);
	weft_ctx_fini(&soon);
	test_start(refresh, &s);
	test_until(queue_length(weft__flight_address(&s.flight, key())) == 1);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(ask(&s), 2);
	CHECK_EQ(s.runs, 2);
	end(&s);
}

TEST_FLAVOURS(flight_fini_waits_for_a_refresh_in_the_background)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG}};

	make_stale(&s);
	s.held = false;
	CHECK_EQ(ask_by_copy(&s), 1);
	end(&s);
	CHECK_EQ(s.runs, 2);
}

/*
 * XFetch: with a run of 100 ms and 100 ms left, one in e refreshes; with twice
 * the factor the square root of that.
 */
static double share_refreshed(double early)
{
	enum { TRIES = 4000 };
	scene s = {.flight = {.drop = drop, .ttl = WEFT_SECOND, .early = early,
			      .max_entries = 100},
		   .took = WEFT_MS(100)};
	double share;

	for (uint64_t i = 0; i < TRIES; i++) {
		s.took = WEFT_MS(100);
		ask_for(&s, weft_key_u64(i), NULL);
		weft__flight_shift_clock(WEFT_MS(900));
		s.took = 0;
		ask_for(&s, weft_key_u64(i), NULL);
	}
	share = (double)counters(&s).refreshed / TRIES;
	end(&s);
	return share;
}

TEST(flight_refreshes_ahead_as_often_as_the_rule_says)
{
	CHECK_EQ(share_refreshed(0), 0);
	CHECK(share_refreshed(1) > 0.368 - 0.04);
	CHECK(share_refreshed(1) < 0.368 + 0.04);
	CHECK(share_refreshed(2) > 0.607 - 0.04);
	CHECK(share_refreshed(2) < 0.607 + 0.04);
}

/* ---- the bound ---- */

TEST_FLAVOURS(flight_keeps_no_more_than_it_may)
{
	size_t bounds[] = {1, 2, 15, 16, 100, 1000};

	for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
		scene s = {.flight = {.drop = drop, .ttl = LONG,
				      .max_entries = bounds[i]}};

		for (uint64_t k = 0; k < 3000; k++) {
			ask_for(&s, weft_key_u64(k), NULL);
			CHECK(live <= (int)bounds[i]);
		}
		CHECK(counters(&s).entries <= bounds[i]);
		CHECK(counters(&s).entries * 2 > bounds[i]);
		CHECK_EQ(counters(&s).evicted, 3000 - counters(&s).entries);
		end(&s);
	}
}

/* Whatever is kept is kept still, or was let go. */
TEST_FLAVOURS(flight_counts_every_kept_result_that_it_lets_go)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG,
			      .stale = LONG, .max_entries = 6}};
	weft_flight_counters c;

	for (int i = 0; i < 500; i++) {
		uint64_t n = test_random() % 10;

		if (test_random() % 8 == 0)
			weft_flight_forget(&s.flight, weft_key_u64(n));
		else
			ask_for(&s, weft_key_u64(n), NULL);
		weft__flight_shift_clock(LONG / 8);
		c = counters(&s);
		CHECK_EQ(c.led, s.runs);
		CHECK_EQ(c.led, c.entries + c.dropped);
		CHECK_EQ(live, c.entries);
		CHECK_LE(c.evicted + c.refreshed, c.dropped);
	}
	CHECK_LT(0, c.evicted);
	CHECK_LT(0, c.refreshed);
	CHECK_LT(c.evicted + c.refreshed, c.dropped);
	end(&s);
}

TEST_FLAVOURS(flight_evicts_what_was_not_asked_for_lately)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG,
			      .max_entries = 16}};

	for (uint64_t k = 1; k < 1000; k++) {
		ask_for(&s, weft_key_u64(0), NULL);
		ask_for(&s, weft_key_u64(k), NULL);
	}
	CHECK_EQ(ask_for(&s, weft_key_u64(0), NULL), 1);
	end(&s);
}

TEST_FLAVOURS(flight_value_lives_until_its_last_result_is_released)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG,
			      .max_entries = 1}};
	weft_result first = weft_flight_do(&s.flight, weft_key_u64(1), load, &s);
	weft_result again = weft_flight_do(&s.flight, weft_key_u64(1), load, &s);

	CHECK(first.value == again.value);
	CHECK(!first.shared && !first.kept);
	CHECK(!again.shared && again.kept);
	weft_result_release(&first);
	ask_for(&s, weft_key_u64(2), NULL); /* evicts it */
	CHECK_EQ(live, 2);
	weft_flight_fini(&s.flight);
	CHECK_EQ(live, 1);
	CHECK_EQ(*(int *)again.value, 1);
	weft_result_release(&again);
	CHECK_EQ(live, 0);
}

/* ---- forgetting ---- */

TEST_FLAVOURS(flight_forgets_what_it_keeps)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG}};

	CHECK_EQ(ask(&s), 1);
	weft_flight_forget(&s.flight, key());
	CHECK_EQ(live, 0);
	CHECK_EQ(ask(&s), 2);
	CHECK(weft_flight_forget_unshared(&s.flight, key()));
	CHECK_EQ(ask(&s), 3);
	end(&s);
}

static void ask_first(void *s)
{
	CHECK_EQ(ask(s), 1);
}

TEST_FLAVOURS(flight_does_not_keep_what_was_forgotten_while_it_ran)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG}, .held = true};

	test_start(ask_first, &s);
	test_until(weft_atomic_load(&s.running, acquire));
	weft_flight_forget(&s.flight, key());
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(live, 0);
	CHECK_EQ(ask(&s), 2);
	CHECK_EQ(ask(&s), 2);
	end(&s);
}

TEST_FLAVOURS(flight_forgets_the_old_value_with_its_refresh)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .stale = LONG}};

	make_stale(&s);
	test_start(refresh, &s);
	test_until(weft_atomic_load(&s.running, acquire));
	weft_flight_forget(&s.flight, key());
	CHECK_EQ(live, 0);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	CHECK_EQ(counters(&s).entries, 0);
	CHECK_EQ(ask(&s), 3);
	end(&s);
}

/* Who sleeps where the call was that is forgotten, when that is over. */
static struct {
	scene *scene;
	const void *place;
	size_t others;	/* tasks that are not the call's */
	weft__waiter waiter;
} later;

static void drop_and_sleep_there(void *value)
{
	static const weft__why why = {.text = "test"};
	weft__bucket *b;

	drop(value);
	weft_atomic_store(&later.scene->go, true, release);
	test_until(weft_task_count() == later.others);
	weft__waiter_init(&later.waiter, &why);
	b = weft__lot_lock(later.place);
	weft__lot_push(b, later.place, &later.waiter);
	weft__lot_unlock(b);
}

static void refresh_and_leave(void *ctx)
{
	weft_result r = weft_flight_do_ctx(&later.scene->flight, ctx, key(), load,
					   later.scene);

	CHECK_EQ(r.err, -ECANCELED);
}

/* Two ask for a new value, which takes longer than the old one lasts, and leave. */
static void begin_in_vain(scene *s)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	make_stale(s);
	test_start(refresh_and_leave, &ctx);
	test_until(weft_atomic_load(&s->running, acquire));
	weft__flight_shift_clock(LONG);
	test_start(refresh_and_leave, &ctx);
	later.place = weft__flight_address(&s->flight, key());
	test_until(queue_length(later.place) == 2);
	weft_ctx_cancel(&ctx, 0);
	test_join_all();
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(flight_forget_wakes_nobody_who_came_when_the_call_was_gone)
{
	scene s = {.flight = {.drop = drop_and_sleep_there, .ttl = LONG,
			      .stale = LONG}};
	weft__bucket *b;

	later.scene = &s;
	later.others = weft_task_count();
	begin_in_vain(&s);
	s.err = -EIO;
	weft_flight_forget(&s.flight, key()); /* and its old value is dropped */
	CHECK_EQ(live, 0);
	b = weft__lot_lock(later.place);
	CHECK(weft__lot_queued(&later.waiter));
	weft__lot_remove(b, &later.waiter);
	weft__lot_unlock(b);
	end(&s);
}

/* What a caller waits for before its call begins is not the call's. */
TEST_FLAVOURS(flight_refreshes_ahead_by_a_call_s_own_time)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG, .early = 1},
		   .held = true};
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	later.scene = &s;
	test_start(refresh_and_leave, &ctx);
	test_until(weft_atomic_load(&s.running, acquire));
	weft_ctx_cancel(&ctx, 0);
	test_join_all();
	weft_ctx_fini(&ctx);
	test_start(refresh, &s);
	test_until(queue_length(weft__flight_address(&s.flight, key())) == 1);
	weft__flight_shift_clock(1000 * LONG);
	weft_atomic_store(&s.go, true, release);
	test_join_all();
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(ask(&s), 2);
	CHECK_EQ(counters(&s).refreshed, 0);
	end(&s);
}

TEST_FLAVOURS(flight_do_chan_sends_what_is_kept)
{
	scene s = {.flight = {.drop = drop, .ttl = LONG}};
	weft_result r;
	weft_chan c;

	CHECK_EQ(ask(&s), 1);
	CHECK_EQ(weft_chan_init(&c, sizeof r, 1), 0);
	weft_flight_do_chan(&s.flight, key(), load, &s, &c);
	CHECK(weft_chan_recv(&c, &r));
	CHECK(r.kept);
	CHECK_EQ(*(int *)r.value, 1);
	weft_result_release(&r);
	weft_chan_fini(&c);
	end(&s);
}

/* ---- all at once ---- */

static void use_at_random(void *arg)
{
	scene *s = arg;

	for (int i = 0; i < 400; i++) {
		uint64_t n = test_random();
		weft_key k = weft_key_u64(n / 16 % 40);
		weft_result r;

		switch (n % 16) {
		case 0:
			weft_flight_forget(&s->flight, k);
			continue;
		case 1:
			weft__flight_shift_clock(WEFT_MS(5));
			break;
		case 2:
			weft_yield();
			break;
		}
		if (n % 2)
			r = weft_flight_do(&s->flight, k, load, s);
		else
			r = weft_flight_do_ctx_copy(&s->flight, NULL, k,
						    load_copy, &s, sizeof s);
		CHECK_EQ(r.err, 0);
		CHECK(*(int *)r.value > 0);
		if (n % 5 == 0)
			weft_yield();
		weft_result_release(&r);
	}
}

TEST_FLAVOURS(flight_drops_every_kept_value_once)
{
	scene s = {.flight = {.drop = drop, .ttl = WEFT_MS(20), .early = 1,
			      .stale = WEFT_MS(20), .max_entries = 20},
		   .took = WEFT_MS(1)};

	for (int i = 0; i < CROWD; i++)
		test_start(use_at_random, &s);
	test_join_all();
	CHECK(counters(&s).entries <= 20);
	end(&s);
}

/* ---- every ending, every way to ask, every way to leave ---- */

static void drop_or_exit(void *value)
{
	drop(value);
	if (test_random() % 4 == 0)
		weft_exit();
}

static int end_at_random(weft_ctx *ctx, void *arg, void **value)
{
	scene *s = *(scene **)arg;
	uint64_t n = test_random();

	weft_atomic_add(&s->runs, 1, relaxed);
	if (n % 4 != 0) {
		weft_atomic_add(&live, 1, relaxed);
		*value = malloc(sizeof(int));
	}
	if (n / 4 % 4 == 0)
		weft_yield();
	if (n / 16 % 4 == 0)
		weft_sleep(ctx, WEFT_US(200));
	switch (n / 64 % 8) {
	case 0:
		weft_panic("at random");
	case 1:
		weft_exit();
	case 2:
		return -EIO;
	default:
		return 0;
	}
}

typedef struct {
	scene *scene;
	weft_key key;
	weft_ctx *ctx;
	uint64_t how;
} request;

static void release(weft_result *r)
{
	if (test_random() % 4 == 0)
		weft_yield();
	weft_result_release(r);
}

static void ask_at_random(void *arg)
{
	request *q = arg;
	weft_flight *f = &q->scene->flight;
	weft_result r = {.err = 0};
	weft_chan c;

	switch (q->how % 4) {
	case 0:
		r = weft_flight_do(f, q->key, end_at_random, &q->scene);
		break;
	case 1:
		r = weft_flight_do_ctx_copy(f, q->ctx, q->key, end_at_random,
					    &q->scene, sizeof q->scene);
		break;
	case 2:
		CHECK_EQ(weft_chan_init(&c, sizeof r, q->how / 4 % 2), 0);
		weft_flight_do_chan(f, q->key, end_at_random, &q->scene, &c);
		CHECK(weft_chan_recv(&c, &r));
		weft_chan_fini(&c);
		break;
	case 3:
		CHECK(weft_flight_forget_unshared(f, q->key) || true);
		if (q->how / 4 % 4 == 0)
			weft_flight_forget(f, q->key);
		weft__flight_shift_clock(WEFT_MS(3));
	}
	release(&r);	/* an exit of drop's is ours */
}

static void ask_often(void *s)
{
	weft_ctx ctx;

	for (int i = 0; i < 300 / test_slowdown(); i++) {
		request q = {.scene = s,
			     .key = weft_key_u64(test_random() % 6),
			     .how = test_random()};

		weft_ctx_init_timeout(&ctx, NULL,
				      WEFT_US(test_random() % 400));
		q.ctx = q.how / 64 % 2 ? &ctx : NULL;
		weft_try(ask_at_random, &q, NULL);
		weft_ctx_fini(&ctx);
	}
}

TEST_FLAVOURS(flight_drops_every_value_once_whatever_happens)
{
	scene s = {.flight = {.drop = drop_or_exit, .ttl = WEFT_MS(20),
			      .error_ttl = WEFT_MS(5), .early = 1,
			      .stale = WEFT_MS(10), .max_entries = 4}};
	weft_flight_counters c;

	for (int i = 0; i < CROWD; i++)
		test_start(ask_often, &s);
	test_join_all();
	weft_flight_count(&s.flight, &c);
	weft_flight_fini(&s.flight);
	CHECK_EQ(live, 0);
	CHECK_EQ(s.runs, c.led);
}
