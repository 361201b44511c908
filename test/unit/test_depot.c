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
	CHECK(weft__depot_next(&d, &kept) == &mine[0]);
	CHECK(weft__depot_next(&d, &kept) == &batches[0]);
	CHECK(weft__depot_next(&d, &kept) == NULL);
	weft__depot_keep(&d, &kept, &mine[0]);
	weft__depot_keep(&d, &kept, &mine[1]);
	CHECK(kept == &mine[1]);
	weft__depot_keep(&d, &kept, NULL);
	CHECK(kept == NULL);
	CHECK_EQ(d.count, 3);
	CHECK(weft__depot_take(&d) == &mine[1]);
	CHECK(weft__depot_take(&d) == &mine[0]);
	CHECK_EQ(d.count, 0);
}

TEST(depot_has_few_left_alone)
{
	weft__depot d = {0};

	CHECK_EQ(weft__depot_trim(&d, KEPT, NOW), WEFT_NEVER);
	give(&d, KEPT / EACH);
	CHECK_EQ(weft__depot_trim(&d, KEPT, NOW), WEFT_NEVER);
}

/* The first look finds how many there were while there was none: 0. */
TEST(depot_has_those_cut_off_that_nobody_has_needed_for_a_second)
{
	weft__depot d = {0};

	give(&d, LISTS);
	CHECK_EQ(trim(&d, NOW), 0);
	CHECK_EQ(trim(&d, NOW + 2 * WEFT_SECOND), LISTS - KEPT / EACH);
	CHECK_EQ(d.count, KEPT);
	CHECK(weft__depot_take(&d) == &batches[LISTS - 1]);
}

TEST(depot_keeps_what_was_needed_since_the_last_look)
{
	weft__depot d = {0};

	give(&d, LISTS);
	CHECK_EQ(trim(&d, NOW), 0);
	for (int i = 0; i < LISTS / 2; i++)
		CHECK(weft__depot_take(&d) == &batches[LISTS - 1 - i]);
	for (int i = LISTS / 2; i < LISTS; i++)
		weft__depot_give(&d, &batches[i]);
	CHECK_EQ(trim(&d, NOW + 2 * WEFT_SECOND), LISTS / 2 - KEPT / EACH);
	CHECK_EQ(d.count, EACH * LISTS / 2 + KEPT);
	CHECK_EQ(trim(&d, NOW + 4 * WEFT_SECOND), LISTS / 2);
}

/* To find where to cut would hold up those who need one. */
TEST(depot_does_not_go_far_past_what_is_in_use)
{
	enum { FAR = 3000 };
	static weft__batch single[FAR];
	weft__depot d = {0};
	int taken = FAR - KEPT - 1;

	for (int i = 0; i < FAR; i++) {
		single[i].count = 1;
		weft__depot_give(&d, &single[i]);
	}
	CHECK_EQ(trim(&d, NOW), 0);
	for (int i = 0; i < taken; i++)
		CHECK(weft__depot_take(&d) == &single[FAR - 1 - i]);
	for (int i = FAR - taken; i < FAR; i++)
		weft__depot_give(&d, &single[i]);
	CHECK_EQ(trim(&d, NOW + 2 * WEFT_SECOND), 0);
	CHECK_EQ(d.count, FAR);
	CHECK_EQ(trim(&d, NOW + 4 * WEFT_SECOND), FAR - KEPT);
}
