/* SPDX-License-Identifier: MIT */
/*
 * A pipeline: one task makes numbers, four square them, main adds them up. Each
 * stage closes its channel when no more will come.
 */
#include <stdio.h>
#include <weft.h>

enum { NUMBERS = 100, WORKERS = 4 };

static weft_chan numbers, squares;
static weft_waitgroup working;

static void make(void *arg)
{
	for (long n = 1; n <= NUMBERS; n++)
		weft_chan_send(&numbers, &n);
	weft_chan_close(&numbers);
	(void)arg;
}

static void square(void *arg)
{
	long n;

	while (weft_chan_recv(&numbers, &n)) {
		n *= n;
		weft_chan_send(&squares, &n);
	}
	(void)arg;
}

static void close_squares(void *arg)
{
	weft_waitgroup_wait(&working);
	weft_chan_close(&squares);
	(void)arg;
}

int main(void)
{
	long sum = 0, n;

	if (weft_chan_init(&numbers, sizeof n, 0) != 0 ||
	    weft_chan_init(&squares, sizeof n, 16) != 0)
		return 1;
	for (int i = 0; i < WORKERS; i++)
		if (weft_waitgroup_go(&working, square, NULL) != 0)
			return 1;
	if (weft_go(make, NULL) != 0 || weft_go(close_squares, NULL) != 0)
		return 1;
	while (weft_chan_recv(&squares, &n))
		sum += n;
	printf("the squares up to %d add up to %ld\n", NUMBERS, sum);
	weft_chan_fini(&squares);
}
/*
 * Output:
 * the squares up to 100 add up to 338350
 */
