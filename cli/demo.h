/* SPDX-License-Identifier: MIT */
/*
 * weft demo: what the parts share. The parts, in reading order:
 *
 *   cmd_demo.c        what happens, from start to end
 *   demo_options.c    the options
 *   demo_source.c     where the package index comes from
 *   demo_parse.c      its form
 *   demo_import.c     from there into a SQLite database, once
 *   demo_db.c         the pool of connections, and the question
 *   demo_schedule.c   who asks what, and when
 *   demo_run.c        one run: a task for each question
 *   demo_answer.c     the three ways to answer one
 *   demo_stats.c      what is counted, and what is made of it
 *   demo_report.c     the table, the JSON
 *   demo_svg.c        the picture
 *   demo_screen.c     progress on a terminal or in a log, and the first failure
 */
#ifndef WEFT_CLI_DEMO_H
#define WEFT_CLI_DEMO_H

#include <stdarg.h>
#include <weft.h>

/* What a function returns that has reported a failure; see demo_fail(). */
#define DEMO_FAILED 1

typedef struct demo_options {
	const char *data;	/* the index to read; NULL: the distribution's */
	const char *cache;	/* directory of the database; NULL: the user's */
	const char *svg;	/* where the picture goes; NULL: none */
	double rate;		/* questions a second */
	double skew;		/* exponent of the popularity */
	weft_duration duration; /* of one run */
	weft_duration lifetime; /* of an answer in the cache */
	weft_duration deadline; /* of a question, from its scheduled time */
	uint64_t seed;
	int connections;
	bool json;
} demo_options;

/*
 * Returns 0 to go on, or -1 when *status is what to exit with: after --help,
 * or after a line on stderr.
 */
int demo_options_parse(demo_options *o, int argc, char **argv, int *status);

/*
 * The first failure; what follows from it is not told. It stops everything,
 * so the function that meets it returns what demo_fail() returns, up to the
 * group, which cancels the others.
 */
typedef struct demo_failure {
	weft_mutex lock;
	char text[640];
} demo_failure;

/* Returns DEMO_FAILED, always. */
__attribute__((format(printf, 2, 3))) int demo_fail(demo_failure *f,
						    const char *fmt, ...);

/*
 * Progress, on stderr: one line that changes on a terminal, or a line a second
 * in a log. One caller at a time.
 */
typedef struct demo_screen {
	bool terminal;
	int shown; /* columns of the line that is on the terminal now */
	weft_time next;
} demo_screen;

void demo_screen_init(demo_screen *s);
/* Show how things are; calls that come too soon after the last are dropped. */
__attribute__((format(printf, 2, 3))) void demo_screen_show(demo_screen *s,
							    const char *fmt, ...);
/* Say something that stays. */
__attribute__((format(printf, 2, 3))) void demo_screen_say(demo_screen *s,
							   const char *fmt, ...);
/* Take the changing line away. */
void demo_screen_clear(demo_screen *s);

/* 20000 as "20,000", in buf. Returns buf. */
const char *demo_thousands(char buf[32], int64_t n);
/* A duration with three digits and its unit, in buf: "1.03 s". Returns buf. */
const char *demo_time_text(char buf[32], weft_duration d);

#endif
