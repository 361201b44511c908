/* SPDX-License-Identifier: MIT */
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/ctx.h>

enum { MANY = 40 };

static void make(weft_chan *c, size_t capacity)
{
	CHECK_EQ(weft_chan_init(c, sizeof(int), capacity), 0);
}

/* ---- one alone ---- */

TEST(select_takes_the_case_that_can_go_ahead)
{
	weft_chan full, empty;
	int in = 3, out = 0;

	make(&full, 1);
	make(&empty, 1);
	weft_chan_send(&full, &in);
	for (int i = 0; i < 10; i++) {
		weft_case a[] = {
			WEFT_CASE_SEND(&full, &in),
			WEFT_CASE_RECV(&full, &out),
			WEFT_CASE_RECV(&empty, &out),
		};
		weft_case b[] = {
			WEFT_CASE_RECV(&full, &out),
			WEFT_CASE_SEND(&full, &in),
			WEFT_CASE_DEFAULT,
		};

		CHECK_EQ(weft_select(a, 3), 1);
		CHECK(a[1].ok);
		CHECK_EQ(out, 3);
		CHECK_EQ(weft_select(b, 3), 1);
		CHECK(b[1].ok);
	}
	CHECK_EQ(weft_chan_len(&empty), 0);
	weft_chan_fini(&full);
	weft_chan_fini(&empty);
}

TEST(select_takes_the_default_only_if_no_case_can_go_ahead)
{
	weft_chan c;
	weft_ctx ctx = {0};
	int v = 8;
	weft_case cases[] = {
		WEFT_CASE_DEFAULT,
		WEFT_CASE_RECV(&c, &v),
		WEFT_CASE_RECV(NULL, &v),
		WEFT_CASE_SEND(NULL, &v),
		WEFT_CASE_DONE(&ctx),
		WEFT_CASE_DONE(NULL),
	};

	make(&c, 1);
	CHECK_EQ(weft_select(cases, 6), 0);
	CHECK_EQ(v, 8);
	CHECK_EQ(chan_queued(&c), 0);
	weft_chan_send(&c, &v);
	CHECK_EQ(weft_select(cases, 6), 1);
	CHECK_EQ(weft_select(cases, 6), 0);
	weft_ctx_cancel(&ctx, 0);
	CHECK_EQ(weft_select(cases, 6), 4);
	weft_ctx_fini(&ctx);
	weft_chan_fini(&c);
}

TEST(select_says_when_a_channel_is_closed)
{
	weft_chan c;
	int v = 8;
	weft_case cases[] = {WEFT_CASE_RECV(&c, &v)};

	make(&c, 1);
	weft_chan_send(&c, &v);
	weft_chan_close(&c);
	CHECK_EQ(weft_select(cases, 1), 0);
	CHECK(cases[0].ok);
	CHECK_EQ(weft_select(cases, 1), 0);
	CHECK(!cases[0].ok);
	CHECK_EQ(v, 0);
	weft_chan_fini(&c);
}

/* Each of k ready ones gets its share, wherever it stands. */
TEST(select_chooses_at_random)
{
	enum { KINDS = 4, ROUNDS = 4000 };
	weft_chan open[2], closed;
	weft_ctx ctx = {0};
	int count[KINDS] = {0}, v = 0;

	for (int i = 0; i < 2; i++)
		make(&open[i], ROUNDS);
	make(&closed, 0);
	weft_chan_close(&closed);
	weft_ctx_cancel(&ctx, 0);
	for (int i = 0; i < ROUNDS; i++) {
		weft_case cases[KINDS] = {
			WEFT_CASE_SEND(&open[0], &v),
			WEFT_CASE_SEND(&open[1], &v),
			WEFT_CASE_RECV(&closed, &v),
			WEFT_CASE_DONE(&ctx),
		};

		count[weft_select(cases, KINDS)]++;
	}
	/* 1000 each; six standard deviations are 164 */
	for (int i = 0; i < KINDS; i++)
		CHECK(count[i] > 830 && count[i] < 1170);
	weft_chan_fini(&open[0]);
	weft_chan_fini(&open[1]);
	weft_ctx_fini(&ctx);
}

