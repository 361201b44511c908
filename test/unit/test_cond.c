/* SPDX-License-Identifier: MIT */
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/panic.h>
#include <weft/sema.h>

enum { CROWD = 10 };

/* Everybody who waits, and in which order they were woken. */
typedef struct {
	weft_mutex lock;
	weft_cond cond;
	weft_ctx ctx;
	uint32_t numbers;
	int order[CROWD];	/* under the lock, as all below */
	int awake;
	int result;
	int turn;
	int sum;
} hall;

static void hall_init(hall *h)
{
	weft_cond_init(&h->cond, &h->lock);
}

static int awake(hall *h)
{
	int n;

	weft_mutex_lock(&h->lock);
	n = h->awake;
	weft_mutex_unlock(&h->lock);
	return n;
}

static int result(hall *h)
{
	int n;

	weft_mutex_lock(&h->lock);
	n = h->result;
	weft_mutex_unlock(&h->lock);
	return n;
}

static void wait_once(void *arg)
{
	hall *h = arg;
	int number = (int)weft_atomic_add(&h->numbers, 1, relaxed);

	weft_mutex_lock(&h->lock);
	weft_cond_wait(&h->cond);
	CHECK(!weft_mutex_try_lock(&h->lock)); /* it is ours */
	h->order[h->awake++] = number;
	weft_mutex_unlock(&h->lock);
}

static void fill(hall *h)
{
	for (size_t i = 0; i < CROWD; i++) {
		test_start(wait_once, h);
		test_until(queue_length(&h->cond) == i + 1);
	}
}

TEST_FLAVOURS(cond_signal_wakes_the_one_that_has_waited_longest)
{
	hall h = {0};

	hall_init(&h);
	fill(&h);
	for (int i = 0; i < CROWD; i++) {
		if (i % 2 == 0) {
			weft_cond_signal(&h.cond);
		} else {
			weft_mutex_lock(&h.lock);
			weft_cond_signal(&h.cond);
			weft_mutex_unlock(&h.lock);
		}
		test_until(awake(&h) == i + 1);
		CHECK_EQ(queue_length(&h.cond), CROWD - i - 1);
		CHECK_EQ(h.order[i], i);
	}
}

TEST_FLAVOURS(cond_broadcast_wakes_all_who_wait)
{
	hall h = {0};

	hall_init(&h);
	fill(&h);
	weft_mutex_lock(&h.lock);
	weft_cond_broadcast(&h.cond);
	CHECK_EQ(queue_length(&h.cond), 0);
	CHECK_EQ(h.awake, 0); /* we have the lock */
	weft_mutex_unlock(&h.lock);
	test_join_all();
	CHECK_EQ(h.awake, CROWD);
}

TEST_FLAVOURS(cond_does_not_remember_signals)
{
	hall h = {0};

	hall_init(&h);
	weft_cond_signal(&h.cond);
	weft_cond_broadcast(&h.cond);
	test_start(wait_once, &h);
	test_until(queue_length(&h.cond) == 1);
	CHECK_EQ(awake(&h), 0);
	weft_cond_signal(&h.cond);
	test_join_all();
	CHECK_EQ(h.awake, 1);
}

TEST(cond_of_zero_bytes_takes_signals)
{
	static weft_cond c;

	weft_cond_signal(&c);
	weft_cond_broadcast(&c);
}

/* Who begins to wait after a broadcast does not steal it: Go issue 14064. */
static void wait_after_broadcast(void *arg)
{
	hall *h = arg;

	weft_mutex_lock(&h->lock);
	weft_cond_broadcast(&h->cond);
	h->result = weft_cond_wait_ctx(&h->cond, &h->ctx);
	weft_mutex_unlock(&h->lock);
}

TEST_FLAVOURS(cond_late_waiter_steals_no_broadcast)
{
	hall h = {0};

	hall_init(&h);
	fill(&h);
	test_start(wait_after_broadcast, &h);
	test_until(awake(&h) == CROWD);
	test_until(queue_length(&h.cond) == 1);
	weft_ctx_cancel(&h.ctx, 0);
	test_join_all();
	CHECK_EQ(h.result, -ECANCELED);
	weft_ctx_fini(&h.ctx);
}

/* Two take turns. */
static void take_turns(void *arg)
{
	hall *h = arg;
	int me = (int)weft_atomic_add(&h->numbers, 1, relaxed);

	weft_mutex_lock(&h->lock);
	for (int i = 0; i < 2000 / test_slowdown(); i++) {
		while (h->turn != me)
			weft_cond_wait(&h->cond);
		h->sum++;
		h->turn = 1 - me;
		weft_cond_signal(&h->cond);
	}
	weft_mutex_unlock(&h->lock);
}

