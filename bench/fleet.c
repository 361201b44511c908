/* SPDX-License-Identifier: MIT */
/*
 * One process of the measurements of bench/fleet:
 *
 *	bench-fleet stampede METHOD URL COUNTER RATE SECONDS VARIANT
 *	bench-fleet lag URL KEY START ROUNDS EVERY_MS
 *	bench-fleet hold URL KEY LEASE_MS MILLISECONDS
 *
 * Each prints one line; what it means is said at its function.
 */
#include <weft.h>
#include <weft/fleet.h>

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

_Noreturn static void fail(const char *why)
{
	fprintf(stderr, "bench-fleet: %s\n", why);
	exit(1);
}

_Noreturn static void fail_with(const char *why, int err)
{
	fprintf(stderr, "bench-fleet: %s: %s\n", why, strerror(-err));
	exit(1);
}

static weft_fleet *open_fleet(const char *url, long lease_ms)
{
	weft_fleet_options o = {.lease = WEFT_MS(lease_ms)};
	weft_fleet *f;

	if (weft_fleet_open(&f, url, &o) != 0)
		fail("the place cannot be opened");
	return f;
}

/* ---- a stampede: what a hot key costs when it expires ---- */

/*
 * The value of one key is kept for TTL; getting it takes DATABASE. RATE times a
 * second somebody asks, whether the ones before have been answered or not, SECONDS
 * long. Prints how long each call took from when it was due, in microseconds;
 * COUNTER is a file with the number of times that the database was asked, and the
 * process that did it last.
 */
enum { TTL_MS = 2000, DATABASE_MS = 200, POLL_MS = 50, CONNECTIONS = 8 };

/* What is the matter with the database, or with what it is asked for. */
static const struct variant {
	const char *name;
	bool fails;		/* always */
	bool hangs;		/* from the second HANG_FROM on until HANG_TO */
	bool has_none;		/* what is asked for; kept for a quarter of TTL */
	bool many_keys;		/* every call of a process has another one */
	long keys;		/* calls go round so many, which are filled at once … */
	bool jitter;		/* … and are kept for a quarter more or less */
	size_t bytes;
} variants[] = {
	{"plain", .bytes = 16},
	{"errors", .fails = true},
	{"hang", .hangs = true, .bytes = 16},
	{"not_found", .has_none = true},
	{"mebibyte", .bytes = 1 << 20},
	{"many_keys", .many_keys = true, .bytes = 16},
	{"together", .keys = 20, .bytes = 16},
	{"jitter", .keys = 20, .jitter = true, .bytes = 16},
	{"killed", .bytes = 16},	/* who asks the database, by bench/fleet */
}, *variant;

enum { HANG_FROM = 3, HANG_TO = 6, COOL_DOWN_MS = 200, RUN_MOST_MS = 500 };
enum { ITS_ERROR = 1 };
/* Who polls has no more patience than that; and how its queries are counted. */
enum { GIVE_UP_MS = 2000, SLOT_MS = 100, SLOTS = 256, SETTLED_MS = 1500 };

static struct {
	uint64_t queries;	/* atomic */
	uint64_t last_asker;	/* atomic */
	uint64_t slots[SLOTS];	/* atomic: queries, once the first fill is over */
} *counter;			/* COUNTER */
static const char *counter_path;
static char *value;		/* variant->bytes of it */
static weft_time begun;

static long ttl_ms(const char *key)
{
	uint64_t number = strtoull(key + strlen("value-"), NULL, 10);

	if (variant->jitter)
		return TTL_MS * (long)(75 + number * 37 % 51) / 100;
	return variant->has_none ? TTL_MS / 4 : TTL_MS;
}

static int ask_database(weft_ctx *ctx)
{
	weft_time now = weft_now(), hang_to = begun + HANG_TO * WEFT_SECOND;
	weft_duration takes = WEFT_MS(DATABASE_MS);

	weft_atomic_add(&counter->queries, 1, relaxed);
	weft_atomic_store(&counter->last_asker, (uint64_t)getpid(), relaxed);
	if (now > begun + WEFT_MS(SETTLED_MS))
		weft_atomic_add(&counter->slots[now / WEFT_MS(SLOT_MS) % SLOTS], 1,
				relaxed);
	if (variant->hangs && now >= begun + HANG_FROM * WEFT_SECOND && now < hang_to)
		takes += hang_to - now;
	return weft_sleep(ctx, takes) != 0 || variant->fails ? ITS_ERROR : 0;
}

/* Connections of the methods that speak to Redis themselves. */
static redisContext *connections[CONNECTIONS];
static weft_sema some_free;
static weft_mutex choosing;

static redisContext *take_connection(void)
{
	redisContext *c = NULL;

	weft_sema_acquire(&some_free, 1);
	weft_mutex_lock(&choosing);
	for (int i = 0; i < CONNECTIONS && c == NULL; i++) {
		c = connections[i];
		connections[i] = NULL;
	}
	weft_mutex_unlock(&choosing);
	return c;
}

