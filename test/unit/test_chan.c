/* SPDX-License-Identifier: MIT */
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/ctx.h>

#include <string.h>

enum { CROWD = 8 };

static void make(weft_chan *c, size_t elem_size, size_t capacity)
{
	CHECK_EQ(weft_chan_init(c, elem_size, capacity), 0);
}

/* One operation of somebody else: with what, and how it went. */
typedef struct {
	weft_chan *chan;
	weft_ctx *ctx;
	int value;
	int result;
	bool ended;
} party;

static void send(void *arg)
{
	party *p = arg;

	p->result = weft_chan_send_ctx(p->chan, p->ctx, &p->value);
	weft_atomic_store(&p->ended, true, release);
}

static void receive(void *arg)
{
	party *p = arg;

	p->result = weft_chan_recv_ctx(p->chan, p->ctx, &p->value);
	weft_atomic_store(&p->ended, true, release);
}

/* Start fn(p) and wait until it is the count-th in the queue. */
static void start_queued(weft_fn fn, party *p, size_t count)
{
	test_start(fn, p);
	test_until(chan_queued(p->chan) == count);
}

/* ---- one alone ---- */

TEST(chan_keeps_as_many_values_as_it_has_room_for)
{
	weft_chan c;
	int v;

	make(&c, sizeof v, 3);
	CHECK_EQ(weft_chan_cap(&c), 3);
	for (int round = 0; round < 5; round++) {
		for (v = 1; v <= 3; v++)
			CHECK(weft_chan_try_send(&c, &v));
		CHECK(!weft_chan_try_send(&c, &v));
		CHECK_EQ(weft_chan_len(&c), 3);
		CHECK(weft_chan_recv(&c, &v));
		CHECK_EQ(v, 1);
		v = 4;
		weft_chan_send(&c, &v);
		for (int want = 2; want <= 4; want++) {
			CHECK(weft_chan_try_recv(&c, &v));
			CHECK_EQ(v, want);
		}
		v = 99;
		CHECK(!weft_chan_try_recv(&c, &v));
		CHECK_EQ(v, 99);
		CHECK_EQ(weft_chan_len(&c), 0);
	}
	weft_chan_fini(&c);
}

TEST(chan_moves_elements_of_any_size)
{
	static const size_t sizes[] = {1, 3, 8, 16, 1000};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned char in[1001], out[1001];
		weft_chan c;

		make(&c, sizes[i], 2);
		for (int j = 0; j < 7; j++) {
			memset(in, 17 * j + 1, sizeof in);
			memset(out, 0xee, sizeof out);
			weft_chan_send(&c, in);
			CHECK(weft_chan_recv(&c, out));
			CHECK_EQ(memcmp(in, out, sizes[i]), 0);
			CHECK_EQ(out[sizes[i]], 0xee);
		}
		weft_chan_fini(&c);
	}
}

TEST(chan_of_elements_without_a_size_needs_no_memory)
{
	weft_chan c;

	make(&c, 0, SIZE_MAX);
	CHECK(c.priv_buffer == NULL);
	for (int i = 0; i < 1000; i++)
		weft_chan_send(&c, NULL);
	CHECK_EQ(weft_chan_len(&c), 1000);
	CHECK(weft_chan_recv(&c, NULL));
	weft_chan_fini(&c);
	make(&c, 8, 0);
	CHECK(c.priv_buffer == NULL);
}

TEST(chan_that_is_too_large_for_the_memory_is_refused)
{
	weft_chan c;

	CHECK_EQ(weft_chan_init(&c, 1, PTRDIFF_MAX), -ENOMEM);
}

TEST(chan_closed_gives_what_is_left_then_zeros)
{
	weft_chan c;
	int v = 7;

	make(&c, sizeof v, 2);
	weft_chan_send(&c, &v);
	weft_chan_close(&c);
	v = 1;
	CHECK(weft_chan_recv(&c, &v));
	CHECK_EQ(v, 7);
	CHECK(!weft_chan_recv(&c, &v));
	CHECK_EQ(v, 0);
	v = 1;
	CHECK(!weft_chan_try_recv(&c, &v));
	CHECK_EQ(v, 0);
	CHECK_EQ(weft_chan_recv_ctx(&c, NULL, NULL), -EPIPE);
	weft_chan_fini(&c);
}

