/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "grave.h"
#include "proc.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/mutex.h>

#include <limits.h>

enum { CROWD = 8 };

static struct {
	weft_mutex lock;
	int sum;	/* under the lock */
	int rounds;
} shared;

static void add_rounds(void *arg)
{
	(void)arg;
	for (int i = 0; i < shared.rounds; i++) {
		int seen;

		weft_mutex_lock(&shared.lock);
		seen = shared.sum;
		if (i % 64 == 0)
			weft_yield();
		shared.sum = seen + 1;
		weft_mutex_unlock(&shared.lock);
	}
}

TEST_FLAVOURS(mutex_excludes)
{
	shared.rounds = 20000 / test_slowdown();
	for (int i = 0; i < CROWD; i++)
		test_start(add_rounds, NULL);
	test_join_all();
	CHECK_EQ(shared.sum, CROWD * shared.rounds);
	CHECK_EQ(shared.lock.priv_word, 0);
}

TEST(mutex_try_lock_takes_a_free_one_only)
{
	weft_mutex m = {0};

	CHECK(weft_mutex_try_lock(&m));
	CHECK(!weft_mutex_try_lock(&m));
	weft_mutex_unlock(&m);
	CHECK(weft_mutex_try_lock(&m));
	weft_mutex_unlock(&m);
}

static void unlock(void *m)
{
	weft_mutex_unlock(m);
}

TEST_FLAVOURS(mutex_may_be_unlocked_by_another)
{
	weft_mutex m = {0};

	weft_mutex_lock(&m);
	test_start(unlock, &m);
	weft_mutex_lock(&m);
	weft_mutex_unlock(&m);
	test_join_all();
}

/* Who gets the lock when: each writes its number down. */
typedef struct {
	weft_mutex lock;
	uint32_t numbers;	/* given out to those who queue */
	int order[CROWD];	/* under the lock */
	int count;
} line;

static void stand_in_line(void *arg)
{
	line *l = arg;
	int number = (int)weft_atomic_add(&l->numbers, 1, relaxed);

	weft_mutex_lock(&l->lock);
	l->order[l->count++] = number;
	weft_mutex_unlock(&l->lock);
}

static void fill_line(line *l)
{
	for (size_t i = 0; i < CROWD; i++) {
		test_start(stand_in_line, l);
		test_until(queue_length(&l->lock) == i + 1);
	}
}

static void check_line(const line *l)
{
	CHECK_EQ(l->count, CROWD);
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(l->order[i], i);
	CHECK_EQ(l->lock.priv_word, 0);
}

TEST_FLAVOURS(mutex_waiters_get_it_in_order_of_arrival)
{
	line l = {0};

	weft_mutex_lock(&l.lock);
	fill_line(&l);
	weft_mutex_unlock(&l.lock);
	test_join_all();
	check_line(&l);
}

/* A waiter that was woken and lost to us queues again, as the first. */
TEST_FLAVOURS(mutex_waiter_that_loses_keeps_its_place)
{
	line l = {0};

	weft_mutex_lock(&l.lock);
	fill_line(&l);
	for (int i = 0; i < 1000; i++) {
		weft_mutex_unlock(&l.lock);
		weft_mutex_lock(&l.lock);
		if (i % 16 == 0)
			weft_yield();
	}
	weft_mutex_unlock(&l.lock);
	test_join_all();
	check_line(&l);
}

static weft_time waiting_since(const weft_mutex *m)
{
	weft__bucket *b = weft__lot_lock(m);
	const weft__waiter *w = weft__lot_first(b, m);
	weft_time since = w != NULL ? w->since : 0;

	weft__lot_unlock(b);
	return since;
}

/* … and its age, on which the hand-over depends. */
TEST_FLAVOURS(mutex_waiter_that_loses_keeps_its_age)
{
	/* Where the schedule is chosen it may always win. */
	int tries = test_simulated() ? 100 : INT_MAX;

	for (int lost = 0; lost < 10 && tries-- > 0;) {
		line l = {0};
		weft_time before, after;

		weft_mutex_lock(&l.lock);
		test_start(stand_in_line, &l);
		test_until((before = waiting_since(&l.lock)) != 0);
		weft_mutex_unlock(&l.lock);
		weft_mutex_lock(&l.lock);
		test_until((after = waiting_since(&l.lock)) != 0 || l.count == 1);
		if (l.count == 0) {
			CHECK_EQ(after, before);
			lost++;
		}
		weft_mutex_unlock(&l.lock);
		test_join_all();
	}
}

typedef struct {
	weft_mutex lock;
	bool locked, go;
} held;

