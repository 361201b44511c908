/* SPDX-License-Identifier: MIT */
#include "shared.h"

static const char help[] =
	"usage: weft flight [OPTION...] KEY [--] COMMAND [WORD...]\n"
	"\n"
	"One run for all who ask: whoever calls with a KEY while a command runs for\n"
	"it, on this machine or on others that share the place, gets that run's\n"
	"output and exit status.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --keep TIME       a success is good for later callers, so long\n"
	"      --stale TIME      … and so long after that while one run replaces it\n"
	"      --share-for TIME  the end of a run is shared so long after it\n"
	SHARED_HELP;

int cmd_flight(int argc, char **argv)
{
	static shared_options o;
	const cli_option table[] = {
		SHARED_OPTIONS(&o),
		{"keep", 0, CLI_TIME, &o.call.keep, 0.001, 3650 * 86400.0},
		{"stale", 0, CLI_TIME, &o.call.stale, 0.001, 3650 * 86400.0},
		{"share-for", 0, CLI_TIME, &o.call.share_for, 0.001, 86400},
	};
	const cli_options options = {"weft flight", help, table,
				     sizeof(table) / sizeof(table[0])};
	int status;

	(void)argc;
	shared_options_init(&o, options.command);
	if (shared_options_read(&o, &options, argv, &status) != 0)
		return status;
	if (o.call.keep > 0 && o.call.share_for > 0)
		return cli_trouble(o.command, "--keep is more than --share-for: "
				   "only one can be had");
	if (o.call.stale > 0 && o.call.keep == 0)
		return cli_trouble(o.command, "--stale is what follows --keep: "
				   "not without it");
	o.call.mode = o.call.keep > 0 ? WEFT_FLEET_CACHE : WEFT_FLEET_CALL;
	return shared_main(&o);
}
