/* SPDX-License-Identifier: MIT */
#include "grave.h"
#include "proc.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/panic.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <limits.h>

enum { CROWD = 16 };

/* What the counted ones leave behind, plainly: the wait orders it. */
typedef struct {
	weft_waitgroup wg;
	weft_ctx ctx;
	int work[CROWD];
	uint32_t workers;
	bool go, ended;
	int result;
	int returned;
} crew;

static void work(void *arg)
{
	crew *c = arg;
	uint32_t i = weft_atomic_add(&c->workers, 1, relaxed);

	if (i % 2 != 0)
		weft_yield();
	c->work[i % CROWD] += 1;
	weft_waitgroup_done(&c->wg);
}

static void check_work(crew *c, int each)
{
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(c->work[i], each);
}

TEST_FLAVOURS(waitgroup_wait_returns_at_zero)
{
	crew c = {0};

	weft_waitgroup_wait(&c.wg); /* at once */
	weft_waitgroup_add(&c.wg, CROWD);
	for (int i = 0; i < CROWD; i++)
		test_start(work, &c);
	weft_waitgroup_wait(&c.wg);
	check_work(&c, 1);
	CHECK_EQ(c.wg.priv_word, 0);
}

/* The next round begins as soon as one wait has returned. */
TEST_FLAVOURS(waitgroup_serves_one_round_after_the_other)
{
	crew c = {0};

	for (int round = 1; round <= 50; round++) {
		weft_waitgroup_add(&c.wg, CROWD);
		for (int i = 0; i < CROWD; i++)
			test_start(work, &c);
		weft_waitgroup_wait(&c.wg);
		check_work(&c, round);
	}
}

static void wait_and_check(void *arg)
{
	crew *c = arg;

	weft_waitgroup_wait(&c->wg);
	check_work(c, 1);
	weft_atomic_add(&c->returned, 1, relaxed);
}

TEST_FLAVOURS(waitgroup_zero_wakes_all_who_wait)
{
	crew c = {0};

	weft_waitgroup_add(&c.wg, CROWD + 1);
	for (size_t i = 0; i < CROWD; i++) {
		test_start(wait_and_check, &c);
		test_until(queue_length(&c.wg) == i + 1);
	}
	for (int i = 0; i < CROWD; i++)
		test_start(work, &c);
	test_until(weft_atomic_load(&c.wg.priv_word, relaxed) >> 32 == 1);
	CHECK_EQ(weft_atomic_load(&c.returned, relaxed), 0);
	weft_waitgroup_done(&c.wg);
	test_join_all();
	CHECK_EQ(c.returned, CROWD);
	CHECK_EQ(c.wg.priv_word, 0);
}

TEST(waitgroup_counts_up_and_down_while_positive)
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, 3);
	weft_waitgroup_add(&wg, -2);
	weft_waitgroup_add(&wg, 0);
	weft_waitgroup_add(&wg, INT_MAX - 1);
	weft_waitgroup_add(&wg, -INT_MAX);
	weft_waitgroup_add(&wg, 0);
	weft_waitgroup_wait(&wg);
	CHECK_EQ(wg.priv_word, 0);
}

/* One that is counted counts others before it is done. */
static void branch(void *arg)
{
	crew *c = arg;

	if (weft_atomic_add(&c->workers, 1, relaxed) < 50) {
		weft_waitgroup_add(&c->wg, 2);
		test_start(branch, c);
		test_start(branch, c);
	}
	weft_atomic_add(&c->returned, 1, relaxed);
	weft_waitgroup_done(&c->wg);
}

TEST_FLAVOURS(waitgroup_may_be_added_to_by_those_it_counts)
{
	crew c = {0};

	weft_waitgroup_add(&c.wg, 1);
	test_start(branch, &c);
	weft_waitgroup_wait(&c.wg);
	CHECK_EQ(c.returned, 101);
	test_join_all();
}

static void wait_ctx(void *arg)
{
	crew *c = arg;

	c->result = weft_waitgroup_wait_ctx(&c->wg, &c->ctx);
	weft_atomic_store(&c->ended, true, release);
}

TEST_FLAVOURS(waitgroup_wait_ctx_gives_up_when_cancelled)
{
	crew c = {0};

	weft_waitgroup_add(&c.wg, 1);
	test_start(wait_ctx, &c);
	test_until(queue_length(&c.wg) == 1);
	weft_ctx_cancel(&c.ctx, 0);
	test_until(weft_atomic_load(&c.ended, acquire));
	CHECK_EQ(c.result, -ECANCELED);
	CHECK_EQ(c.wg.priv_word, (uint64_t)1 << 32); /* nobody waits */
	CHECK_EQ(weft_waitgroup_wait_ctx(&c.wg, &c.ctx), -ECANCELED);
	weft_waitgroup_done(&c.wg);
	CHECK_EQ(weft_waitgroup_wait_ctx(&c.wg, &c.ctx), 0); /* zero wins */
	weft_ctx_fini(&c.ctx);
}