static void hold(void *arg)
{
	held *h = arg;

	weft_mutex_lock(&h->lock);
	weft_atomic_store(&h->locked, true, release);
	test_until(weft_atomic_load(&h->go, acquire));
	weft_mutex_unlock(&h->lock);
}

TEST_FLAVOURS(mutex_is_handed_over_to_one_that_waited_for_a_millisecond)
{
	held h = {0};
	weft_time start;

	weft_mutex_lock(&h.lock);
	test_start(hold, &h);
	test_until(queue_length(&h.lock) == 1);
	start = weft_now();
	test_until(weft_now() - start > WEFT_MS(2));
	weft_mutex_unlock(&h.lock);
	/* Whether it runs yet or not: it owns the lock. */
	CHECK(!weft_mutex_try_lock(&h.lock));
	weft_atomic_store(&h.go, true, release);
	test_join_all();
	CHECK(h.locked);
	CHECK(weft_mutex_try_lock(&h.lock));
}

/*
 * A waiter that stands in the queue by itself, so that nothing is a race: its
 * age says what it is given.
 */
static void queue_waiter(weft_mutex *m, weft__waiter *w, weft_time since)
{
	weft__bucket *b = weft__lot_lock(m);

	weft__waiter_init(w, &(weft__why){.text = "test"});
	w->since = since;
	weft__lot_push(b, m, w);
	weft__lot_unlock(b);
}

enum { LOCKED = 1, PARKED = 2, WOKEN = 4, HANDED_OVER = 1 };

/* Go's rule both ways: on behind an old waiter, off again behind a young one. */
TEST(mutex_is_no_more_handed_over_once_those_who_wait_are_young)
{
	weft_mutex m = {.priv_word = LOCKED | PARKED};
	weft__waiter old, young;

	queue_waiter(&m, &old, weft_now() - WEFT_MS(2));
	queue_waiter(&m, &young, weft_now() + WEFT_SECOND);
	weft_mutex_unlock(&m);
	CHECK_EQ(old.state, WEFT__NOTIFIED);
	CHECK_EQ(old.result, HANDED_OVER);
	CHECK_EQ(m.priv_word, LOCKED | PARKED);
	CHECK(!weft_mutex_try_lock(&m));
	weft_mutex_unlock(&m);
	CHECK_EQ(young.state, WEFT__NOTIFIED);
	CHECK_EQ(young.result, 0);
	CHECK_EQ(m.priv_word, WOKEN); /* free: who comes first gets it */
	CHECK(weft_mutex_try_lock(&m));
}

TEST(mutex_is_not_handed_over_to_one_that_waited_for_less)
{
	weft_mutex m = {.priv_word = LOCKED | PARKED};
	weft__waiter young;

	queue_waiter(&m, &young, weft_now() + WEFT_SECOND);
	weft_mutex_unlock(&m);
	CHECK_EQ(young.result, 0);
	CHECK_EQ(m.priv_word, WOKEN);
}

/* At most one is on its way; who lets go meanwhile wakes nobody else. */
TEST(mutex_unlock_wakes_one_at_a_time)
{
	weft_mutex m = {.priv_word = LOCKED | PARKED};
	weft__waiter first, second;

	queue_waiter(&m, &first, weft_now() + WEFT_SECOND);
	queue_waiter(&m, &second, weft_now() + WEFT_SECOND);
	weft_mutex_unlock(&m);
	CHECK_EQ(first.state, WEFT__NOTIFIED);
	CHECK(weft_mutex_try_lock(&m)); /* before first is here */
	weft_mutex_unlock(&m);
	CHECK_EQ(second.state, WEFT__WAITING);
	CHECK_EQ(m.priv_word, PARKED | WOKEN);
}

/* What was on its way to one that has left goes to the next. */
TEST(mutex_hand_over_goes_past_one_that_has_left)
{
	weft_mutex m = {.priv_word = LOCKED | PARKED};
	weft__waiter gone, next;

	queue_waiter(&m, &gone, weft_now() - WEFT_MS(2));
	queue_waiter(&m, &next, weft_now() - WEFT_MS(2));
	gone.state = WEFT__CANCELLED;
	weft_mutex_unlock(&m);
	CHECK_EQ(next.state, WEFT__NOTIFIED);
	CHECK_EQ(next.result, HANDED_OVER);
	CHECK_EQ(m.priv_word, LOCKED);
	CHECK_EQ(queue_length(&m), 0);
}

TEST(mutex_hand_over_to_nobody_that_is_left_frees_it)
{
	weft_mutex m = {.priv_word = LOCKED | PARKED};
	weft__waiter gone;

	queue_waiter(&m, &gone, weft_now() - WEFT_MS(2));
	gone.state = WEFT__CANCELLED;
	weft_mutex_unlock(&m);
	CHECK_EQ(m.priv_word, 0);
}

