/* SPDX-License-Identifier: MIT */
/* What the files of this use case share. */
#ifndef EXAMPLES_SCHEDULED_JOBS_JOBS_H
#define EXAMPLES_SCHEDULED_JOBS_JOBS_H

#include <weft.h>

typedef struct {
	const char *at, *command, *ledger;
	long nodes, ticks, seed;
	weft_duration every, skew, lease;
	bool json;

	/* Of a node: what its parent, or who tests it, tells it. */
	long node;		/* which, from 1 */
	long first_tick;	/* in milliseconds since 1970 */
	long clock_ms;		/* how far its clock is ahead */
	long dies_at;		/* the tick in whose run it dies; 0: none */
} settings;

/*
 * What a node prints about each tick, in a line:
 *	node N tick T at A led|told|failed token K took D status S: OUTPUT
 * T counts from 1, A is when it fired, in ms after the tick by the true clock.
 */
#define NODE_LINE                                                              \
	"node %ld tick %ld at %ld %15s token %llu took %lld status %d: "

/* Run one of the nodes; returns the exit status of its process. */
int node_run(const settings *s);

/* What the job prints, to be freed, and its exit status in *status. */
int command_run(weft_ctx *ctx, const char *command, char **output, int *status);

#endif