TEST(select_without_cases_waits_for_its_context)
{
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(2));
	CHECK_EQ(weft_select_ctx(NULL, &ctx, 0), -ETIMEDOUT);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(select_sees_the_deadline_of_a_case)
{
	weft_chan c;
	weft_ctx late, early;
	int v;
	weft_case cases[] = {
		WEFT_CASE_DONE(&late),
		WEFT_CASE_RECV(&c, &v),
		WEFT_CASE_DONE(&early),
		WEFT_CASE_SEND(&c, &v),
	};

	make(&c, 0);
	weft_ctx_init_timeout(&late, NULL, WEFT_MINUTE);
	weft_ctx_init_timeout(&early, NULL, WEFT_MS(2));
	CHECK_EQ(weft_select(cases, 4), 2);
	CHECK_EQ(weft_ctx_err(&early), -ETIMEDOUT);
	CHECK_EQ(weft_select_ctx(cases, &early, 2), -ETIMEDOUT);
	CHECK_EQ(chan_queued(&c), 0);
	weft_ctx_fini(&early);
	weft_ctx_fini(&late);
}

/* ---- two ---- */

typedef struct {
	weft_case *cases;
	weft_ctx *ctx;
	int n;
	int fired;
	bool ended;
} selecter;

static void choose(void *arg)
{
	selecter *s = arg;

	s->fired = weft_select_ctx(s->cases, s->ctx, s->n);
	weft_atomic_store(&s->ended, true, release);
}

/* Start s, and wait until it is queued, alone, in c. */
static void start_queued(selecter *s, weft_chan *c)
{
	test_start(choose, s);
	test_until(chan_queued(c) == 1);
}

TEST_FLAVOURS(select_waits_for_the_first_that_can_go_ahead)
{
	weft_chan c[3];
	int v = 0, out = 5;
	weft_case cases[] = {
		WEFT_CASE_RECV(&c[0], &v),
		WEFT_CASE_SEND(&c[1], &out),
		WEFT_CASE_RECV(&c[2], &v),
	};

	for (int i = 0; i < 3; i++)
		make(&c[i], 0);
	for (int i = 0; i < 3; i++) {
		selecter s = {.cases = cases, .n = 3};
		int in = 7;

		start_queued(&s, &c[2]);
		if (i == 1)
			CHECK(weft_chan_try_recv(&c[i], &in) && in == 5);
		else
			CHECK(weft_chan_try_send(&c[i], &in));
		test_join_all();
		CHECK_EQ(s.fired, i);
		CHECK(cases[i].ok);
		CHECK_EQ(v, i == 1 ? 7 : in);
		for (int j = 0; j < 3; j++)
			CHECK_EQ(chan_queued(&c[j]), 0);
	}
}

TEST_FLAVOURS(select_that_waits_is_ended_by_a_close)
{
	weft_chan c[2];
	int v = 4;
	weft_case cases[] = {WEFT_CASE_RECV(&c[0], &v),
			     WEFT_CASE_RECV(&c[1], &v)};
	selecter s = {.cases = cases, .n = 2};

	make(&c[0], 1);
	make(&c[1], 1);
	start_queued(&s, &c[1]);
	weft_chan_close(&c[1]);
	test_join_all();
	CHECK_EQ(s.fired, 1);
	CHECK(!cases[1].ok);
	CHECK_EQ(v, 0);
	weft_chan_fini(&c[0]);
	weft_chan_fini(&c[1]);
}

