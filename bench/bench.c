/* SPDX-License-Identifier: MIT */
/* The frame of every C subject: its arguments, its passes, its line. */
#include "bench.h"

enum {
	STATUS_SKIPPED = 77,
	PARTS = 100,	/* of a pass, if one is told */
	PASSES = 5,	/* after the first: so many … */
	PASSES_MS = 200,	/* … unless they take longer than that … */
	FEW_PASSES = 3,	/* … but so many … */
	FEW_PASSES_MS = 1000,	/* … unless they take even longer */
};

int bench_procs = 1;
long bench_resident_each;
long bench_kept_each = -1;
double bench_cpu_of_part = -1;
double bench_calls_each = -1;
static struct bench_lags all_lags;
static cpu_set_t all_cpus; /* empty: not pinned */

void bench_fail(const char *what)
{
	fprintf(stderr, "bench: failed: %s\n", what);
	exit(1);
}

void bench_skip(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(STATUS_SKIPPED);
}

static _Noreturn void usage(void)
{
	fputs("usage: SUBJECT BENCH --n N --procs P --passes MOST; benches:\n", stderr);
	for (const struct bench *b = benches; b->name; b++)
		fprintf(stderr, "  %s\n", b->name);
	exit(2);
}

long bench_status_bytes(const char *key)
{
	char line[256];
	long kib = 0;
	size_t length = strlen(key);
	FILE *status = fopen("/proc/self/status", "r");
	BENCH_CHECK(status);
	while (fgets(line, sizeof line, status))
		if (!strncmp(line, key, length) && line[length] == ':')
			kib = strtol(line + length + 1, NULL, 10);
	fclose(status);
	return kib * 1024;
}

long bench_resident(void)
{
	return bench_status_bytes("VmRSS") + bench_status_bytes("VmPTE");
}

void *bench_room(size_t bytes)
{
	static void *room;
	static size_t size;
	if (size < bytes) {
		free(room);
		room = malloc(bytes);
		BENCH_CHECK(room);
		size = bytes;
		memset(room, 0, bytes);
	}
	return room;
}

void bench_allow_descriptors(long count)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)count + 64;
	BENCH_CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		bench_skip("so many descriptors are not allowed here");
}

void bench_lags_add(const struct bench_lags *lags)
{
	for (int i = 0; i < BENCH_LAG_BUCKETS; i++)
		if (lags->count[i])
			__atomic_fetch_add(&all_lags.count[i], lags->count[i],
					   __ATOMIC_RELAXED);
}

/* The least ns of bucket b: the inverse of bench_lag_bucket(). */
static int64_t bucket_ns(int b)
{
	return b < 32 ? b : (int64_t)(16 + b % 16) << (b / 16 - 1);
}

/* The time that no more than one in share of all lags is longer than. */
static int64_t percentile(uint64_t total, uint64_t share)
{
	uint64_t longer = total / share;
	for (int b = BENCH_LAG_BUCKETS - 1; b >= 0; b--) {
		if (all_lags.count[b] > longer)
			return bucket_ns(b);
		longer -= all_lags.count[b];
	}
	return 0;
}

static void report_lags(void)
{
	uint64_t total = 0;
	for (int i = 0; i < BENCH_LAG_BUCKETS; i++)
		total += all_lags.count[i];
	if (total)
		printf("\"p50_ns\":%lld,\"p99_ns\":%lld,\"p999_ns\":%lld,",
		       (long long)percentile(total, 2),
		       (long long)percentile(total, 100),
		       (long long)percentile(total, 1000));
}

void bench_pin(void)
{
	cpu_set_t some;
	BENCH_CHECK(!sched_getaffinity(0, sizeof all_cpus, &all_cpus));
	CPU_ZERO(&some);
	for (int cpu = 0, left = bench_procs; cpu < CPU_SETSIZE && left; cpu++)
		if (CPU_ISSET(cpu, &all_cpus)) {
			CPU_SET(cpu, &some);
			left--;
		}
	BENCH_CHECK(!sched_setaffinity(0, sizeof some, &some));
}

void bench_unpin(void)
{
	if (CPU_COUNT(&all_cpus))
		sched_setaffinity(0, sizeof all_cpus, &all_cpus);
}

