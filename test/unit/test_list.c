/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "test.h"

enum { LINKS = 64 };

/* The links of head, forwards and backwards, are those of wanted[0..count). */
static void check_order(weft__link *head, weft__link *wanted[], int count)
{
	weft__link *forwards = head, *backwards = head;

	CHECK_EQ(weft__list_empty(head), count == 0);
	CHECK(weft__list_first(head) == (count == 0 ? NULL : wanted[0]));
	if (head->next == NULL)
		return;
	for (int i = 0; i < count; i++) {
		forwards = forwards->next;
		backwards = backwards->prev;
		CHECK(forwards == wanted[i]);
		CHECK(backwards == wanted[count - 1 - i]);
	}
	CHECK(forwards->next == head);
	CHECK(backwards->prev == head);
}

TEST(list_of_zero_bytes_is_empty)
{
	weft__link head = {0};

	check_order(&head, NULL, 0);
	CHECK(weft__list_pop(&head) == NULL);
}

TEST(list_pops_in_the_order_of_pushes)
{
	weft__link head = {0}, links[LINKS] = {0};

	for (int i = 0; i < LINKS; i++)
		weft__list_push(&head, &links[i]);
	for (int i = 0; i < LINKS; i++) {
		CHECK(weft__list_pop(&head) == &links[i]);
		CHECK(!weft__list_linked(&links[i]));
	}
	check_order(&head, NULL, 0);
}

TEST(list_link_knows_whether_it_is_in_a_list)
{
	weft__link head = {0}, link = {0};

	CHECK(!weft__list_linked(&link));
	weft__list_push(&head, &link);
	CHECK(weft__list_linked(&link));
	weft__list_remove(&link);
	CHECK(!weft__list_linked(&link));
}

TEST(list_can_be_filled_again_after_it_was_emptied)
{
	weft__link head = {0}, link = {0};

	for (int i = 0; i < 3; i++) {
		weft__list_push(&head, &link);
		check_order(&head, (weft__link *[]){&link}, 1);
		weft__list_remove(&link);
		check_order(&head, NULL, 0);
	}
}

static void forget(weft__link *order[], int *count, weft__link *link)
{
	int i = 0;

	while (order[i] != link)
		i++;
	for ((*count)--; i < *count; i++)
		order[i] = order[i + 1];
}

TEST(list_agrees_with_an_array_after_random_steps)
{
	weft__link head = {0}, links[LINKS] = {0}, *order[LINKS];
	int count = 0;

	for (int step = 0; step < 5000; step++) {
		weft__link *link = &links[test_random() % LINKS];

		if (weft__list_linked(link)) {
			weft__list_remove(link);
			forget(order, &count, link);
		} else {
			weft__list_push(&head, link);
			order[count++] = link;
		}
		check_order(&head, order, count);
	}
}