TEST_FLAVOURS(waitgroup_wait_ctx_gives_up_at_the_deadline)
{
	crew c = {0};
	weft_ctx soon;

	weft_waitgroup_add(&c.wg, 1);
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(2));
	CHECK_EQ(weft_waitgroup_wait_ctx(&c.wg, &soon), -ETIMEDOUT);
	weft_ctx_fini(&soon);
	CHECK_EQ(c.wg.priv_word, (uint64_t)1 << 32);
	test_start(work, &c);
	weft_waitgroup_wait(&c.wg);
}

static void cancel(void *arg)
{
	weft_ctx_cancel(&((crew *)arg)->ctx, 0);
}

TEST_FLAVOURS(waitgroup_cancel_races_with_done)
{
	for (int i = 0; i < 1000 / test_slowdown(); i++) {
		crew c = {0};

		weft_waitgroup_add(&c.wg, 2);
		test_start(wait_ctx, &c);
		test_start(cancel, &c);
		test_start(work, &c);
		test_start(work, &c);
		weft_waitgroup_wait(&c.wg);
		test_join_all();
		CHECK(c.result == 0 || c.result == -ECANCELED);
		CHECK_EQ(c.wg.priv_word, 0);
		CHECK_EQ(queue_length(&c.wg), 0);
		weft_ctx_fini(&c.ctx);
	}
}

static void plain_work(void *arg)
{
	weft_yield();
	++*(int *)arg;
}

TEST_FLAVOURS(waitgroup_go_counts_by_itself)
{
	weft_waitgroup wg = {0};
	int work_done[CROWD] = {0};

	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(weft_waitgroup_go(&wg, plain_work, &work_done[i]), 0);
	weft_waitgroup_wait(&wg);
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(work_done[i], 1);
	CHECK_EQ(wg.priv_word, 0);
}

static void go_deeper(void *arg)
{
	crew *c = arg;

	if (weft_atomic_add(&c->workers, 1, relaxed) < 100)
		CHECK_EQ(weft_waitgroup_go(&c->wg, go_deeper, c), 0);
}

TEST_FLAVOURS(waitgroup_go_may_be_called_by_a_counted_task)
{
	crew c = {0};

	CHECK_EQ(weft_waitgroup_go(&c.wg, go_deeper, &c), 0);
	weft_waitgroup_wait(&c.wg);
	CHECK_EQ(c.workers, 101);
}

typedef struct {
	weft_waitgroup first, second, ended;
} lingerer;

static void linger(void *arg)
{
	lingerer *l = arg;

	weft_waitgroup_done(&l->first);
	weft_waitgroup_wait(&l->second);
	weft_waitgroup_done(&l->ended);
}

TEST_FLAVOURS(waitgroup_waiter_goes_on_while_whom_it_waited_for_waits)
{
	lingerer l = {0};

	for (int round = 0; round < 50; round++) {
		weft_waitgroup_add(&l.first, 1);
		weft_waitgroup_add(&l.second, 1);
		weft_waitgroup_add(&l.ended, 1);
		test_start(linger, &l);
		weft_waitgroup_wait(&l.first);
		weft_waitgroup_done(&l.second);
		weft_waitgroup_wait(&l.ended);
	}
}

/* Two wait for a round; the second begins the next one. */
typedef struct {
	weft_waitgroup wg;
	weft_sema begun;
	bool ended;
} rounds;

static void be_done(void *arg)
{
	weft_waitgroup_done(arg);
}

static void wait_and_begin_again(void *arg)
{
	rounds *r = arg;

	weft_waitgroup_wait(&r->wg);
	weft_waitgroup_add(&r->wg, 1);
	weft_sema_release(&r->begun, 1);
}

static void wait_for_the_first_round(void *arg)
{
	rounds *r = arg;

	weft_waitgroup_add(&r->wg, 1);
	test_start_task(be_done, &r->wg);
	test_start_task(wait_and_begin_again, r);
	/* The only worker is here, so nobody has begun anything. */
	weft_waitgroup_wait(&r->wg);
	weft_sema_acquire(&r->begun, 1);
	weft_waitgroup_done(&r->wg);
	r->ended = true;
}

/* W5 */
TEST(waitgroup_next_round_may_begin_when_one_wait_has_returned)
{
	rounds r = {.ended = false};

	weft_sema_init(&r.begun, 0);
	one_worker();
	test_start_task(wait_for_the_first_round, &r);
	test_join_all();
	CHECK(r.ended);
}

enum { DEPTH = 5 };

typedef struct {
	weft_waitgroup *above;
	uint32_t *leaves;
	int depth;
} tree;

