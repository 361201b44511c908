/* SPDX-License-Identifier: MIT */
#include "shared.h"

static const char help[] =
	"usage: weft once [OPTION...] KEY [--] COMMAND [WORD...]\n"
	"\n"
	"Once for a KEY, on this machine and on others that share the place: later\n"
	"callers get the output and the exit status of the run that was. One that\n"
	"was cut short, because its process died, is repeated by the next.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --ttl TIME        for so long (for ever)\n"
	"      --every TIME      once for each multiple of TIME, the nearest by the\n"
	"                        clock of the place; early and late callers meet\n"
	"      --retry-failed    a command that fails was not the once\n"
	"      --at-most-once    one that was cut short is not repeated; status 70\n"
	"      --max-tries N     give up when N processes have died in it (3)\n"
	SHARED_HELP;

int cmd_once(int argc, char **argv)
{
	static shared_options o;
	bool retry_failed = false;
	const cli_option table[] = {
		SHARED_OPTIONS(&o),
		{"ttl", 0, CLI_TIME, &o.call.keep, 0.001, 3650 * 86400.0},
		{"every", 0, CLI_TIME, &o.every, 0.001, 366 * 86400.0},
		{"retry-failed", 0, CLI_FLAG_ON, &retry_failed, 0, 0},
		{"at-most-once", 0, CLI_FLAG_ON, &o.call.at_most_once, 0, 0},
		{"max-tries", 0, CLI_WHOLE, &o.call.max_takeovers, 1, 1e6},
	};
	const cli_options options = {"weft once", help, table,
				     sizeof(table) / sizeof(table[0])};
	int status;

	(void)argc;
	shared_options_init(&o, options.command);
	if (shared_options_read(&o, &options, argv, &status) != 0)
		return status;
	if (o.call.at_most_once && retry_failed)
		return cli_trouble(o.command, "--retry-failed is more than once: "
				   "not with --at-most-once");
	if (o.call.keep > 0 && o.call.keep < o.every)
		return cli_trouble(o.command, "--ttl is less than --every: a tick "
				   "could be run twice");
	o.call.mode = WEFT_FLEET_ONCE;
	o.fail_is_final = !retry_failed;
	/* Late callers of a tick still find it; the next one has another key. */
	if (o.every > 0 && o.call.keep == 0)
		o.call.keep = 2 * o.every > WEFT_MINUTE ? 2 * o.every : WEFT_MINUTE;
	return shared_main(&o);
}
