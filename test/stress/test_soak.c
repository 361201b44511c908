/* SPDX-License-Identifier: MIT */
/*
 * Rounds of everything at once, for as long as WEFT_SOAK_SECONDS says. Between
 * two rounds nothing runs, and all is as it was after the first: tasks,
 * threads, descriptors, memory. How many take steps, how many of them are
 * tasks, and on how many workers, differs from round to round, by the seed.
 *
 *	make soak SECONDS=3600 [SEED=7]
 */
#include "steps.h"

#include "proc.h"

#include <weft/waitgroup.h>

#include <limits.h>
#include <malloc.h>
#include <string.h>

enum {
	SECONDS = 4,
	SECONDS_LONG = 60,
	ROUND_MS = 2000,
	ACTORS_MAX = 64,
	PARKED_MAX = 2000,
	/* What may differ between rounds: caches, and the heap's arenas … */
	HEAP_SLACK_BYTES = 2 << 20,
	/* … and how much of each stack has been used by now. */
	RESIDENT_SLACK_BYTES = (PARKED_MAX + ACTORS_MAX) * (24 << 10),
};

static struct {
	weft_time end;
	uint32_t tasks, threads, parked;
} plan;

/* What a process has between two rounds. */
typedef struct {
	int threads, descriptors;
	size_t heap_bytes, resident_bytes;
} holdings;

static weft_time now_at_start, soak_end;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(test_random() % n);
}

static unsigned soak_seconds(void)
{
	const char *text = getenv("WEFT_SOAK_SECONDS");
	char *end;
	long n;

	if (text == NULL)
		return test_long() ? SECONDS_LONG : SECONDS;
	n = strtol(text, &end, 10);
	if (n <= 0 || n > INT_MAX || *end != 0) {
		fprintf(stderr, "WEFT_SOAK_SECONDS=%s is no number of seconds\n",
			text);
		exit(2);
	}
	return (unsigned)n;
}

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = -3;	/* . and .. and dir's own */

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static int count_threads(void)
{
#if HAS_HIDDEN_THREADS
	return 1;
#else
	return count_entries("/proc/self/task") + 1;
#endif
}

static holdings hold(void)
{
	struct mallinfo2 m = mallinfo2();

	malloc_trim(0);
	return (holdings){
		.threads = count_threads(),
		.descriptors = count_entries("/proc/self/fd"),
		.heap_bytes = m.uordblks + m.hblkhd,
		.resident_bytes = resident_bytes(),
	};
}

/* ---- a round ---- */

static void act(void *unused)
{
	(void)unused;
	steps_take(plan.end);
}

static weft_waitgroup all_started;

/* All at once, so that a round has as many stacks as its plan says. */
static void park(void *unused)
{
	(void)unused;
	weft_waitgroup_wait(&all_started);
	weft_sleep(NULL, WEFT_MS(1 + below(300)));
}

static int run_tasks(void *unused)
{
	(void)unused;
	for (uint32_t i = 0; i < plan.tasks; i++)
		test_start_task(act, NULL);
	weft_waitgroup_add(&all_started, 1);
	for (uint32_t i = 0; i < plan.parked; i++)
		test_start_task(park, NULL);
	weft_waitgroup_done(&all_started);
	for (uint32_t i = 0; i < plan.threads; i++)
		test_start_thread(act, NULL);
	test_join_all();
	steps_balance();
	return 0;
}

static int run_nothing(void *unused)
{
	(void)unused;
	return 0;
}

/* The first round is the largest: what it leaves in caches is enough for all. */
static void make_plan(int round)
{
	static const char *const procs[] = {"8", "1", "2", "3", "4"};
	bool first = round == 0;

	setenv("WEFT_PROCS", procs[first ? 0 : below(5)], 1);
	plan.tasks = first ? ACTORS_MAX : 1 + below(ACTORS_MAX);
	plan.threads = first ? ACTORS_MAX / 4 : below(ACTORS_MAX / 4);
	plan.parked = (first		? PARKED_MAX
		       : below(4) == 0	? below(PARKED_MAX)
					: 0) / (uint32_t)test_slowdown();
	plan.end = weft_now() + WEFT_MS(ROUND_MS);
	if (plan.end > soak_end)
		plan.end = soak_end;
}

/* Started by a task or by this thread; a run ends the workers in both cases. */
static void run_round(int round)
{
	bool inside = below(2) == 0;

	make_plan(round);
	steps_begin();
	if (!inside)
		run_tasks(NULL);
	CHECK_EQ(weft_run(inside ? run_tasks : run_nothing, NULL), 0);
	CHECK_EQ(weft_task_count(), 0);
}

static void check_holdings(int round, const holdings *first)
{
	holdings h;

	/* Who has been joined may still be on its way out. */
	test_until(count_threads() == first->threads);
	h = hold();
	if (round % 30 == 1 || weft_now() >= soak_end) {
		printf("%6jd s  round %d: %d threads, %d descriptors, "
		       "heap %zu KiB, resident %zu KiB\n",
		       (intmax_t)((weft_now() - now_at_start) / WEFT_SECOND),
		       round, h.threads, h.descriptors, h.heap_bytes >> 10,
		       h.resident_bytes >> 10);
		fflush(stdout);
	}
	CHECK_EQ(h.threads, first->threads);
	CHECK_EQ(h.descriptors, first->descriptors);
	CHECK_LE(h.heap_bytes, first->heap_bytes + HEAP_SLACK_BYTES);
	if (test_slowdown() == 1)	/* a sanitizer keeps what was freed */
		CHECK_LE(h.resident_bytes,
			 first->resident_bytes + RESIDENT_SLACK_BYTES);
}

TEST(soak_ends_as_it_began)
{
	unsigned seconds = soak_seconds();
	holdings first;

	test_limit(seconds + 120);
	printf("seed %" PRIu64 ", %u s\n", test_seed(), seconds);
	now_at_start = weft_now();
	soak_end = now_at_start + (weft_time)seconds * WEFT_SECOND;
	for (int round = 0; weft_now() < soak_end; round++) {
		run_round(round);
		if (round == 0)
			first = hold();
		check_holdings(round, &first);
	}
	steps_print();
}