static void grow(void *arg)
{
	tree *b = arg;
	weft_waitgroup below = {0};
	tree half = {&below, b->leaves, b->depth - 1};

	if (b->depth == 0) {
		weft_atomic_add(b->leaves, 1, relaxed);
	} else {
		weft_waitgroup_add(&below, 2);
		test_start(grow, &half);
		test_start(grow, &half);
		weft_waitgroup_wait(&below);
	}
	weft_waitgroup_done(b->above);
}

TEST_FLAVOURS(waitgroup_is_waited_for_by_those_who_are_waited_for)
{
	weft_waitgroup all = {0};
	uint32_t leaves = 0;
	tree root = {&all, &leaves, DEPTH};

	weft_waitgroup_add(&all, 1);
	test_start(grow, &root);
	weft_waitgroup_wait(&all);
	CHECK_EQ(leaves, 1 << DEPTH);
}

/* A round that the late release of the round before must leave alone: W3. */
TEST(waitgroup_late_release_leaves_the_next_round_alone)
{
	crew c = {0};

	weft_waitgroup_add(&c.wg, 1);
	test_start_thread(wait_ctx, &c);
	test_until(queue_length(&c.wg) == 1);
	/* What a done does that was frozen after its add, a round ago. */
	weft_waitgroup_add_slow(&c.wg, -1, ((uint64_t)1 << 32) + 1);
	CHECK_EQ(queue_length(&c.wg), 1);
	weft_waitgroup_done(&c.wg);
	test_join_all();
	CHECK_EQ(c.result, 0);
}

/*
 * Who was let go but has not returned yet does not mind the next round, where
 * Go panics: "WaitGroup is reused before previous Wait has returned". It stands
 * in the queue by itself, so that it surely has not returned.
 */
TEST(waitgroup_next_round_may_begin_before_all_waits_have_returned)
{
	crew c = {0};
	weft__waiter slow;
	weft__bucket *b;

	weft_waitgroup_add(&c.wg, 1);
	test_start_thread(wait_ctx, &c);
	test_until(queue_length(&c.wg) == 1);
	b = weft__lot_lock(&c.wg);
	weft__waiter_init(&slow, &(weft__why){.text = "test"});
	weft_atomic_add(&c.wg.priv_word, 1, relaxed);
	weft__lot_push(b, &c.wg, &slow);
	weft__lot_unlock(b);
	weft_waitgroup_done(&c.wg);
	weft_waitgroup_add(&c.wg, 1);
	CHECK_EQ(slow.state, WEFT__NOTIFIED);
	test_join_all();
	CHECK_EQ(c.result, 0);
	CHECK_EQ(c.wg.priv_word, (uint64_t)1 << 32);
	test_start_thread(wait_ctx, &c);
	test_until(queue_length(&c.wg) == 1);
	weft_waitgroup_done(&c.wg);
	test_join_all();
	CHECK_EQ(c.wg.priv_word, 0);
}

/* … and the waiters of something else that lives there now: W2. */
static void wait_elsewhere(void *arg)
{
	crew *c = arg;
	weft__waiter w;
	weft__bucket *b = weft__lot_lock(&c->wg);

	weft__waiter_init(&w, &(weft__why){.text = "something else"});
	weft__lot_push(b, &c->wg, &w);
	weft__lot_unlock(b);
	weft__park(&w, WEFT_NEVER);
	c->result = w.result;
}