/* A hog that lets go for no time at all starves nobody. */
static void hog(void *arg)
{
	held *h = arg;

	while (!weft_atomic_load(&h->locked, acquire)) {
		weft_mutex_lock(&h->lock);
		for (int i = 0; i < 100; i++)
			(void)weft_atomic_load(&h->go, acquire);
		weft_mutex_unlock(&h->lock);
	}
}

TEST_FLAVOURS(mutex_hog_starves_nobody)
{
	held h = {.go = true};

	test_start(hog, &h);
	test_start(hog, &h);
	test_start(hold, &h);
	test_join_all();
	CHECK(h.locked);
}

/*
 * M8: with one worker nobody else can fetch the one that was woken. Where a
 * schedule is chosen, or another is lent the place, it may lose and come again;
 * where it takes a millisecond to queue, as under valgrind, it is handed the lock.
 */
typedef struct {
	weft_mutex lock;
	bool in;	/* under the lock … */
	int passed;	/* … and how often before that */
} passed_by;

static void get_in(void *arg)
{
	passed_by *p = arg;

	weft_mutex_lock(&p->lock);
	p->in = true;
	weft_mutex_unlock(&p->lock);
}

static int pass_by(void *arg)
{
	passed_by *p = arg;
	bool in = false;

	weft_mutex_lock(&p->lock);
	test_start_task(get_in, p);
	test_until(queue_length(&p->lock) == 1);
	weft_mutex_unlock(&p->lock);
	while (!in) {
		weft_mutex_lock(&p->lock);
		in = p->in;
		p->passed += !in;
		weft_mutex_unlock(&p->lock);
	}
	return 0;
}

TEST(mutex_task_that_never_waits_lets_others_in)
{
	passed_by p = {0};

	one_worker();
	CHECK_EQ(weft_run(pass_by, &p), 0);
	CHECK_LT(0, p.passed + test_simulated() + test_emulated());
	if (weft_atomic_load(&weft__rt.worker_count, relaxed) == 1)
		CHECK_LT(p.passed, 100);
	CHECK_EQ(p.lock.priv_word, 0);
}

static void get_in_pinned(void *arg)
{
	weft_pin();
	get_in(arg);
}

/* Its thread may be blocked by what waits for us. */
static int unlock_for_a_pinned_one(void *arg)
{
	passed_by *p = arg;

	weft_mutex_lock(&p->lock);
	test_start_task(get_in_pinned, p);
	test_until(queue_length(&p->lock) == 1);
	weft_mutex_unlock(&p->lock);
	CHECK(test_emulated() || p->lock.priv_word == WOKEN);
	return 0;
}

TEST(mutex_gives_way_to_no_task_that_is_pinned)
{
	passed_by p = {0};

	one_worker();
	CHECK_EQ(weft_run(unlock_for_a_pinned_one, &p), 0);
	CHECK_EQ(p.lock.priv_word, 0);
}

enum { PASS = 8 };

TEST(mutex_thread_gives_way_to_nobody)
{
	weft_mutex m = {.priv_word = WOKEN | PASS};

	weft_mutex_lock(&m);
	weft_mutex_unlock(&m);
	CHECK_EQ(m.priv_word, WOKEN | PASS);
}

static int try_to_lock(void *m)
{
	return weft_mutex_try_lock(m) ? 0 : 1;
}

TEST(mutex_try_lock_gives_way_to_nobody)
{
	weft_mutex m = {.priv_word = WOKEN | PASS};

	CHECK_EQ(weft_run(try_to_lock, &m), 0);
}

/* With a context */

typedef struct {
	weft_mutex lock;
	weft_ctx ctx;
	int result;
	bool ended;
} leaver;

static void lock_ctx(void *arg)
{
	leaver *l = arg;

	l->result = weft_mutex_lock_ctx(&l->lock, &l->ctx);
	if (l->result == 0)
		weft_mutex_unlock(&l->lock);
	weft_atomic_store(&l->ended, true, release);
}

TEST_FLAVOURS(mutex_lock_ctx_gives_up_when_cancelled)
{
	leaver l = {0};

	weft_ctx_init(&l.ctx, NULL);
	weft_mutex_lock(&l.lock);
	test_start(lock_ctx, &l);
	test_until(queue_length(&l.lock) == 1);
	weft_ctx_cancel(&l.ctx, 0);
	test_until(weft_atomic_load(&l.ended, acquire));
	CHECK_EQ(l.result, -ECANCELED);
	CHECK_EQ(l.lock.priv_word, 1); /* nobody is said to wait */
	weft_mutex_unlock(&l.lock);
	test_join_all();
	weft_ctx_fini(&l.ctx);
}

