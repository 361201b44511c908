/* SPDX-License-Identifier: MIT */
/*
 * The package index: found, read, and loaded into a SQLite database once.
 */
#ifndef WEFT_CLI_DEMO_DATA_H
#define WEFT_CLI_DEMO_DATA_H

#include "demo.h"

#include <limits.h>
#include <sys/types.h>

/* Where the index comes from. */
typedef struct demo_source {
	char name[PATH_MAX]; /* a file's full name, or the command's */
	char stamp[96];	     /* differs when the content does */
	bool command;	     /* apt-cache, which knows how apt stores it */
	int fd;
	pid_t child;
	int64_t size_bytes; /* 0: not known */
} demo_source;

/*
 * Find the index: data if given, else apt's, else what dpkg has installed.
 *
 * Returns   0, or DEMO_FAILED
 */
int demo_source_find(demo_source *s, const char *data, demo_failure *f);
int demo_source_open(demo_source *s, demo_failure *f);
/*
 * Read up to size bytes, or wait until ctx is done.
 *
 * Returns   the number of bytes, 0 at the end, -ECANCELED, or -errno
 */
ssize_t demo_source_read(demo_source *s, weft_ctx *ctx, void *to, size_t size);
/*
 * complete says that all was read: then the command's exit status matters.
 *
 * Returns   0, or DEMO_FAILED
 */
int demo_source_close(demo_source *s, bool complete, demo_failure *f);

/*
 * The form of the index: stanzas of "Field: value" lines, with continuation
 * lines that begin with a blank, separated by empty lines (deb-control(5)).
 */
typedef struct demo_text {
	char *at;
	size_t size, room;
} demo_text;

typedef struct demo_parser {
	/* Called for each stanza; nonzero stops, and is returned. */
	int (*stanza)(void *arg, const char *package, const char *needs);
	void *arg;
	demo_text line, package, needs;
	int64_t lines; /* that are done */
	enum { BETWEEN, OTHER_FIELD, NEEDS_FIELD } where;
	bool absent; /* the stanza is of a package that is not installed */
	char error[200];
} demo_parser;

/* Returns   0, what stanza() returned, or DEMO_FAILED with p->error set */
int demo_parse(demo_parser *p, const char *data, size_t size);
int demo_parse_end(demo_parser *p);
void demo_parser_fini(demo_parser *p);
/*
 * The next name of a list of dependencies ("a (>= 1) | b:any, c"): its length
 * at *at, or 0 at the end. Call it again with *at moved past the name.
 */
size_t demo_next_name(const char **at);

/*
 * The full name of the database's file for this source, its directory made if
 * need be only by demo_import(). cache is the user's choice or NULL.
 *
 * Returns   0, or DEMO_FAILED
 */
int demo_database_path(char path[PATH_MAX], const char *cache,
		       const demo_source *s, demo_screen *screen,
		       demo_failure *f);
/* Whether path is a database that was made from s as it is now. */
bool demo_database_fresh(const char *path, const demo_source *s);
/*
 * Load s into a new database and put it in path's place, all or nothing.
 *
 * Returns   0, DEMO_FAILED, or -ECANCELED
 */
int demo_import(const char *path, demo_source *s, weft_ctx *ctx,
		demo_screen *screen, demo_failure *f);

#endif