static void give_connection(redisContext *c)
{
	weft_mutex_lock(&choosing);
	for (int i = 0; i < CONNECTIONS && c != NULL; i++) {
		if (connections[i] == NULL) {
			connections[i] = c;
			c = NULL;
		}
	}
	weft_mutex_unlock(&choosing);
	weft_sema_release(&some_free, 1);
}

/* True if the reply is neither an error nor nothing. */
__attribute__((format(printf, 1, 2)))
static bool redis(const char *command, ...)
{
	redisContext *c = take_connection();
	redisReply *r;
	va_list args;
	bool good;

	va_start(args, command);
	weft_blocking_begin();
	r = redisvCommand(c, command, args);
	weft_blocking_end();
	va_end(args);
	if (r == NULL)
		fail("the server is gone");
	good = r->type != REDIS_REPLY_NIL && r->type != REDIS_REPLY_ERROR;
	freeReplyObject(r);
	give_connection(c);
	return good;
}

static bool is_cached(const char *key)
{
	return redis("GET bench:%s", key);
}

static int fill_cache(weft_ctx *ctx, const char *key)
{
	int err = ask_database(ctx);

	if (err == 0)
		redis("SET bench:%s %s PX %ld", key, value, ttl_ms(key));
	return err;
}

/* Nothing: whoever misses asks. */
static void get_unprotected(const char *key)
{
	if (!is_cached(key))
		fill_cache(NULL, key);
}

/* A flight in the process, and nothing between processes. */
static weft_flight local;

static int fill_in_flight(weft_ctx *ctx, void *arg, void **result)
{
	(void)result;
	return fill_cache(ctx, arg);
}

static void get_in_flight(const char *key)
{
	weft_result r;

	if (is_cached(key))
		return;
	r = weft_flight_do(&local, weft_key_str(key), fill_in_flight, (void *)key);
	weft_result_release(&r);
}

/* A lock that expires, and looking again and again. */
static void get_polling(const char *key)
{
	weft_time until = weft_now() + WEFT_MS(GIVE_UP_MS);

	while (!is_cached(key) && weft_now() < until) {
		if (redis("SET bench:lock:%s 1 NX PX 3000", key)) {
			fill_cache(NULL, key);
			redis("DEL bench:lock:%s", key);
			return;
		}
		(void)!weft_sleep(NULL, WEFT_MS(POLL_MS));
	}
}

/* A lock on a file; all processes are on one machine here. */
static void get_with_flock(const char *key)
{
	int fd;

	if (is_cached(key))
		return;
	fd = open(counter_path, O_RDONLY | O_CLOEXEC);
	weft_blocking_begin();
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		fail("flock does not work");
	weft_blocking_end();
	if (!is_cached(key))
		fill_cache(NULL, key);
	close(fd);
}

static weft_fleet *fleet;

static int fill_for_fleet(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	int err = ask_database(ctx);

	(void)arg;
	return err != 0 ? err : weft_fleet_run_add(run, value, variant->bytes);
}

static void get_from_fleet(const char *key, weft_duration stale, double early)
{
	weft_fleet_call call = {
		.key = weft_key_str(key), .fn = fill_for_fleet,
		.mode = WEFT_FLEET_CACHE, .keep = WEFT_MS(ttl_ms(key)),
		.keep_error = WEFT_MS(COOL_DOWN_MS),
		.max_run = variant->hangs ? WEFT_MS(RUN_MOST_MS) : 0,
		.stale = stale, .early = early,
	};
	int err = weft_fleet_do(fleet, NULL, &call, NULL, NULL);

	if (err != 0 && err != ITS_ERROR)
		fail_with("the fleet does not answer", err);
}

static void get_fresh(const char *key)
{
	get_from_fleet(key, 0, 0);
}

static void get_stale(const char *key)
{
	get_from_fleet(key, WEFT_MS(TTL_MS), 1);
}

static const struct {
	const char *name;
	void (*get)(const char *key);
} methods[] = {
	{"unprotected", get_unprotected}, {"in_process", get_in_flight},
	{"lock_and_poll", get_polling},   {"flock", get_with_flock},
	{"fleet", get_fresh},             {"fleet_stale", get_stale},
};

static void (*get)(const char *key);
static uint32_t *taken_us;	/* of each call */

typedef struct {
	long number;
	weft_time due;
	weft_waitgroup *all;
} call;

static void make_call(void *arg)
{
	call *c = arg;
	char key[32];

	snprintf(key, sizeof key, "value-%ld",
		 variant->many_keys   ? c->number
		 : variant->keys != 0 ? c->number % variant->keys
				      : 0);
	get(key);
	taken_us[c->number] = (uint32_t)((weft_now() - c->due) / 1000);
	weft_waitgroup_done(c->all);
}