TEST_FLAVOURS(cond_ping_pong)
{
	hall h = {0};

	hall_init(&h);
	test_start(take_turns, &h);
	test_start(take_turns, &h);
	test_join_all();
	CHECK_EQ(h.sum, 2 * (2000 / test_slowdown()));
}

/* A barrier: the last to arrive lets all go on. */
static void pass_barriers(void *arg)
{
	hall *h = arg;

	for (int round = 0; round < 500 / test_slowdown(); round++) {
		weft_mutex_lock(&h->lock);
		CHECK_EQ(h->turn, round);
		if (++h->awake == CROWD) {
			h->awake = 0;
			h->turn++;
			weft_cond_broadcast(&h->cond);
		}
		while (h->turn == round)
			weft_cond_wait(&h->cond);
		weft_mutex_unlock(&h->lock);
	}
}

TEST_FLAVOURS(cond_barrier)
{
	hall h = {0};

	hall_init(&h);
	for (int i = 0; i < CROWD; i++)
		test_start(pass_barriers, &h);
	test_join_all();
	CHECK_EQ(h.turn, 500 / test_slowdown());
}

/* With a context */

static void wait_ctx(void *arg)
{
	hall *h = arg;

	weft_mutex_lock(&h->lock);
	h->result = weft_cond_wait_ctx(&h->cond, &h->ctx);
	CHECK(!weft_mutex_try_lock(&h->lock));
	h->awake++;
	weft_mutex_unlock(&h->lock);
}

TEST_FLAVOURS(cond_wait_ctx_gives_up_when_cancelled_and_holds_the_lock)
{
	hall h = {0};

	hall_init(&h);
	test_start(wait_ctx, &h);
	test_until(queue_length(&h.cond) == 1);
	weft_mutex_lock(&h.lock);
	weft_ctx_cancel(&h.ctx, 0);
	test_until(queue_length(&h.cond) == 0);
	CHECK_EQ(h.awake, 0); /* left the queue, waits for the lock */
	weft_mutex_unlock(&h.lock);
	test_join_all();
	CHECK_EQ(h.result, -ECANCELED);
	CHECK_EQ(h.cond.priv_waiters, 0);
	weft_ctx_fini(&h.ctx);
}

TEST_FLAVOURS(cond_wait_ctx_gives_up_at_the_deadline)
{
	hall h = {0};
	weft_ctx soon;

	hall_init(&h);
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(2));
	weft_mutex_lock(&h.lock);
	CHECK_EQ(weft_cond_wait_ctx(&h.cond, &soon), -ETIMEDOUT);
	CHECK(!weft_mutex_try_lock(&h.lock));
	CHECK_EQ(weft_cond_wait_ctx(&h.cond, &soon), -ETIMEDOUT);
	weft_mutex_unlock(&h.lock);
	CHECK_EQ(h.cond.priv_waiters, 0);
	weft_ctx_fini(&soon);
}

static void unlock_and_signal(void *arg)
{
	hall *h = arg;

	h->turn++;
	weft_mutex_unlock(&h->lock);
	weft_cond_signal(&h->cond);
}

static void lock_hall(void *arg)
{
	hall *h = arg;

	weft_mutex_lock(&h->lock);
}

/* It has no use for a signal, and leaves it to the others. */
TEST_FLAVOURS(cond_wait_ctx_takes_no_signal_when_its_context_is_done)
{
	hall h = {0};
	weft_ctx expired;

	weft_cond_init_locker(&h.cond, (weft_locker){&h, lock_hall,
						     unlock_and_signal});
	weft_ctx_cancel(&h.ctx, 0);
	weft_ctx_init_timeout(&expired, NULL, 0);
	lock_hall(&h);
	CHECK_EQ(weft_cond_wait_ctx(&h.cond, &h.ctx), -ECANCELED);
	CHECK_EQ(weft_cond_wait_ctx(&h.cond, &expired), -ETIMEDOUT);
	CHECK_EQ(h.turn, 2); /* others had the lock */
	CHECK(!weft_mutex_try_lock(&h.lock));
	weft_mutex_unlock(&h.lock);
	CHECK_EQ(h.cond.priv_waiters, 0);
	weft_ctx_fini(&expired);
	weft_ctx_fini(&h.ctx);
}

