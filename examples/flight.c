/* SPDX-License-Identifier: MIT */
/*
 * A hundred requests for one page arrive at once. It is rendered once, all of
 * them show it, and who is last throws it away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>

enum { REQUESTS = 100 };

static int rendered, shown, thrown_away; /* atomic */

static void throw_away(void *page)
{
	weft_atomic_add(&thrown_away, 1, relaxed);
	free(page);
}

static weft_flight pages = {.drop = throw_away};

static int render(weft_ctx *ctx, void *arg, void **value)
{
	char *page = malloc(64);

	if (page == NULL)
		return -ENOMEM;
	weft_sleep(ctx, WEFT_MS(20));
	snprintf(page, 64, "<h1>%s</h1>", (const char *)arg);
	weft_atomic_add(&rendered, 1, relaxed);
	*value = page;
	return 0;
}

static void request(void *arg)
{
	weft_result r = weft_flight_do(&pages, weft_key_str(arg), render, arg);

	if (r.err == 0 && ((char *)r.value)[0] == '<')
		weft_atomic_add(&shown, 1, relaxed);
	weft_result_release(&r);
}

int main(void)
{
	weft_waitgroup wg = {0};

	for (int i = 0; i < REQUESTS; i++)
		if (weft_waitgroup_go(&wg, request, (void *)"weft") != 0)
			return 1;
	weft_waitgroup_wait(&wg);
	weft_flight_fini(&pages);
	printf("rendered %d, shown %d, thrown away %d\n", rendered, shown,
	       thrown_away);
}
/*
 * Output:
 * rendered 1, shown 100, thrown away 1
 */
