/* SPDX-License-Identifier: MIT */
/*
 * Values in a cache expire, and many callers in several processes find that
 * out at once. Who asks the database? Four ways, one after another.
 */
#include "breakdown.h"

#include "../common/options.h"
#include "../common/samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
	"usage: cache_breakdown [OPTION...]\n"
	"\n"
	"What breaks if this package breaks? Callers in several processes ask a\n"
	"database with a cache in front of it, four ways: unprotected, merged in each\n"
	"process, behind a lock with polling, and with one call in the whole fleet.\n"
	"\n"
	"  --database URL    sqlite:PATH or mysql://USER:PASSWORD@HOST:PORT/NAME (SQLite)\n"
	"  --cache URL       redis://HOST:PORT/N or dir:PATH (a directory)\n"
	"  --data FILE       a package index (apt's, or else dpkg's)\n"
	"  --processes N     (4)\n"
	"  --rate N          callers a second, of all processes (1000)\n"
	"  --during TIME     of each run (5s)\n"
	"  --lifetime TIME   of a value in the cache (1s)\n"
	"  --keys N          packages that are asked for (10)\n"
	"  --slow TIME       what each query takes beyond its own time (100ms)\n"
	"  --connections N   to the database, of each process (16)\n"
	"  --seed N          of the schedule (1)\n"
	"  --svg FILE        draw the queries over time\n"
	"  --json            print the result for a program\n";

const char *const mode_names[MODES] = {
	"unprotected",
	"merged in each process",
	"lock and poll",
	"one call in the fleet",
};

static settings s = {
	.processes = 4,
	.rate = 1000,
	.keys = 10,
	.connections = 16,
	.seed = 1,
	.during = 5 * WEFT_SECOND,
	.lifetime = WEFT_SECOND,
	.slow = WEFT_MS(100),
};

static const option options[] = {
	{"database", OPTION_TEXT, &s.database, 0, 0},
	{"cache", OPTION_TEXT, &s.cache, 0, 0},
	{"data", OPTION_TEXT, &s.data, 0, 0},
	{"processes", OPTION_COUNT, &s.processes, 1, PROCESSES_MAX},
	{"rate", OPTION_COUNT, &s.rate, 1, 100000},
	{"during", OPTION_DURATION, &s.during, 100, 60000},
	{"lifetime", OPTION_DURATION, &s.lifetime, 10, 60000},
	{"keys", OPTION_COUNT, &s.keys, 1, KEYS_MAX},
	{"slow", OPTION_DURATION, &s.slow, 0, 10000},
	{"connections", OPTION_COUNT, &s.connections, 1, 100},
	{"seed", OPTION_COUNT, &s.seed, 0, 1000000000},
	{"svg", OPTION_TEXT, &s.svg, 0, 0},
	{"json", OPTION_FLAG, &s.json, 0, 0},
	{NULL, OPTION_FLAG, NULL, 0, 0},
};

/* ---- processes ---- */

/* No runtime may run in this one: it forks. */
static pid_t start(int (*fn)(board *b, enum mode mode, int process), board *b,
		   enum mode mode, int process)
{
	pid_t child;

	fflush(NULL);	/* not once more in the child */
	child = fork();

	if (child == 0) {
		int status = fn(b, mode, process);

		fflush(NULL);
		_exit(status);
	}
	return child;
}

/* True if all of them ended well. */
static bool join(int count)
{
	bool well = true;
	int status;

	while (count > 0 && (wait(&status) > 0 || errno == EINTR)) {
		count--;
		well &= status == 0;
	}
	return well && count == 0;
}

static int load_data(void *arg)
{
	sql *db;
	int err = sql_open(&db, NULL, s.database, 1);

	if (err == 0)
		err = data_load(db, &s, arg);
	if (err != 0 && err != -ENOENT)
		fprintf(stderr, "cache_breakdown: %s: %s\n", s.database,
			sql_message(db));
	sql_close(db);
	return err != 0;
}

static int load(board *b, enum mode mode, int process)
{
	(void)mode;
	(void)process;
	return weft_run(load_data, b);
}

