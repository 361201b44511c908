/* SPDX-License-Identifier: MIT */
/*
 * Check a hundred files, four at a time. One of them is bad: its error is what
 * wait returns, those that are being checked stop, the rest never begins.
 */
#include <stdio.h>
#include <weft.h>

enum { FILES = 100, BAD_FILE = 30, NOT_A_PICTURE = 415 };

static weft_waitgroup small_ones;
static int stopped; /* atomic */

static int check(weft_ctx *ctx, void *arg)
{
	int file = *(int *)arg;

	if (file < BAD_FILE) {
		weft_waitgroup_done(&small_ones);
		return 0;
	}
	if (file == BAD_FILE) {
		weft_waitgroup_wait(&small_ones);
		return NOT_A_PICTURE;
	}
	weft_atomic_add(&stopped, 1, relaxed);
	return weft_ctx_wait(ctx); /* a large one: it takes for ever */
}

int main(void)
{
	weft_group g;
	int file = 0, err;

	weft_waitgroup_add(&small_ones, BAD_FILE);
	weft_group_init(&g, NULL);
	weft_group_set_limit(&g, 4);
	while (file < FILES && !weft_ctx_done(weft_group_ctx(&g))) {
		weft_group_go_copy(&g, check, &file, sizeof file);
		file++;
	}
	err = weft_group_wait(&g);
	printf("error %d; at most 3 more were begun: %s; all were: %s\n", err,
	       stopped <= 3 ? "yes" : "no", file == FILES ? "yes" : "no");
}
/*
 * Output:
 * error 415; at most 3 more were begun: yes; all were: no
 */
