/* SPDX-License-Identifier: MIT */
#include "test.h"

static void unpin(void *arg)
{
	(void)arg;
	weft_pin();
	weft_unpin();
	weft_unpin();
}

TEST_TRAP(unpin_of_a_task_that_is_not_pinned,
	  "panic: weft_unpin without weft_pin")
{
	test_start_task(unpin, NULL);
	test_join_all();
}
