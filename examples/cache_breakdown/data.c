/* SPDX-License-Identifier: MIT */
/* The distribution's package index, as two tables. */
#include "breakdown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_FILE "/var/lib/dpkg/status"

enum { BATCH = 400 };

/* Rows that are inserted together. */
typedef struct {
	sql *db;
	int count, err;
	char *values[2 * BATCH];
} batch;

static const char *statement_of(int rows, char *text, size_t size)
{
	size_t at = (size_t)snprintf(text, size, "INSERT INTO needs VALUES (?, ?)");

	while (--rows > 0)
		at += (size_t)snprintf(text + at, size - at, ", (?, ?)");
	return text;
}

static void batch_flush(batch *b)
{
	char text[64 + 10 * BATCH];

	if (b->count > 0 && b->err == 0)
		b->err = sql_run(b->db, NULL, NULL,
				 statement_of(b->count, text, sizeof text),
				 2 * b->count, (const char *const *)b->values);
	while (b->count > 0) {
		b->count--;
		free(b->values[2 * b->count]);
		free(b->values[2 * b->count + 1]);
	}
}

static void batch_add(batch *b, const char *package, const char *needed)
{
	char **row = &b->values[2 * b->count];

	row[0] = strdup(package);
	row[1] = strdup(needed);
	if (row[0] == NULL || row[1] == NULL)
		b->err = -ENOMEM;
	b->count++;
	if (b->count == BATCH)
		batch_flush(b);
}

/* "libc6 (>= 2.36), default-mta | mail-transport-agent": the first of each. */
static void take_depends(batch *b, const char *package, char *list)
{
	char *rest = NULL;

	for (char *one = strtok_r(list, ",\n", &rest); one != NULL;
	     one = strtok_r(NULL, ",\n", &rest)) {
		one += strspn(one, " ");
		one[strcspn(one, " :(|")] = '\0';
		if (*one != '\0' && strlen(one) < NAME_BYTES)
			batch_add(b, package, one);
	}
}

static int read_index(FILE *index, batch *b)
{
	char *line = NULL, package[NAME_BYTES] = "";
	size_t room = 0;

	while (getline(&line, &room, index) > 0 && b->err == 0) {
		if (strncmp(line, "Package: ", 9) == 0) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(package, sizeof package, "%s", line + 9);
		} else if (strncmp(line, "Depends: ", 9) == 0) {
			take_depends(b, package, line + 9);
		}
	}
	free(line);
	batch_flush(b);
	return b->err;
}

static FILE *open_index(const settings *s, bool *is_pipe)
{
	FILE *apt;
	int c;

	*is_pipe = false;
	if (s->data != NULL)
		return fopen(s->data, "re");
	apt = popen("apt-cache dumpavail 2>/dev/null", "re");
	c = apt != NULL ? getc(apt) : EOF;
	if (c != EOF) {
		ungetc(c, apt);
		*is_pipe = true;
		return apt;
	}
	if (apt != NULL)
		pclose(apt);
	return fopen(STATUS_FILE, "re");
}

static int fill(sql *transaction, weft_ctx *ctx, void *settings_)
{
	const settings *s = settings_;
	batch b = {.db = transaction};
	bool is_pipe;
	FILE *index = open_index(s, &is_pipe);
	int err;

	(void)ctx;
	if (index == NULL) {
		fprintf(stderr, "cache_breakdown: %s: %s\n",
			s->data != NULL ? s->data : STATUS_FILE, strerror(errno));
		return -ENOENT;
	}
	err = read_index(index, &b);
	if (is_pipe)
		pclose(index);
	else
		fclose(index);
	return err;
}

static int run(sql *db, const char *statement)
{
	return sql_run(db, NULL, NULL, statement, 0, NULL);
}

/* Packages that some others need, not those that nearly all do. */
static int choose_keys(sql *db, const settings *s, board *b)
{
	char limit[200];
	sql_result names;
	int err;

	snprintf(limit, sizeof limit,
		 "SELECT needed, COUNT(*) FROM needs GROUP BY needed "
		 "HAVING COUNT(*) <= 100 ORDER BY COUNT(*) DESC, needed LIMIT %ld",
		 s->keys);
	err = sql_run(db, NULL, &names, limit, 0, NULL);
	if (err == 0 && names.rows == 0) {
		fputs("cache_breakdown: that is no package index\n", stderr);
		err = -ENOENT;
	}
	for (long i = 0; err == 0 && i < s->keys; i++)
		snprintf(b->names[i], NAME_BYTES, "%s",
			 names.cells[(size_t)i % names.rows * names.columns]);
	sql_result_free(&names);
	return err;
}

int data_load(sql *db, const settings *s, board *b)
{
	sql_result there;
	int err = run(db, "CREATE TABLE IF NOT EXISTS needs "
			  "(package VARCHAR(127), needed VARCHAR(127))");

	if (err == 0)
		err = sql_run(db, NULL, &there, "SELECT 1 FROM needs LIMIT 1", 0,
			      NULL);
	if (err == 0 && there.rows == 0) {
		err = sql_transaction(db, NULL, fill, (void *)s);
		if (err == 0)
			err = run(db, "CREATE INDEX needed ON needs (needed)");
	}
	if (err == 0)
		sql_result_free(&there);
	return err != 0 ? err : choose_keys(db, s, b);
}

int data_ask(sql *db, weft_ctx *ctx, const settings *s, const char *name,
	     char **text)
{
	static const char question[] =
		"WITH RECURSIVE broken(package, steps) AS ("
		" SELECT package, 1 FROM needs WHERE needed = ?"
		" UNION SELECT n.package, b.steps + 1 FROM needs n"
		" JOIN broken b ON n.needed = b.package WHERE b.steps < 2) "
		"SELECT COUNT(DISTINCT package) FROM broken";
	sql_result answer;
	int err = sql_run_with(db, ctx, &answer, question, name);

	*text = NULL;
	if (err == 0 && asprintf(text, "%s packages break", answer.cells[0]) < 0)
		err = -ENOMEM;
	sql_result_free(&answer);
	/* It is a busy database, and far away. */
	return err != 0 ? err : weft_sleep(ctx, s->slow);
}
