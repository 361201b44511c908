/* SPDX-License-Identifier: MIT */
/* Fleets without memory, threads or descriptors. */
#include "fault.h"
#include "fleet/place.h"

#include <weft/waitgroup.h>

#include <errno.h>

static uint32_t calls;

static int make(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	char bytes[5000] = {'x'};

	(void)ctx;
	(void)arg;
	weft_atomic_add(&calls, 1, relaxed);
	return weft_fleet_run_add(run, bytes, sizeof bytes);
}

static int get(weft_fleet *f, uint64_t key, weft_fleet_info *info)
{
	weft_fleet_call c = {
		.key = weft_key_u64(key), .fn = make,
		.mode = WEFT_FLEET_CACHE, .keep = WEFT_MINUTE,
	};
	weft_bytes b;
	int err = weft_fleet_do(f, NULL, &c, &b, info);

	CHECK(err != 0 || b.size == 5000);
	weft_bytes_release(&b);
	return err;
}

/* It works now, and nothing is left. */
static void finish(weft_fleet *f)
{
	weft_fleet_counters n;
	weft_fleet_info info;

	for (uint64_t i = 0; i < 3; i++)
		for (int round = 0; round < 2; round++)
			CHECK_EQ(get(f, i, &info), 0);
	CHECK(info.kept);
	weft_fleet_count(f, &n);
	CHECK_EQ(n.running, 0);
	weft_fleet_close(f);
	test_until(fault_blocks() == 0);
}

static void open_it(void)
{
	weft_fleet *f;
	bool failed;
	int err;

	place_make();
	fault_begin();
	err = weft_fleet_open(&f, place, NULL);
	failed = fault_end();
	CHECK(err == 0 || failed);
	CHECK(err == 0 || f == NULL);
	finish(err == 0 ? f : place_open());
}

TEST(fleet_open_without_memory_opens_nothing)
{
	fault_each(open_it);
}

static void call_it(void)
{
	weft_fleet *f = place_open();
	weft_fleet_info info;
	bool failed;
	int err;

	fault_begin();
	err = get(f, 1, &info);
	failed = fault_end();
	CHECK(err == 0 || (failed && err == -ENOMEM));
	CHECK(err == 0 || calls <= 1);
	finish(f);
}

TEST(fleet_do_without_memory_returns_enomem_and_keeps_no_lease)
{
	fault_each(call_it);
}

static void pass_it(void)
{
	weft_fleet *f = place_open();
	weft_fleet_gate g;
	bool failed;
	int err;

	fault_begin();
	err = weft_fleet_gate_init(&g, f, weft_key_str("gate"));
	if (err == 0) {
		err = weft_fleet_gate_lock(&g, NULL, NULL);
		if (err == 0)
			CHECK_EQ(weft_fleet_gate_unlock(&g), 0);
		weft_fleet_gate_fini(&g);
	}
	failed = fault_end();
	CHECK(err == 0 || (failed && err == -ENOMEM));
	finish(f);
}

TEST(fleet_gate_without_memory_lets_nobody_through)
{
	fault_each(pass_it);
}