TEST_FLAVOURS(select_that_waits_is_ended_by_a_context_among_its_cases)
{
	weft_chan c;
	weft_ctx ctx[3] = {0};
	int v;
	weft_case cases[] = {
		WEFT_CASE_DONE(&ctx[0]),
		WEFT_CASE_DONE(&ctx[1]),
		WEFT_CASE_RECV(&c, &v),
		WEFT_CASE_DONE(&ctx[0]),
	};
	selecter s = {.cases = cases, .n = 4, .ctx = &ctx[2]};

	make(&c, 0);
	start_queued(&s, &c);
	weft_ctx_cancel(&ctx[1], 0);
	test_join_all();
	CHECK_EQ(s.fired, 1);
	weft_ctx_fini(&ctx[1]); /* nobody is said to wait any more */
	weft_ctx_init(&ctx[1], NULL);
	start_queued(&s, &c);
	weft_ctx_cancel(&ctx[2], 0);
	test_join_all();
	CHECK_EQ(s.fired, -ECANCELED);
	CHECK_EQ(chan_queued(&c), 0);
	for (int i = 0; i < 3; i++)
		weft_ctx_fini(&ctx[i]);
}

/* Both directions of one channel: a select does not meet itself. */
TEST_FLAVOURS(select_on_both_ends_of_a_channel_needs_another)
{
	weft_chan c;
	int got[2] = {0}, sent[2] = {1, 2};
	weft_case a[] = {WEFT_CASE_SEND(&c, &sent[0]),
			 WEFT_CASE_RECV(&c, &got[0])};
	weft_case b[] = {WEFT_CASE_SEND(&c, &sent[1]),
			 WEFT_CASE_RECV(&c, &got[1])};
	selecter s = {.cases = a, .n = 2};
	int fired;

	make(&c, 0);
	test_start(choose, &s);
	test_until(chan_queued(&c) == 2);
	fired = weft_select(b, 2);
	test_join_all();
	CHECK_EQ(s.fired, 1 - fired);
	CHECK_EQ(got[fired == 0 ? 0 : 1], fired == 0 ? 2 : 1);
	CHECK_EQ(chan_queued(&c), 0);
}

/* A dead select in a queue stands in nobody's way, nor looks like somebody. */
TEST_FLAVOURS(select_that_has_fired_is_not_sent_to)
{
	weft_chan c[2];
	int v = 0;
	weft_case cases[] = {WEFT_CASE_RECV(&c[0], &v),
			     WEFT_CASE_RECV(&c[1], &v)};

	make(&c[0], 0);
	make(&c[1], 0);
	for (int i = 0; i < 1000 / test_slowdown(); i++) {
		selecter s = {.cases = cases, .n = 2};
		int in = 1, sent = 0;

		start_queued(&s, &c[1]);
		sent += weft_chan_try_send(&c[0], &in);
		sent += weft_chan_try_send(&c[1], &in);
		{
			weft_case more[] = {WEFT_CASE_SEND(&c[0], &in),
					    WEFT_CASE_SEND(&c[1], &in),
					    WEFT_CASE_DEFAULT};

			CHECK_EQ(weft_select(more, 3), 2);
		}
		CHECK_EQ(sent, 1);
		test_join_all();
		CHECK_EQ(s.fired, 0);
	}
}

/* As chan_leaver_stays_while_another_may_look_at_it. */
TEST_FLAVOURS(select_stays_while_another_may_look_at_it)
{
	weft_chan c[2];
	int v;
	weft_case cases[] = {WEFT_CASE_RECV(&c[0], &v),
			     WEFT_CASE_RECV(&c[1], &v)};
	selecter s = {.cases = cases, .n = 2};

	make(&c[0], 0);
	make(&c[1], 0);
	start_queued(&s, &c[1]);
	weft__chan_lock(&c[1]);
	CHECK(weft__list_pop(&c[1].priv_receivers) != NULL);
	CHECK(weft_chan_try_send(&c[0], &s.n));
	test_until(weft_atomic_load(&c[1].priv_lock, relaxed) == 2 ||
		   weft_atomic_load(&s.ended, acquire));
	CHECK(!weft_atomic_load(&s.ended, acquire));
	weft__chan_unlock(&c[1]);
	test_join_all();
	CHECK_EQ(s.fired, 0);
	CHECK_EQ(v, 2);
}

/* ---- many ---- */

/* Selects of both directions over several channels; the books balance. */
static struct {
	weft_chan chan[4];
	weft_ctx stop;
	uint64_t sent, received;
	int rounds;
} market;