TEST(chan_null_never_goes_ahead)
{
	weft_ctx ctx;
	int v = 1;

	CHECK(!weft_chan_try_send(NULL, &v));
	CHECK(!weft_chan_try_recv(NULL, &v));
	CHECK_EQ(v, 1);
	CHECK_EQ(weft_chan_len(NULL) + weft_chan_cap(NULL), 0);
	weft_chan_fini(NULL);
	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(1));
	CHECK_EQ(weft_chan_send_ctx(NULL, &ctx, &v), -ETIMEDOUT);
	CHECK_EQ(weft_chan_recv_ctx(NULL, &ctx, &v), -ETIMEDOUT);
	weft_ctx_fini(&ctx);
}

/* ---- two ---- */

TEST_FLAVOURS(chan_without_room_hands_over)
{
	weft_chan c;
	party sender = {.chan = &c, .value = 5};
	party receiver = {.chan = &c};
	int v = 6;

	make(&c, sizeof v, 0);
	CHECK(!weft_chan_try_send(&c, &v));
	start_queued(send, &sender, 1);
	CHECK(!weft_chan_try_send(&c, &v));
	CHECK(!weft_atomic_load(&sender.ended, acquire));
	CHECK(weft_chan_recv(&c, &v));
	CHECK_EQ(v, 5);
	start_queued(receive, &receiver, 1);
	v = 6;
	CHECK(!weft_chan_try_recv(&c, &v));
	CHECK(weft_chan_try_send(&c, &v));
	test_join_all();
	CHECK_EQ(receiver.value, 6);
	CHECK_EQ(sender.result + receiver.result, 0);
	CHECK_EQ(weft_chan_len(&c), 0);
}

TEST_FLAVOURS(chan_of_zero_bytes_is_a_place_to_meet)
{
	static weft_chan c;
	party receiver = {.chan = &c, .value = 3};

	start_queued(receive, &receiver, 1);
	weft_chan_send(&c, NULL);
	test_join_all();
	CHECK_EQ(receiver.result, 0);
	CHECK_EQ(receiver.value, 3);
}

TEST_FLAVOURS(chan_receivers_are_served_in_order_of_arrival)
{
	weft_chan c;
	party p[CROWD];

	make(&c, sizeof(int), 2);
	for (size_t i = 0; i < CROWD; i++) {
		p[i] = (party){.chan = &c};
		start_queued(receive, &p[i], i + 1);
	}
	for (int v = 0; v < CROWD; v++)
		weft_chan_send(&c, &v);
	test_join_all();
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(p[i].value, i);
	weft_chan_fini(&c);
}

/* A full one with a line before it: nobody gets in past the line. */
TEST_FLAVOURS(chan_queued_sender_is_never_overtaken)
{
	weft_chan c;
	party p[CROWD];
	int v = 0, intruder = 1000;

	make(&c, sizeof v, 2);
	CHECK(weft_chan_try_send(&c, &v));
	v = 1;
	CHECK(weft_chan_try_send(&c, &v));
	for (int i = 0; i < CROWD; i++) {
		p[i] = (party){.chan = &c, .value = i + 2};
		start_queued(send, &p[i], (size_t)i + 1);
	}
	for (int want = 0; want < CROWD + 2; want++) {
		CHECK(weft_chan_recv(&c, &v));
		CHECK_EQ(v, want);
		if (want < CROWD) {
			CHECK_EQ(weft_chan_len(&c), 2);
			CHECK(!weft_chan_try_send(&c, &intruder));
		}
	}
	test_join_all();
	CHECK(weft_chan_try_send(&c, &intruder));
	weft_chan_fini(&c);
}

