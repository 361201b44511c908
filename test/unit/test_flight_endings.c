/* SPDX-License-Identifier: MIT */
/* Flights whose function panics, exits or asks for its own key; channels. */
#include "queue.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/ctx.h>
#include <weft/flight.h>
#include <weft/panic.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { CROWD = 8 };
enum how { RETURN, PANIC, EXIT };

typedef struct {
	enum how how;
	weft_flight flight;
	bool running, go;
	int runs, returns, panics, exits, drops, thing;
} scene;

static weft_key key(void)
{
	return weft_key_str("key");
}

static int end(weft_ctx *ctx, void *arg, void **value)
{
	scene *s = arg;

	(void)ctx;
	weft_atomic_add(&s->runs, 1, relaxed);
	*value = &s->drops;
	weft_atomic_store(&s->running, true, release);
	test_until(weft_atomic_load(&s->go, acquire));
	if (s->how == PANIC)
		weft_panic_value(&s->thing);
	if (s->how == EXIT)
		weft_exit();
	return -EIO;
}

static void drop(void *drops)
{
	weft_atomic_add((int *)drops, 1, relaxed);
}

static void check_result(scene *s, weft_result *r)
{
	CHECK_EQ(r->err, -EIO);
	CHECK_EQ(r->outcome, WEFT_RETURNED);
	CHECK(r->value == &s->drops);
	weft_result_release(r);
}

static void call_do(void *arg)
{
	scene *s = arg;
	weft_result r = weft_flight_do(&s->flight, key(), end, s);

	check_result(s, &r);
}

static void call_do_ctx(void *arg)
{
	scene *s = arg;
	weft_result r = weft_flight_do_ctx(&s->flight, NULL, key(), end, s);

	check_result(s, &r);
}

static void count(scene *s, weft_fn call)
{
	weft_panic_info info;

	switch (weft_try(call, s, &info)) {
	case WEFT_RETURNED:
		weft_atomic_add(&s->returns, 1, relaxed);
		break;
	case WEFT_PANICKED:
		CHECK(info.value == &s->thing);
		weft_atomic_add(&s->panics, 1, relaxed);
		break;
	case WEFT_EXITED:
		weft_atomic_add(&s->exits, 1, relaxed);
	}
}

static void count_do(void *s)
{
	count(s, call_do);
}

static void count_do_ctx(void *s)
{
	count(s, call_do_ctx);
}

static size_t waiting(scene *s)
{
	return queue_length(weft__flight_address(&s->flight, key()));
}

static void play(scene *s, weft_fn leader, weft_fn other)
{
	int waiters = leader == count_do_ctx ? CROWD + 1 : CROWD;

	if (s->flight.drop == NULL)
		s->flight.drop = drop;
	test_start(leader, s);
	test_until(weft_atomic_load(&s->running, acquire));
	for (int i = 0; i < CROWD; i++)
		test_start(other, s);
	test_until(waiting(s) == (size_t)waiters);
	weft_atomic_store(&s->go, true, release);
	test_join_all();
	CHECK_EQ(s->runs, 1);
	CHECK_EQ(s->drops, 1);
	CHECK_EQ(s->returns + s->panics + s->exits, CROWD + 1);
	CHECK_EQ(s->panics, s->how == PANIC ? CROWD + 1 : 0);
	CHECK_EQ(s->exits, s->how == EXIT ? CROWD + 1 : 0);
}

/* The key is free again, and the flight works. */
static void play_on(scene *s)
{
	s->how = RETURN;
	call_do(s);
	CHECK_EQ(s->runs, 2);
	CHECK_EQ(s->drops, 2);
	weft_flight_fini(&s->flight);
}

TEST_FLAVOURS(flight_do_ends_for_all_as_its_function_did)
{
	for (int how = RETURN; how <= EXIT; how++) {
		scene s = {.how = how};

		play(&s, count_do, count_do);
		play_on(&s);
	}
}

TEST_FLAVOURS(flight_do_ctx_ends_for_all_as_its_function_did)
{
	for (int how = RETURN; how <= EXIT; how++) {
		scene s = {.how = how};

		play(&s, count_do_ctx, count_do_ctx);
		play_on(&s);
	}
}

TEST_FLAVOURS(flight_ends_alike_whoever_leads)
{
	for (int how = RETURN; how <= EXIT; how++) {
		scene s = {.how = how}, t = {.how = how};

		play(&s, count_do, count_do_ctx);
		play_on(&s);
		play(&t, count_do_ctx, count_do);
		play_on(&t);
	}
}

static int exit_thread(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)value;
	weft_atomic_store(&((scene *)arg)->running, true, release);
	test_until(waiting(arg) == 1);
	pthread_exit(NULL);
}

