/* SPDX-License-Identifier: MIT */
/* The parking lot: who is queued is found, however many others are. */
#include "door.h"
#include "gate.h"
#include "proc.h"
#include "test.h"

#include <stdlib.h>

static const weft__why why = {.text = "test"};

enum { ADDRESSES = 20000, EACH = 3 };

typedef struct {
	weft__waiter waiters[EACH];
} place;

static void queue_all(place *p)
{
	for (int i = 0; i < EACH; i++) {
		weft__bucket *b = weft__lot_lock(p);

		weft__waiter_init(&p->waiters[i], &why);
		weft__lot_push(b, p, &p->waiters[i]);
		weft__lot_unlock(b);
	}
}

/* In the order in which they came; the one in the middle has left. */
static void wake_all(place *p)
{
	weft__wakeups wakeups = {0};
	weft__bucket *b = weft__lot_lock(p);

	weft__lot_remove(b, &p->waiters[1]);
	CHECK_EQ(weft__lot_wake_all(b, p, 7, &wakeups), EACH - 1);
	CHECK(weft__lot_first(b, p) == NULL);
	weft__lot_unlock(b);
	CHECK_EQ(p->waiters[0].result, 7);
	CHECK_EQ(p->waiters[1].result, 0);
	CHECK_EQ(p->waiters[2].result, 7);
}

/* The table grows on the way; half of them leave before the others come. */
TEST(lot_finds_everybody_after_it_has_grown)
{
	weft__lot_table *small = weft__lot_current;
	place *places = calloc(ADDRESSES, sizeof *places);

	CHECK(places != NULL);
	for (int i = 0; i < ADDRESSES; i++)
		queue_all(&places[i]);
	CHECK(weft__lot_current != small);
	for (int i = 0; i < ADDRESSES; i += 2)
		wake_all(&places[i]);
	for (int i = 0; i < ADDRESSES; i += 2)
		queue_all(&places[i]);
	for (int i = 0; i < ADDRESSES; i++)
		wake_all(&places[i]);
	free(places);
}

/* Two queues in one bucket, as the readers-writer lock has them. */
TEST(lot_keeps_apart_who_waits_at_addresses_of_one_bucket)
{
	static uint32_t word;
	const void *one = &word, *other = (char *)&word + 1;
	weft__waiter w[4];
	weft__wakeups wakeups = {0};
	weft__bucket *b = weft__lot_lock(one);

	for (int i = 0; i < 4; i++) {
		weft__waiter_init(&w[i], &why);
		weft__lot_push(b, i % 2 == 0 ? one : other, &w[i]);
	}
	CHECK(weft__lot_first(b, one) == &w[0]);
	CHECK(weft__lot_first(b, other) == &w[1]);
	weft__lot_remove(b, &w[1]);
	weft__lot_push_front(b, other, &w[1]);
	CHECK_EQ(weft__lot_wake_all(b, one, 1, &wakeups), 2);
	CHECK(weft__lot_first(b, one) == NULL);
	CHECK(weft__lot_first(b, other) == &w[1]);
	CHECK_EQ(weft__lot_wake_all(b, other, 2, &wakeups), 2);
	CHECK(b->chain == NULL);
	weft__lot_unlock(b);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(w[i].result, i % 2 == 0 ? 1 : 2);
}

/* Whoever it is, and wherever in the bucket's chain. */
TEST(lot_keeps_the_others_of_a_bucket_when_one_leaves)
{
	static uint32_t word;
	enum { COUNT = sizeof word };

	for (int leaver = 0; leaver < COUNT; leaver++) {
		weft__bucket *b = weft__lot_lock(&word);
		weft__waiter w[COUNT];
		char *place = (char *)&word;

		for (int i = 0; i < COUNT; i++) {
			weft__waiter_init(&w[i], &why);
			weft__lot_push(b, place + i, &w[i]);
		}
		weft__lot_remove(b, &w[leaver]);
		for (int i = 0; i < COUNT; i++)
			CHECK(weft__lot_first(b, place + i) ==
			      (i == leaver ? NULL : &w[i]));
		for (int i = 0; i < COUNT; i++)
			if (i != leaver)
				weft__lot_remove(b, &w[i]);
		CHECK(b->chain == NULL);
		weft__lot_unlock(b);
	}
}

enum { CROWD = 40 };

/* Q4 */
static void check_scout(weft__bucket *b, const void *address)
{
	weft__waiter *w = weft__lot_first(b, address);

	while (w != NULL && w->next != b->scout)
		w = w->next;
	CHECK(b->scout == NULL || w != NULL);
}

