/* SPDX-License-Identifier: MIT */
/* What the files of this use case share. */
#ifndef EXAMPLES_CACHE_BREAKDOWN_BREAKDOWN_H
#define EXAMPLES_CACHE_BREAKDOWN_BREAKDOWN_H

#include "../common/sql.h"

enum { KEYS_MAX = 64, NAME_BYTES = 128, PROCESSES_MAX = 32 };

enum mode {
	UNPROTECTED,	/* who finds nothing in the cache asks the database */
	IN_PROCESS,	/* … unless another task of the process does already */
	LOCK_AND_POLL,	/* … or whoever holds a lock: look again every 50 ms */
	FLEET,		/* one call in the whole fleet */
	MODES,
};

extern const char *const mode_names[MODES];

typedef struct {
	const char *database, *cache, *data, *svg;
	long processes, rate, keys, connections, seed;
	weft_duration during, lifetime, slow;
	bool json;
} settings;

/* ---- the board: memory that all processes see ---- */

typedef struct {
	weft_time begin, end;
	int key, process;
} query_record;

typedef struct {
	char names[KEYS_MAX][NAME_BYTES];	/* the packages to ask for */
	weft_time start;			/* of the run */
	long asked, failed;			/* atomic, as all below */
	long commands;				/* to the cache */
	long query_count, latency_count;
	long query_room, latency_room;
	query_record *queries;			/* the same address in all */
	weft_duration *latencies;
} board;

/* NULL: no memory. To be made before the processes are. */
board *board_new(const settings *s);
void board_clear(board *b);

/* ---- the database: data.c ---- */

/* Fill it with the package index, unless it has one; and choose the keys. */
int data_load(sql *db, const settings *s, board *b);

/*
 * How many packages break, at most two steps away, if this one does; as
 * text, to be freed.
 */
int data_ask(sql *db, weft_ctx *ctx, const settings *s, const char *name,
	     char **text);

/* ---- one of the processes: worker.c ---- */

int work(const settings *s, board *b, enum mode mode, int process);

/* ---- afterwards ---- */

typedef struct {
	long queries, expiries, most_of_one, most_at_once, asked, failed, commands;
	weft_duration p50, p99, most;
} outcome;

/* Of what the board has: sorts it. */
void outcome_of(outcome *o, board *b, const settings *s);

/* A picture of the queries at the database over time: picture.c. */
typedef struct picture picture;
picture *picture_new(const settings *s);
void picture_add(picture *p, enum mode mode, const board *b, const outcome *o);
int picture_write(picture *p, const char *path);	/* 0 or an errno */
void picture_free(picture *p);

#endif
