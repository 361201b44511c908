/* SPDX-License-Identifier: MIT */
/*
 * SQLite has no way to wait but in the call: other tasks run on another thread
 * meanwhile (weft_blocking_begin).
 */
#include "sql_engine.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 10000 };

static int open_connection(void **connection, weft_ctx *ctx, const char *url,
			  char *message)
{
	sqlite3 *db = NULL;
	int code;

	(void)ctx;
	weft_blocking_begin();
	code = sqlite3_open(url + strlen("sqlite:"), &db);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		code = sqlite3_exec(db, "PRAGMA journal_mode = WAL;"
					"PRAGMA synchronous = NORMAL",
				    NULL, NULL, NULL);
	}
	weft_blocking_end();
	if (code != SQLITE_OK) {
		snprintf(message, SQL_MESSAGE_BYTES, "%s", sqlite3_errmsg(db));
		sqlite3_close(db);
		db = NULL;
	}
	*connection = db;
	return code == SQLITE_OK ? 0 : -EIO;
}

static void close_connection(void *connection)
{
	sqlite3_close(connection);
}

static bool store_row(sqlite3_stmt *statement, sql_result *result)
{
	char **cells;

	if (!sql_result_grow(result, 1))
		return false;
	cells = result->cells + (result->rows - 1) * result->columns;
	for (size_t i = 0; i < result->columns; i++) {
		const char *text =
			(const char *)sqlite3_column_text(statement, (int)i);

		if (text != NULL && (cells[i] = strdup(text)) == NULL)
			return false;
	}
	return true;
}

static int step_through(sqlite3_stmt *statement, weft_ctx *ctx,
			sql_result *result)
{
	int code;

	result->columns = (size_t)sqlite3_column_count(statement);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!store_row(statement, result))
			return SQLITE_NOMEM;
		if (weft_ctx_done(ctx))
			return SQLITE_INTERRUPT;
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int error_of(int code, weft_ctx *ctx)
{
	switch (code & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EAGAIN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_INTERRUPT:
		return weft_ctx_err(ctx);
	default:
		return -EIO;
	}
}

static int run_statement(void *connection, weft_ctx *ctx, const char *text,
		      sql_result *result, char *message, bool *broken)
{
	sqlite3_stmt *statement = NULL;
	int code;

	(void)broken;
	weft_blocking_begin();
	code = sqlite3_prepare_v2(connection, text, -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = step_through(statement, ctx, result);
	if (code != SQLITE_OK)
		snprintf(message, SQL_MESSAGE_BYTES, "%s",
			 sqlite3_errmsg(connection));
	sqlite3_finalize(statement);
	result->changed = sqlite3_changes(connection);
	weft_blocking_end();
	return error_of(code, ctx);
}

const sql_engine sql_sqlite = {open_connection, close_connection, run_statement};
