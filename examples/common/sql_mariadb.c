/* SPDX-License-Identifier: MIT */
/*
 * MariaDB Connector/C has a second form of each call: _start begins it and
 * _cont goes on with it, and both say what descriptor events they wait for.
 * Between them weft_wait_fd() waits, and the worker runs other tasks.
 */
#include "sql_engine.h"

#include <errno.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECT_SECONDS = 10 };

/* Wait for one of what, an MYSQL_WAIT_ set; the events that came, or an error. */
static int wait_for(MYSQL *db, weft_ctx *ctx, int what)
{
	short events = 0;
	weft_ctx until;
	int ready, came = 0;

	if (what & MYSQL_WAIT_READ)
		events |= POLLIN;
	if (what & MYSQL_WAIT_WRITE)
		events |= POLLOUT;
	if (what & MYSQL_WAIT_EXCEPT)
		events |= POLLPRI;
	weft_ctx_init_timeout(&until, ctx,
			      what & MYSQL_WAIT_TIMEOUT
				      ? WEFT_MS((weft_duration)
						mysql_get_timeout_value_ms(db))
				      : 365 * 86400 * WEFT_SECOND);
	ready = weft_wait_fd(&until, mysql_get_socket(db), events);
	weft_ctx_fini(&until);
	if (ready < 0)
		return weft_ctx_done(ctx) || !(what & MYSQL_WAIT_TIMEOUT) ||
				       ready != -ETIMEDOUT
			       ? ready
			       : MYSQL_WAIT_TIMEOUT;
	if (ready & (POLLIN | POLLHUP | POLLERR))
		came |= what & MYSQL_WAIT_READ;
	if (ready & (POLLOUT | POLLHUP | POLLERR))
		came |= what & MYSQL_WAIT_WRITE;
	if (ready & POLLPRI)
		came |= what & MYSQL_WAIT_EXCEPT;
	return came;
}

/* Run one call to its end: started has what its _start returned. */
#define GO_ON(db, ctx, started, cont)                                          \
	__extension__({                                                        \
		int status_ = (started), failed_ = 0;                          \
		while (status_ != 0) {                                         \
			int came_ = wait_for((db), (ctx), status_);            \
			if (came_ < 0) {                                       \
				failed_ = came_;                               \
				break;                                         \
			}                                                      \
			status_ = cont((db), came_);                           \
		}                                                              \
		failed_;                                                       \
	})

/* ---- connecting ---- */

typedef struct {
	char *text;	/* a copy, cut into the others */
	const char *user, *password, *host, *database, *socket;
	unsigned int port;
} place;

/* mysql://USER:PASSWORD@HOST:PORT/DATABASE?socket=PATH, all but DATABASE optional. */
static bool place_parse(place *p, const char *url)
{
	char *at, *slash, *colon, *question;

	*p = (place){.text = strdup(url + strlen("mysql://"))};
	if (p->text == NULL)
		return false;
	p->host = p->text;
	slash = strchr(p->text, '/');
	if (slash == NULL || slash[1] == '\0')
		return false;
	*slash = '\0';
	p->database = slash + 1;
	question = strchr(slash + 1, '?');
	if (question != NULL) {
		*question++ = '\0';
		if (strncmp(question, "socket=", 7) != 0)
			return false;
		p->socket = question + 7;
	}
	at = strrchr(p->text, '@');
	if (at != NULL) {
		*at = '\0';
		p->host = at + 1;
		p->user = p->text;
		colon = strchr(p->text, ':');
		if (colon != NULL) {
			*colon = '\0';
			p->password = colon + 1;
		}
	}
	colon = strrchr(p->host, ':');
	if (colon != NULL) {
		*colon = '\0';
		p->port = (unsigned int)atoi(colon + 1);
	}
	return true;
}

