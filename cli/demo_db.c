/* SPDX-License-Identifier: MIT */
#include "demo_db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Every package that needs ?1, or one that needs it, and so on. An alternative
 * ("a | b") counts as a need of both. Packages that are not in the index need
 * nothing, so only ?1 itself may be such a name.
 */
static const char question[] =
	"WITH RECURSIVE broken (id) AS ("
	"  SELECT ?1"
	"  UNION"
	"  SELECT depends.package FROM broken JOIN depends ON depends.needs = broken.id"
	") "
	"SELECT count(*), coalesce(sum(package.mark), 0)"
	" FROM broken JOIN package ON package.id = broken.id"
	" WHERE broken.id <> ?1";

/* Between two looks at the context a query runs for some 50 microseconds. */
#define STEPS_BETWEEN_LOOKS 2000

static int failed(demo_database *d, sqlite3 *db, demo_failure *f)
{
	return demo_fail(f, "%s: %s", d->path, sqlite3_errmsg(db));
}

static int open_connection(demo_database *d, demo_connection *c, demo_failure *f)
{
	/* All connections share the pages that the system has in memory. */
	static const char settings[] = "PRAGMA query_only = ON;"
				       "PRAGMA mmap_size = 268435456;"
				       "PRAGMA cache_size = -256;"
				       "PRAGMA temp_store = MEMORY;"
				       "PRAGMA busy_timeout = 1000;";

	if (sqlite3_open_v2(d->path, &c->db,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK ||
	    sqlite3_exec(c->db, settings, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(c->db, question, -1, &c->question, NULL) !=
		    SQLITE_OK)
		return failed(d, c->db, f);
	return 0;
}

static int open_pool(demo_database *d, int connections, demo_failure *f)
{
	weft_cond_init(&d->returned, &d->lock);
	d->connections = calloc((size_t)connections, sizeof(*d->connections));
	if (d->connections == NULL)
		return demo_fail(f, "no memory");
	for (int i = 0; i < connections; i++) {
		demo_connection *c = &d->connections[i];

		d->connection_count++;
		if (open_connection(d, c, f) != 0)
			return DEMO_FAILED;
		c->next = d->idle;
		d->idle = c;
	}
	return 0;
}

static int read_counts(demo_database *d, sqlite3 *db, demo_failure *f)
{
	sqlite3_stmt *read = NULL;
	bool found = false;

	if (sqlite3_prepare_v2(db, "SELECT (SELECT value FROM about WHERE name = 'packages'),"
			       " (SELECT value FROM about WHERE name = 'dependencies')",
			       -1, &read, NULL) == SQLITE_OK &&
	    sqlite3_step(read) == SQLITE_ROW) {
		d->package_count = (size_t)sqlite3_column_int64(read, 0);
		d->dependency_count = sqlite3_column_int64(read, 1);
		found = true;
	}
	sqlite3_finalize(read);
	return found ? 0 : failed(d, db, f);
}

static int read_packages(demo_database *d, sqlite3 *db, demo_failure *f)
{
	sqlite3_stmt *read = NULL;
	size_t n = 0;
	int code = sqlite3_prepare_v2(db, "SELECT id, name FROM package WHERE listed"
				      " ORDER BY direct DESC, name", -1, &read, NULL);

	d->packages = calloc(d->package_count + 1, sizeof(*d->packages));
	if (d->packages == NULL) {
		sqlite3_finalize(read);
		return demo_fail(f, "no memory");
	}
	while (code == SQLITE_OK && n < d->package_count &&
	       sqlite3_step(read) == SQLITE_ROW) {
		d->packages[n].id = sqlite3_column_int64(read, 0);
		d->packages[n].name = strdup((const char *)sqlite3_column_text(read, 1));
		if (d->packages[n].name == NULL)
			break;
		n++;
	}
	sqlite3_finalize(read);
	return n == d->package_count ? 0 : failed(d, db, f);
}

int demo_database_open(demo_database *d, const char *path, int connections,
		       demo_failure *f)
{
	int err;

	strncpy(d->path, path, sizeof(d->path) - 1);
	err = open_pool(d, connections, f);
	if (err == 0)
		err = read_counts(d, d->idle->db, f);
	if (err == 0)
		err = read_packages(d, d->idle->db, f);
	return err;
}

void demo_database_close(demo_database *d)
{
	for (int i = 0; i < d->connection_count; i++) {
		sqlite3_finalize(d->connections[i].question);
		sqlite3_close(d->connections[i].db);
	}
	for (size_t i = 0; d->packages != NULL && i < d->package_count; i++)
		free(d->packages[i].name);
	free(d->connections);
	free(d->packages);
}

int demo_database_acquire(demo_database *d, weft_ctx *ctx, demo_connection **c)
{
	int err = weft_mutex_lock_ctx(&d->lock, ctx);

	if (err != 0)
		return err;
	while (d->idle == NULL && err == 0)
		err = weft_cond_wait_ctx(&d->returned, ctx);
	if (err == 0) {
		*c = d->idle;
		d->idle = d->idle->next;
	}
	weft_mutex_unlock(&d->lock);
	return err;
}

void demo_database_release(demo_database *d, demo_connection *c)
{
	weft_mutex_lock(&d->lock);
	c->next = d->idle;
	d->idle = c;
	weft_cond_signal(&d->returned);
	weft_mutex_unlock(&d->lock);
}

static int is_done(void *ctx)
{
	return weft_ctx_done(ctx);
}

int demo_database_ask(demo_connection *c, weft_ctx *ctx,
		      const demo_package *package, demo_answer *answer,
		      demo_failure *f)
{
	int code;

	sqlite3_progress_handler(c->db, STEPS_BETWEEN_LOOKS, is_done, ctx);
	sqlite3_bind_int64(c->question, 1, package->id);
	code = sqlite3_step(c->question);
	if (code == SQLITE_ROW) {
		answer->count = sqlite3_column_int64(c->question, 0);
		answer->checksum = (uint64_t)sqlite3_column_int64(c->question, 1);
	}
	/* Reset gives up the read lock; the handler must not outlive ctx. */
	sqlite3_reset(c->question);
	sqlite3_progress_handler(c->db, 0, NULL, NULL);
	if (code == SQLITE_ROW)
		return 0;
	if (code == SQLITE_INTERRUPT)
		return weft_ctx_err(ctx);
	return demo_fail(f, "cannot ask the database: %s", sqlite3_errmsg(c->db));
}
