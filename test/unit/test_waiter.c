/* SPDX-License-Identifier: MIT */
/* A wait and its claim, apart from what they are for. */
#include "door.h"
#include "test.h"

static const weft__why why = {.text = "test"};

static weft__waiter waiter;
static int said;

static uint32_t state_of_waiter(void)
{
	return weft_atomic_load(&waiter.state, relaxed);
}

static void say_and_claim(void *unused)
{
	weft__wakeups wakeups = {0};

	(void)unused;
	said = 42;
	CHECK(weft__claim(&waiter, WEFT__NOTIFIED, &wakeups));
	CHECK(wakeups.first == NULL);
}

/* By the claim alone: nobody has slept, and nobody was woken. */
TEST_FLAVOURS(claim_shows_what_was_done_before_it)
{
	weft__waiter_init(&waiter, &why);
	test_start(say_and_claim, NULL);
	test_until(state_of_waiter() != WEFT__WAITING);
	CHECK_EQ(weft__park(&waiter, WEFT_NEVER), WEFT__NOTIFIED);
	CHECK_EQ(said, 42);
	test_join_all();
}

TEST(claim_of_what_has_an_outcome_changes_nothing)
{
	static const uint32_t outcomes[] = {WEFT__NOTIFIED, WEFT__CANCELLED,
					    WEFT__TIMEDOUT, WEFT__MOVED};
	weft__wakeups wakeups = {0};

	for (int i = 0; i < 4; i++) {
		weft__waiter_init(&waiter, &why);
		CHECK(weft__claim(&waiter, outcomes[i], &wakeups));
		for (int j = 0; j < 4; j++)
			CHECK(!weft__claim(&waiter, outcomes[j], &wakeups));
		CHECK_EQ(weft__park(&waiter, 0), outcomes[i]);
	}
	CHECK(wakeups.first == NULL);
}
