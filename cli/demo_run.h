/* SPDX-License-Identifier: MIT */
/*
 * A run: the schedule's questions, each a task, answered one of three ways.
 */
#ifndef WEFT_CLI_DEMO_RUN_H
#define WEFT_CLI_DEMO_RUN_H

#include "demo.h"
#include "demo_db.h"

typedef struct demo_question {
	weft_duration at; /* since the start of the run */
	uint32_t package;
} demo_question;

/*
 * The same for all runs. The clock decides when a question is asked, not the
 * answer to the last one (an open loop): a slow server gets no mercy.
 */
typedef struct demo_schedule {
	demo_question *questions; /* in the order of time */
	size_t count;
} demo_schedule;

/* So many packages, the most depended on, are the most popular ones. */
#define DEMO_HOT 8

/* Returns   0, or DEMO_FAILED */
int demo_schedule_make(demo_schedule *s, const demo_options *o,
		       size_t package_count, demo_failure *f);
void demo_schedule_fini(demo_schedule *s);

/* Over the time of a run, in so many steps. */
#define DEMO_COLUMNS 100
/* Latencies from 10 us to 10 s, eight rows a decade. */
#define DEMO_ROWS 48
#define DEMO_ROWS_PER_DECADE 8
#define DEMO_FIRST_ROW WEFT_US(10)

typedef struct demo_column {
	int64_t queries; /* that went to the database */
	int most, last;	 /* there at once, at most and at the end */
	bool touched;
	weft_duration p50, p99; /* of the questions scheduled here; 0: none */
	uint32_t answered[DEMO_ROWS], late[DEMO_ROWS];
} demo_column;

/*
 * What a run came to. A query reaches the database when it asks for a
 * connection, and is there until it has its answer or gives up; it is
 * redundant if one for the same package is there already. Latencies count from
 * the scheduled time; a question that is given up counts with the time until
 * then.
 */
typedef struct demo_stats {
	weft_mutex lock;
	int64_t asked, answered, late, dropped;
	int64_t queries, redundant, executed, useful;
	int at_once, most_at_once, most_same;
	int64_t contradictions;
	weft_duration elapsed, p50, p99, max;
	demo_column columns[DEMO_COLUMNS];
} demo_stats;

/* A package's place in the cache. */
typedef struct demo_slot {
	weft_mutex lock;
	weft_time until; /* the answer is served before this */
	demo_answer answer;
	bool known;  /* the run has had an answer at all */
	int queries; /* at the database now */
} demo_slot;

enum demo_outcome { DEMO_PENDING, DEMO_ANSWERED, DEMO_LATE, DEMO_DROPPED };

/* A question of one run. */
typedef struct demo_ticket {
	struct demo_run *run;
	weft_time at;
	weft_duration took;
	uint32_t package;
	enum demo_outcome outcome;
} demo_ticket;

typedef struct demo_run demo_run;

/* One of the ways to answer. Returns 0, -ECANCELED, -ETIMEDOUT, DEMO_FAILED. */
typedef int (*demo_answer_fn)(weft_ctx *ctx, demo_ticket *t, demo_answer *a);

struct demo_run {
	const char *name, *key; /* for people, for programs */
	demo_answer_fn answer;
	const demo_options *options;
	const demo_schedule *schedule;
	demo_database *database;
	demo_screen *screen;
	demo_failure *failure;

	weft_ctx ctx;
	weft_time start;
	demo_slot *cache; /* by package */
	weft_mutex one_lock;
	weft_flight flight;
	weft_waitgroup questions;
	demo_ticket *tickets;
	demo_stats stats;
	bool complete;
};

int demo_answer_unprotected(weft_ctx *ctx, demo_ticket *t, demo_answer *a);
int demo_answer_one_lock(weft_ctx *ctx, demo_ticket *t, demo_answer *a);
int demo_answer_flight(weft_ctx *ctx, demo_ticket *t, demo_answer *a);

/* A weft_group_fn; arg is the demo_run. */
int demo_run_all(weft_ctx *ctx, void *arg);
/* Call it also for a run that was never started. */
void demo_run_fini(demo_run *run);

void demo_stats_query_begins(demo_run *run, uint32_t package);
void demo_stats_query_executes(demo_run *run);
void demo_stats_query_ends(demo_run *run, uint32_t package, bool useful);
void demo_stats_asked(demo_run *run);
void demo_stats_question_ends(demo_run *run, enum demo_outcome outcome);
/* When all is over. Returns 0, or DEMO_FAILED. */
int demo_stats_finish(demo_run *run);

#endif