static int connect_to(MYSQL *db, weft_ctx *ctx, const place *p)
{
	static const unsigned int timeout = CONNECT_SECONDS;
	MYSQL *connected = NULL;
	int failed;

#define CONNECT_CONT(db, came) mysql_real_connect_cont(&connected, db, came)
	mysql_options(db, MYSQL_OPT_NONBLOCK, 0);
	mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
	mysql_options(db, MYSQL_INIT_COMMAND,
		      "SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')");
	failed = GO_ON(db, ctx,
		       mysql_real_connect_start(&connected, db, p->host, p->user,
						p->password, p->database, p->port,
						p->socket, CLIENT_FOUND_ROWS),
		       CONNECT_CONT);
	if (failed != 0)
		return failed;
	return connected != NULL ? 0 : -EIO;
}

static int open_connection(void **connection, weft_ctx *ctx, const char *url,
			   char *message)
{
	MYSQL *db = mysql_init(NULL);
	place p;
	int err = -ENOMEM;

	*connection = NULL;
	if (!place_parse(&p, url))
		err = -EINVAL;
	else if (db != NULL)
		err = connect_to(db, ctx, &p);
	free(p.text);
	if (err == 0) {
		*connection = db;
	} else if (db != NULL) {
		snprintf(message, SQL_MESSAGE_BYTES, "%s",
			 err != -EINVAL ? mysql_error(db) : "no URL of a database");
		mysql_close(db);
	}
	return err;
}

static void close_connection(void *connection)
{
	MYSQL *db = connection;

	/* It may be in the midst of something: no polite good-bye then. */
	if (mysql_get_socket(db) != MARIADB_INVALID_SOCKET)
		shutdown(mysql_get_socket(db), SHUT_RDWR);
	mysql_close(db);
}

/* ---- running ---- */

static bool store_rows(MYSQL_RES *rows, sql_result *result)
{
	MYSQL_ROW row;
	size_t at = 0;

	result->columns = mysql_num_fields(rows);
	if (!sql_result_grow(result, mysql_num_rows(rows)))
		return false;
	while ((row = mysql_fetch_row(rows)) != NULL)
		for (size_t i = 0; i < result->columns; i++, at++)
			if (row[i] != NULL &&
			    (result->cells[at] = strdup(row[i])) == NULL)
				return false;
	return true;
}

static int error_of(MYSQL *db)
{
	switch (mysql_errno(db)) {
	case ER_DUP_ENTRY:
		return -EEXIST;
	case ER_LOCK_DEADLOCK:
	case ER_LOCK_WAIT_TIMEOUT:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static int query(MYSQL *db, weft_ctx *ctx, const char *text, sql_result *result)
{
	MYSQL_RES *rows = NULL;
	int failed, code = 0;

#define QUERY_CONT(db, came) mysql_real_query_cont(&code, db, came)
#define STORE_CONT(db, came) mysql_store_result_cont(&rows, db, came)
	failed = GO_ON(db, ctx,
		       mysql_real_query_start(&code, db, text, strlen(text)),
		       QUERY_CONT);
	if (failed != 0)
		return failed;
	if (code != 0)
		return error_of(db);
	result->changed = (long)mysql_affected_rows(db);
	if (mysql_field_count(db) == 0)
		return 0;
	failed = GO_ON(db, ctx, mysql_store_result_start(&rows, db), STORE_CONT);
	if (failed != 0)
		return failed;
	if (rows == NULL)
		return error_of(db);
	if (!store_rows(rows, result))
		failed = -ENOMEM;
	mysql_free_result(rows);
	return failed;
}

static int run_statement(void *connection, weft_ctx *ctx, const char *text,
		       sql_result *result, char *message, bool *broken)
{
	MYSQL *db = connection;
	int err = query(db, ctx, text, result);
	unsigned int code = mysql_errno(db);

	if (err != 0)
		snprintf(message, SQL_MESSAGE_BYTES, "%s", mysql_error(db));
	/* Left in its midst, or an error of the client, not of the server. */
	*broken |= err != 0 && (code == 0 || code >= 2000);
	return err;
}

const sql_engine sql_mariadb = {open_connection, close_connection, run_statement};