/* The first to wait is cancelled: the signal is for the second. */
TEST_FLAVOURS(cond_signal_goes_past_one_that_was_cancelled)
{
	for (int i = 0; i < 500 / test_slowdown(); i++) {
		hall h = {0};
		bool signalled;

		hall_init(&h);
		test_start(wait_ctx, &h);
		test_until(queue_length(&h.cond) == 1);
		test_start(wait_once, &h);
		test_until(queue_length(&h.cond) == 2);
		weft_ctx_cancel(&h.ctx, 0);
		weft_cond_signal(&h.cond);
		/* Queued, but not yet asleep: the signal was the first. */
		signalled = queue_length(&h.cond) == 1;
		if (signalled)
			weft_cond_signal(&h.cond);
		test_join_all();
		CHECK_EQ(h.result, signalled ? 0 : -ECANCELED);
		CHECK_EQ(h.awake, 2);
		weft_ctx_fini(&h.ctx);
	}
}

/*
 * A cancellation and a signal at the same time: between them they wake exactly
 * two, or one if the first waiter was signalled; then a second signal is due.
 */
static void cancel(void *arg)
{
	weft_ctx_cancel(&((hall *)arg)->ctx, 0);
}

static void signal_once(void *arg)
{
	weft_cond_signal(&((hall *)arg)->cond);
}

TEST_FLAVOURS(cond_cancel_races_with_signal)
{
	for (int i = 0; i < 500 / test_slowdown(); i++) {
		hall h = {.result = 1};

		hall_init(&h);
		test_start(wait_ctx, &h);
		test_until(queue_length(&h.cond) == 1);
		test_start(wait_once, &h);
		test_until(queue_length(&h.cond) == 2);
		test_start(cancel, &h);
		test_start(signal_once, &h);
		test_until(awake(&h) >= 1);
		test_until(result(&h) != 1);
		if (h.result == 0)
			weft_cond_signal(&h.cond);
		test_join_all();
		CHECK_EQ(h.awake, 2);
		CHECK_EQ(h.cond.priv_waiters, 0);
		weft_ctx_fini(&h.ctx);
	}
}

/* Any lock */

static void take_unit(void *s)
{
	weft_sema_acquire(s, 1);
}

static void give_unit(void *s)
{
	weft_sema_release(s, 1);
}

typedef struct {
	weft_sema sema;
	weft_cond cond;
	bool ready;	/* under the semaphore */
} by_sema;

static void wait_until_ready(void *arg)
{
	by_sema *b = arg;

	take_unit(&b->sema);
	while (!b->ready)
		weft_cond_wait(&b->cond);
	give_unit(&b->sema);
}

TEST_FLAVOURS(cond_works_over_any_lock)
{
	by_sema b = {0};
	weft_locker l = {&b.sema, take_unit, give_unit};

	weft_sema_init(&b.sema, 1);
	weft_cond_init_locker(&b.cond, l);
	test_start(wait_until_ready, &b);
	test_start(wait_until_ready, &b);
	test_until(queue_length(&b.cond) == 2);
	take_unit(&b.sema);
	b.ready = true;
	give_unit(&b.sema);
	weft_cond_broadcast(&b.cond);
	test_join_all();
	CHECK(weft_sema_try_acquire(&b.sema, 1));
}

static void lock_nothing(void *unused)
{
	(void)unused;
}

static void unlock_and_panic(void *value)
{
	weft_panic_value(value);
}

static void wait_in_vain(void *c)
{
	weft_cond_wait(c);
}

TEST_FLAVOURS(cond_whose_unlock_panics_was_not_waited_for)
{
	weft_cond c;
	weft_panic_info info;

	weft_cond_init_locker(&c, (weft_locker){&c, lock_nothing,
						unlock_and_panic});
	CHECK_EQ(weft_try(wait_in_vain, &c, &info), WEFT_PANICKED);
	CHECK(info.value == &c);
	CHECK_EQ(c.priv_waiters, 0);
	weft_cond_broadcast(&c);
}

/* The first unlock tells the others that it is done, and fails when it may. */
typedef struct {
	weft_cond cond;
	weft_mutex lock;
	bool fails, may_fail, failed;
	int awake;
} failing;

static void lock_failing(void *arg)
{
	failing *f = arg;

	weft_mutex_lock(&f->lock);
}

static void unlock_failing(void *arg)
{
	failing *f = arg;
	bool fails = f->fails;

	f->fails = false;
	weft_mutex_unlock(&f->lock);
	if (!fails)
		return;
	test_until(weft_atomic_load(&f->may_fail, acquire));
	weft_panic_value(f);
}

static void wait_with_failing(void *arg)
{
	failing *f = arg;

	lock_failing(f);
	weft_cond_wait(&f->cond);
	f->awake++;
	unlock_failing(f);
}

