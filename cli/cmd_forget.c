/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "place.h"

static const char help[] =
	"usage: weft forget [OPTION...] KEY\n"
	"\n"
	"Throw away what is kept of a key, and have the next one who asks start a new\n"
	"run. One that runs now is void: nobody else is given its result.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"  -h, --help            print this\n";

static int forget(place_command *c, weft_fleet *fleet)
{
	int err = weft_fleet_forget(fleet, &c->ctx, weft_key_str(c->key));

	return err == 0 ? CLI_OK : place_trouble(c, err);
}

int cmd_forget(int argc, char **argv)
{
	place_command c = {.fn = forget, .wants_key = true};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &c.options.url, 0, 0},
	};
	const cli_options options = {"weft forget", help, table, 1};

	return place_main(&c, &options, argc, argv);
}
