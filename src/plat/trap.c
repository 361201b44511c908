/* SPDX-License-Identifier: MIT */
#include "base/trap.h"

#include "plat/thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void (*weft__fatal_hook)(void);

void weft__fatal(const char *format, ...)
{
	char line[256];
	va_list args;
	WEFT__UNCANCELLED();

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	fprintf(stderr, "fatal error: %s\n", line);
	fflush(stderr);	/* the program may have given it a buffer */
	if (weft__fatal_hook != NULL)
		weft__fatal_hook();
	abort();
}
