/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/sema.h>

#include <limits.h>
#include <sys/mman.h>

enum { CROWD = 12 };

/* One acquirer: what it wants, with which context, and how that went. */
typedef struct {
	weft_sema *sema;
	weft_ctx *ctx;
	long n;
	int result;
	bool ended;
} acquirer;

static void acquire(void *arg)
{
	acquirer *a = arg;

	a->result = weft_sema_acquire_ctx(a->sema, a->ctx, a->n);
	weft_atomic_store(&a->ended, true, release);
}

static bool ended(acquirer *a)
{
	return weft_atomic_load(&a->ended, acquire);
}

/* Start a and wait until it is the count-th in the queue. */
static void start_queued(acquirer *a, size_t count)
{
	test_start(acquire, a);
	test_until(queue_length(a->sema) == count);
}

TEST(sema_counts_units)
{
	weft_sema s;

	weft_sema_init(&s, 3);
	CHECK(weft_sema_try_acquire(&s, 2));
	CHECK(!weft_sema_try_acquire(&s, 2));
	CHECK(weft_sema_try_acquire(&s, 1));
	CHECK(!weft_sema_try_acquire(&s, 1));
	weft_sema_release(&s, 5);
	weft_sema_acquire(&s, 5);
	CHECK(!weft_sema_try_acquire(&s, 1));
}

TEST(sema_of_zero_bytes_has_no_units)
{
	static weft_sema s;

	CHECK(!weft_sema_try_acquire(&s, 1));
	CHECK(weft_sema_try_acquire(&s, 0));
	weft_sema_acquire(&s, 0);
	weft_sema_release(&s, 0);
	CHECK(!weft_sema_try_acquire(&s, 1));
	weft_sema_release(&s, 1);
	weft_sema_acquire(&s, 1);
}

TEST(sema_release_of_no_units_touches_nothing)
{
	void *gone = mmap(NULL, sizeof(weft_sema), PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile long none = 0;

	CHECK(gone != MAP_FAILED);
	weft_sema_release(gone, 0);
	weft_sema_release(gone, none);
}

/* As many inside as there are units, and no more. */
static struct {
	weft_sema slots;
	int inside, most, entered;
} room;

static void enter_room(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500 / test_slowdown(); i++) {
		int inside, most;

		weft_sema_acquire(&room.slots, 1);
		inside = weft_atomic_add(&room.inside, 1, relaxed) + 1;
		most = weft_atomic_load(&room.most, relaxed);
		while (inside > most && !weft_atomic_cas(&room.most, &most, inside,
							 relaxed, relaxed))
			;
		weft_yield();
		weft_atomic_add(&room.entered, 1, relaxed);
		weft_atomic_sub(&room.inside, 1, relaxed);
		weft_sema_release(&room.slots, 1);
	}
}

TEST_FLAVOURS(sema_lets_in_as_many_as_it_has_units)
{
	weft_sema_init(&room.slots, 3);
	for (int i = 0; i < CROWD; i++)
		test_start(enter_room, NULL);
	test_join_all();
	CHECK_LE(room.most, 3);
	CHECK_EQ(room.entered, CROWD * (500 / test_slowdown()));
	CHECK(weft_sema_try_acquire(&room.slots, 3));
	CHECK(!weft_sema_try_acquire(&room.slots, 1));
}

TEST_FLAVOURS(sema_large_request_at_the_head_holds_back_small_ones)
{
	weft_sema s = {0};
	acquirer large = {.sema = &s, .n = 5}, small = {.sema = &s, .n = 1};

	start_queued(&large, 1);
	start_queued(&small, 2);
	weft_sema_release(&s, 4);
	CHECK(!weft_sema_try_acquire(&s, 1)); /* 4 are there; it is not our turn */
	CHECK_EQ(queue_length(&s), 2);
	weft_sema_release(&s, 1);
	test_until(ended(&large));
	CHECK_EQ(queue_length(&s), 1);
	weft_sema_release(&s, 1);
	test_join_all();
	CHECK_EQ(large.result, 0);
	CHECK_EQ(small.result, 0);
	CHECK_EQ(s.priv_word, 0);
}

TEST_FLAVOURS(sema_one_release_serves_all_it_suffices_for)
{
	weft_sema s = {0};
	acquirer a[4];

	for (int i = 0; i < 4; i++) {
		a[i] = (acquirer){.sema = &s, .n = i + 1};
		start_queued(&a[i], (size_t)i + 1);
	}
	weft_sema_release(&s, 1 + 2 + 3 + 3);
	test_until(ended(&a[0]) && ended(&a[1]) && ended(&a[2]));
	CHECK_EQ(queue_length(&s), 1);
	weft_sema_release(&s, 1);
	test_join_all();
	CHECK_EQ(s.priv_word, 0);
}

