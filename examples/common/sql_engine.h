/* SPDX-License-Identifier: MIT */
/* What sql.c asks of a kind of database. */
#ifndef EXAMPLES_COMMON_SQL_ENGINE_H
#define EXAMPLES_COMMON_SQL_ENGINE_H

#include "sql.h"

enum { SQL_MESSAGE_BYTES = 256 };

typedef struct {
	/* A connection. On an error, message has it, and *connection is NULL. */
	int (*connect)(void **connection, weft_ctx *ctx, const char *url,
		       char *message);
	void (*disconnect)(void *connection);
	/*
	 * A statement without question marks. *broken: the connection cannot be
	 * used any more.
	 */
	int (*run)(void *connection, weft_ctx *ctx, const char *statement,
		   sql_result *result, char *message, bool *broken);
} sql_engine;

extern const sql_engine sql_sqlite, sql_mariadb;

/* Room for rows more of result->columns cells, all NULL; false: no memory. */
bool sql_result_grow(sql_result *result, size_t rows);

#endif
