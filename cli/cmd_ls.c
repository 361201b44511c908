/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "entry.h"
#include "place.h"

#include <errno.h>
#include <stdio.h>

static const char help[] =
	"usage: weft ls [OPTION...]\n"
	"\n"
	"List the keys that run or are kept: state, for how long, who, key.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --json            an object for each key, a line each\n"
	"  -h, --help            print this\n";

static bool print(void *arg, const weft_fleet_entry *e)
{
	place_command *c = arg;
	char key[257];

	if (e->state == WEFT_FLEET_IDLE)
		return true;
	if (c->options.json)
		return entry_print_json(e, NULL);
	printf("%-8s %10.1f s  %s:%lld  %s\n", entry_state(e),
	       (double)e->age / 1e9, e->host, (long long)e->pid, entry_key(e, key));
	return true;
}

static int ls(place_command *c, weft_fleet *fleet)
{
	int err = weft_fleet_list(fleet, &c->ctx, print, c);

	return err == 0 ? CLI_OK : place_trouble(c, err);
}

int cmd_ls(int argc, char **argv)
{
	place_command c = {.fn = ls};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &c.options.url, 0, 0},
		{"json", 0, CLI_FLAG_ON, &c.options.json, 0, 0},
	};
	const cli_options options = {"weft ls", help, table, 2};

	return place_main(&c, &options, argc, argv);
}
