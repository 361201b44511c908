/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "test.h"

#include <limits.h>
#include <stdlib.h>

enum { NODES = 300 };

/* Any number of bits, so that all levels have something. */
static int64_t random_span(void)
{
	return (int64_t)(test_random() >> (1 + test_random() % 63));
}

/* However many have to be put elsewhere for it. */
static weft__wheel_node *due(weft__wheel *wheel, int64_t now)
{
	int moves = INT_MAX;

	return weft__wheel_take(wheel, now, &moves);
}

/* When the next will be due, by the wheel's own account, and who it is then. */
static weft__wheel_node *pop(weft__wheel *wheel)
{
	weft__wheel_node *node = NULL;
	int64_t next;

	while (node == NULL && (next = weft__wheel_next(wheel)) != INT64_MAX)
		node = due(wheel, next);
	return node;
}

TEST(wheel_of_zero_bytes_is_empty)
{
	static weft__wheel wheel;

	CHECK(weft__wheel_empty(&wheel));
	CHECK(due(&wheel, INT64_MAX) == NULL);
	CHECK_EQ(weft__wheel_next(&wheel), INT64_MAX);
}

TEST(wheel_gives_keys_in_order)
{
	static weft__wheel wheel;
	weft__wheel_node nodes[NODES];
	int64_t last = 0;

	for (int i = 0; i < NODES; i++)
		weft__wheel_insert(&wheel, &nodes[i], random_span());
	for (int i = 0; i < NODES; i++) {
		weft__wheel_node *node = pop(&wheel);

		CHECK(node != NULL);
		CHECK_LE(last, node->key);
		last = node->key;
	}
	CHECK(weft__wheel_empty(&wheel));
}

TEST(wheel_gives_nothing_early)
{
	static weft__wheel wheel;
	weft__wheel_node node;

	for (int64_t key = 1; key < INT64_MAX / 2; key *= 2) {
		weft__wheel_insert(&wheel, &node, key);
		CHECK_EQ(weft__wheel_next(&wheel), key);
		CHECK(due(&wheel, key - 1) == NULL);
		CHECK(due(&wheel, key) == &node);
		CHECK_EQ(weft__wheel_next(&wheel), INT64_MAX);
	}
}

TEST(wheel_has_what_is_late_at_once)
{
	static weft__wheel wheel;
	weft__wheel_node late, next;

	CHECK(due(&wheel, 1000) == NULL);
	weft__wheel_insert(&wheel, &next, 1001);
	weft__wheel_insert(&wheel, &late, -1);
	CHECK_LE(weft__wheel_next(&wheel), 1000);
	CHECK(due(&wheel, 1000) == &late);
	CHECK_EQ(late.key, 1000);
	CHECK(due(&wheel, 1000) == NULL);
	CHECK(due(&wheel, 1001) == &next);
}

/* What is near now was far when nothing had happened yet. */
TEST(wheel_keeps_up_with_the_time)
{
	static weft__wheel wheel;
	weft__wheel_node node;
	int64_t now = INT64_MAX / 3;

	CHECK(due(&wheel, now) == NULL);
	weft__wheel_insert(&wheel, &node, now + 1);
	CHECK_EQ(wheel.levels, 1);
}

TEST(wheel_gives_equal_far_keys_in_their_order)
{
	static weft__wheel wheel;
	weft__wheel_node nodes[NODES];
	int64_t key = (int64_t)1 << 50;

	for (int i = 0; i < NODES; i++)
		weft__wheel_insert(&wheel, &nodes[i], key + i % 2 * key);
	for (int i = 0; i < NODES; i++)
		CHECK_EQ(pop(&wheel)->key, i < NODES / 2 ? key : 2 * key);
	CHECK(weft__wheel_empty(&wheel));
}

static int64_t smallest(const weft__wheel_node nodes[], const bool in[])
{
	int64_t key = INT64_MAX;

	for (int i = 0; i < NODES; i++)
		if (in[i] && nodes[i].key < key)
			key = nodes[i].key;
	return key;
}

