/* SPDX-License-Identifier: MIT */
/* A run whose process is dead, and who keeps its key nevertheless. */
#ifndef WEFT_CLI_HOLDERS_H
#define WEFT_CLI_HOLDERS_H

#include <weft.h>
#include <weft/fleet.h>

/* Numbers of processes, as "12, 34"; those that there is room for. */
typedef struct holders {
	char text[128];
} holders;

/*
 * Whether the process that runs key is known to be dead: it was one of this
 * machine, and its lease is over, or what its command has left has the key still.
 * Those processes are in *h then, as far as we may look at them.
 */
bool holders_of_dead(weft_key key, const weft_fleet_entry *e, holders *h);

#endif
