/* SPDX-License-Identifier: MIT */
/*
 * The database is one file in a cache directory, named after its source and
 * stamped with the source's times and sizes. It is made under another name and
 * renamed when it is whole and on the disk, so that under its own name it is
 * always whole. A lock on the directory keeps two processes from making it at
 * once.
 */
#include "demo_data.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * package.listed: it is in the index; else only a name that others depend on.
 * package.mark: a number made of the name, for checksums of sets of packages.
 * package.direct: how many packages name it. The number of the form is part
 * of the stamp: a new form makes a new database.
 */
#define FORM "1"

#define HINT " (choose another place with --cache DIR)"

static const char schema[] =
	"PRAGMA journal_mode = OFF;"
	"PRAGMA synchronous = OFF;"
	"PRAGMA locking_mode = EXCLUSIVE;"
	"PRAGMA cache_size = -32000;"
	"BEGIN;"
	"CREATE TABLE package (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" listed INTEGER NOT NULL DEFAULT 0, mark INTEGER NOT NULL,"
	" direct INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE depends (needs INTEGER NOT NULL, package INTEGER NOT NULL,"
	" PRIMARY KEY (needs, package)) WITHOUT ROWID;"
	"CREATE TABLE about (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;";

static const char finish[] =
	"UPDATE package SET direct ="
	" (SELECT count(*) FROM depends WHERE needs = id);"
	"INSERT INTO about SELECT 'packages', count(*) FROM package WHERE listed;"
	"INSERT INTO about SELECT 'dependencies', count(*) FROM depends;";

typedef struct import {
	sqlite3 *db;
	sqlite3_stmt *find, *add, *list, *depend;
	int64_t packages;
	demo_parser parser;
	demo_failure *failure;
	char part[PATH_MAX + 8];
} import;

static int sqlite_failed(import *i)
{
	return demo_fail(i->failure, "%s: %s", i->part, sqlite3_errmsg(i->db));
}

/* FNV-1a, then mixed, so that sums of marks tell sets apart. */
static uint32_t mark(const char *name, size_t length)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	h = (h ^ (h >> 16)) * 0x7feb352du;
	h = (h ^ (h >> 15)) * 0x846ca68bu;
	return h ^ (h >> 16);
}

static int run(sqlite3_stmt *s)
{
	int code = sqlite3_step(s);

	sqlite3_reset(s);
	return code == SQLITE_DONE ? 0 : DEMO_FAILED;
}

/* The id of a name, new or not. */
static int identify(import *i, const char *name, size_t length, int64_t *id)
{
	int code;

	sqlite3_bind_text(i->find, 1, name, (int)length, SQLITE_STATIC);
	code = sqlite3_step(i->find);
	if (code == SQLITE_ROW)
		*id = sqlite3_column_int64(i->find, 0);
	sqlite3_reset(i->find);
	if (code == SQLITE_ROW)
		return 0;
	if (code != SQLITE_DONE)
		return DEMO_FAILED;
	sqlite3_bind_text(i->add, 1, name, (int)length, SQLITE_STATIC);
	sqlite3_bind_int64(i->add, 2, mark(name, length));
	if (run(i->add) != 0)
		return DEMO_FAILED;
	*id = sqlite3_last_insert_rowid(i->db);
	return 0;
}

/* A package may be there in several versions: it needs what any of them needs. */
static int take_stanza(void *arg, const char *package, const char *needs)
{
	import *i = arg;
	int64_t id, needed;
	size_t length;

	if (identify(i, package, strlen(package), &id) != 0)
		return sqlite_failed(i);
	sqlite3_bind_int64(i->list, 1, id);
	if (run(i->list) != 0)
		return sqlite_failed(i);
	while ((length = demo_next_name(&needs)) > 0) {
		if (identify(i, needs, length, &needed) != 0)
			return sqlite_failed(i);
		sqlite3_bind_int64(i->depend, 1, needed);
		sqlite3_bind_int64(i->depend, 2, id);
		if (run(i->depend) != 0)
			return sqlite_failed(i);
		needs += length;
	}
	i->packages++;
	return 0;
}

