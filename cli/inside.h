/* SPDX-License-Identifier: MIT */
/*
 * The runs that a process is part of: that of the command that started it, of the
 * one that started that, and so on. A run that one of its own processes waits for
 * would go on for ever.
 *
 * They stand in WEFT_INSIDE, the innermost first, each as /TOKEN.HASH, the hash
 * being that of the key. A run and not a place and a key, since a place has many
 * names, and since what a command leaves in the background may ask for the key when
 * that run is over.
 */
#ifndef WEFT_CLI_INSIDE_H
#define WEFT_CLI_INSIDE_H

#include <weft/fleet.h>

#define INSIDE "WEFT_INSIDE="

typedef struct inside_name {
	char text[40];
} inside_name;

inside_name inside_name_of(weft_key key, uint64_t token);

/* Whether this process is part of that run. */
bool inside_is(weft_key key, uint64_t token);

/* "WEFT_INSIDE=…" for what that run starts; free() it. NULL: no memory. */
char *inside_with(weft_key key, uint64_t token);

#endif
