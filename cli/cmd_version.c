/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <stdio.h>
#include <weft.h>

int cmd_version(int argc, char **argv)
{
	if (argc > 1)
		return cli_trouble("weft version", "unexpected argument '%s'",
				   argv[1]);
	printf("weft %s\n", WEFT_VERSION);
	return cli_finish_output("weft version", CLI_OK);
}
