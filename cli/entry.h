/* SPDX-License-Identifier: MIT */
/* A key of a place, as people and programs read it. */
#ifndef WEFT_CLI_ENTRY_H
#define WEFT_CLI_ENTRY_H

#include "holders.h"
#include "json.h"

#include <weft.h>
#include <weft/fleet.h>

const char *entry_state(const weft_fleet_entry *e);

/* Whether who runs it is, or was, of this machine. */
bool entry_is_here(const weft_fleet_entry *e);

/* The key with what could move a cursor as '?', in room of 257 bytes. */
const char *entry_key(const weft_fleet_entry *e, char room[257]);

/*
 * An object on a line; dead says who has the key of a process that is dead, or is
 * NULL. Returns false where there was no memory.
 */
bool entry_print_json(const weft_fleet_entry *e, const holders *dead);

#endif