/* A few moves at a time, none now and then. */
static weft__wheel_node *due_in_steps(weft__wheel *wheel, int64_t now)
{
	weft__wheel_node *node;
	int moves;

	do {
		moves = (int)(test_random() % 8);
		node = weft__wheel_take(wheel, now, &moves);
	} while (node == NULL && wheel->opening != NULL);
	return node;
}

static void check_taken(const weft__wheel_node *node,
			const weft__wheel_node nodes[], bool in[], int64_t now)
{
	CHECK(in[node - nodes]);
	CHECK_LE(node->key, now);
	CHECK_EQ(node->key, smallest(nodes, in));
	in[node - nodes] = false;
}

static void check_due(weft__wheel *wheel, weft__wheel_node nodes[], bool in[],
		      int64_t now)
{
	weft__wheel_node *node;

	while ((node = due_in_steps(wheel, now)) != NULL)
		check_taken(node, nodes, in, now);
	CHECK_LT(now, smallest(nodes, in));
}

/* Put in, take out, look what is due: count nodes, due in some span. */
static void take_steps(weft__wheel *wheel, int count, int64_t (*span)(void))
{
	weft__wheel_node nodes[NODES], *node;
	bool in[NODES] = {0};
	int64_t now = wheel->base, next;
	int moves;

	for (int step = 0; step < 10000; step++) {
		int i = (int)(test_random() % (unsigned)count);
		int64_t key = now + span();

		if (in[i]) {
			weft__wheel_remove(wheel, &nodes[i]);
		} else {
			weft__wheel_insert(wheel, &nodes[i], key);
			CHECK_EQ(nodes[i].key, key);
		}
		in[i] = !in[i];
		next = weft__wheel_next(wheel);
		CHECK_LE(next, smallest(nodes, in));
		CHECK_EQ(next == INT64_MAX, smallest(nodes, in) == INT64_MAX);
		if (test_random() % 4 == 0 && next != INT64_MAX) {
			now = next > now ? next : now;
			check_due(wheel, nodes, in, now);
		} else if (test_random() % 4 == 0) {
			/* The rest of a list may stay as it is for long. */
			now = next != INT64_MAX && next > now ? next : now;
			moves = (int)(test_random() % 8);
			node = weft__wheel_take(wheel, now, &moves);
			if (node != NULL)
				check_taken(node, nodes, in, now);
		}
	}
	check_due(wheel, nodes, in, INT64_MAX - 1);
}

static int64_t any_time(void)
{
	return random_span() >> 20;
}

static int64_t an_hour(void)
{
	return ((int64_t)1 << 42) + (int64_t)(test_random() >> 30);
}

TEST(wheel_agrees_with_a_table_after_random_steps)
{
	static weft__wheel few, many, together;

	take_steps(&few, 3, any_time);
	take_steps(&many, NODES, any_time);
	take_steps(&together, NODES, an_hour);
}

enum { CROWD = 5000, MOVES = 10 };

static size_t count_list(const weft__wheel_node *node)
{
	size_t count = 0;

	for (; node != NULL; node = node->next)
		count++;
	return count;
}

/* A crowd in one far list, of which the first call has opened a part. */
static int64_t open_in_part(weft__wheel *wheel, weft__wheel_node nodes[])
{
	int64_t begin = (int64_t)1 << 42;
	int moves = MOVES;

	for (int i = CROWD - 1; i >= 0; i--)
		weft__wheel_insert(wheel, &nodes[i], begin + i * 1000);
	CHECK(weft__wheel_take(wheel, begin - 1, &moves) == NULL);
	CHECK_EQ(moves, MOVES);
	CHECK(weft__wheel_take(wheel, begin, &moves) == NULL);
	CHECK_EQ(moves, 0);
	CHECK_EQ(count_list(wheel->opening), CROWD - MOVES);
	return begin;
}

