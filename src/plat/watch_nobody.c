/* SPDX-License-Identifier: MIT */
#include "plat/watch.h"

void weft__watch_stack(char *low, char *high)
{
	(void)low;
	(void)high;
}

void weft__watch_pause(void)
{
}

void weft__watch_resume(void)
{
}

void weft__watch_written(const void *memory, size_t size_bytes)
{
	(void)memory;
	(void)size_bytes;
}

bool weft__watched(void)
{
	return false;
}