TEST(waitgroup_late_release_leaves_other_objects_alone)
{
	crew c = {0};
	weft__wakeups wakeups = {0};
	weft__bucket *b;

	test_start_thread(wait_elsewhere, &c);
	test_until(queue_length(&c.wg) == 1);
	c.wg.priv_word = 5;
	weft_waitgroup_add_slow(&c.wg, -1, ((uint64_t)1 << 32) + 1);
	CHECK_EQ(c.wg.priv_word, 5);
	CHECK_EQ(queue_length(&c.wg), 1);
	b = weft__lot_lock(&c.wg);
	weft__lot_wake_all(b, &c.wg, 7, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
	test_join_all();
	CHECK_EQ(c.result, 7);
}

/* A done that is frozen after its add; who leaves meanwhile saw the zero. */
TEST_FLAVOURS(waitgroup_leaver_that_finds_zero_has_succeeded)
{
	crew c = {0};
	uint64_t one = (uint64_t)1 << 32;

	weft_waitgroup_add(&c.wg, 1);
	test_start(wait_ctx, &c);
	test_until(queue_length(&c.wg) == 1);
	weft_atomic_sub(&c.wg.priv_word, one, acq_rel);
	weft_ctx_cancel(&c.ctx, 0);
	test_until(weft_atomic_load(&c.ended, acquire));
	CHECK_EQ(c.result, 0);
	weft_waitgroup_add_slow(&c.wg, -1, one + 1);
	CHECK_EQ(c.wg.priv_word, 0);
	weft_ctx_fini(&c.ctx);
}

/* … and lets the others go on, so that the next round may begin: W5. */
TEST_FLAVOURS(waitgroup_next_round_may_begin_while_the_last_done_is_on_its_way)
{
	uint64_t one = (uint64_t)1 << 32;

	for (int leaves = 0; leaves < 2; leaves++) {
		crew c = {.work = {0}}, leaver = {.work = {0}};

		weft_waitgroup_add(&c.wg, 1);
		test_start(wait_ctx, &c);
		test_until(queue_length(&c.wg) == 1);
		weft_atomic_sub(&c.wg.priv_word, one, acq_rel);
		weft_ctx_cancel(&leaver.ctx, 0);
		if (leaves)
			CHECK_EQ(weft_waitgroup_wait_ctx(&c.wg, &leaver.ctx), 0);
		else
			weft_waitgroup_wait(&c.wg);
		weft_waitgroup_add(&c.wg, 1);
		test_until(weft_atomic_load(&c.ended, acquire));
		CHECK_EQ(c.result, 0);
		weft_waitgroup_add_slow(&c.wg, -1, one + 1);
		CHECK_EQ(c.wg.priv_word, one);
		weft_waitgroup_done(&c.wg);
		weft_waitgroup_wait(&c.wg);
		weft_ctx_fini(&leaver.ctx);
	}
}

typedef struct {
	crew *of;
	weft_ctx ctx;
	bool ended;
} leaver;

static void wait_till_cancelled(void *arg)
{
	leaver *l = arg;

	CHECK_EQ(weft_waitgroup_wait_ctx(&l->of->wg, &l->ctx), 0);
	weft_waitgroup_add(&l->of->wg, 1);
	weft_atomic_store(&l->ended, true, release);
}

TEST_FLAVOURS(waitgroup_next_round_may_begin_when_one_has_left_at_zero)
{
	crew c = {.work = {0}};
	leaver l = {.of = &c};
	uint64_t one = (uint64_t)1 << 32;

	weft_waitgroup_add(&c.wg, 1);
	test_start(wait_ctx, &c);
	test_until(queue_length(&c.wg) == 1);
	test_start(wait_till_cancelled, &l);
	test_until(queue_length(&c.wg) == 2);
	weft_atomic_sub(&c.wg.priv_word, one, acq_rel);
	weft_ctx_cancel(&l.ctx, 0);
	test_until(weft_atomic_load(&l.ended, acquire) &&
		   weft_atomic_load(&c.ended, acquire));
	CHECK_EQ(c.result, 0);
	CHECK_EQ(c.wg.priv_word, one);
	weft_ctx_fini(&l.ctx);
}

static void done(void *arg)
{
	weft_waitgroup_done(arg);
}

/* In Go the count stays negative, and a wait does not end. */
TEST_FLAVOURS(waitgroup_is_as_it_was_after_a_misuse_that_was_caught)
{
	weft_waitgroup wg = {0};

	CHECK_EQ(weft_try(done, &wg, NULL), WEFT_PANICKED);
	CHECK_EQ(wg.priv_word, 0);
	weft_waitgroup_wait(&wg);
	weft_waitgroup_add(&wg, 1);
	test_start(done, &wg);
	weft_waitgroup_wait(&wg);
	test_join_all();
}

TEST_FLAVOURS(waitgroup_may_end_while_its_done_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_waitgroup *wg = grave_open();

		weft_waitgroup_add(wg, 2);
		test_start(done, wg);
		test_start(done, wg);
		if (i % 4 == 0)
			weft_yield();
		weft_waitgroup_wait(wg);
		grave_close(wg);
		test_join_all();
	}
}

/* The same where the waiter leaves at the moment of the zero. */
typedef struct {
	weft_ctx ctx;
	weft_waitgroup *wg;
} leaving;

static void leave(void *arg)
{
	weft_ctx_cancel(&((leaving *)arg)->ctx, 0);
}

TEST_FLAVOURS(waitgroup_may_end_when_a_leaver_saw_the_zero)
{
	for (int i = 0; i < grave_rounds(); i++) {
		leaving l = {.wg = grave_open()};

		weft_waitgroup_add(l.wg, 1);
		test_start(leave, &l);
		test_start(done, l.wg);
		if (weft_waitgroup_wait_ctx(l.wg, &l.ctx) != 0)
			weft_waitgroup_wait(l.wg);
		grave_close(l.wg);
		test_join_all();
		weft_ctx_fini(&l.ctx);
	}
}

TEST_TRAP(waitgroup_go_of_no_function_is_fatal, "go of nil func value")
{
	weft_waitgroup wg = {0};

	(void)!weft_waitgroup_go(&wg, NULL, NULL);
}
