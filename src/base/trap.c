/* SPDX-License-Identifier: MIT */
#include "base/trap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void die(const char *kind, const char *format, va_list args)
{
	char line[256];

	vsnprintf(line, sizeof line, format, args);
	fprintf(stderr, "%s: %s\n", kind, line);
	abort();
}

void weft__panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	die("panic", format, args);
}

void weft__fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	die("fatal error", format, args);
}