static void fail_to_wait(void *arg)
{
	failing *f = arg;
	weft_panic_info info;

	CHECK_EQ(weft_try(wait_with_failing, f, &info), WEFT_PANICKED);
	weft_atomic_store(&f->failed, true, release);
}

static void start_two_of_which_the_first_fails(failing *f)
{
	f->fails = true;
	weft_cond_init_locker(&f->cond, (weft_locker){f, lock_failing,
						      unlock_failing});
	test_start(fail_to_wait, f);
	test_until(queue_length(&f->cond) == 1);
	test_start(wait_with_failing, f);
	test_until(queue_length(&f->cond) == 2);
}

TEST_FLAVOURS(cond_whose_unlock_panics_hands_its_signal_on)
{
	failing f = {.awake = 0};

	start_two_of_which_the_first_fails(&f);
	weft_cond_signal(&f.cond);
	CHECK_EQ(queue_length(&f.cond), 1);
	weft_atomic_store(&f.may_fail, true, release);
	test_join_all();
	CHECK_EQ(f.awake, 1);
	CHECK_EQ(f.cond.priv_waiters, 0);
}

TEST_FLAVOURS(cond_whose_unlock_panics_hands_no_broadcast_on)
{
	failing f = {.awake = 0};

	start_two_of_which_the_first_fails(&f);
	weft_cond_broadcast(&f.cond);
	test_start(wait_with_failing, &f);
	test_until(queue_length(&f.cond) == 1);
	weft_atomic_store(&f.may_fail, true, release);
	test_until(weft_atomic_load(&f.failed, acquire));
	CHECK_EQ(queue_length(&f.cond), 1);
	weft_cond_signal(&f.cond);
	test_join_all();
	CHECK_EQ(f.awake, 2);
	CHECK_EQ(f.cond.priv_waiters, 0);
}

/* The place in the queue is taken first: a signal out of the unlock finds it. */
static void signal_as_it_unlocks(void *c)
{
	CHECK_EQ(queue_length(c), 1);
	weft_cond_signal(c);
	CHECK_EQ(queue_length(c), 0);
}

static void count_lock(void *c)
{
	CHECK_EQ(queue_length(c), 0);
}

TEST_FLAVOURS(cond_waits_before_it_unlocks)
{
	weft_ctx ctx = {0};
	weft_cond c;

	weft_cond_init_locker(&c, (weft_locker){&c, count_lock,
						signal_as_it_unlocks});
	weft_cond_wait(&c);
	CHECK_EQ(weft_cond_wait_ctx(&c, &ctx), 0);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(cond_knows_a_mutex_by_its_locker)
{
	hall h = {0};

	weft_cond_init_locker(&h.cond, weft_mutex_locker(&h.lock));
	fill(&h);
	weft_cond_broadcast(&h.cond);
	test_join_all();
	CHECK_EQ(h.awake, CROWD);
}

/* The waiter takes the memory, lock and all, away. */
typedef struct {
	weft_mutex lock;
	weft_cond cond;
	bool ready;
} mortal;

static void wait_and_bury(void *arg)
{
	mortal *m = arg;

	weft_mutex_lock(&m->lock);
	while (!m->ready)
		weft_cond_wait(&m->cond);
	weft_mutex_unlock(&m->lock);
	grave_close(m);
}

TEST_FLAVOURS(cond_may_end_while_its_signal_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		mortal *m = grave_open();

		weft_cond_init(&m->cond, &m->lock);
		test_start(wait_and_bury, m);
		if (i % 2 == 0)
			test_until(queue_length(&m->cond) == 1);
		weft_mutex_lock(&m->lock);
		m->ready = true;
		if (i % 4 < 2)
			weft_cond_signal(&m->cond);
		else
			weft_cond_broadcast(&m->cond);
		weft_mutex_unlock(&m->lock);
		test_join_all();
	}
}

/* Not held by the signaller: the wait returns because of the signal alone. */
static void wait_once_and_bury(void *arg)
{
	mortal *m = arg;

	weft_mutex_lock(&m->lock);
	weft_cond_wait(&m->cond);
	weft_mutex_unlock(&m->lock);
	grave_close(m);
}

TEST_FLAVOURS(cond_may_end_while_its_unlocked_signal_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		mortal *m = grave_open();

		weft_cond_init(&m->cond, &m->lock);
		test_start(wait_once_and_bury, m);
		test_until(queue_length(&m->cond) == 1);
		if (i % 2 == 0)
			weft_cond_signal(&m->cond);
		else
			weft_cond_broadcast(&m->cond);
		test_join_all();
	}
}