TEST_FLAVOURS(chan_close_wakes_all_receivers)
{
	weft_chan c;
	party p[CROWD];

	make(&c, sizeof(int), 0);
	for (size_t i = 0; i < CROWD; i++) {
		p[i] = (party){.chan = &c, .value = 1};
		start_queued(receive, &p[i], i + 1);
	}
	weft_chan_close(&c);
	test_join_all();
	for (int i = 0; i < CROWD; i++) {
		CHECK_EQ(p[i].result, -EPIPE);
		CHECK_EQ(p[i].value, 0);
	}
}

/* ---- many ---- */

static struct {
	weft_chan chan;
	int each;
	int senders;
	uint64_t sent, received;
} flow;

typedef struct {
	int sender, number;
} parcel;

static void send_many(void *arg)
{
	parcel p = {.sender = (int)(intptr_t)arg};
	uint64_t sum = 0;

	for (p.number = 0; p.number < flow.each; p.number++) {
		weft_chan_send(&flow.chan, &p);
		sum += (uint64_t)(p.sender * flow.each + p.number);
	}
	weft_atomic_add(&flow.sent, sum, relaxed);
	if (weft_atomic_sub(&flow.senders, 1, acq_rel) == 1)
		weft_chan_close(&flow.chan);
}

/* What one receiver gets of one sender comes in order. */
static void receive_many(void *arg)
{
	int last[CROWD];
	uint64_t sum = 0;
	parcel p;

	(void)arg;
	memset(last, -1, sizeof last);
	while (weft_chan_recv(&flow.chan, &p)) {
		CHECK_LT(last[p.sender], p.number);
		last[p.sender] = p.number;
		sum += (uint64_t)(p.sender * flow.each + p.number);
	}
	weft_atomic_add(&flow.received, sum, relaxed);
}

static void run_flow(size_t capacity)
{
	make(&flow.chan, sizeof(parcel), capacity);
	flow.each = 3000 / test_slowdown();
	flow.senders = CROWD;
	for (intptr_t i = 0; i < CROWD; i++) {
		test_start(send_many, (void *)i);
		test_start(receive_many, NULL);
	}
	test_join_all();
	CHECK_EQ(flow.sent, flow.received);
	CHECK_EQ(chan_queued(&flow.chan), 0);
	weft_chan_fini(&flow.chan);
}

TEST_FLAVOURS(chan_without_room_loses_and_doubles_nothing)
{
	run_flow(0);
}

TEST_FLAVOURS(chan_with_room_loses_and_doubles_nothing)
{
	run_flow(5);
}

/* ---- with a context ---- */

