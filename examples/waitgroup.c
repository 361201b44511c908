/* SPDX-License-Identifier: MIT */
/*
 * The sum of a large array, by halves: every task splits off one for the left
 * half and goes on with the right. A wait group joins them all, and a context
 * says how long that may take.
 */
#include <stdio.h>
#include <weft.h>

enum { NUMBERS = 1 << 20, PIECE = 1 << 14 };

static long numbers[NUMBERS];
static long sums[NUMBERS / PIECE];

typedef struct {
	weft_waitgroup *wg;
	long low, high;
} range;

static void add_up(void *arg)
{
	range r = *(range *)arg;

	while (r.high - r.low > PIECE) {
		long middle = (r.low + r.high) / 2;
		range left = {r.wg, r.low, middle};

		weft_waitgroup_add(r.wg, 1);
		if (weft_go_copy(add_up, &left, sizeof left) != 0)
			add_up(&left);
		r.low = middle;
	}
	for (long i = r.low; i < r.high; i++)
		sums[r.low / PIECE] += numbers[i];
	weft_waitgroup_done(r.wg);
}

int main(void)
{
	weft_waitgroup wg = {0};
	range all = {&wg, 0, NUMBERS};
	weft_ctx ctx;
	long sum = 0;

	for (long i = 0; i < NUMBERS; i++)
		numbers[i] = i;
	weft_ctx_init_timeout(&ctx, NULL, 10 * WEFT_SECOND);
	weft_waitgroup_add(&wg, 1);
	add_up(&all);
	if (weft_waitgroup_wait_ctx(&wg, &ctx) != 0)
		return 1;
	weft_ctx_fini(&ctx);
	for (int i = 0; i < NUMBERS / PIECE; i++)
		sum += sums[i];
	printf("%d pieces, sum %ld\n", NUMBERS / PIECE, sum);
}
/*
 * Output:
 * 64 pieces, sum 549755289600
 */
