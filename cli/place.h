/* SPDX-License-Identifier: MIT */
/* The place where calls are shared, as --at or WEFT_AT names it. */
#ifndef WEFT_CLI_PLACE_H
#define WEFT_CLI_PLACE_H

#include "options.h"

#include <weft.h>
#include <weft/fleet.h>

typedef struct place_options {
	const char *url; /* NULL: WEFT_AT, or the library's default */
	bool json;
} place_options;

#define PLACE_DEFAULT "dir:"

const char *place_url(const place_options *o);

/* The same for people, without a password. */
typedef struct place_name {
	char text[512];
} place_name;

place_name place_name_of(const place_options *o);

/* The words for an error of the fleet's own, and the status to exit with. */
const char *place_error(int err, int *status);

/* What is said of a key whose run others have had, before those words. */
#define PLACE_UNSTORED "it has run, but its result could not be stored"

/* The status to exit with where the place cannot be opened. */
int place_open_status(int err);

/*
 * The commands that ask about keys: read the options, with a KEY or without,
 * open the place and run fn in a task. Returns what to exit with.
 */
typedef struct place_command place_command;
struct place_command {
	const char *command;
	bool wants_key;
	bool blocks_pipe; /* see keeper_block_pipe() */
	int (*fn)(place_command *c, weft_fleet *fleet);
	weft_duration wait; /* 0: as long as it takes */
	weft_fleet_waits_fn waits;
	void *waits_arg;
	const char *key;
	place_options options;
	bool told; /* atomic: a failure, with the warning if there was one */
	weft_mutex lock; /* of the next */
	char warning[256]; /* of the place */
	weft_ctx ctx; /* done when the wait is over */
};

int place_main(place_command *c, const cli_options *options, int argc,
	       char **argv);

/* Say what went wrong. Returns the status. */
int place_trouble(place_command *c, int err);

#endif
