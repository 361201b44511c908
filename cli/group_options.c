/* SPDX-License-Identifier: MIT */
#include "group.h"

#include "options.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: weft group [OPTION...] [--] COMMAND [WORD...] ::: ARGUMENT...\n"
	"       weft group [OPTION...] [-f FILE] [--] COMMAND [WORD...]\n"
	"       weft group [OPTION...] ::: LINE...\n"
	"       weft group [OPTION...] [-f FILE]\n"
	"\n"
	"Run commands at the same time; the first failure ends the others and is\n"
	"what the group exits with. COMMAND is run once for each ARGUMENT, or for\n"
	"each line of FILE or of stdin, in place of {} or as the last word. Without\n"
	"a COMMAND each LINE, or line, is one for the shell.\n"
	"\n"
	"  -j, --jobs N          run N at once (one for each CPU); 0: all of them\n"
	"  -k, --keep-going      a failure does not end the others\n"
	"      --fail-fast       it does (this is the default)\n"
	"      --timeout TIME    end a command that takes longer, status 124\n"
	"      --retry N         try a command that fails N more times\n"
	"      --grace TIME      from SIGTERM to SIGKILL (5s)\n"
	"  -f, --file FILE       read lines from FILE; -: from stdin\n"
	"  -0, --null            lines end in a zero byte\n"
	"      --order           print in the order of the input\n"
	"      --ungroup         print each line as it comes\n"
	"      --tag             begin each line with the argument it came from\n"
	"      --json            print an object for each command, a line each\n"
	"      --progress        on a terminal: what runs, what is done, how long\n"
	"      --status-file FILE  write what the exit status means, as JSON\n"
	"  -E, --own-status N    exit with N when it is weft that failed (69 to 76)\n"
	"  -h, --help            print this\n"
	"\n"
	"TIME is a number with ms, s, m, h or d; without one of them, seconds.\n";

static int default_jobs(void)
{
	cpu_set_t cpus;
	int count = 0;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = CPU_COUNT(&cpus);
	return count > 0 ? count : 1;
}

/* What follows the options: a command, ":::" and arguments, or parts of it. */
static void split_words(group_options *o, char **words)
{
	int n = 0;

	while (words[n] != NULL && strcmp(words[n], ":::") != 0)
		n++;
	o->command = n > 0 ? words : NULL;
	o->command_size = n;
	if (words[n] == NULL)
		return;
	o->args = &words[n + 1];
	while (o->args[o->arg_count] != NULL)
		o->arg_count++;
}

static int check(const group_options *o, bool fail_fast)
{
	if (o->keep_going && fail_fast)
		return cli_trouble(GROUP, "--keep-going and --fail-fast exclude "
				   "each other");
	if (o->order + o->ungroup + o->json > 1)
		return cli_trouble(GROUP, "of --order, --ungroup and --json only "
				   "one can be had");
	if (o->json && o->tag)
		return cli_trouble(GROUP, "--json has the argument in each object: "
				   "no --tag");
	if (o->args != NULL && o->file != NULL)
		return cli_trouble(GROUP, "arguments come from ::: or from --file, "
				   "not from both");
	if (o->args != NULL && o->zero)
		return cli_trouble(GROUP, "--null is about lines of a file: not "
				   "with :::");
	return CLI_OK;
}

int group_options_parse(group_options *o, int argc, char **argv, int *status)
{
	bool fail_fast = false;
	const cli_option table[] = {
		{"jobs", 'j', CLI_WHOLE, &o->jobs, 0, 1e6},
		{"keep-going", 'k', CLI_FLAG_ON, &o->keep_going, 0, 0},
		{"fail-fast", 0, CLI_FLAG_ON, &fail_fast, 0, 0},
		{"timeout", 0, CLI_TIME, &o->timeout, 0.001, 365 * 86400},
		{"retry", 0, CLI_WHOLE, &o->retry, 0, 1e6},
		{"grace", 0, CLI_TIME, &o->grace, 0, 86400},
		{"file", 'f', CLI_TEXT, &o->file, 0, 0},
		{"null", '0', CLI_FLAG_ON, &o->zero, 0, 0},
		{"order", 0, CLI_FLAG_ON, &o->order, 0, 0},
		{"ungroup", 0, CLI_FLAG_ON, &o->ungroup, 0, 0},
		{"tag", 0, CLI_FLAG_ON, &o->tag, 0, 0},
		{"json", 0, CLI_FLAG_ON, &o->json, 0, 0},
		{"progress", 0, CLI_FLAG_ON, &o->progress, 0, 0},
		{"status-file", 0, CLI_TEXT, &o->status_file, 0, 0},
		{"own-status", 'E', CLI_WHOLE, &o->own_status, 1, 255},
	};
	const cli_options options = {GROUP, help, table,
				     sizeof(table) / sizeof(table[0])};
	int at = 1;

	(void)argc;
	*o = (group_options){.jobs = default_jobs(), .grace = 5 * WEFT_SECOND};
	if (cli_options_read(&options, argv, &at, status) != 0)
		return -1;
	if (argv[at] != NULL && strcmp(argv[at], "--") == 0)
		at++;
	split_words(o, &argv[at]);
	*status = check(o, fail_fast);
	return *status == CLI_OK ? 0 : -1;
}