static void *lead_and_exit(void *arg)
{
	scene *s = arg;

	weft_flight_do(&s->flight, key(), exit_thread, s);
	return NULL;
}

TEST(flight_whose_leading_thread_calls_pthread_exit_lets_the_others_exit)
{
	scene s = {.go = true};
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, lead_and_exit, &s), 0);
	test_until(weft_atomic_load(&s.running, acquire));
	count_do(&s);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(s.exits, 1);
	CHECK_EQ(s.runs, 0);
	weft_flight_fini(&s.flight);
}

/* ---- channels ---- */

static void ask_by_channel(scene *s, weft_chan *c)
{
	weft_flight_do_chan(&s->flight, key(), end, s, c);
}

static void receive(scene *s, weft_chan *c, int count)
{
	for (int i = 0; i < count; i++) {
		weft_panic_info info;
		weft_result r;

		CHECK(weft_chan_recv(c, &r));
		CHECK_EQ(r.shared, count > 1);
		CHECK_EQ(weft_result_panic(&r, &info), s->how == PANIC);
		switch (s->how) {
		case RETURN:
			check_result(s, &r);
			break;
		case PANIC:
			CHECK_EQ(r.outcome, WEFT_PANICKED);
			CHECK_EQ(r.err, WEFT_ERR_PANICKED);
			CHECK(info.value == &s->thing);
			CHECK(r.value == NULL);
			weft_result_release(&r);
			CHECK(!weft_result_panic(&r, &info));
			break;
		case EXIT:
			CHECK_EQ(r.outcome, WEFT_EXITED);
			CHECK_EQ(r.err, WEFT_ERR_EXITED);
			CHECK(r.value == NULL);
			weft_result_release(&r);
		}
	}
}

static void play_channels(enum how how, size_t room, bool led_by_do)
{
	scene s = {.how = how, .flight.drop = drop};
	weft_chan c;

	CHECK_EQ(weft_chan_init(&c, sizeof(weft_result), room), 0);
	if (led_by_do) {
		test_start(count_do, &s);
		test_until(weft_atomic_load(&s.running, acquire));
	}
	for (int i = 0; i < CROWD; i++)
		ask_by_channel(&s, &c);
	weft_atomic_store(&s.go, true, release);
	receive(&s, &c, CROWD);
	test_join_all();
	CHECK_EQ(s.runs, 1);
	CHECK_EQ(s.drops, 1);
	CHECK_EQ(s.panics + s.exits, led_by_do && how != RETURN ? 1 : 0);
	weft_chan_fini(&c);
	weft_flight_fini(&s.flight);
}

TEST_FLAVOURS(flight_do_chan_delivers_every_ending)
{
	for (int how = RETURN; how <= EXIT; how++)
		play_channels(how, CROWD, false);
}

TEST_FLAVOURS(flight_do_chan_delivers_what_somebody_else_leads)
{
	for (int how = RETURN; how <= EXIT; how++)
		play_channels(how, CROWD, true);
}

TEST_FLAVOURS(flight_do_chan_waits_for_room_in_the_channel)
{
	for (int how = RETURN; how <= EXIT; how++) {
		play_channels(how, 0, false);
		play_channels(how, 3, true);
	}
}

TEST_FLAVOURS(flight_do_chan_alone_is_not_shared)
{
	scene s = {.go = true, .flight.drop = drop};
	weft_chan c;

	CHECK_EQ(weft_chan_init(&c, sizeof(weft_result), 1), 0);
	ask_by_channel(&s, &c);
	receive(&s, &c, 1);
	weft_chan_fini(&c);
	weft_flight_fini(&s.flight);
}

/* Forgotten while it runs: those who asked before get the old result. */
TEST_FLAVOURS(flight_do_chan_keeps_its_call_when_the_key_is_forgotten)
{
	scene old = {.flight.drop = drop}, new = {.go = true};
	weft_chan c, d;
	weft_result r;

	CHECK_EQ(weft_chan_init(&c, sizeof(weft_result), 1), 0);
	CHECK_EQ(weft_chan_init(&d, sizeof(weft_result), 1), 0);
	ask_by_channel(&old, &c);
	weft_flight_forget(&old.flight, key());
	weft_flight_do_chan(&old.flight, key(), end, &new, &d);
	CHECK(weft_chan_recv(&d, &r));
	CHECK(!r.shared);
	CHECK(r.value == &new.drops);
	weft_result_release(&r);
	weft_atomic_store(&old.go, true, release);
	receive(&old, &c, 1);
	CHECK_EQ(old.drops, 1);
	CHECK_EQ(new.drops, 1);
	weft_chan_fini(&c);
	weft_chan_fini(&d);
	weft_flight_fini(&old.flight);
}