TEST(wheel_moves_no_more_at_a_time_than_it_may)
{
	static weft__wheel wheel;
	static weft__wheel_node nodes[CROWD];
	int64_t begin = open_in_part(&wheel, nodes);
	weft__wheel_node *node = NULL;
	size_t left = CROWD - MOVES;
	int moves;

	while (wheel.opening != NULL) {
		CHECK_EQ(weft__wheel_next(&wheel), begin);
		moves = MOVES;
		node = weft__wheel_take(&wheel, begin, &moves);
		left -= MOVES;
		CHECK_EQ(count_list(wheel.opening), left);
	}
	while (node == NULL)
		node = due(&wheel, begin);
	CHECK(node == &nodes[0]);
}

TEST(wheel_gives_nothing_of_a_list_that_is_open_in_part)
{
	static weft__wheel wheel;
	static weft__wheel_node nodes[CROWD];
	int64_t begin = open_in_part(&wheel, nodes);

	for (int moves = 0; moves <= MOVES; moves++) {
		int left = moves;

		CHECK(weft__wheel_take(&wheel, begin + CROWD * 1000, &left) == NULL);
		CHECK_EQ(left, 0);
	}
	CHECK(pop(&wheel) == &nodes[0]);
}

TEST(wheel_takes_out_of_a_list_that_is_open_in_part)
{
	static weft__wheel wheel;
	static weft__wheel_node nodes[CROWD];
	static weft__wheel_node late;
	int64_t begin = open_in_part(&wheel, nodes);

	weft__wheel_insert(&wheel, &late, begin + 1);
	for (int i = 0; i < CROWD; i++)
		if (i % 7 == 0 || i < 3 * MOVES || i > CROWD - MOVES)
			weft__wheel_remove(&wheel, &nodes[i]);
	CHECK(pop(&wheel) == &late);
	for (int i = 3 * MOVES; i <= CROWD - MOVES; i++)
		if (i % 7 != 0)
			CHECK(pop(&wheel) == &nodes[i]);
	CHECK(weft__wheel_empty(&wheel));
}

/* A crowd, two with each key, in one far list: as they are, whoever leaves. */
TEST(wheel_moves_nothing_of_a_list_in_order)
{
	static weft__wheel wheel;
	static weft__wheel_node nodes[CROWD], mixed[2];
	int64_t begin = (int64_t)1 << 42;
	int moves = 1;

	weft__wheel_insert(&wheel, &mixed[0], begin + 1);
	weft__wheel_insert(&wheel, &mixed[1], begin);
	weft__wheel_remove(&wheel, &mixed[0]);
	weft__wheel_remove(&wheel, &mixed[1]);
	for (int i = 0; i < CROWD; i++)
		weft__wheel_insert(&wheel, &nodes[i], begin + i / 2);
	for (int i = 0; i < CROWD; i += 7)
		weft__wheel_remove(&wheel, &nodes[i]);
	for (int i = 0; i < CROWD; i++) {
		if (i % 7 == 0)
			continue;
		CHECK_EQ(weft__wheel_next(&wheel), begin + i / 2);
		CHECK(weft__wheel_take(&wheel, begin + i / 2, &moves) ==
		      &nodes[i]);
	}
	CHECK_EQ(moves, 1);
	CHECK(weft__wheel_empty(&wheel));
}

static void insert_any(weft__wheel *wheel, weft__wheel_node nodes[], int64_t i)
{
	weft__wheel_insert(wheel, &nodes[i], ((int64_t)1 << 42) + i * 1000);
}

/* As long as it takes a table, not its square. */
TEST(wheel_of_a_million_keys_can_be_emptied_in_any_order)
{
	enum { MANY = 1000 * 1000, STRIDE = 7919 };
	static weft__wheel wheel;
	weft__wheel_node *nodes = malloc(MANY * sizeof *nodes);

	CHECK(nodes != NULL);
	for (int i = 0; i < MANY; i++)
		insert_any(&wheel, nodes, (int64_t)i * STRIDE % MANY);
	for (int i = 0; i < MANY / 2; i++)
		weft__wheel_remove(&wheel,
				   &nodes[(int64_t)i * 2 * STRIDE % MANY]);
	for (int i = 1; i < MANY; i += 2)
		CHECK(pop(&wheel) == &nodes[i]);
	CHECK(weft__wheel_empty(&wheel));
	free(nodes);
}
