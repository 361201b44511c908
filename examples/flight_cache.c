/* SPDX-License-Identifier: MIT */
/*
 * A loading cache: prices that are good for a second, of which the three asked
 * for lately are kept. The shop answers slowly; nobody is told an old price for
 * longer than it takes to fetch a new one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>

static int trips;

static int fetch(weft_ctx *ctx, void *arg, void **value)
{
	int *price = malloc(sizeof *price);

	(void)ctx;
	trips++;
	if (price != NULL)
		*price = 10 * *(char *)arg;
	*value = price;
	return price != NULL ? 0 : -1;
}

static weft_flight prices = {
	.drop = free,
	.ttl = WEFT_SECOND,
	.stale = WEFT_SECOND,
	.error_ttl = WEFT_MS(100),
	.early = 1,
	.max_entries = 3,
};

static int price_of(char *thing)
{
	weft_result r = weft_flight_do(&prices, weft_key_str(thing), fetch,
				       thing);
	int price = r.err == 0 ? *(int *)r.value : -1;

	weft_result_release(&r);
	return price;
}

int main(void)
{
	char *things[] = {"apple", "bread", "cheese", "dates"};
	weft_flight_counters c;

	for (int i = 0; i < 1000; i++)
		price_of("apple");
	for (int i = 0; i < 4; i++)
		printf("%s %d\n", things[i], price_of(things[i]));
	weft_flight_count(&prices, &c);
	printf("%d trips, %d answers from memory\n", trips, (int)c.kept);
	printf("%d kept, %d evicted\n", (int)c.entries, (int)c.evicted);
	weft_flight_fini(&prices);
}
/*
 * Output:
 * apple 970
 * bread 980
 * cheese 990
 * dates 1000
 * 4 trips, 1000 answers from memory
 * 3 kept, 1 evicted
 */
