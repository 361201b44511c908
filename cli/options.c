/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

/* The whole of text as a finite number, without leading blanks, hex, inf, nan. */
static bool read_number(const char *text, double *value, const char **rest)
{
	char *end;

	if (strspn(text, "0123456789.") == 0)
		return false;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return false;
	*value = strtod(text, &end);
	*rest = end;
	return end != text && isfinite(*value);
}

static bool read_time(const char *text, double *seconds)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"", 1},	{"s", 1},    {"ms", 1e-3},
		     {"m", 60}, {"h", 3600}, {"d", 86400}};
	const char *rest;

	if (!read_number(text, seconds, &rest))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(rest, units[i].unit) == 0) {
			*seconds *= units[i].seconds;
			return true;
		}
	}
	return false;
}

static bool read_seed(const char *text, uint64_t *seed)
{
	char *end;

	if (strspn(text, "0123456789") != strlen(text) || text[0] == '\0')
		return false;
	errno = 0;
	*seed = strtoull(text, &end, 10);
	return errno == 0;
}

static int bad_value(const cli_options *of, const cli_option *o,
		     const char *value)
{
	static const char *const wanted[] = {
		[CLI_NUMBER] = "a number",
		[CLI_WHOLE] = "a whole number",
		[CLI_TIME] = "a time",
	};
	const char *unit = o->kind == CLI_TIME ? "s" : "";

	if (o->kind == CLI_SEED)
		return cli_trouble(of->command, "--%s: '%s' is not a whole "
				   "number below 2^64", o->name, value);
	return cli_trouble(of->command, "--%s: '%s' is not %s from %.10g%s to "
			   "%.10g%s", o->name, value, wanted[o->kind], o->min,
			   unit, o->max, unit);
}

static int set_number(const cli_options *of, const cli_option *o,
		      const char *value)
{
	const char *rest = "";
	double number = 0;
	bool good = o->kind == CLI_TIME ? read_time(value, &number)
					: read_number(value, &number, &rest);

	if (!good || *rest != '\0' || number < o->min || number > o->max ||
	    (o->kind == CLI_WHOLE && number != floor(number)))
		return bad_value(of, o, value);
	if (o->kind == CLI_NUMBER)
		*(double *)o->to = number;
	else if (o->kind == CLI_WHOLE)
		*(int *)o->to = (int)number;
	else
		*(weft_duration *)o->to = (weft_duration)llround(number * 1e9);
	return CLI_OK;
}

static int set(const cli_options *of, const cli_option *o, const char *value)
{
	if (value == NULL)
		return cli_trouble(of->command, "--%s needs a value", o->name);
	if (o->kind == CLI_SEED)
		return read_seed(value, o->to) ? CLI_OK : bad_value(of, o, value);
	if (o->kind != CLI_TEXT)
		return set_number(of, o, value);
	if (value[0] == '\0')
		return cli_trouble(of->command, "--%s: the name is empty",
				   o->name);
	*(const char **)o->to = value;
	return CLI_OK;
}

static bool is_flag(const cli_option *o)
{
	return o->kind == CLI_FLAG_ON || o->kind == CLI_FLAG_OFF;
}

static void set_flag(const cli_option *o)
{
	if (o->kind == CLI_FLAG_ON)
		*(bool *)o->to = true;
	else
		*(const char **)o->to = NULL;
}

static int unknown(const cli_options *of, int length, const char *word)
{
	return cli_trouble(of->command, "unknown option '%.*s' (see %s --help)",
			   length, word, of->command);
}

/* argv[*at] is "--name" or "--name=value". */
static int take_long(const cli_options *of, char **argv, int *at)
{
	const char *word = argv[*at], *value = strchr(word, '=');
	size_t length = value != NULL ? (size_t)(value - word) : strlen(word);

	for (const cli_option *o = of->table; o < of->table + of->count; o++) {
		if (strlen(o->name) != length - 2 ||
		    strncmp(o->name, word + 2, length - 2) != 0)
			continue;
		if (!is_flag(o))
			return set(of, o, value != NULL ? value + 1 : argv[++*at]);
		if (value != NULL)
			return cli_trouble(of->command, "--%s takes no value",
					   o->name);
		set_flag(o);
		return CLI_OK;
	}
	return unknown(of, (int)length, word);
}

static const cli_option *find_letter(const cli_options *of, char letter)
{
	for (const cli_option *o = of->table; o < of->table + of->count; o++)
		if (o->letter == letter && letter != 0)
			return o;
	return NULL;
}

/* argv[*at] is "-k", "-kj8", "-j8", or "-j" with the value in the next word. */
static int take_letters(const cli_options *of, char **argv, int *at)
{
	const char *word = argv[*at];

	for (const char *letter = word + 1; *letter != '\0'; letter++) {
		const cli_option *o = find_letter(of, *letter);

		if (o == NULL)
			return unknown(of, (int)strlen(word), word);
		if (!is_flag(o))
			return set(of, o, letter[1] != '\0' ? letter + 1
							    : argv[++*at]);
		set_flag(o);
	}
	return CLI_OK;
}

int cli_options_read(const cli_options *o, char **argv, int *at, int *status)
{
	*status = CLI_OK;
	for (; argv[*at] != NULL && *status == CLI_OK; ++*at) {
		const char *word = argv[*at];

		if (word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0)
			return 0;
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			fputs(o->help, stdout);
			*status = cli_finish_output(o->command, CLI_OK);
			return -1;
		}
		*status = word[1] == '-' ? take_long(o, argv, at)
					 : take_letters(o, argv, at);
		if (*status != CLI_OK)
			return -1;
	}
	return 0;
}

int cli_options_unexpected(const cli_options *o, const char *word)
{
	return cli_trouble(o->command, "unexpected argument '%s' (see %s --help)",
			   word, o->command);
}