static int open_part(import *i)
{
	const struct {
		sqlite3_stmt **to;
		const char *sql;
	} statements[] = {
		{&i->find, "SELECT id FROM package WHERE name = ?"},
		{&i->add, "INSERT INTO package (name, mark) VALUES (?, ?)"},
		{&i->list, "UPDATE package SET listed = 1 WHERE id = ?"},
		{&i->depend, "INSERT OR IGNORE INTO depends VALUES (?, ?)"},
	};

	/* What a killed process left is emptied; errno says more than SQLite. */
	int fd = open(i->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return demo_fail(i->failure, "%s: %s" HINT, i->part,
				 strerror(errno));
	close(fd);
	if (sqlite3_open_v2(i->part, &i->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				    SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK ||
	    sqlite3_exec(i->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return sqlite_failed(i);
	for (size_t n = 0; n < sizeof(statements) / sizeof(statements[0]); n++)
		if (sqlite3_prepare_v2(i->db, statements[n].sql, -1,
				       statements[n].to, NULL) != SQLITE_OK)
			return sqlite_failed(i);
	return 0;
}

/* Release the connection; without a commit before, what it wrote is void. */
static int close_part(import *i)
{
	sqlite3_finalize(i->find);
	sqlite3_finalize(i->add);
	sqlite3_finalize(i->list);
	sqlite3_finalize(i->depend);
	return sqlite3_close(i->db) == SQLITE_OK ? 0 : DEMO_FAILED;
}

static void show(import *i, const demo_source *s, int64_t bytes, demo_screen *screen)
{
	char count[32];

	demo_thousands(count, i->packages);
	if (s->size_bytes > 0)
		demo_screen_show(screen, "reading the package index: %s packages, %d %%",
				 count, (int)(100 * bytes / s->size_bytes));
	else
		demo_screen_show(screen, "reading the package index: %s packages, "
				 "%" PRId64 " MB", count, bytes / 1000000);
}

static int broken(import *i, const demo_source *s, int err)
{
	if (i->parser.error[0] == '\0')
		return err;
	return demo_fail(i->failure, "%s: %s", s->name, i->parser.error);
}

static int copy(import *i, demo_source *s, weft_ctx *ctx, demo_screen *screen)
{
	static char buffer[1 << 16];
	int64_t bytes = 0;
	ssize_t n;
	int err;

	while ((n = demo_source_read(s, ctx, buffer, sizeof(buffer))) > 0) {
		err = demo_parse(&i->parser, buffer, (size_t)n);
		if (err != 0)
			return broken(i, s, err);
		bytes += n;
		show(i, s, bytes, screen);
	}
	if (n == -ECANCELED)
		return -ECANCELED;
	if (n < 0)
		return demo_fail(i->failure, "%s: %s", s->name, strerror((int)-n));
	err = demo_parse_end(&i->parser);
	if (err != 0)
		return broken(i, s, err);
	if (i->packages == 0)
		return demo_fail(i->failure, "%s: no package in it", s->name);
	return 0;
}

static int fill(import *i, demo_source *s, weft_ctx *ctx, demo_screen *screen)
{
	int err = demo_source_open(s, i->failure), closed;

	if (err != 0)
		return err;
	err = copy(i, s, ctx, screen);
	closed = demo_source_close(s, err == 0, i->failure);
	return err != 0 ? err : closed;
}

static int stamp(import *i, const demo_source *s)
{
	sqlite3_stmt *add = NULL;
	int err;

	if (sqlite3_exec(i->db, finish, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(i->db, "INSERT INTO about VALUES ('stamp', ?),"
			       " ('source', ?)", -1, &add, NULL) != SQLITE_OK)
		return sqlite_failed(i);
	sqlite3_bind_text(add, 1, sqlite3_mprintf(FORM " %s", s->stamp), -1,
			  sqlite3_free);
	sqlite3_bind_text(add, 2, s->name, -1, SQLITE_STATIC);
	err = run(add);
	sqlite3_finalize(add);
	if (err != 0 ||
	    sqlite3_exec(i->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return sqlite_failed(i);
	return 0;
}

/* Only what the disk has may get the name. */
static int publish(import *i, const char *path, int directory)
{
	int fd = open(i->part, O_RDONLY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0 && rename(i->part, path) == 0 &&
		    fsync(directory) == 0;
	int err = errno;

	if (fd >= 0)
		close(fd);
	return done ? 0 : demo_fail(i->failure, "%s: %s", path, strerror(err));
}

/* The directory of path, and those above it. */
static int make_directories(const char *path, demo_failure *f)
{
	char at[PATH_MAX];

	snprintf(at, sizeof(at), "%s", path);
	for (char *slash = strchr(at + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(at, 0700) != 0 && errno != EEXIST)
			return demo_fail(f, "%s: cannot make this directory: %s" HINT,
					 at, strerror(errno));
		*slash = '/';
	}
	return 0;
}

static int open_directory(const char *path)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", path);
	*strrchr(directory, '/') = '\0';
	return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Until directory, a descriptor, is closed. */
static int lock(int directory, weft_ctx *ctx, demo_screen *screen)
{
	while (flock(directory, LOCK_EX | LOCK_NB) != 0) {
		/* Some file systems have no locks; the rename still is atomic. */
		if (errno != EWOULDBLOCK && errno != EINTR)
			return 0;
		demo_screen_show(screen, "another weft demo reads the package "
				 "index; waiting for it");
		if (weft_sleep(ctx, WEFT_MS(50)) != 0)
			return -ECANCELED;
	}
	return 0;
}

static int make(import *i, const char *path, int directory, demo_source *s,
		weft_ctx *ctx, demo_screen *screen)
{
	int err = open_part(i), closed;

	if (err == 0)
		err = fill(i, s, ctx, screen);
	if (err == 0)
		err = stamp(i, s);
	closed = close_part(i);
	if (err == 0 && closed != 0)
		err = demo_fail(i->failure, "%s: cannot be closed", i->part);
	if (err == 0)
		err = publish(i, path, directory);
	if (err != 0)
		unlink(i->part);
	demo_parser_fini(&i->parser);
	return err;
}

int demo_import(const char *path, demo_source *s, weft_ctx *ctx,
		demo_screen *screen, demo_failure *f)
{
	import i = {.failure = f, .parser = {.stanza = take_stanza}};
	int directory, err = make_directories(path, f);

	if (err != 0)
		return err;
	i.parser.arg = &i;
	snprintf(i.part, sizeof(i.part), "%s.part", path);
	directory = open_directory(path);
	if (directory < 0)
		return demo_fail(f, "%s: %s" HINT, path, strerror(errno));
	err = lock(directory, ctx, screen);
	if (err == 0 && !demo_database_fresh(path, s))
		err = make(&i, path, directory, s, ctx, screen);
	close(directory);
	return err;
}

bool demo_database_fresh(const char *path, const demo_source *s)
{
	sqlite3_stmt *read = NULL;
	sqlite3 *db = NULL;
	char wanted[128];
	bool fresh = false;

	snprintf(wanted, sizeof(wanted), FORM " %s", s->stamp);
	if (sqlite3_open_v2(path, &db,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			    NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT value FROM about WHERE name = 'stamp'",
			       -1, &read, NULL) == SQLITE_OK &&
	    sqlite3_step(read) == SQLITE_ROW)
		fresh = strcmp((const char *)sqlite3_column_text(read, 0),
			       wanted) == 0;
	sqlite3_finalize(read);
	sqlite3_close(db);
	return fresh;
}

/* The user's cache directory; without HOME, one that is theirs in /tmp. */
static int cache_directory(char at[PATH_MAX], const char *cache,
			   demo_screen *screen, demo_failure *f)
{
	struct stat st;
	int n;

	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache != NULL)
		return snprintf(at, PATH_MAX, "%s", cache);
	if (xdg != NULL && xdg[0] == '/')
		return snprintf(at, PATH_MAX, "%s/weft", xdg);
	if (home != NULL && home[0] == '/')
		return snprintf(at, PATH_MAX, "%s/.cache/weft", home);
	n = snprintf(at, PATH_MAX, "/tmp/weft-%u", (unsigned)getuid());
	if (lstat(at, &st) == 0 && (!S_ISDIR(st.st_mode) || st.st_uid != getuid()))
		return -demo_fail(f, "HOME is not set, and %s is somebody else's" HINT, at);
	demo_screen_say(screen, "HOME is not set: the database is kept in %s", at);
	return n;
}

int demo_database_path(char path[PATH_MAX], const char *cache,
		       const demo_source *s, demo_screen *screen,
		       demo_failure *f)
{
	char directory[PATH_MAX];
	int n = cache_directory(directory, cache, screen, f);

	/* Room for the name, ".part" and what SQLite might append. */
	if (n < 0)
		return DEMO_FAILED;
	if (n > PATH_MAX - 64)
		return demo_fail(f, "the name of the cache directory is too long");
	n = snprintf(path, PATH_MAX, "%s/packages-%08" PRIx32 ".db", directory,
		     mark(s->name, strlen(s->name)));
	return n < PATH_MAX ? 0 : demo_fail(f, "%s: the name is too long", directory);
}
