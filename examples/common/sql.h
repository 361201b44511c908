/* SPDX-License-Identifier: MIT */
/*
 * A database for tasks: SQLite in a file, or a MariaDB server, whose
 * connections wait for their descriptors and hold up no thread.
 *
 *	sqlite:PATH
 *	mysql://USER:PASSWORD@HOST:PORT/DATABASE
 *	mysql://USER:PASSWORD@/DATABASE?socket=PATH
 */
#ifndef EXAMPLES_COMMON_SQL_H
#define EXAMPLES_COMMON_SQL_H

#include <weft.h>

typedef struct sql sql;

typedef struct {
	size_t rows, columns;
	char **cells;	/* row by row; NULL where the database has NULL */
	long changed;	/* rows that an INSERT, UPDATE or DELETE changed */
} sql_result;

/*
 * A pool of at most connections connections. Returns 0, or -EINVAL: that is no
 * URL of a database, -ENOMEM, -EIO: the first connection failed; then
 * sql_message() of *out says why, and it is to be closed.
 */
int sql_open(sql **out, weft_ctx *ctx, const char *url, long connections);
void sql_close(sql *db);

/*
 * Run one statement. Each ? in it stands for the next of count values, which
 * are written as strings, NULL as NULL. *result, which may be NULL, is freed
 * with sql_result_free().
 *
 * Returns   0
 *           -EEXIST      a key is there already
 *           -EAGAIN      the transaction has lost against another one
 *           -EIO         anything else: see sql_message()
 *           -ENOMEM, -ECANCELED, -ETIMEDOUT
 */
int sql_run(sql *db, weft_ctx *ctx, sql_result *result, const char *statement,
	    int count, const char *const *values);

#define sql_run_with(db, ctx, result, statement, ...)                          \
	sql_run(db, ctx, result, statement,                                    \
		(int)(sizeof((const char *[]){__VA_ARGS__}) /                  \
		      sizeof(const char *)),                                   \
		(const char *[]){__VA_ARGS__})

/*
 * Run fn in a transaction, on a connection of its own: what it asks it asks
 * transaction. Committed if it returns 0, else undone.
 */
int sql_transaction(sql *db, weft_ctx *ctx,
		    int (*fn)(sql *transaction, weft_ctx *ctx, void *arg),
		    void *arg);

/* What went wrong last, for people. */
const char *sql_message(sql *db);

void sql_result_free(sql_result *result);

#endif