static void trade(void *arg)
{
	uint64_t sent = 0, received = 0;

	(void)arg;
	for (int i = 0; i < market.rounds; i++) {
		int out = (int)(test_random() % 1000), in = 0, fired;
		uint32_t first = (uint32_t)(test_random() % 4);
		weft_case cases[] = {
			WEFT_CASE_SEND(&market.chan[first], &out),
			WEFT_CASE_RECV(&market.chan[(first + 1) % 4], &in),
			/* any two can trade there, so they never all wait */
			WEFT_CASE_RECV(&market.chan[0], &in),
			WEFT_CASE_SEND(&market.chan[0], &out),
			WEFT_CASE_DONE(&market.stop),
		};

		fired = weft_select(cases, 5);
		if (fired == 4)
			break;
		CHECK(cases[fired].ok);
		if (fired == 0 || fired == 3)
			sent += (uint64_t)out;
		else
			received += (uint64_t)in;
	}
	weft_atomic_add(&market.sent, sent, relaxed);
	weft_atomic_add(&market.received, received, relaxed);
	weft_ctx_cancel(&market.stop, 0); /* the first who has enough */
}

TEST_FLAVOURS(select_loses_and_doubles_nothing)
{
	int v;

	for (int i = 0; i < 4; i++)
		make(&market.chan[i], i == 3 ? 2 : 0);
	weft_ctx_init(&market.stop, NULL);
	market.rounds = 5000 / test_slowdown();
	for (int i = 0; i < 8; i++)
		test_start(trade, NULL);
	test_join_all();
	while (weft_chan_try_recv(&market.chan[3], &v))
		market.received += (uint64_t)v;
	CHECK_EQ(market.sent, market.received);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(chan_queued(&market.chan[i]), 0);
		weft_chan_fini(&market.chan[i]);
	}
	weft_ctx_fini(&market.stop);
}

/* More cases than anybody writes, channels repeated, in any order. */
TEST_FLAVOURS(select_takes_any_number_of_cases)
{
	weft_chan c[MANY];
	weft_case cases[3 * MANY];
	int v = 0, in = 9;

	for (int i = 0; i < MANY; i++)
		make(&c[i], 0);
	for (int i = 0; i < 3 * MANY; i++)
		cases[i] = WEFT_CASE_RECV(&c[i * 7 % MANY], &v);
	for (int i = 0; i < MANY; i++) {
		selecter s = {.cases = cases, .n = 3 * MANY};

		test_start(choose, &s);
		test_until(chan_queued(&c[MANY - 1]) == 3);
		CHECK(weft_chan_try_send(&c[i], &in));
		test_join_all();
		CHECK(cases[s.fired].priv_chan == &c[i]);
		for (int j = 0; j < MANY; j++)
			CHECK_EQ(chan_queued(&c[j]), 0);
	}
}

enum { CONTEXTS = 300 };

static void end_one(void *ctx)
{
	weft_ctx_cancel(ctx, 0);
}

/* As many as the header says that there is room for on a task's stack. */
TEST_FLAVOURS(select_waits_for_hundreds_of_contexts)
{
	static weft_ctx ctx[CONTEXTS];
	static weft_case cases[CONTEXTS + 1];
	int n = CONTEXTS / (test_slowdown() > 1 ? 4 : 1), v;
	selecter s = {.cases = cases, .n = n + 1};
	weft_chan c;

	make(&c, 0);
	for (int i = 0; i < n; i++)
		cases[i] = WEFT_CASE_DONE(&ctx[i]);
	cases[n] = WEFT_CASE_RECV(&c, &v);
	start_queued(&s, &c);
	test_start(end_one, &ctx[n - 2]);
	test_join_all();
	CHECK_EQ(s.fired, n - 2);
	for (int i = 0; i < n; i++)
		weft_ctx_fini(&ctx[i]);
}

/* ---- ends ---- */

