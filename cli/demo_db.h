/* SPDX-License-Identifier: MIT */
/*
 * The database of packages, and a pool of connections to it.
 */
#ifndef WEFT_CLI_DEMO_DB_H
#define WEFT_CLI_DEMO_DB_H

#include "demo.h"

#include <limits.h>
#include <sqlite3.h>

/* What breaks if a package breaks: how many do, and a sum over which ones. */
typedef struct demo_answer {
	int64_t count;
	uint64_t checksum;
} demo_answer;

/* Its place in demo_database.packages is its number everywhere. */
typedef struct demo_package {
	int64_t id;
	char *name;
} demo_package;

typedef struct demo_connection {
	sqlite3 *db;
	sqlite3_stmt *question;
	struct demo_connection *next; /* while it is idle */
} demo_connection;

typedef struct demo_database {
	char path[PATH_MAX];
	demo_package *packages; /* the most depended on first */
	size_t package_count;
	int64_t dependency_count;

	/* The pool: whoever finds it empty waits for a connection to come back. */
	weft_mutex lock;
	weft_cond returned;
	demo_connection *idle;
	demo_connection *connections;
	int connection_count;
} demo_database;

/* Returns   0, or DEMO_FAILED */
int demo_database_open(demo_database *d, const char *path, int connections,
		       demo_failure *f);
void demo_database_close(demo_database *d);

/*
 * Take a connection out of the pool; the one who waits longest gets the next.
 *
 * Returns   0, or -ECANCELED or -ETIMEDOUT when ctx was done first
 */
int demo_database_acquire(demo_database *d, weft_ctx *ctx, demo_connection **c);
void demo_database_release(demo_database *d, demo_connection *c);

/*
 * Ask. Blocks its thread: SQLite computes in the caller. When ctx is done the
 * query is interrupted.
 *
 * Returns   0, -ECANCELED, -ETIMEDOUT, or DEMO_FAILED
 */
int demo_database_ask(demo_connection *c, weft_ctx *ctx,
		      const demo_package *package, demo_answer *answer,
		      demo_failure *f);

#endif
