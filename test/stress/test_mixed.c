/* SPDX-License-Identifier: MIT */
/* Everything at once, from tasks and threads, by a seed, for some seconds. */
#include "steps.h"

enum { SECONDS = 3, SECONDS_LONG = 60, ACTORS = 24 };

static weft_time end;

static void act(void *unused)
{
	(void)unused;
	steps_take(end);
}

TEST_FLAVOURS(mixed_steps_balance_at_the_end)
{
	int seconds = test_long() ? SECONDS_LONG : SECONDS;

	test_limit((unsigned)seconds + 60);
	steps_begin();
	end = weft_now() + seconds * WEFT_SECOND;
	for (int i = 0; i < ACTORS; i++)
		test_start(act, NULL);
	test_join_all();
	steps_balance();
	steps_print();
}
