/* SPDX-License-Identifier: MIT */
#include "plat/watch.h"

#include <valgrind/valgrind.h>

void weft__watch_stack(char *low, char *high)
{
	(void)VALGRIND_STACK_REGISTER(low, high);
}

bool weft__watched(void)
{
	return RUNNING_ON_VALGRIND != 0;
}