static int stampede(void *arg)
{
	long *rate_and_count = arg, count = rate_and_count[1];
	weft_time start = begun + WEFT_MS(100);
	weft_waitgroup all = {0};

	for (long i = 0; i < count; i++) {
		call c = {i, start + i * WEFT_SECOND / rate_and_count[0], &all};

		if (i < variant->keys)
			c.due = start;

		(void)!weft_sleep(NULL, c.due - weft_now());
		weft_waitgroup_add(&all, 1);
		if (weft_go_copy(make_call, &c, sizeof c) != 0)
			fail("no memory");
	}
	weft_waitgroup_wait(&all);
	weft_fleet_close(fleet);	/* and its refreshes with it */
	return 0;
}

static void connect_all(const char *url)
{
	const char *at = strrchr(url, ':');

	weft_sema_init(&some_free, CONNECTIONS);
	for (int i = 0; i < CONNECTIONS; i++) {
		connections[i] = redisConnect("127.0.0.1", atoi(at + 1));
		if (connections[i] == NULL || connections[i]->err)
			fail("no connection");
	}
}

static void map_counter(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	counter_path = path;
	counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	if (counter == MAP_FAILED)
		fail("the counter cannot be mapped");
	close(fd);
}

static void run_stampede(char **argv)
{
	long rate_and_count[2] = {atol(argv[3]), atol(argv[3]) * atol(argv[4])};

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (strcmp(methods[i].name, argv[0]) == 0)
			get = methods[i].get;
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
		if (strcmp(variants[i].name, argv[5]) == 0)
			variant = &variants[i];
	if (get == NULL || variant == NULL)
		fail("no such method or variant");
	begun = weft_now();
	value = calloc(variant->bytes + 1, 1);
	taken_us = calloc((size_t)rate_and_count[1], sizeof *taken_us);
	if (value == NULL || taken_us == NULL)
		fail("no memory");
	memset(value, 'x', variant->bytes);
	map_counter(argv[2]);
	if (strncmp(argv[0], "fleet", 5) == 0)
		fleet = open_fleet(argv[1], 3000);
	else
		connect_all(argv[1]);
	weft_run(stampede, rate_and_count);
	for (long i = 0; i < rate_and_count[1]; i++)
		printf("%" PRIu32 " ", taken_us[i]);
	printf("\n");
}

/* ---- wake-up lag ---- */

/*
 * All processes ask for the same key at START (of the monotonic clock) and again
 * every so often; the function sleeps a while and gives the time at which it
 * ends. Prints how much later each call was answered that waited for another
 * process, in microseconds; then, behind a |, the number of commands sent.
 */
static int give_the_time(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	weft_time now;

	(void)arg;
	(void)!weft_sleep(ctx, WEFT_MS(15));
	now = weft_now();
	return weft_fleet_run_add(run, &now, sizeof now);
}

static void run_lag(char **argv)
{
	weft_fleet *f = open_fleet(argv[0], 3000);
	weft_time start = atoll(argv[2]);
	long rounds = atol(argv[3]);
	weft_fleet_counters n;

	for (long i = 0; i < rounds; i++) {
		char key[64];
		weft_fleet_call c = {.fn = give_the_time};
		weft_fleet_info info;
		weft_bytes b;
		weft_time ended, now;

		snprintf(key, sizeof key, "%s-%ld", argv[1], i);
		c.key = weft_key_str(key);
		(void)!weft_sleep(NULL, start + i * WEFT_MS(atol(argv[4])) - weft_now());
		if (weft_fleet_do(f, NULL, &c, &b, &info) != 0)
			fail("the fleet does not answer");
		now = weft_now();
		memcpy(&ended, b.data, sizeof ended);
		if (!info.led)
			printf("%" PRId64 " ", (now - ended) / 1000);
		weft_bytes_release(&b);
	}
	weft_fleet_count(f, &n);
	printf("| %" PRIu64 "\n", n.commands);
	weft_fleet_close(f);
}

/* ---- takeover ---- */

/* Prints the time when its function begins; that takes so many milliseconds. */
static long hold_ms;

static int hold(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)arg;
	(void)run;
	printf("%" PRId64 "\n", weft_now());
	fflush(stdout);
	(void)!weft_sleep(ctx, WEFT_MS(hold_ms));
	return 0;
}

static void run_hold(char **argv)
{
	weft_fleet *f = open_fleet(argv[0], atol(argv[2]));
	weft_fleet_call c = {.key = weft_key_str(argv[1]), .fn = hold};

	hold_ms = atol(argv[3]);
	if (weft_fleet_do(f, NULL, &c, NULL, NULL) != 0)
		fail("the fleet does not answer");
	weft_fleet_close(f);
}

int main(int argc, char **argv)
{
	if (argc == 8 && strcmp(argv[1], "stampede") == 0)
		run_stampede(argv + 2);
	else if (argc == 7 && strcmp(argv[1], "lag") == 0)
		run_lag(argv + 2);
	else if (argc == 6 && strcmp(argv[1], "hold") == 0)
		run_hold(argv + 2);
	else
		fail("see the comment of fleet.c");
	return 0;
}