/* Whoever leaves, and then one after the other from the front, or the back. */
static void leave_crowd(int leaver, bool from_front)
{
	static uint32_t word;
	weft__bucket *b = weft__lot_lock(&word);
	weft__waiter w[CROWD + 1];

	for (int i = 0; i < CROWD; i++) {
		weft__waiter_init(&w[i], &why);
		weft__lot_push(b, &word, &w[i]);
		check_scout(b, &word);
	}
	weft__lot_remove(b, &w[leaver]);
	check_scout(b, &word);
	weft__waiter_init(&w[CROWD], &why);
	weft__lot_push(b, &word, &w[CROWD]);
	for (int i = 0; i <= CROWD; i++) {
		int next = from_front ? i : CROWD - i;

		check_scout(b, &word);
		if (next != leaver)
			weft__lot_remove(b, &w[next]);
	}
	CHECK(b->chain == NULL);
	CHECK(b->scout == NULL);
	weft__lot_unlock(b);
}

TEST(lot_has_no_scout_that_has_left)
{
	for (int leaver = 0; leaver < CROWD; leaver++) {
		leave_crowd(leaver, true);
		leave_crowd(leaver, false);
	}
}

/* In their order, of whom one lets others in front of it. */
TEST(lot_wakes_a_crowd_of_which_some_have_left)
{
	static uint32_t word;
	weft__bucket *b = weft__lot_lock(&word);
	weft__waiter w[CROWD];
	weft__wakeups wakeups = {0};

	for (int i = 0; i < CROWD; i++) {
		weft__waiter_init(&w[i], &why);
		if (i % 16 == 15)
			weft__lot_push_front(b, &word, &w[i]);
		else
			weft__lot_push(b, &word, &w[i]);
		if (i % 7 == 6)
			weft__lot_remove(b, &w[i - 3]);
	}
	CHECK_EQ(weft__lot_wake_all(b, &word, 1, &wakeups), CROWD - CROWD / 7);
	CHECK(b->chain == NULL);
	CHECK(b->scout == NULL);
	weft__lot_unlock(b);
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(w[i].result, i % 7 == 3 && i < CROWD - 3 ? 0 : 1);
}

/* ---- a crowd goes on while it is still being claimed ---- */

enum { MANY = 3 * WEFT__EARLY };

typedef struct {
	gate gate;	/* only to queue at */
	uint32_t gone_on;	/* atomic */
	size_t (*claim)(weft__bucket *b, const void *address, int result,
			weft__wakeups *wakeups);
	uint32_t before;	/* how many go on before the waker says so */
} crowd;

static void be_claimed(void *arg)
{
	crowd *c = arg;

	gate_wait(&c->gate);
	weft_atomic_add(&c->gone_on, 1, relaxed);
}

static int count_parked(const gate *g)
{
	weft__bucket *b = weft__lot_lock(g);
	int count = 0;

	for (weft__waiter *w = weft__lot_first(b, g); w != NULL; w = w->next)
		count += weft_atomic_load(&w->state, relaxed) != WEFT__WAITING;
	weft__lot_unlock(b);
	return count;
}

/* The bucket stays locked until as many have gone on as should. */
static void claim_crowd(void *arg)
{
	crowd *c = arg;
	weft__wakeups wakeups = {0};
	weft__bucket *b;
	weft_time end;

	test_until(count_parked(&c->gate) == MANY);
	b = weft__lot_lock(&c->gate);
	CHECK_EQ(c->claim(b, &c->gate, 0, &wakeups), MANY);
	end = weft_now() + WEFT_MS(20);
	while (weft_now() < end ||
	       weft_atomic_load(&c->gone_on, relaxed) < c->before)
		weft__cpu_pause();
	if (c->before == 0)
		CHECK_EQ(weft_atomic_load(&c->gone_on, relaxed), 0);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

static void wake_crowd(crowd c, void (*start)(weft_fn fn, void *arg))
{
	workers("2");
	for (int i = 0; i < MANY; i++)
		test_start_task(be_claimed, &c);
	start(claim_crowd, &c);
	test_join_all();
	CHECK_EQ(weft_atomic_load(&c.gone_on, relaxed), MANY);
}

TEST(lot_lets_a_crowd_go_on_while_a_task_claims_the_rest)
{
	wake_crowd((crowd){.claim = weft__lot_wake_all, .before = MANY / 2},
		   test_start_task);
}

TEST(lot_lets_nobody_go_on_while_a_thread_claims)
{
	wake_crowd((crowd){.claim = weft__lot_wake_all}, test_start_thread);
}

TEST(lot_lets_nobody_go_on_where_all_are_claimed_first)
{
	wake_crowd((crowd){.claim = weft__lot_claim_all}, test_start_task);
}
