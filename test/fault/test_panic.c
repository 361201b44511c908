/* SPDX-License-Identifier: MIT */
/* Panics when there is no memory: nothing is lost of them. */
#include "fault.h"

#include <weft/flight.h>
#include <weft/group.h>
#include <weft/once.h>
#include <weft/panic.h>

#include <errno.h>
#include <string.h>

static int thing;

static void panic_with_thing(void *unused)
{
	(void)unused;
	weft_panic_value(&thing);
}

static void panic_deeply(void *depth)
{
	weft_panic_info info;
	int n = *(int *)depth - 1;

	if (n > 0) {
		CHECK_EQ(weft_try(panic_deeply, &n, &info), WEFT_PANICKED);
		CHECK_EQ(info.message[0], (char)('0' + n));
	}
	weft_panic("%d deep", n + 1);
}

static void try_scenario(void)
{
	weft_panic_info info;
	int depth = 6;

	fault_begin();
	CHECK_EQ(weft_try(panic_with_thing, NULL, &info), WEFT_PANICKED);
	CHECK_EQ(weft_try(panic_deeply, &depth, NULL), WEFT_PANICKED);
	fault_end();
	CHECK(info.value == &thing);
	CHECK(info.stack[0] != 0);
	CHECK_EQ(fault_blocks(), 0);
}

TEST(panics_need_no_memory)
{
	fault_each(try_scenario);
}

static void call_func(void *f)
{
	weft_once_func_call(f);
}

static void once_scenario(void)
{
	weft_panic_info info;
	weft_once_func f;

	weft_once_func_init(&f, panic_with_thing, NULL);
	fault_begin();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(weft_try(call_func, &f, &info), WEFT_PANICKED);
		CHECK(info.value == &thing);
	}
	fault_end();
	weft_once_func_fini(&f);
	CHECK_EQ(fault_blocks(), 0);
}

TEST(once_func_keeps_its_panic_without_memory)
{
	fault_each(once_scenario);
}

static int panic_in_group(weft_ctx *ctx, void *unused)
{
	(void)ctx;
	panic_with_thing(unused);
	return 0;
}

static void group_scenario(void)
{
	weft_panic_info info;
	weft_group g = {0};
	int err;

	weft_group_set_panic(&g, WEFT_PANIC_ERROR);
	fault_begin();
	for (int i = 0; i < 4; i++)
		weft_group_go(&g, panic_in_group, NULL);
	err = weft_group_wait(&g);
	CHECK(fault_end() || err == WEFT_ERR_PANICKED);
	CHECK(err == WEFT_ERR_PANICKED || err == -ENOMEM);
	if (weft_group_panic(&g, &info))
		CHECK(info.value == &thing);
	weft_group_fini(&g);
}

TEST(group_keeps_a_panic_without_memory)
{
	fault_each(group_scenario);
}

static int give_thing(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	return 0;
}

static void chan_scenario(void)
{
	weft_flight f = {0};
	weft_result r[3];
	weft_chan c;

	CHECK_EQ(weft_chan_init(&c, sizeof(weft_result), 1), 0);
	fault_begin();
	for (int i = 0; i < 3; i++) {
		weft_flight_do_chan(&f, weft_key_u64((uint64_t)i), give_thing,
				    &thing, &c);
		CHECK(weft_chan_recv(&c, &r[i]));
	}
	if (!fault_end())
		CHECK_EQ(r[0].err + r[1].err + r[2].err, 0);
	for (int i = 0; i < 3; i++)
		CHECK(r[i].err == 0 ? r[i].value == &thing
				    : r[i].err == -ENOMEM);
	weft_flight_fini(&f);
	weft_chan_fini(&c);
}

TEST(flight_do_chan_answers_without_memory)
{
	fault_each(chan_scenario);
}
