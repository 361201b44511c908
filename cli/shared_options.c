/* SPDX-License-Identifier: MIT */
#include "shared.h"

#include <stdlib.h>
#include <string.h>

void shared_options_init(shared_options *o, const char *command)
{
	o->command = command;
	o->grace = WEFT_SECOND;
	o->fp = "auto";
}

static int read_words(shared_options *o, const cli_options *options, char **argv,
		      int *status)
{
	int at = 1;

	if (cli_options_read(options, argv, &at, status) != 0)
		return -1;
	if (argv[at] != NULL && strcmp(argv[at], "--") == 0)
		at++;
	*status = CLI_TROUBLE;
	if (argv[at] == NULL || argv[at][0] == '\0')
		return cli_trouble(o->command, "no key (see %s --help)",
				   o->command);
	o->key = argv[at++];
	if (cli_options_read(options, argv, &at, status) != 0)
		return -1;
	*status = CLI_TROUBLE;
	if (argv[at] != NULL && strcmp(argv[at], "--") == 0)
		at++;
	if (argv[at] == NULL)
		return cli_trouble(o->command, "no command (see %s --help)",
				   o->command);
	o->argv = &argv[at];
	return 0;
}

int shared_options_read(shared_options *o, const cli_options *options,
			char **argv, int *status)
{
	if (read_words(o, options, argv, status) != 0)
		return -1;
	if (strlen(o->key) > 4096)
		return cli_trouble(o->command, "the key is longer than 4096 bytes");
	o->no_fingerprint = strcmp(o->fp, "off") == 0;
	if (!o->no_fingerprint && strcmp(o->fp, "auto") != 0)
		return cli_trouble(o->command, "--fp: '%s' is neither auto nor off",
				   o->fp);
	*status = CLI_OK;
	return 0;
}
