/* SPDX-License-Identifier: MIT */
/* A program with much storage of its threads, which glibc puts on their stacks. */
#include "test.h"

#include <weft/task.h>

enum { BYTES = 1 << 20 };

static _Thread_local volatile char many[BYTES];

static int touch(void *unused)
{
	(void)unused;
	many[0] = many[BYTES - 1] = 1;
	return many[0] + many[BYTES - 1];
}

TEST(tasks_run_where_threads_have_a_mebibyte_of_variables)
{
	CHECK_EQ(weft_run(touch, NULL), 2);
}
