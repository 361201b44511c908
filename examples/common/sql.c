/* SPDX-License-Identifier: MIT */
#include "sql_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sql {
	const sql_engine *engine;
	char *url;
	sql *pool;	/* of a transaction: whose connection it has */
	void *connection;
	bool broken;

	weft_sema free;
	weft_mutex mutex;
	void **idle;	/* connections that nobody uses */
	long idle_count;
	char message[SQL_MESSAGE_BYTES];
};

/* ---- statements ---- */

static char *put_quoted(char *to, const char *value)
{
	if (value == NULL)
		return stpcpy(to, "NULL");
	*to++ = '\'';
	for (; *value != '\0'; value++) {
		if (*value == '\'')
			*to++ = '\'';
		*to++ = *value;
	}
	*to++ = '\'';
	return to;
}

static char *fill_in(const char *statement, int count, const char *const *values)
{
	size_t size = strlen(statement) + 1;
	char *text, *to;

	for (int i = 0; i < count; i++)
		size += (values[i] != NULL ? 2 * strlen(values[i]) : 0) + 4;
	text = to = malloc(size);
	if (text == NULL)
		return NULL;
	for (int i = 0; *statement != '\0'; statement++)
		if (*statement == '?' && i < count)
			to = put_quoted(to, values[i++]);
		else
			*to++ = *statement;
	*to = '\0';
	return text;
}

bool sql_result_grow(sql_result *result, size_t rows)
{
	size_t have = result->rows * result->columns;
	size_t want = have + rows * result->columns;
	char **cells = realloc(result->cells, (want + 1) * sizeof *cells);

	if (cells == NULL)
		return false;
	memset(cells + have, 0, (want - have) * sizeof *cells);
	result->cells = cells;
	result->rows += rows;
	return true;
}

void sql_result_free(sql_result *result)
{
	for (size_t i = 0; i < result->rows * result->columns; i++)
		free(result->cells[i]);
	free(result->cells);
	*result = (sql_result){0};
}

/* ---- the pool ---- */

static int take(sql *db, weft_ctx *ctx, void **connection, char *message)
{
	int err = weft_sema_acquire_ctx(&db->free, ctx, 1);

	if (err != 0)
		return err;
	weft_mutex_lock(&db->mutex);
	*connection = db->idle_count > 0 ? db->idle[--db->idle_count] : NULL;
	weft_mutex_unlock(&db->mutex);
	if (*connection == NULL)
		err = db->engine->connect(connection, ctx, db->url, message);
	if (err != 0)
		weft_sema_release(&db->free, 1);
	return err;
}

static void give(sql *db, void *connection, bool broken)
{
	if (broken) {
		db->engine->disconnect(connection);
	} else {
		weft_mutex_lock(&db->mutex);
		db->idle[db->idle_count++] = connection;
		weft_mutex_unlock(&db->mutex);
	}
	weft_sema_release(&db->free, 1);
}

static void keep_message(sql *db, const char *message)
{
	sql *pool = db->pool != NULL ? db->pool : db;

	weft_mutex_lock(&pool->mutex);
	snprintf(pool->message, sizeof pool->message, "%s", message);
	weft_mutex_unlock(&pool->mutex);
}

const char *sql_message(sql *db)
{
	return db->pool != NULL ? db->pool->message : db->message;
}

int sql_open(sql **out, weft_ctx *ctx, const char *url, long connections)
{
	sql *db = *out = calloc(1, sizeof *db);
	void *connection;
	int err;

	if (db == NULL)
		return -ENOMEM;
	db->engine = strncmp(url, "sqlite:", 7) == 0	? &sql_sqlite
		     : strncmp(url, "mysql://", 8) == 0 ? &sql_mariadb
							: NULL;
	if (db->engine == NULL) {
		keep_message(db, "no URL of a database");
		return -EINVAL;
	}
	db->url = strdup(url);
	db->idle = calloc((size_t)connections, sizeof *db->idle);
	if (db->url == NULL || db->idle == NULL)
		return -ENOMEM;
	weft_sema_init(&db->free, connections);
	err = take(db, ctx, &connection, db->message);
	if (err == 0)
		give(db, connection, false);
	return err;
}

void sql_close(sql *db)
{
	if (db == NULL)
		return;
	while (db->idle_count > 0)
		db->engine->disconnect(db->idle[--db->idle_count]);
	free(db->idle);
	free(db->url);
	free(db);
}

/* ---- running ---- */

static int run_on(sql *db, void *connection, weft_ctx *ctx, const char *text,
		  sql_result *result, bool *broken)
{
	char message[SQL_MESSAGE_BYTES] = "";
	int err = db->engine->run(connection, ctx, text, result, message, broken);

	if (err != 0) {
		sql_result_free(result);
		keep_message(db, message);
	}
	return err;
}

static int run_text(sql *db, weft_ctx *ctx, const char *text, sql_result *result)
{
	char message[SQL_MESSAGE_BYTES] = "";
	bool broken = false;
	void *connection;
	int err;

	if (db->pool != NULL)
		return run_on(db, db->connection, ctx, text, result, &db->broken);
	err = take(db, ctx, &connection, message);
	if (err != 0) {
		keep_message(db, message);
		return err;
	}
	err = run_on(db, connection, ctx, text, result, &broken);
	give(db, connection, broken);
	return err;
}

int sql_run(sql *db, weft_ctx *ctx, sql_result *result, const char *statement,
	    int count, const char *const *values)
{
	char *text = fill_in(statement, count, values);
	sql_result own = {0};
	int err = text != NULL ? run_text(db, ctx, text, &own) : -ENOMEM;

	free(text);
	if (result != NULL)
		*result = own;
	else
		sql_result_free(&own);
	return err;
}

int sql_transaction(sql *db, weft_ctx *ctx,
		    int (*fn)(sql *transaction, weft_ctx *ctx, void *arg),
		    void *arg)
{
	char message[SQL_MESSAGE_BYTES] = "";
	sql t = {.engine = db->engine, .pool = db};
	int err = take(db, ctx, &t.connection, message), err_end;

	if (err != 0) {
		keep_message(db, message);
		return err;
	}
	err = sql_run(&t, ctx, NULL,
		      db->engine == &sql_sqlite ? "BEGIN IMMEDIATE" : "BEGIN", 0,
		      NULL);
	if (err == 0) {
		err = fn(&t, ctx, arg);
		/* Without ctx: a connection goes back in a known state, or not. */
		err_end = t.broken ? -EIO
				   : sql_run(&t, NULL, NULL,
					     err == 0 ? "COMMIT" : "ROLLBACK", 0,
					     NULL);
		t.broken |= err_end != 0;
		err = err != 0 ? err : err_end;
	}
	give(db, t.connection, t.broken);
	return err;
}
