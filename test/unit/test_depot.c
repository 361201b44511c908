/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "test.h"

enum { LISTS = 100, EACH = 10, KEPT = 30 };

static const weft_time NOW = 5 * WEFT_SECOND;

static weft__batch batches[LISTS];

/* The first count of them, of EACH. */
static void give(weft__depot *d, int count)
{
	for (int i = 0; i < count; i++) {
		batches[i].count = EACH;
		weft__depot_give(d, &batches[i]);
	}
}

static int count_cut(weft__depot *d)
{
	int lists = 0;

	for (; d->cut != NULL; d->cut = d->cut->below)
		lists++;
	return lists;
}

/* A look at now, and one a second later. */
static int trim(weft__depot *d, weft_time now)
{
	CHECK_EQ(weft__depot_trim(d, KEPT, now), now + WEFT_SECOND);
	CHECK_EQ(weft__depot_trim(d, KEPT, now + WEFT_SECOND - 1),
		 now + WEFT_SECOND);
	CHECK(d->cut == NULL);
	CHECK_EQ(weft__depot_trim(d, KEPT, now + WEFT_SECOND),
		 now + WEFT_SECOND);
	return count_cut(d);
}

TEST(depot_gives_out_the_list_that_came_last)
{
	weft__depot d = {0};

	CHECK(weft__depot_take(&d) == NULL);
	give(&d, 3);
	CHECK(weft__depot_take(&d) == &batches[2]);
	CHECK(weft__depot_take(&d) == &batches[1]);
	weft__depot_give(&d, &batches[2]);
	CHECK(weft__depot_take(&d) == &batches[2]);
	CHECK(weft__depot_take(&d) == &batches[0]);
	CHECK(weft__depot_take(&d) == NULL);
}

TEST(depot_has_a_list_that_a_worker_keeps_first)
{
	weft__depot d = {0};
	weft__batch mine[2] = {{.count = 1}, {.count = 2}}, *kept = NULL;

	give(&d, 1);
	weft__depot_keep(&d, &kept, &mine[0]);
	CHECK(weft__depot_take_kept(&d, &kept) == &mine[0]);
	CHECK(weft__depot_take_kept(&d, &kept) == &batches[0]);
	CHECK(weft__depot_take_kept(&d, &kept) == NULL);
	weft__depot_keep(&d, &kept, &mine[0]);
	weft__depot_keep(&d, &kept, &mine[1]);
	CHECK(kept == &mine[1]);
	weft__depot_keep(&d, &kept, NULL);
	CHECK(kept == NULL);
	CHECK_EQ(d.young_count, 3);
	CHECK(weft__depot_take(&d) == &mine[1]);
	CHECK(weft__depot_take(&d) == &mine[0]);
	CHECK_EQ(d.young_count, 0);
}

TEST(depot_has_few_left_alone)
{
	weft__depot d = {0};

	CHECK_EQ(weft__depot_trim(&d, KEPT, NOW), WEFT_NEVER);
	give(&d, KEPT / EACH);
	CHECK_EQ(weft__depot_trim(&d, KEPT, NOW), WEFT_NEVER);
}

TEST(depot_has_those_cut_off_that_nobody_has_needed_for_a_second)
{
	weft__depot d = {0};

	give(&d, LISTS);
	CHECK_EQ(trim(&d, NOW), 0);
	CHECK_EQ(trim(&d, NOW + 2 * WEFT_SECOND), LISTS - KEPT / EACH);
	CHECK_EQ(d.old_count, KEPT);
	for (int i = 0; i < KEPT / EACH; i++)
		CHECK(weft__depot_take(&d) != NULL);
	CHECK(weft__depot_take(&d) == NULL);
}

TEST(depot_keeps_what_was_needed_since_the_last_look)
{
	weft__depot d = {0};
	weft__batch last = {.count = EACH};

	give(&d, LISTS);
	CHECK_EQ(trim(&d, NOW), 0);
	weft__depot_give(&d, &last);
	CHECK(weft__depot_take(&d) == &last);
	for (int i = 0; i < LISTS / 2; i++)
		CHECK(weft__depot_take(&d) == &batches[LISTS - 1 - i]);
	for (int i = LISTS / 2; i < LISTS; i++)
		weft__depot_give(&d, &batches[i]);
	CHECK_EQ(trim(&d, NOW + 2 * WEFT_SECOND), LISTS / 2);
	CHECK_EQ(d.old_count, EACH * LISTS / 2);
	CHECK_EQ(trim(&d, NOW + 4 * WEFT_SECOND), LISTS / 2 - KEPT / EACH);
}

/* However many there are in use: see that a look does not depend on it. */
TEST(depot_has_what_is_old_cut_off_while_many_come_and_go)
{
	weft__depot d = {0};
	weft__batch many[20 * LISTS];

	give(&d, LISTS);
	CHECK_EQ(trim(&d, NOW), 0);
	for (int i = 0; i < 20 * LISTS; i++) {
		many[i].count = 1;
		weft__depot_give(&d, &many[i]);
	}
	CHECK_EQ(trim(&d, NOW + 2 * WEFT_SECOND), LISTS);
	CHECK_EQ(d.old_count, 20 * LISTS);
	CHECK(weft__depot_take(&d) == &many[20 * LISTS - 1]);
}