/* ---- asking for one's own key ---- */

static int ask_again(weft_ctx *ctx, void *arg, void **value)
{
	weft_flight *f = arg;

	(void)ctx;
	(void)value;
	CHECK_EQ(weft_flight_do_ctx(f, NULL, key(), ask_again, f).err,
		 -EDEADLK);
	return weft_flight_do(f, key(), ask_again, f).err;
}

static int ask_around(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)value;
	return weft_flight_do(arg, key(), ask_again, arg).err;
}

static int ask_other(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)value;
	return weft_flight_do(arg, weft_key_str("other"), ask_around, arg).err;
}

TEST_FLAVOURS(flight_refuses_a_function_that_asks_for_its_own_key)
{
	weft_flight f = {0};

	CHECK_EQ(weft_flight_do(&f, key(), ask_again, &f).err, -EDEADLK);
	CHECK_EQ(weft_flight_do_ctx(&f, NULL, key(), ask_again, &f).err,
		 -EDEADLK);
	CHECK_EQ(weft_flight_do(&f, key(), ask_other, &f).err, -EDEADLK);
	weft_flight_fini(&f);
}

static int ask_by_channel_again(weft_ctx *ctx, void *arg, void **value)
{
	weft_chan c;
	weft_result r;

	(void)ctx;
	(void)value;
	CHECK_EQ(weft_chan_init(&c, sizeof(weft_result), 1), 0);
	weft_flight_do_chan(arg, key(), ask_again, arg, &c);
	CHECK(weft_chan_recv(&c, &r));
	weft_chan_fini(&c);
	CHECK_EQ(r.outcome, WEFT_RETURNED);
	return r.err;
}

TEST_FLAVOURS(flight_do_chan_sends_a_refusal)
{
	weft_flight f = {0};

	CHECK_EQ(weft_flight_do(&f, key(), ask_by_channel_again, &f).err,
		 -EDEADLK);
	weft_flight_fini(&f);
}

static int ask_by_channel_with_ctx(weft_ctx *ctx, void *arg, void **value)
{
	weft_chan c;

	(void)value;
	CHECK_EQ(weft_chan_init(&c, sizeof(weft_result), 0), 0);
	return weft_flight_do_chan_ctx(arg, ctx, key(), ask_again, arg, &c);
}

static int stay(weft_ctx *ctx, void *until, void **value)
{
	(void)ctx;
	*value = until;
	weft_ctx_wait(until);
	return 0;
}

typedef struct {
	weft_ctx caller, until;
} stayer;

static int send_away_and_stay(weft_ctx *ctx, void *arg, void **value)
{
	stayer *s = arg;

	weft_ctx_cancel(&s->caller, 0);
	return stay(ctx, &s->until, value);
}

TEST_FLAVOURS(flight_do_chan_ctx_says_why_nothing_will_come)
{
	weft_flight f = {0};
	weft_ctx soon, done;
	stayer s = {0};
	weft_result r;
	weft_chan c;

	CHECK_EQ(weft_chan_init(&c, sizeof r, 1), 0);
	weft_ctx_init(&done, NULL);
	weft_ctx_cancel(&done, 0);
	CHECK_EQ(weft_flight_do_chan_ctx(&f, &done, key(), stay, &s.until, &c),
		 -ECANCELED);
	CHECK_EQ(weft_flight_do(&f, key(), ask_by_channel_with_ctx, &f).err,
		 -EDEADLK);
	weft_ctx_init(&s.caller, NULL);
	CHECK_EQ(weft_flight_do_ctx(&f, &s.caller, key(), send_away_and_stay, &s)
			 .err,
		 -ECANCELED);
	weft_ctx_fini(&s.caller);
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(1));
	/* Behind that call, which all have left. */
	CHECK_EQ(weft_flight_do_chan_ctx(&f, &soon, key(), stay, &s.until, &c),
		 -ETIMEDOUT);
	CHECK_EQ(weft_chan_len(&c), 0);
	weft_ctx_cancel(&s.until, 0);
	CHECK_EQ(weft_flight_do_chan_ctx(&f, NULL, key(), stay, &s.until, &c), 0);
	CHECK(weft_chan_recv(&c, &r));
	CHECK(r.value == &s.until);
	weft_flight_fini(&f);
	weft_ctx_fini(&soon);
	weft_ctx_fini(&done);
	weft_ctx_fini(&s.until);
	weft_chan_fini(&c);
}

static int nothing(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	return 0;
}

static int forget_and_ask(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)value;
	weft_flight_forget(arg, key());
	return weft_flight_do(arg, key(), nothing, arg).err;
}

