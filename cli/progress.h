/* SPDX-License-Identifier: MIT */
/*
 * A line on the terminal that changes, on stderr, among output that stays. If
 * stderr is no terminal all of this does nothing. Any task may call it.
 */
#ifndef WEFT_CLI_PROGRESS_H
#define WEFT_CLI_PROGRESS_H

#include <stdbool.h>
#include <weft.h>

typedef struct progress {
	weft_mutex lock;
	bool on;
	bool open_line; /* output has left the cursor in the middle of one */
	int shown;	/* columns of the line that is there now */
} progress;

void progress_init(progress *p, bool wanted);

/* How many columns there are, at least 20. */
int progress_columns(void);

/* Show the line in place of the last one. */
void progress_show(progress *p, const char *line);

/* Take the line away, and say something that stays; NULL: nothing. */
void progress_say(progress *p, const char *line);

/* Make way for output to fd, which ends in last. */
void progress_make_way(progress *p, int fd, char last);

#endif