void bench_threads(int count, void *(*fn)(void *), void *arg)
{
	pthread_t threads[count];
	for (int i = 0; i < count; i++)
		BENCH_CHECK(!pthread_create(&threads[i], NULL, fn, arg));
	for (int i = 0; i < count; i++)
		BENCH_CHECK(!pthread_join(threads[i], NULL));
}

double bench_cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct pass {
	double ns;
	double cpu;
};

struct passes {
	const struct bench *bench;
	long n;
	int most;
	double cold_ns;
	double best_ns;	/* 0: not told */
	struct pass middle;
};

/*
 * In parts of less than a millisecond, of which some meet a moment in which
 * nothing else runs on this CPU, its other half included. A whole pass never
 * may, and two programs of the same instructions then differ by half.
 */
static double run_parts(struct passes *p)
{
	double sum = 0;
	long left = p->n;
	for (int parts = PARTS; parts; parts--) {
		long n = left / parts;
		double ns = n ? p->bench->run(n) : 0;
		if (n && (!p->best_ns || ns < p->best_ns))
			p->best_ns = ns;
		sum += ns * (double)n;
		left -= n;
	}
	return sum / (double)p->n;
}

static struct pass run_pass(struct passes *p)
{
	double before = bench_cpu_seconds();
	struct pass pass;
	pass.ns = p->bench->brief ? run_parts(p) : p->bench->run(p->n);
	pass.cpu = bench_cpu_of_part >= 0 ? bench_cpu_of_part
					  : bench_cpu_seconds() - before;
	return pass;
}

static int by_ns(const void *a, const void *b)
{
	const struct pass *one = a, *other = b;
	return (one->ns > other->ns) - (one->ns < other->ns);
}

static bool is_enough(const struct passes *p, int count, int64_t start)
{
	int64_t ms = (bench_now() - start) / 1000000;
	return count >= p->most ||
	       ms >= (count < FEW_PASSES ? FEW_PASSES_MS : PASSES_MS);
}

/*
 * What is warm has memory and threads from the passes before, and one pass may not
 * have needed all that the next one does.
 */
static void run_passes(void *arg)
{
	struct passes *p = arg;
	struct pass all[PASSES];
	int count = 0;
	if (!p->bench->cold)
		p->cold_ns = p->bench->run(p->n);
	memset(&all_lags, 0, sizeof all_lags);
	int64_t start = bench_now();
	do
		all[count++] = run_pass(p);
	while (!is_enough(p, count, start));
	qsort(all, (size_t)count, sizeof *all, by_ns);
	p->middle = all[(count - 1) / 2];
}

static void report(const struct passes *p)
{
	long rss = bench_resident_each ? bench_resident_each
				       : bench_status_bytes("VmHWM");
	printf("{\"bench\":\"%s\",\"n\":%ld,\"ns_per_op\":%.6g,",
	       p->bench->name, p->n, p->middle.ns);
	if (!p->bench->cold)
		printf("\"cold_ns_per_op\":%.6g,", p->cold_ns);
	if (p->best_ns)
		printf("\"best_ns_per_op\":%.6g,", p->best_ns);
	if (bench_kept_each >= 0)
		printf("\"kept_bytes\":%ld,", bench_kept_each);
	if (bench_calls_each >= 0)
		printf("\"calls_per_op\":%.6g,", bench_calls_each);
	report_lags();
	printf("\"rss_bytes\":%ld,\"cpu_seconds\":%.6f,\"workers\":%d,"
	       "\"version\":\"%s, gcc %s\"}\n",
	       rss, p->middle.cpu, bench_procs, bench_version(), __VERSION__);
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (*end || end == text || value < 1)
		usage();
	return value;
}

static const struct bench *find(const char *name)
{
	for (const struct bench *b = benches; b->name; b++)
		if (!strcmp(b->name, name))
			return b;
	usage();
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc % 2)
		usage();
	struct passes p = {.bench = find(argv[1]), .n = 1000, .most = PASSES};
	for (int i = 2; i < argc; i += 2)
		if (!strcmp(argv[i], "--n"))
			p.n = number(argv[i + 1]);
		else if (!strcmp(argv[i], "--procs"))
			bench_procs = (int)number(argv[i + 1]);
		else if (!strcmp(argv[i], "--passes"))
			p.most = (int)number(argv[i + 1]);
		else
			usage();
	if (p.bench->cold || p.bench->brief)
		p.most = 1;
	else if (p.most > PASSES)
		p.most = PASSES;
	bench_enter(p.bench, run_passes, &p);
	report(&p);
}
