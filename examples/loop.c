/* SPDX-License-Identifier: MIT */
/*
 * A program with an event loop of its own, here poll(2). Tasks work beside it;
 * the score belongs to the loop's thread, so they hand it over there.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <weft.h>

static weft_loop door;
static long score;	/* the loop's thread alone touches it */
static int left = 10;
static bool on_its_thread = true;
static __thread bool is_loop;

static void add_up(void *points)
{
	on_its_thread &= is_loop;
	score += *(long *)points;
	left--;
}

static void play(void *arg)
{
	long points = 0;

	for (int i = 0; i < 1000; i++) {
		points += *(int *)arg;
		if (i % 100 == 0)
			weft_yield();
	}
	weft_loop_call(&door, add_up, &points);
}

int main(void)
{
	if (weft_loop_init(&door) != 0)
		return 1;
	is_loop = true;
	for (int i = 1; i <= 10; i++)
		if (weft_go_copy(play, &i, sizeof i) != 0)
			return 1;
	while (left > 0) {
		struct pollfd p = {weft_loop_fd(&door), POLLIN, 0};

		if (poll(&p, 1, -1) == 1)
			weft_loop_step(&door);
	}
	printf("score %ld, on the loop's thread: %d\n", score, on_its_thread);
	weft_loop_fini(&door);
}
/*
 * Output:
 * score 55000, on the loop's thread: 1
 */
