/* SPDX-License-Identifier: MIT */
/*
 * A thousand tasks need a table and a connection. The table is computed by the
 * first who asks; the connection fails twice before it stands.
 */
#include <errno.h>
#include <stdio.h>
#include <weft.h>

enum { TASKS = 1000 };

static int tables, dials;

WEFT_ONCE_VALUE(const int *, squares)
{
	static int table[100];

	for (int i = 0; i < 100; i++)
		table[i] = i * i;
	tables++;
	return table;
}

static weft_once connected;

static int dial(void *arg)
{
	(void)arg;
	return ++dials < 3 ? -ECONNREFUSED : 0;
}

static void use(void *arg)
{
	long *sum = arg;

	while (weft_once_try(&connected, dial, NULL) != 0)
		weft_yield();	/* this attempt failed: the next may not */
	*sum = squares()[99];
}

int main(void)
{
	static long sums[TASKS];
	weft_waitgroup wg = {0};
	long sum = 0;

	for (int i = 0; i < TASKS; i++)
		if (weft_waitgroup_go(&wg, use, &sums[i]) != 0)
			return 1;
	weft_waitgroup_wait(&wg);
	for (int i = 0; i < TASKS; i++)
		sum += sums[i];
	printf("table computed %d time, dialled %d times\n", tables, dials);
	printf("sum %ld\n", sum);
}
/*
 * Output:
 * table computed 1 time, dialled 3 times
 * sum 9801000
 */