TEST_FLAVOURS(flight_function_may_forget_its_key_and_ask_for_it)
{
	weft_flight f = {0};

	CHECK_EQ(weft_flight_do(&f, key(), forget_and_ask, &f).err, 0);
	weft_flight_fini(&f);
}

/* ---- abandoned ---- */

static int panic_when_left(weft_ctx *ctx, void *arg, void **value)
{
	(void)arg;
	(void)value;
	(void)weft_ctx_wait(ctx);
	weft_panic("nobody is there");
}

TEST_FLAVOURS(flight_that_panics_when_all_have_left_can_be_finished)
{
	weft_flight f = {0};
	weft_ctx soon;

	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(1));
	CHECK_EQ(weft_flight_do_ctx(&f, &soon, key(), panic_when_left, NULL).err,
		 -ETIMEDOUT);
	weft_ctx_fini(&soon);
	weft_flight_fini(&f);
}

/* ---- drops that do not return ---- */

static void drop_and_exit(void *drops)
{
	drop(drops);
	weft_exit();
}

TEST_FLAVOURS(flight_ends_as_its_function_did_whatever_its_drop_does)
{
	for (int how = PANIC; how <= EXIT; how++) {
		scene s = {.how = how, .flight.drop = drop_and_exit};

		play(&s, how == PANIC ? count_do : count_do_ctx, count_do);
		weft_flight_fini(&s.flight);
	}
}

typedef struct {
	weft_ctx ctx;	/* of the only caller */
	int *drops;
} only_caller;

static int send_caller_away(weft_ctx *ctx, void *arg, void **value)
{
	only_caller *c = arg;

	*value = c->drops;
	weft_ctx_cancel(&c->ctx, 0);
	return weft_ctx_wait(ctx);
}

TEST_FLAVOURS(flight_that_all_have_left_ends_whatever_its_drop_does)
{
	weft_flight flight = {.drop = drop_and_exit};
	int drops = 0;

	for (int i = 0; i < 3; i++) {
		only_caller c = {.drops = &drops};

		weft_ctx_init(&c.ctx, NULL);
		CHECK_EQ(weft_flight_do_ctx(&flight, &c.ctx, key(),
					    send_caller_away, &c)
				 .err,
			 -ECANCELED);
		weft_ctx_fini(&c.ctx);
	}
	weft_flight_fini(&flight);
	CHECK_EQ(drops, 3);
}

static int store(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	return 0;
}

static void ask_for(weft_flight *flight, uint64_t n, int *drops)
{
	weft_result r = weft_flight_do(flight, weft_key_u64(n), store, drops);

	CHECK_EQ(r.err, 0);
	weft_result_release(&r);
}

TEST_FLAVOURS(flight_lets_go_of_all_it_keeps_whatever_its_drop_does)
{
	weft_flight flight = {
		.drop = drop_and_exit, .ttl = WEFT_SECOND, .max_entries = 4};
	int drops = 0;

	for (uint64_t n = 0; n < 10; n++)
		ask_for(&flight, n, &drops);
	CHECK_EQ(drops, 6);
	weft__flight_shift_clock(WEFT_SECOND);
	ask_for(&flight, 9, &drops);
	CHECK_EQ(drops, 7);
	weft_flight_forget(&flight, weft_key_u64(9));
	CHECK_EQ(drops, 8);
	weft_flight_fini(&flight);
	CHECK_EQ(drops, 11);
}

/* ---- a function that is NULL ---- */

static void ask_for_nothing(void *flight)
{
	weft_flight_do(flight, key(), NULL, NULL);
}

static void ask_for_nothing_in_a_task(void *flight)
{
	weft_flight_do_ctx(flight, NULL, key(), NULL, NULL);
}

TEST_FLAVOURS(flight_of_no_function_panics_and_can_be_asked_again)
{
	weft_flight flight = {0};
	weft_panic_info info;
	weft_result r;
	weft_chan c;

	for (int i = 0; i < 4; i++) {
		CHECK_EQ(weft_try(i % 2 ? ask_for_nothing
					: ask_for_nothing_in_a_task,
				  &flight, &info),
			 WEFT_PANICKED);
		CHECK_EQ(strcmp(info.message, "invalid memory address or nil "
					      "pointer dereference"),
			 0);
	}
	CHECK_EQ(weft_chan_init(&c, sizeof(weft_result), 1), 0);
	weft_flight_do_chan(&flight, key(), NULL, NULL, &c);
	CHECK(weft_chan_recv(&c, &r));
	CHECK_EQ(r.outcome, WEFT_PANICKED);
	weft_result_release(&r);
	weft_chan_fini(&c);
	weft_flight_fini(&flight);
}
