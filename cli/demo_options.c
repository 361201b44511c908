/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include "cli.h"
#include "options.h"

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
	const cli_option table[] = {
		{"rate", 0, CLI_NUMBER, &o->rate, 0.1, 100e3},
		{"duration", 0, CLI_TIME, &o->duration, 0.1, 3600},
		{"lifetime", 0, CLI_TIME, &o->lifetime, 0.001, 3600},
		{"deadline", 0, CLI_TIME, &o->deadline, 0.001, 3600},
		{"skew", 0, CLI_NUMBER, &o->skew, 0, 5},
		{"seed", 0, CLI_SEED, &o->seed, 0, 0},
		{"connections", 0, CLI_WHOLE, &o->connections, 1, 256},
		{"data", 0, CLI_TEXT, &o->data, 0, 0},
		{"cache", 0, CLI_TEXT, &o->cache, 0, 0},
		{"svg", 0, CLI_TEXT, &o->svg, 0, 0},
		{"no-svg", 0, CLI_FLAG_OFF, &o->svg, 0, 0},
		{"json", 0, CLI_FLAG_ON, &o->json, 0, 0},
	};
	const cli_options options = {"weft demo", help, table,
				     sizeof(table) / sizeof(table[0])};
	int at = 1;

	*o = (demo_options){.svg = "weft-demo.svg",
			    .rate = 2000,
			    .skew = 0.9,
			    .duration = 10 * WEFT_SECOND,
			    .lifetime = WEFT_SECOND,
			    .deadline = WEFT_SECOND,
			    .seed = 1,
			    .connections = 16};
	if (cli_options_read(&options, argv, &at, status) != 0)
		return -1;
	*status = at < argc ? cli_options_unexpected(&options, argv[at])
			    : check_size(o);
	return *status == CLI_OK ? 0 : -1;
}
