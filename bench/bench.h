/* SPDX-License-Identifier: MIT */
/*
 * What every C and C++ subject of the benchmarks shares: weft's own and its
 * peers'.
 *
 *	SUBJECT BENCH --n N --procs P
 *
 * runs BENCH over N operations on P workers, the first pass to warm up, then three
 * to five, fewer if they take long, and prints one line of JSON about the middle one. bench/README.md says what each
 * bench does, so that a new subject does the same.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A bench does n operations and returns the nanoseconds that each took. */
typedef double bench_fn(long n);

struct bench {
	const char *name;
	bench_fn *run;
	bool cold;	/* a warm pass would hide what is measured */
	bool threads;	/* P plain threads do the work, no worker of weft */
	bool brief;	/* a few instructions: its fastest part is told too */
};

/* How many workers, or threads, a bench may use. */
extern int bench_procs;

/* Set by a bench that measures memory: bytes resident per operation. */
extern long bench_resident_each;

/* Set by such a bench: bytes per operation that stay when all has ended. */
extern long bench_kept_each;

/* Set by a bench of whose pass only a part counts: the CPU time of that. */
extern double bench_cpu_of_part;

/* The subject's own: its benches, its name, and how it runs fn. */
extern const struct bench benches[];
const char *bench_version(void);
void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg);

/* Keeps the compiler from knowing what *p holds, and from dropping it. */
#define BENCH_OPAQUE(p) __asm__ volatile("" : "+r"(p) : : "memory")

#define BENCH_CHECK(condition)                                                 \
	do {                                                                   \
		if (!(condition))                                              \
			bench_fail(#condition);                                \
	} while (0)

__attribute__((noreturn)) void bench_fail(const char *what);

/* This machine cannot do it: not a failure, but named below the table. */
__attribute__((noreturn)) void bench_skip(const char *why);

/* bytes of a line of /proc/self/status, such as "VmRSS" */
long bench_status_bytes(const char *key);

/* What is resident now, page tables included. */
long bench_resident(void);

/* Set by a bench whose operations share calls: how many were made for each. */
extern double bench_calls_each;

/* CPU time of this process until now. */
double bench_cpu_seconds(void);

/* How long after its end a bench of n things looks what stays. */
static inline int64_t bench_kept_seconds(long n)
{
	return 3 + n / 125000;
}

/* Let this process have count descriptors besides those it begins with. */
void bench_allow_descriptors(long count);

/* Run fn(arg) in count plain threads and wait for them all. */
void bench_threads(int count, void *(*fn)(void *), void *arg);

/* This process may use bench_procs of its CPUs: what P means for threads. */
void bench_pin(void);

/* The calling thread may use all that it could before that. */
void bench_unpin(void);

static inline int64_t bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline double bench_per_op(int64_t start, long n)
{
	return (double)(bench_now() - start) / (double)n;
}

/*
 * Memory that operations work on, all zero at first and the same in all passes: so
 * after the first it is there, as that of a heap which has been used before is.
 */
void *bench_room(size_t bytes);

/* How often a fan of n waiters is repeated inside one run. */
static inline long bench_fan_rounds(long n)
{
	long rounds = 100000 / n;
	return rounds < 1 ? 1 : rounds > 20000 ? 20000 : rounds;
}

/*
 * How long each of many things took, for percentiles: 16 buckets an octave, so
 * that a bucket is at most 6 % wide. One for each task, added up at its end.
 */
enum { BENCH_LAG_BUCKETS = 16 * 45 };

struct bench_lags {
	uint32_t count[BENCH_LAG_BUCKETS];
};

/* Bucket b < 32 is b ns; from there on each octave has 16. */
static inline int bench_lag_bucket(int64_t ns)
{
	if (ns < 32)
		return ns < 0 ? 0 : (int)ns;
	int octave = 63 - __builtin_clzll((unsigned long long)ns);
	int bucket = 16 * (octave - 3) + (int)(ns >> (octave - 4) & 15);
	return bucket < BENCH_LAG_BUCKETS ? bucket : BENCH_LAG_BUCKETS - 1;
}

static inline void bench_lag_note(struct bench_lags *lags, int64_t ns)
{
	lags->count[bench_lag_bucket(ns)]++;
}

/* Count lags in what the line of JSON says about percentiles. */
void bench_lags_add(const struct bench_lags *lags);

/* About 100 ns that no compiler can shorten. */
static inline uint64_t bench_work(uint64_t x)
{
	for (int i = 0; i < 70; i++) {
		x = x * UINT64_C(6364136223846793005) +
		    UINT64_C(1442695040888963407);
		BENCH_OPAQUE(x); /* two steps must not be made one */
	}
	return x;
}

/* Compute for so long, without a call that could switch tasks. */
static inline void bench_hog(int64_t ns)
{
	uint64_t x = 1;
	for (int64_t end = bench_now() + ns; bench_now() < end;)
		x = bench_work(x);
	BENCH_OPAQUE(x);
}

#ifdef __cplusplus
}
#endif

#endif
