/* SPDX-License-Identifier: MIT */
/* Flights without memory. */
#include "door.h"
#include "fault.h"

#include "gate.h"

#include <weft/flight.h>

#include <errno.h>
#include <stdlib.h>

static uint32_t calls, drops;

static void drop(void *value)
{
	CHECK_EQ(*(int *)value, 5);
	*(int *)value = 0;
	weft_atomic_add(&drops, 1, release);
}

static weft_flight flight = {.drop = drop};
static int values[2000];

static int make(weft_ctx *ctx, void *arg, void **value)
{
	int *v = &values[weft_atomic_add(&calls, 1, relaxed)];

	(void)ctx;
	(void)arg;
	*v = 5;
	*value = v;
	return 0;
}

/* A value and no error, or -ENOMEM, no value and no call. */
static void check_result(weft_result r, bool failed)
{
	if (r.err == 0) {
		CHECK_EQ(*(int *)r.value, 5);
	} else {
		CHECK_EQ(r.err, -ENOMEM);
		CHECK(failed);
		CHECK(r.value == NULL);
		CHECK(!r.shared);
	}
	weft_result_release(&r);
}

/* Blocks of calls that wait for the next ones. */
static long kept(void)
{
	size_t count;

	weft__lock_take(&weft__blocks.lock);
	count = weft__blocks.young_count + weft__blocks.old_count;
	weft__lock_drop(&weft__blocks.lock);
	return (long)count;
}

static void finish(void)
{
	for (int i = 0; i < 100; i++)
		check_result(weft_flight_do(&flight, weft_key_u64((uint64_t)i),
					    make, NULL),
			     false);
	weft_flight_fini(&flight);
	test_until(weft_task_count() == 0);
	CHECK_EQ(weft_atomic_load(&drops, acquire),
		 weft_atomic_load(&calls, relaxed));
	test_until(fault_blocks() == kept());
}

static void do_plain(void)
{
	weft_result r;
	bool failed;

	fault_begin();
	r = weft_flight_do(&flight, weft_key_str("key"), make, NULL);
	failed = fault_end();
	CHECK_EQ(calls, r.err == 0);
	check_result(r, failed);
	finish();
}

TEST(flight_do_without_memory_returns_enomem_and_calls_nothing)
{
	fault_each(do_plain);
}

static void do_ctx(void)
{
	weft_result r;
	bool failed;

	fault_begin();
	r = weft_flight_do_ctx(&flight, NULL, weft_key_str("key"), make, NULL);
	failed = fault_end();
	CHECK_EQ(calls, r.err == 0);
	check_result(r, failed);
	finish();
}

TEST(flight_do_ctx_without_memory_returns_enomem_and_calls_nothing)
{
	fault_each(do_ctx);
}

static int make_from_copy(weft_ctx *ctx, void *arg, void **value)
{
	CHECK_EQ(*(int *)arg, 23);
	return make(ctx, arg, value);
}

static void do_ctx_copy(void)
{
	int arg = 23;
	weft_result r;
	bool failed;

	fault_begin();
	r = weft_flight_do_ctx_copy(&flight, NULL, weft_key_str("key"),
				    make_from_copy, &arg, sizeof arg);
	failed = fault_end();
	CHECK_EQ(calls, r.err == 0);
	check_result(r, failed);
	finish();
}

TEST(flight_do_ctx_copy_without_memory_returns_enomem_and_keeps_no_block)
{
	fault_each(do_ctx_copy);
}

/* Many keys at once: the table has to grow, or do without. */
enum { KEYS = 100 };
static uint32_t waiting;
static gate all_are_there;

static int make_when_all_are_there(weft_ctx *ctx, void *arg, void **value)
{
	gate_wait(&all_are_there);
	return make(ctx, arg, value);
}

static void arrive(void)
{
	if (weft_atomic_add(&waiting, 1, acq_rel) + 1 == KEYS)
		gate_open(&all_are_there);
}

static void ask(void *arg)
{
	uint64_t n = (uintptr_t)arg;
	weft_result r;

	arrive();
	r = weft_flight_do(&flight, weft_key_u64(n), make_when_all_are_there,
			   NULL);
	check_result(r, true);
}

static void do_many(void)
{
	int first = 0;

	check_result(weft_flight_do(&flight, weft_key_str("first"), make,
				    &first),
		     false);
	fault_begin();
	for (uintptr_t i = 0; i < KEYS; i++)
		while (weft_go(ask, (void *)i) != 0)
			fault_end();
	test_until(weft_task_count() == 0);
	fault_end();
	finish();
}

TEST(flight_of_many_keys_survives_a_failure)
{
	fault_each_single(do_many);
}

/* Callers of one key, some of which may be told that there is no memory. */
static void ask_for_one_key(void *arg)
{
	weft_result r;

	arrive();
	r = weft_flight_do_ctx(&flight, NULL, weft_key_str("hot"),
			       make_when_all_are_there, arg);
	check_result(r, true);
}

static void do_shared(void)
{
	fault_begin();
	for (int i = 0; i < KEYS; i++)
		while (weft_go(ask_for_one_key, NULL) != 0)
			fault_end();
	test_until(weft_task_count() == 0);
	fault_end();
	finish();
}

TEST(flight_that_is_shared_survives_a_failure)
{
	fault_each_single(do_shared);
}

/* ---- what is kept ---- */

static int give_number(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	return 0;
}

static void keep_scenario(void)
{
	weft_flight f = {.ttl = WEFT_SECOND, .stale = 100 * WEFT_SECOND};
	static int old, new;
	weft_result r = weft_flight_do(&f, weft_key_u64(1), give_number, &old);

	CHECK_EQ(r.err, 0);
	weft__flight_shift_clock(2 * WEFT_SECOND);
	fault_begin();
	r = weft_flight_do(&f, weft_key_u64(1), give_number, &new);
	if (!fault_end())
		CHECK(r.value == &new);
	CHECK_EQ(r.err, 0);
	CHECK(r.value == (r.kept ? &old : &new));
	r = weft_flight_do(&f, weft_key_u64(1), give_number, &new);
	CHECK(r.value == &new);
	weft_flight_fini(&f);
}

TEST(flight_gives_a_stale_value_where_there_is_no_memory_to_refresh_it)
{
	fault_each(keep_scenario);
}

static weft_flight forgotten = {.ttl = WEFT_SECOND, .stale = 100 * WEFT_SECOND};

static void forget(void)
{
	weft_flight_forget(&forgotten, weft_key_u64(1));
}

/* Who is to refresh it finds nothing any more, and no memory either. */
static void forget_scenario(void)
{
	static int old, new;
	weft_result r = weft_flight_do(&forgotten, weft_key_u64(1), give_number,
				       &old);

	CHECK_EQ(r.err, 0);
	weft__flight_shift_clock(2 * WEFT_SECOND);
	fault_on_failure = forget;
	fault_begin();
	r = weft_flight_do(&forgotten, weft_key_u64(1), give_number, &new);
	fault_on_failure = NULL;
	if (!fault_end())
		CHECK(r.value == &new);
	else
		CHECK(r.err == -ENOMEM || r.value == &new);
	weft_flight_fini(&forgotten);
}

TEST(flight_whose_stale_value_goes_while_there_is_no_memory_returns_enomem)
{
	fault_each(forget_scenario);
}