TEST_FLAVOURS(chan_send_ctx_and_recv_ctx_give_up_when_cancelled)
{
	weft_chan c;
	weft_ctx ctx = {0};
	party sender = {.chan = &c, .ctx = &ctx, .value = 5};
	party receiver = {.chan = &c, .ctx = &ctx, .value = 6};
	int v;

	make(&c, sizeof v, 0);
	start_queued(send, &sender, 1);
	weft_ctx_cancel(&ctx, 0);
	test_until(weft_atomic_load(&sender.ended, acquire));
	CHECK_EQ(sender.result, -ECANCELED);
	CHECK(!weft_chan_try_recv(&c, &v));
	CHECK_EQ(weft_chan_recv_ctx(&c, &ctx, &v), -ECANCELED);
	weft_ctx_fini(&ctx);
	ctx.priv_err = 0;
	start_queued(receive, &receiver, 1);
	weft_ctx_cancel(&ctx, 0);
	test_join_all();
	CHECK_EQ(receiver.result, -ECANCELED);
	CHECK_EQ(receiver.value, 6);
	CHECK(!weft_chan_try_send(&c, &v));
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(chan_what_can_go_ahead_does_whatever_the_context_says)
{
	weft_chan c;
	weft_ctx ctx;
	int v = 3;

	make(&c, sizeof v, 1);
	weft_ctx_init_timeout(&ctx, NULL, 0);
	CHECK_EQ(weft_chan_send_ctx(&c, &ctx, &v), 0);
	CHECK_EQ(weft_chan_send_ctx(&c, &ctx, &v), -ETIMEDOUT);
	CHECK_EQ(weft_chan_recv_ctx(&c, &ctx, &v), 0);
	CHECK_EQ(weft_chan_recv_ctx(&c, &ctx, &v), -ETIMEDOUT);
	weft_chan_close(&c);
	CHECK_EQ(weft_chan_recv_ctx(&c, &ctx, &v), -EPIPE);
	weft_ctx_fini(&ctx);
	weft_chan_fini(&c);
}

TEST_FLAVOURS(chan_sender_that_leaves_lets_those_behind_it_move_up)
{
	weft_chan c;
	weft_ctx ctx = {0};
	party leaver = {.chan = &c, .ctx = &ctx, .value = 1};
	party other = {.chan = &c, .value = 2};
	int v = 0;

	make(&c, sizeof v, 1);
	weft_chan_send(&c, &v);
	start_queued(send, &leaver, 1);
	start_queued(send, &other, 2);
	weft_ctx_cancel(&ctx, 0);
	test_until(chan_queued(&c) == 1);
	CHECK(weft_chan_recv(&c, &v) && v == 0);
	CHECK(weft_chan_recv(&c, &v) && v == 2);
	CHECK(!weft_chan_try_recv(&c, &v));
	test_join_all();
	CHECK_EQ(leaver.result, -ECANCELED);
	weft_ctx_fini(&ctx);
	weft_chan_fini(&c);
}

/*
 * Somebody has unlinked a waiter, and is about to fail in claiming it: the
 * waiter is there as long as he has the lock (H5). The moment is forced.
 */
TEST_FLAVOURS(chan_leaver_stays_while_another_may_look_at_it)
{
	weft_chan c;
	weft_ctx ctx = {0};
	party leaver = {.chan = &c, .ctx = &ctx};
	weft__link *link;

	make(&c, sizeof(int), 0);
	start_queued(receive, &leaver, 1);
	weft__chan_lock(&c);
	link = weft__list_pop(&c.priv_receivers);
	CHECK(link != NULL);
	weft_ctx_cancel(&ctx, 0);
	test_until(weft_atomic_load(&c.priv_lock, relaxed) == 2 ||
		   weft_atomic_load(&leaver.ended, acquire));
	CHECK(!weft_atomic_load(&leaver.ended, acquire));
	weft__chan_unlock(&c);
	test_join_all();
	CHECK_EQ(leaver.result, -ECANCELED);
	weft_ctx_fini(&ctx);
}

/*
 * A receiver that is claimed while it still runs, here while it waits for the
 * lock of its context, does not return before it has its value (H3) …
 */
TEST_FLAVOURS(chan_receiver_claimed_while_it_runs_waits_for_the_value)
{
	weft_chan c;
	weft_ctx ctx = {0};
	party receiver = {.chan = &c, .ctx = &ctx};
	weft__wakeups wakeups = {0};
	weft__chan_waiter *w;
	weft_case *op;

	make(&c, sizeof(int), 0);
	weft__ctx_lock(&ctx);
	start_queued(receive, &receiver, 1);
	weft__chan_lock(&c);
	op = weft__container(weft__list_pop(&c.priv_receivers), weft_case,
			     priv_link);
	w = op->priv_waiter;
	CHECK(weft__claim(&w->wake, WEFT__MOVED, &wakeups));
	CHECK(wakeups.first == NULL);
	weft__chan_unlock(&c);
	weft__ctx_unlock(&ctx);
	test_until(weft_atomic_load(&receiver.ended, acquire) ||
		   weft_atomic_load(&w->settled.state, acquire) != WEFT__WAITING);
	CHECK(!weft_atomic_load(&receiver.ended, acquire));
	*(int *)op->priv_to = 5;
	op->ok = op->priv_fired = true;
	CHECK(weft__claim(&w->settled, WEFT__NOTIFIED, &wakeups));
	weft__wake(&wakeups);
	test_join_all();
	CHECK_EQ(receiver.result, 0);
	CHECK_EQ(receiver.value, 5);
	weft_ctx_fini(&ctx);
}

/* … and does not touch the channel any more (H4). */
TEST_FLAVOURS(chan_receiver_claimed_while_it_runs_leaves_the_channel_alone)
{
	for (int i = 0; i < grave_rounds() / 10; i++) {
		weft_chan *c = grave_open();
		weft_ctx ctx = {0};
		party receiver = {.chan = c, .ctx = &ctx};
		int v = 5;

		make(c, sizeof v, 0);
		weft__ctx_lock(&ctx);
		start_queued(receive, &receiver, 1);
		weft_chan_send(c, &v);
		grave_close(c);
		weft__ctx_unlock(&ctx);
		test_join_all();
		CHECK_EQ(receiver.result, 0);
		CHECK_EQ(receiver.value, 5);
		weft_ctx_fini(&ctx);
	}
}

/* What was sent, and no more, is received, whoever was cancelled when. */
static struct {
	weft_chan chan;
	weft_ctx ctx;
	uint64_t sent, received;
} race;

static void send_or_leave(void *arg)
{
	int v = (int)(intptr_t)arg;

	if (weft_chan_send_ctx(&race.chan, &race.ctx, &v) == 0)
		weft_atomic_add(&race.sent, (uint64_t)v, relaxed);
}

static void receive_or_leave(void *arg)
{
	int v = -1, err = weft_chan_recv_ctx(&race.chan, &race.ctx, &v);

	(void)arg;
	if (err == 0)
		weft_atomic_add(&race.received, (uint64_t)v, relaxed);
	else
		CHECK_EQ(v, -1);
}

static void cancel_race(void *arg)
{
	(void)arg;
	weft_ctx_cancel(&race.ctx, 0);
}

TEST_FLAVOURS(chan_cancel_races_with_the_other_side)
{
	for (int i = 0; i < 1000 / test_slowdown(); i++) {
		int v;

		make(&race.chan, sizeof v, (size_t)(i % 2));
		weft_ctx_init(&race.ctx, NULL);
		race.sent = race.received = 0;
		for (intptr_t j = 0; j < 2; j++) {
			test_start(send_or_leave, (void *)(1 + 100 * j));
			test_start(receive_or_leave, NULL);
		}
		test_start(cancel_race, NULL);
		test_join_all();
		while (weft_chan_try_recv(&race.chan, &v))
			race.received += (uint64_t)v;
		CHECK_EQ(race.sent, race.received);
		CHECK_EQ(chan_queued(&race.chan), 0);
		weft_ctx_fini(&race.ctx);
		weft_chan_fini(&race.chan);
	}
}

/* ---- ends: whoever has seen the other's effect takes the memory away ---- */

static void receive_and_bury(void *arg)
{
	weft_chan *c = arg;

	(void)weft_chan_recv(c, NULL);
	grave_close(c);
}

static void send_and_bury(void *arg)
{
	weft_chan *c = arg;

	weft_chan_send(c, NULL);
	grave_close(c);
}

static void sometimes_wait_for_queued(weft_chan *c, int round)
{
	if (round % 4 == 0)
		test_until(chan_queued(c) == 1);
	else if (round % 4 == 1)
		weft_yield();
}

TEST_FLAVOURS(chan_may_end_while_the_send_of_its_last_value_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_chan *c = grave_open();

		make(c, 0, (size_t)(i / 4 % 2));
		test_start(receive_and_bury, c);
		sometimes_wait_for_queued(c, i);
		if (i % 4 != 0)
			weft_chan_send(c, NULL);
		else
			CHECK(weft_chan_try_send(c, NULL));
		test_join_all();
	}
}

TEST_FLAVOURS(chan_may_end_while_the_receive_of_its_last_value_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_chan *c = grave_open();

		test_start(send_and_bury, c);
		sometimes_wait_for_queued(c, i);
		CHECK(weft_chan_recv(c, NULL));
		test_join_all();
	}
}

TEST_FLAVOURS(chan_may_end_while_its_close_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_chan *c = grave_open();

		test_start(receive_and_bury, c);
		sometimes_wait_for_queued(c, i);
		weft_chan_close(c);
		test_join_all();
	}
}
