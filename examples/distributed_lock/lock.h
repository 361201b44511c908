/* SPDX-License-Identifier: MIT */
/* What the files of this use case share. */
#ifndef EXAMPLES_DISTRIBUTED_LOCK_LOCK_H
#define EXAMPLES_DISTRIBUTED_LOCK_LOCK_H

#include <weft.h>

enum way {
	EACH_FOR_ITSELF,	/* every request contends: SET NX, and look again */
	ONE_A_NODE,		/* a gate: every node contends once */
	WAYS,
};

extern const char *const way_names[WAYS];

typedef struct {
	const char *at;
	long nodes, requests, seed;
	weft_duration work, poll, patience;
	bool json;
} settings;

/* What the lock protects, and what was seen of it: memory of all processes. */
typedef struct {
	long value;		/* every request adds one, in two steps */
	long inside;		/* atomic: requests in there, now */
	long broken;		/* atomic: met another one in there */
	long late;		/* atomic: (token, seq) was not larger than before */
	long done, failed;	/* atomic */
	long commands;		/* atomic: to the server, or files touched */
	long hand_overs;	/* atomic: from one request to the next of a node */
	uint64_t token, seq;	/* of who was inside last */
	weft_time start;
	long wait_count, wait_room;
	weft_duration waits[];	/* of each request, for the lock */
} board;

/* A node; returns the exit status of its process. */
int node_run(const settings *s, board *b, enum way way, long node);

#endif