TEST_FLAVOURS(mutex_lock_ctx_gives_up_at_the_deadline)
{
	leaver l = {0};
	weft_time start = weft_now();

	weft_ctx_init_timeout(&l.ctx, NULL, WEFT_MS(5));
	weft_mutex_lock(&l.lock);
	CHECK_EQ(weft_mutex_lock_ctx(&l.lock, &l.ctx), -ETIMEDOUT);
	CHECK_LE(WEFT_MS(5), weft_now() - start);
	weft_mutex_unlock(&l.lock);
	weft_ctx_fini(&l.ctx);
}

TEST_FLAVOURS(mutex_lock_ctx_takes_a_free_one_whatever_the_context_says)
{
	leaver l = {0};

	weft_ctx_init(&l.ctx, NULL);
	weft_ctx_cancel(&l.ctx, 0);
	CHECK_EQ(weft_mutex_lock_ctx(&l.lock, &l.ctx), 0);
	CHECK_EQ(weft_mutex_lock_ctx(&l.lock, &l.ctx), -ECANCELED);
	weft_mutex_unlock(&l.lock);
	CHECK_EQ(weft_mutex_lock_ctx(&l.lock, NULL), 0);
	weft_mutex_unlock(&l.lock);
	weft_ctx_fini(&l.ctx);
}

static void lock_and_unlock(void *m)
{
	weft_mutex_lock(m);
	weft_mutex_unlock(m);
}

TEST_FLAVOURS(mutex_goes_to_those_behind_a_leaver)
{
	leaver l = {0};

	weft_ctx_init(&l.ctx, NULL);
	weft_mutex_lock(&l.lock);
	test_start(lock_ctx, &l);
	test_until(queue_length(&l.lock) == 1);
	test_start(lock_and_unlock, &l.lock);
	test_until(queue_length(&l.lock) == 2);
	weft_ctx_cancel(&l.ctx, 0);
	test_until(queue_length(&l.lock) == 1);
	weft_mutex_unlock(&l.lock);
	test_join_all();
	CHECK_EQ(l.result, -ECANCELED);
	CHECK_EQ(l.lock.priv_word, 0);
	weft_ctx_fini(&l.ctx);
}

/* Cancelled, unlocked and handed over at the same time: nothing is lost. */
static void cancel(void *arg)
{
	weft_ctx_cancel(arg, 0);
}

static void lock_or_leave(void *arg)
{
	leaver *l = arg;
	int error = weft_mutex_lock_ctx(&l->lock, &l->ctx);

	if (error == 0)
		weft_mutex_unlock(&l->lock);
	else
		CHECK_EQ(error, -ECANCELED);
}

TEST_FLAVOURS(mutex_cancel_races_with_unlock)
{
	int rounds = 2000 / test_slowdown();

	for (int i = 0; i < rounds; i++) {
		leaver l = {0};

		weft_ctx_init(&l.ctx, NULL);
		weft_mutex_lock(&l.lock);
		test_start(lock_or_leave, &l);
		test_start(lock_or_leave, &l);
		test_start(cancel, &l.ctx);
		if (i % 2 != 0)
			weft_yield();
		weft_mutex_unlock(&l.lock);
		test_join_all();
		CHECK_EQ(l.lock.priv_word, 0);
		CHECK_EQ(queue_length(&l.lock), 0);
		weft_ctx_fini(&l.ctx);
	}
}

/* Ends: whoever has had the lock last takes the memory away. */
static void lock_and_bury(void *arg)
{
	weft_mutex *m = arg;

	weft_mutex_lock(m);
	weft_mutex_unlock(m);
	grave_close(m);
}

TEST_FLAVOURS(mutex_may_end_while_its_unlock_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_mutex *m = grave_open();

		weft_mutex_lock(m);
		test_start(lock_and_bury, m);
		if (i % 4 == 0)
			test_until(queue_length(m) == 1);
		else if (i % 4 == 1)
			weft_yield();
		weft_mutex_unlock(m);
		test_join_all();
	}
}

TEST_FLAVOURS(mutex_may_end_while_it_is_handed_over)
{
	for (int i = 0; i < grave_rounds() / 20; i++) {
		weft_mutex *m = grave_open();
		weft_time start;

		weft_mutex_lock(m);
		test_start(lock_and_bury, m);
		test_until(queue_length(m) == 1);
		start = weft_now();
		test_until(weft_now() - start > WEFT_US(1100));
		weft_mutex_unlock(m);
		test_join_all();
	}
}
