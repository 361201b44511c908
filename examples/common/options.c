/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void refuse(const char *program, const char *argument,
			     const char *why)
{
	const char *name = strrchr(program, '/');

	fprintf(stderr, "%s: %s: %s\n", name != NULL ? name + 1 : program,
		argument, why);
	exit(2);
}

static bool read_count(const option *o, const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < o->min ||
	    value > o->max)
		return false;
	*(long *)o->to = value;
	return true;
}

static bool read_duration(const option *o, const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}};
	char *end;
	double value = strtod(text, &end);

	if (end == text || !isfinite(value))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		double ms = value * units[i].ms;

		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (ms < (double)o->min || ms > (double)o->max)
			return false;
		*(weft_duration *)o->to = (weft_duration)(ms * 1e6);
		return true;
	}
	return false;
}

static bool read_value(const option *o, const char *text)
{
	switch (o->kind) {
	case OPTION_COUNT:
		return read_count(o, text);
	case OPTION_DURATION:
		return read_duration(o, text);
	default:
		*(const char **)o->to = text;
		return true;
	}
}

static const option *find(const option *o, const char *name, size_t size)
{
	while (o->name != NULL &&
	       (strlen(o->name) != size || strncmp(o->name, name, size) != 0))
		o++;
	return o->name != NULL ? o : NULL;
}

void options_read(const option *options, const char *help, char **argv)
{
	const char *program = *argv++;

	for (; *argv != NULL; argv++) {
		const char *name = *argv + 2, *value;
		size_t size = strcspn(*argv, "=");
		const option *o = NULL;

		if (strcmp(*argv, "--help") == 0) {
			fputs(help, stdout);
			exit(0);
		}
		if (strncmp(*argv, "--", 2) == 0)
			o = find(options, name, size - 2);
		if (o == NULL)
			refuse(program, *argv, "there is no such option");
		value = (*argv)[size] == '=' ? *argv + size + 1 : NULL;
		if (o->kind == OPTION_FLAG) {
			if (value != NULL)
				refuse(program, *argv, "takes no value");
			*(bool *)o->to = true;
			continue;
		}
		if (value == NULL && (value = *++argv) == NULL)
			refuse(program, argv[-1], "needs a value");
		if (!read_value(o, value))
			refuse(program, value, "not what this option takes");
	}
}
