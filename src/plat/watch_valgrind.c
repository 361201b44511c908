/* SPDX-License-Identifier: MIT */
#include "plat/watch.h"

#include <valgrind/memcheck.h>

void weft__watch_stack(char *low, char *high)
{
	(void)VALGRIND_STACK_REGISTER(low, high);
}

void weft__watch_pause(void)
{
	VALGRIND_DISABLE_ERROR_REPORTING;
}

void weft__watch_resume(void)
{
	VALGRIND_ENABLE_ERROR_REPORTING;
}

void weft__watch_written(const void *memory, size_t size_bytes)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(memory, size_bytes);
}

bool weft__watched(void)
{
	return RUNNING_ON_VALGRIND != 0;
}
