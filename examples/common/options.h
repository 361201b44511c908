/* SPDX-License-Identifier: MIT */
/* The options of the programs in this folder's neighbours. */
#ifndef EXAMPLES_COMMON_OPTIONS_H
#define EXAMPLES_COMMON_OPTIONS_H

#include <weft.h>

enum option_kind {
	OPTION_COUNT,	 /* long */
	OPTION_DURATION, /* weft_duration: 1.5s, 20ms; seconds without a unit */
	OPTION_TEXT,	 /* const char * */
	OPTION_FLAG,	 /* bool */
};

typedef struct {
	const char *name;	/* without the dashes; NULL: the end */
	enum option_kind kind;
	void *to;		/* has the default value */
	long min, max;		/* of a count; of a duration, in milliseconds */
} option;

/*
 * Read "--name value" and "--name=value" into what the options point to. For
 * --help print help and end with status 0; for anything that is wrong, one
 * line, and end with status 2.
 */
void options_read(const option *options, const char *help, char **argv);

#endif
