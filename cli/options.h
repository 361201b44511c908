/* SPDX-License-Identifier: MIT */
/*
 * Options on a command line, read from a table: "--name value", "--name=value"
 * and, for those that have a letter, "-l value", "-lvalue" and flags together,
 * "-kj8". Trouble with one is told in a line on stderr.
 */
#ifndef WEFT_CLI_OPTIONS_H
#define WEFT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum cli_kind {
	CLI_NUMBER,   /* double, min to max */
	CLI_WHOLE,    /* int, min to max */
	CLI_TIME,     /* weft_duration; min and max in seconds */
	CLI_SEED,     /* uint64_t */
	CLI_TEXT,     /* const char *, not empty */
	CLI_FLAG_ON,  /* bool, becomes true */
	CLI_FLAG_OFF, /* const char *, becomes NULL */
};

typedef struct cli_option {
	const char *name;
	char letter; /* or 0 */
	enum cli_kind kind;
	void *to;
	double min, max;
} cli_option;

typedef struct cli_options {
	const char *command; /* for messages: "weft demo" */
	const char *help;    /* what --help prints */
	const cli_option *table;
	size_t count;
} cli_options;

/*
 * Read the options that begin at argv[*at], up to the first word that is none,
 * or to "--"; *at is that word's index then.
 *
 * Returns 0 to go on, or -1 when *status is what to exit with: after --help,
 * or after a line on stderr.
 */
int cli_options_read(const cli_options *o, char **argv, int *at, int *status);

/* Say that argv[at] should not be there. Returns CLI_TROUBLE. */
int cli_options_unexpected(const cli_options *o, const char *word);

#endif
