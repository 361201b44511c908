/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than this would need more memory than a demonstration may take. */
#define MAX_QUESTIONS 1e6
#define MAX_WAITING 100e3

static const char help[] =
	"usage: weft demo [OPTION...]\n"
	"\n"
	"What breaks if a package breaks? The same flood of questions, to a SQLite\n"
	"database of the distribution's packages behind a cache, runs three times:\n"
	"unprotected, behind one lock, and with singleflight.\n"
	"\n"
	"  --rate N          questions a second (2000)\n"
	"  --duration TIME   length of each run (10s)\n"
	"  --lifetime TIME   how long an answer stays in the cache (1s)\n"
	"  --deadline TIME   how long a question may take (1s)\n"
	"  --skew X          popularity of the n-th package is 1/n^X (0.9)\n"
	"  --seed N          of the schedule (1)\n"
	"  --connections N   to the database (16)\n"
	"  --data FILE       a package index, in place of the distribution's\n"
	"  --cache DIR       where the database is kept ($XDG_CACHE_HOME/weft)\n"
	"  --svg FILE        where the picture goes (./weft-demo.svg)\n"
	"  --no-svg          no picture\n"
	"  --json            print the result for a program\n"
	"  --help            print this\n"
	"\n"
	"TIME is a number with ms, s or m; without one of them, seconds.\n";

enum kind { NUMBER, WHOLE, SEED, TIME, TEXT, FLAG_ON, FLAG_OFF };

typedef struct option {
	const char *name;
	enum kind kind;
	void *to;
	double min, max; /* TIME: in seconds */
} option;

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
	} units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}};
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

static int bad_value(const option *o, const char *value)
{
	static const char *const wanted[] = {
		[NUMBER] = "a number",
		[WHOLE] = "a whole number",
		[TIME] = "a time",
	};

	if (o->kind == SEED)
		return cli_trouble("weft demo", "--seed: '%s' is not a whole "
				   "number below 2^64", value);
	return cli_trouble("weft demo", "--%s: '%s' is not %s from %g%s to %g%s",
			   o->name, value, wanted[o->kind], o->min,
			   o->kind == TIME ? "s" : "", o->max,
			   o->kind == TIME ? "s" : "");
}

static int set(const option *o, const char *value)
{
	const char *rest = "";
	double number = 0;
	bool good = true;

	if (o->kind == NUMBER || o->kind == WHOLE)
		good = read_number(value, &number, &rest) && *rest == '\0';
	else if (o->kind == TIME)
		good = read_time(value, &number);
	else if (o->kind == SEED)
		good = read_seed(value, o->to);
	else if (value[0] == '\0')
		return cli_trouble("weft demo", "--%s: the name is empty",
				   o->name);
	if (o->kind <= TIME && o->kind != SEED)
		good = good && number >= o->min && number <= o->max;
	if (o->kind == WHOLE)
		good = good && number == floor(number);
	if (!good)
		return bad_value(o, value);
	if (o->kind == NUMBER)
		*(double *)o->to = number;
	else if (o->kind == WHOLE)
		*(int *)o->to = (int)number;
	else if (o->kind == TIME)
		*(weft_duration *)o->to = (weft_duration)llround(number * 1e9);
	else if (o->kind == TEXT)
		*(const char **)o->to = value;
	return CLI_OK;
}

/* One option with its value, "--name value" or "--name=value", at argv[*at]. */
static int take(const option *options, size_t count, char **argv, int *at)
{
	const char *word = argv[*at], *value = strchr(word, '=');
	size_t length = value != NULL ? (size_t)(value - word) : strlen(word);

	if (length < 3 || strncmp(word, "--", 2) != 0)
		return cli_trouble("weft demo", "unexpected argument '%s' "
				   "(see weft demo --help)", word);
	for (const option *o = options; o < options + count; o++) {
		if (strlen(o->name) != length - 2 ||
		    strncmp(o->name, word + 2, length - 2) != 0)
			continue;
		if (o->kind == FLAG_ON || o->kind == FLAG_OFF) {
			if (value != NULL)
				return cli_trouble("weft demo", "--%s takes no "
						   "value", o->name);
			if (o->kind == FLAG_ON)
				*(bool *)o->to = true;
			else
				*(const char **)o->to = NULL;
			return CLI_OK;
		}
		if (value == NULL && argv[*at + 1] == NULL)
			return cli_trouble("weft demo", "--%s needs a value",
					   o->name);
		return set(o, value != NULL ? value + 1 : argv[++*at]);
	}
	return cli_trouble("weft demo", "unknown option '%.*s' "
			   "(see weft demo --help)", (int)length, word);
}

/* Each value may be good and the whole still too much. */
static int check_size(const demo_options *o)
{
	if (o->rate * ((double)o->duration / 1e9) > MAX_QUESTIONS)
		return cli_trouble("weft demo", "--rate times --duration is more "
				   "than %.0f questions", MAX_QUESTIONS);
	if (o->rate * ((double)o->deadline / 1e9) > MAX_WAITING)
		return cli_trouble("weft demo", "--rate times --deadline: more "
				   "than %.0f questions could wait at once",
				   MAX_WAITING);
	if (o->rate * ((double)o->duration / 1e9) < 1)
		return cli_trouble("weft demo", "--rate times --duration is less "
				   "than one question");
	return CLI_OK;
}

int demo_options_parse(demo_options *o, int argc, char **argv, int *status)
{
	const option options[] = {
		{"rate", NUMBER, &o->rate, 0.1, 100e3},
		{"duration", TIME, &o->duration, 0.1, 3600},
		{"lifetime", TIME, &o->lifetime, 0.001, 3600},
		{"deadline", TIME, &o->deadline, 0.001, 3600},
		{"skew", NUMBER, &o->skew, 0, 5},
		{"seed", SEED, &o->seed, 0, 0},
		{"connections", WHOLE, &o->connections, 1, 256},
		{"data", TEXT, &o->data, 0, 0},
		{"cache", TEXT, &o->cache, 0, 0},
		{"svg", TEXT, &o->svg, 0, 0},
		{"no-svg", FLAG_OFF, &o->svg, 0, 0},
		{"json", FLAG_ON, &o->json, 0, 0},
	};

	*o = (demo_options){.svg = "weft-demo.svg",
			    .rate = 2000,
			    .skew = 0.9,
			    .duration = 10 * WEFT_SECOND,
			    .lifetime = WEFT_SECOND,
			    .deadline = WEFT_SECOND,
			    .seed = 1,
			    .connections = 16};
	*status = CLI_OK;
	for (int i = 1; i < argc && *status == CLI_OK; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			*status = cli_finish_output("weft demo", CLI_OK);
			return -1;
		}
		*status = take(options, sizeof(options) / sizeof(options[0]),
			       argv, &i);
	}
	if (*status == CLI_OK)
		*status = check_size(o);
	return *status == CLI_OK ? 0 : -1;
}