TEST_FLAVOURS(sema_one_that_leaves_lets_those_behind_it_move_up)
{
	weft_sema s = {0};
	weft_ctx ctx = {0};
	acquirer large = {.sema = &s, .ctx = &ctx, .n = 5};
	acquirer small = {.sema = &s, .n = 1};
	acquirer other = {.sema = &s, .n = 2};

	start_queued(&large, 1);
	start_queued(&small, 2);
	start_queued(&other, 3);
	weft_sema_release(&s, 2);
	CHECK_EQ(queue_length(&s), 3);
	weft_ctx_cancel(&ctx, 0);
	test_until(ended(&large) && ended(&small));
	CHECK_EQ(large.result, -ECANCELED);
	CHECK_EQ(small.result, 0);
	CHECK_EQ(queue_length(&s), 1); /* 1 unit for one who wants 2 */
	weft_sema_release(&s, 1);
	test_join_all();
	CHECK_EQ(s.priv_word, 0);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(sema_acquire_ctx_gives_up_at_the_deadline)
{
	weft_sema s = {0};
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(2));
	CHECK_EQ(weft_sema_acquire_ctx(&s, &ctx, 1), -ETIMEDOUT);
	CHECK_EQ(s.priv_word, 0);
	weft_sema_release(&s, 1);
	CHECK_EQ(weft_sema_acquire_ctx(&s, &ctx, 1), 0); /* without waiting */
	CHECK_EQ(weft_sema_acquire_ctx(&s, &ctx, 0), 0);
	weft_ctx_fini(&ctx);
}

/* Each sleep has its wake, also where the wake comes first. */
static void release_one(void *s)
{
	weft_sema_release(s, 1);
}

TEST_FLAVOURS(sema_release_may_come_before_its_acquire)
{
	for (int i = 0; i < 1000 / test_slowdown(); i++) {
		weft_sema s = {0};

		test_start(release_one, &s);
		if (i % 2 == 0)
			weft_yield();
		weft_sema_acquire(&s, 1);
		test_join_all();
		CHECK_EQ(s.priv_word, 0);
	}
}

TEST_FLAVOURS(sema_grants_in_order_of_arrival)
{
	weft_sema s = {0};
	acquirer a[CROWD];

	for (int i = 0; i < CROWD; i++) {
		a[i] = (acquirer){.sema = &s, .n = 1};
		start_queued(&a[i], (size_t)i + 1);
	}
	for (int i = 0; i < CROWD; i++) {
		weft_sema_release(&s, 1);
		test_until(ended(&a[i]));
		CHECK_EQ(queue_length(&s), CROWD - i - 1);
	}
	test_join_all();
}

/* Cancels race with releases; afterwards every unit is accounted for. */
typedef struct {
	weft_sema sema;
	weft_ctx ctx;
	long kept;
} account;

static void take_some(void *arg)
{
	account *a = arg;
	long n = (long)(test_random() % 3) + 1;

	if (weft_sema_acquire_ctx(&a->sema, &a->ctx, n) == 0)
		weft_atomic_add(&a->kept, n, relaxed);
}

static void cancel(void *arg)
{
	weft_ctx_cancel(&((account *)arg)->ctx, 0);
}

TEST_FLAVOURS(sema_cancel_races_with_release)
{
	for (int i = 0; i < 1000 / test_slowdown(); i++) {
		account a = {0};

		for (int j = 0; j < 4; j++)
			test_start(take_some, &a);
		test_start(cancel, &a);
		for (int j = 0; j < 5; j++)
			weft_sema_release(&a.sema, 1);
		test_join_all();
		CHECK_EQ(queue_length(&a.sema), 0);
		CHECK_LE(a.kept, 5);
		CHECK(weft_sema_try_acquire(&a.sema, 5 - a.kept));
		CHECK_EQ(a.sema.priv_word, 0);
		weft_ctx_fini(&a.ctx);
	}
}

/* What the errgroup's limit needs: fewer units than none. */
TEST_FLAVOURS(sema_adjusted_below_zero_makes_up_for_it_first)
{
	weft_sema s;
	acquirer a = {.sema = &s, .n = 1};

	weft_sema_init(&s, 3);
	weft_sema_acquire(&s, 3);
	weft__sema_adjust(&s, -2);
	weft_sema_release(&s, 1);
	weft_sema_release(&s, 1);
	CHECK(!weft_sema_try_acquire(&s, 1));
	start_queued(&a, 1);
	weft__sema_adjust(&s, -1);
	weft_sema_release(&s, 1);
	CHECK_EQ(queue_length(&s), 1);
	weft__sema_adjust(&s, 2);
	test_join_all();
	CHECK_EQ(a.result, 0);
	CHECK(weft_sema_try_acquire(&s, 1));
	CHECK(!weft_sema_try_acquire(&s, 1));
}

static void acquire_and_bury(void *arg)
{
	weft_sema *s = arg;

	weft_sema_acquire(s, 2);
	grave_close(s);
}

TEST_FLAVOURS(sema_may_end_while_its_release_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_sema *s = grave_open();

		test_start(acquire_and_bury, s);
		if (i % 4 == 0)
			test_until(queue_length(s) == 1);
		else if (i % 4 == 1)
			weft_yield();
		weft_sema_release(s, 1);
		weft_sema_release(s, 1);
		test_join_all();
	}
}
