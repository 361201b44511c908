/* SPDX-License-Identifier: MIT */
/*
 * What is told at the end: a table, JSON, a picture.
 */
#ifndef WEFT_CLI_DEMO_REPORT_H
#define WEFT_CLI_DEMO_REPORT_H

#include "demo_run.h"

#define DEMO_RUNS 3

/* The runs' answers side by side. */
typedef struct demo_agreement {
	int64_t compared;      /* packages that several runs have answered */
	int64_t disagreements; /* between runs, and within one */
} demo_agreement;

typedef struct demo_result {
	const demo_options *options;
	const demo_database *database;
	const demo_schedule *schedule;
	const char *source; /* where the packages come from */
	const demo_run *runs;
	int started;	    /* so many of them */
	int signal;	    /* that stopped it, or 0 */
	bool database_read; /* there is something to tell */
	const char *svg;    /* the picture that was written, or NULL */
	demo_agreement agreement;
} demo_result;

demo_agreement demo_compare(const demo_run *runs, int count, size_t packages);

void demo_report_table(const demo_result *r);
void demo_report_json(const demo_result *r);

/* Find out early whether a file can be made at path. Returns 0, or DEMO_FAILED. */
int demo_svg_check(const char *path, demo_failure *f);
/* Returns   0, or DEMO_FAILED */
int demo_svg_write(const demo_result *r, const char *path, demo_failure *f);

#endif
