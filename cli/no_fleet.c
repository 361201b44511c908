/* SPDX-License-Identifier: MIT */
/* In place of the commands that share runs, where libweft-fleet is not built. */
#include "cli.h"

#define WITHOUT_FLEET(name)                                                    \
	int cmd_##name(int argc, char **argv)                                  \
	{                                                                      \
		(void)argc, (void)argv;                                        \
		return cli_trouble("weft " #name, "built without libweft-fleet"); \
	}

WITHOUT_FLEET(doctor)
WITHOUT_FLEET(flight)
WITHOUT_FLEET(forget)
WITHOUT_FLEET(kill)
WITHOUT_FLEET(ls)
WITHOUT_FLEET(once)
WITHOUT_FLEET(show)
WITHOUT_FLEET(stats)
WITHOUT_FLEET(wait)