/* As chan_receiver_claimed_while_it_runs_waits_for_the_value … */
TEST_FLAVOURS(select_claimed_while_it_runs_waits_for_the_value)
{
	weft_chan c[2];
	weft_ctx ctx = {0};
	int v = 0;
	weft_case cases[] = {WEFT_CASE_RECV(&c[0], &v),
			     WEFT_CASE_RECV(&c[1], &v)};
	selecter s = {.cases = cases, .n = 2, .ctx = &ctx};
	weft__wakeups wakeups = {0};
	weft__chan_waiter *w;

	make(&c[0], 0);
	make(&c[1], 0);
	weft__ctx_lock(&ctx);
	start_queued(&s, &c[1]);
	weft__chan_lock(&c[1]);
	CHECK(weft__list_pop(&c[1].priv_receivers) == &cases[1].priv_link);
	w = cases[1].priv_waiter;
	CHECK(weft__claim(&w->wake, WEFT__MOVED, &wakeups));
	CHECK(wakeups.first == NULL);
	weft__chan_unlock(&c[1]);
	weft__ctx_unlock(&ctx);
	test_until(weft_atomic_load(&s.ended, acquire) ||
		   weft_atomic_load(&w->settled.state, acquire) != WEFT__WAITING);
	CHECK(!weft_atomic_load(&s.ended, acquire));
	v = 5;
	cases[1].ok = cases[1].priv_fired = true;
	CHECK(weft__claim(&w->settled, WEFT__NOTIFIED, &wakeups));
	weft__wake(&wakeups);
	test_join_all();
	CHECK_EQ(s.fired, 1);
	CHECK_EQ(chan_queued(&c[0]), 0);
	weft_ctx_fini(&ctx);
}

/* … and chan_receiver_claimed_while_it_runs_leaves_the_channel_alone */
TEST_FLAVOURS(select_claimed_while_it_runs_leaves_the_channel_alone)
{
	for (int i = 0; i < grave_rounds() / 10; i++) {
		weft_chan *c = grave_open(), other = {0};
		weft_ctx ctx = {0};
		int v = 5, got = 0;
		weft_case cases[] = {WEFT_CASE_RECV(&other, NULL),
				     WEFT_CASE_RECV(c, &got)};
		selecter s = {.cases = cases, .n = 2, .ctx = &ctx};

		make(c, 0);
		weft__ctx_lock(&ctx);
		start_queued(&s, c);
		test_until(chan_queued(&other) == 1);
		weft_chan_send(c, &v);
		grave_close(c);
		weft__ctx_unlock(&ctx);
		test_join_all();
		CHECK_EQ(s.fired, 1);
		CHECK_EQ(got, 5);
		weft_ctx_fini(&ctx);
	}
}

static void select_and_bury(void *arg)
{
	weft_chan *c = arg, other = {0};
	weft_ctx ctx = {0};
	weft_case cases[] = {WEFT_CASE_RECV(&other, NULL),
			     WEFT_CASE_RECV(c, NULL), WEFT_CASE_DONE(&ctx)};

	CHECK_EQ(weft_select(cases, 3), 1);
	grave_close(c);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(select_channel_may_end_while_the_send_to_it_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_chan *c = grave_open();

		test_start(select_and_bury, c);
		if (i % 4 == 0)
			test_until(chan_queued(c) == 1);
		else if (i % 4 == 1)
			weft_yield();
		weft_chan_send(c, NULL);
		test_join_all();
	}
}

static void select_send(void *arg)
{
	weft_chan *c = arg, other = {0};
	weft_ctx ctx = {0};
	weft_case cases[] = {WEFT_CASE_RECV(&other, NULL),
			     WEFT_CASE_SEND(c, NULL), WEFT_CASE_DONE(&ctx)};

	CHECK_EQ(weft_select(cases, 3), 1);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(select_channel_may_be_ended_by_who_received_from_it)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_chan *c = grave_open();

		test_start(select_send, c);
		if (i % 4 == 0)
			test_until(chan_queued(c) == 1);
		else if (i % 4 == 1)
			weft_yield();
		CHECK(weft_chan_recv(c, NULL));
		grave_close(c);
		test_join_all();
	}
}