static int serve(board *b, enum mode mode, int process)
{
	return work(&s, b, mode, process);
}

static bool perform(board *b, enum mode mode)
{
	int started = 0;

	board_clear(b);
	b->start = weft_now() + WEFT_MS(300);	/* once they are all there */
	while (started < s.processes && start(serve, b, mode, started) > 0)
		started++;
	return join(started) && started == s.processes;
}

/* ---- the report ---- */

static void print_line(enum mode mode, const outcome *o)
{
	char p50[16], p99[16], most[16];

	printf("%-23s %7ld %7ld %8ld %9ld %8.1f %8ld %8ld   %-8s %-8s %s\n",
	       mode_names[mode], o->asked, o->failed, o->queries, o->expiries,
	       (double)o->queries / (double)(o->expiries > 0 ? o->expiries : 1),
	       o->most_at_once, o->commands, duration_text(p50, o->p50),
	       duration_text(p99, o->p99), duration_text(most, o->most));
	fflush(stdout);
}

static void print_json(enum mode mode, const outcome *o)
{
	printf("%s  {\"way\": \"%s\", \"asked\": %ld, \"failed\": %ld, "
	       "\"queries\": %ld, \"expiries\": %ld, \"most_of_one\": %ld, "
	       "\"most_at_once\": %ld, \"commands\": %ld, \"p50_ns\": %lld, "
	       "\"p99_ns\": %lld, \"max_ns\": %lld}",
	       mode == 0 ? "" : ",\n", mode_names[mode], o->asked, o->failed,
	       o->queries, o->expiries, o->most_of_one, o->most_at_once,
	       o->commands, (long long)o->p50, (long long)o->p99,
	       (long long)o->most);
}

static bool draw(picture *p)
{
	int err = picture_write(p, s.svg);

	if (err != 0)
		fprintf(stderr, "cache_breakdown: %s: %s\n", s.svg, strerror(err));
	return err == 0;
}

static int compare(board *b)
{
	picture *p = picture_new(&s);
	outcome outcomes[MODES];
	bool well = p != NULL;

	if (s.json)
		puts("[");
	else
		printf("%-23s %7s %7s %8s %9s %8s %8s %8s   %-8s %-8s %s\n", "",
		       "asked", "failed", "queries", "expiries", "of each",
		       "at once", "commands", "p50", "p99", "max");
	for (int mode = 0; well && mode < MODES; mode++) {
		well = perform(b, mode);
		outcome_of(&outcomes[mode], b, &s);
		if (s.json)
			print_json(mode, &outcomes[mode]);
		else
			print_line(mode, &outcomes[mode]);
		picture_add(p, mode, b, &outcomes[mode]);
	}
	if (s.json)
		puts("\n]");
	else if (well)
		printf("\nOf %ld queries %ld were saved.\n",
		       outcomes[UNPROTECTED].queries,
		       outcomes[UNPROTECTED].queries - outcomes[FLEET].queries);
	if (well && s.svg != NULL)
		well = draw(p);
	picture_free(p);
	return !well;
}

/* ---- a place for what was not given ---- */

static void make_places(char *folder, char *database, char *cache, size_t size)
{
	if (mkdtemp(folder) == NULL) {
		fprintf(stderr, "cache_breakdown: %s: %s\n", folder,
			strerror(errno));
		exit(1);
	}
	snprintf(database, size, "sqlite:%s/packages", folder);
	snprintf(cache, size, "dir:%s", folder);
	if (s.database == NULL)
		s.database = database;
	if (s.cache == NULL)
		s.cache = cache;
}

static void remove_places(const char *folder)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (system(command) != 0)
		fprintf(stderr, "cache_breakdown: %s is still there\n", folder);
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/cache_breakdown.XXXXXX", database[80], cache[80];
	board *b;
	int status;

	(void)argc;
	options_read(options, help, argv);
	b = board_new(&s);
	if (b == NULL) {
		fputs("cache_breakdown: no memory\n", stderr);
		return 1;
	}
	make_places(folder, database, cache, sizeof database);
	status = start(load, b, 0, 0) < 0 || !join(1) || compare(b);
	remove_places(folder);
	return status;
}
