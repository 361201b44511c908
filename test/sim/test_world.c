/* SPDX-License-Identifier: MIT */
/* Worlds, seen from outside: what explorations find, print and repeat. */
#define _GNU_SOURCE
#include "door.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/ctx.h>
#include <weft/mutex.h>
#include <weft/sim.h>
#include <weft/waitgroup.h>

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

TEST_SEEDS_AT_MOST(10);

/* ---- what a function prints to stderr ---- */

static char text[1 << 16];

static int run_caught(int (*fn)(void *), void *arg)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), result;

	CHECK(file != NULL && saved >= 0);
	dup2(fileno(file), STDERR_FILENO);
	result = fn(arg);
	dup2(saved, STDERR_FILENO);
	text[pread(fileno(file), text, sizeof text - 1, 0)] = 0;
	fclose(file);
	close(saved);
	return result;
}

typedef struct {
	weft_sim sim;
	int (*fn)(void *);
	void *arg;
} exploration;

static int explore_it(void *arg)
{
	exploration *x = arg;

	return weft_sim_explore(&x->sim, x->fn, x->arg);
}

static int explore(weft_sim sim, int (*fn)(void *), void *arg)
{
	exploration x = {sim, fn, arg};

	return run_caught(explore_it, &x);
}

/* What follows "WEFT_SIM=" in the text, which is said to repeat the run. */
static char *plan_told(void)
{
	static char plan[4096];
	const char *from = strstr(text, "WEFT_SIM=");

	CHECK(from != NULL);
	CHECK_EQ(sscanf(from, "WEFT_SIM=%4095s", plan), 1);
	return plan;
}

/* ---- a race, a deadlock, and neither ---- */

static struct {
	weft_mutex a, b;
	int balance;
} account;

static void add_in_one(void *unused)
{
	(void)unused;
	weft_mutex_lock(&account.a);
	account.balance++;
	weft_mutex_unlock(&account.a);
}

static void add_in_two(void *unused)
{
	int seen;

	(void)unused;
	weft_mutex_lock(&account.a);
	seen = account.balance;
	weft_mutex_unlock(&account.a);
	weft_mutex_lock(&account.a);
	account.balance = seen + 1;
	weft_mutex_unlock(&account.a);
}

static void lock_both(weft_mutex *first, weft_mutex *second)
{
	weft_mutex_lock(first);
	weft_mutex_lock(second);
	weft_mutex_unlock(second);
	weft_mutex_unlock(first);
}

static void lock_a_then_b(void *unused)
{
	(void)unused;
	weft_task_name("forwards");
	lock_both(&account.a, &account.b);
}

static void lock_b_then_a(void *unused)
{
	(void)unused;
	weft_task_name("backwards");
	lock_both(&account.b, &account.a);
}

static int two_tasks(weft_fn one, weft_fn other)
{
	weft_waitgroup wg = {0};

	if (weft_waitgroup_go(&wg, one, NULL) != 0 ||
	    weft_waitgroup_go(&wg, other, NULL) != 0)
		return 1;
	weft_waitgroup_wait(&wg);
	return 0;
}

static int right(void *unused)
{
	(void)unused;
	return two_tasks(add_in_one, add_in_one) != 0 || account.balance != 2;
}

static int race(void *unused)
{
	(void)unused;
	return two_tasks(add_in_two, add_in_two) != 0 || account.balance != 2;
}

static int deadlock(void *unused)
{
	(void)unused;
	return two_tasks(lock_a_then_b, lock_b_then_a);
}

static const weft_sim every_mode[] = {
	{.mode = WEFT_SIM_RANDOM, .runs = 2000},
	{.mode = WEFT_SIM_PCT, .runs = 5000},
	{.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1},
};

enum { MODES = sizeof every_mode / sizeof *every_mode };

TEST(explore_finds_nothing_where_nothing_is)
{
	test_limit(60);
	for (int i = 0; i < MODES; i++) {
		weft_sim sim = every_mode[i];

		sim.runs /= (unsigned)test_slowdown();
		CHECK_EQ(explore(sim, right, NULL), 0);
		CHECK(strstr(text, "none failed") != NULL);
	}
}

static void check_race(const weft_sim *mode)
{
	CHECK_EQ(explore(*mode, race, NULL), 1);
	CHECK(strstr(text, "it returned 1") != NULL);
	setenv("WEFT_SIM", plan_told(), 1);
	/* In this process now, as in a debugger. */
	CHECK_EQ(explore((weft_sim){0}, race, NULL), 1);
	CHECK_EQ(account.balance, 1);
}

TEST(random_finds_a_race_and_its_plan_repeats_it)
{
	check_race(&every_mode[0]);
}

TEST(pct_finds_a_race_and_its_plan_repeats_it)
{
	check_race(&every_mode[1]);
}

TEST(exhaustive_finds_a_race_and_its_plan_repeats_it)
{
	check_race(&every_mode[2]);
}

/*
 * Nothing is written by two: what matters is what one reads between. The library's
 * text does it, as the sim is told: at a caller's points it always turns.
 */
#undef WEFT_PRIV_POINT_WHERE
#define WEFT_PRIV_POINT_WHERE 4

static int in_order[2];

static void *write_in_order(void *unused)
{
	weft_atomic_store(&in_order[0], 1, seq_cst);
	weft_atomic_store(&in_order[1], 1, seq_cst);
	return unused;
}

static void *read_in_order(void *unused)
{
	int first = weft_atomic_load(&in_order[0], seq_cst);
	int second = weft_atomic_load(&in_order[1], seq_cst);

	return first < second ? &in_order : unused;
}

#undef WEFT_PRIV_POINT_WHERE
#define WEFT_PRIV_POINT_WHERE 0

static int reader_and_writer(void *unused)
{
	pthread_t reader, writer;
	void *disorder;

	(void)unused;
	pthread_create(&reader, NULL, read_in_order, NULL);
	pthread_create(&writer, NULL, write_in_order, NULL);
	pthread_join(reader, &disorder);
	pthread_join(writer, NULL);
	return disorder != NULL;
}

TEST(exhaustive_finds_what_one_reads_while_one_writes)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1, .thread = true};

	CHECK_EQ(explore(sim, reader_and_writer, NULL), 1);
	CHECK(strstr(text, "it returned 1") != NULL);
}

/* ---- the wrong lock: each has its own, and they share a counter ---- */

static pthread_mutex_t own_pthread[2] = {PTHREAD_MUTEX_INITIALIZER,
					 PTHREAD_MUTEX_INITIALIZER};
static weft_mutex own[2];
static int unguarded;

static void *add_with_own_pthread(void *which)
{
	pthread_mutex_t *m = which;
	int seen_first;

	pthread_mutex_lock(m);
	seen_first = unguarded;
	pthread_mutex_unlock(m);
	pthread_mutex_lock(m);
	unguarded = seen_first + 1;
	pthread_mutex_unlock(m);
	return NULL;
}

static void *add_with_own(void *which)
{
	int seen_first;

	weft_mutex_lock(which);
	seen_first = unguarded;
	weft_mutex_unlock(which);
	weft_mutex_lock(which);
	unguarded = seen_first + 1;
	weft_mutex_unlock(which);
	return NULL;
}

static int add_in_threads(void *(*add)(void *), void *one, void *two)
{
	pthread_t a, b;

	pthread_create(&a, NULL, add, one);
	pthread_create(&b, NULL, add, two);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	return unguarded != 2;
}

static int own_pthread_locks(void *unused)
{
	(void)unused;
	return add_in_threads(add_with_own_pthread, &own_pthread[0],
			      &own_pthread[1]);
}

static int own_locks(void *unused)
{
	(void)unused;
	return add_in_threads(add_with_own, &own[0], &own[1]);
}

TEST(exhaustive_finds_what_shares_no_lock)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1, .thread = true};

	CHECK_EQ(explore(sim, own_pthread_locks, NULL), 1);
	CHECK_EQ(explore(sim, own_locks, NULL), 1);
}

/* ---- a yield is no wait ---- */

static void *set_done(void *done)
{
	*(volatile int *)done = 1;	/* no point on the way to it */
	return NULL;
}

static int yield_and_believe(void *unused)
{
	volatile int done = 0;
	pthread_t thread;
	int seen_done;

	(void)unused;
	pthread_create(&thread, NULL, set_done, (void *)&done);
	sched_yield();
	seen_done = done;
	pthread_join(thread, NULL);
	return !seen_done;
}

TEST(exhaustive_goes_on_after_a_yield)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1, .thread = true};

	CHECK_EQ(explore(sim, yield_and_believe, NULL), 1);
}

/* ---- detached threads ---- */

static void *count_down(void *left)
{
	weft_atomic_sub((int *)left, 1, relaxed);
	return NULL;
}

static int start_detached(void *unused)
{
	enum { THREADS = 40 };
	int left = THREADS;

	(void)unused;
	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, count_down, &left) != 0)
			return 1;
		pthread_detach(thread);
	}
	while (weft_atomic_load(&left, relaxed) > 0)
		sched_yield();
	return 0;
}

TEST(detached_threads_end_while_others_run)
{
	weft_sim sim = {.runs = 100, .thread = true};

	sim.runs /= (unsigned)test_slowdown();
	CHECK_EQ(explore(sim, start_detached, NULL), 0);
}

static void *sleep_often(void *unused)
{
	for (int i = 0; i < 20000; i++)
		usleep(1000);
	return unused;
}

static int join_who_sleeps_often(void *unused)
{
	pthread_t thread;

	pthread_create(&thread, NULL, sleep_often, NULL);
	pthread_join(thread, NULL);
	(void)unused;
	return 0;
}

static void nap_often(void *wg)
{
	for (int i = 0; i < 20000; i++)
		weft_sleep(NULL, WEFT_MS(1));
	weft_waitgroup_done(wg);
}

static int wait_for_who_naps_often(void *unused)
{
	weft_waitgroup wg = {0};

	(void)unused;
	weft_waitgroup_add(&wg, 1);
	if (weft_go(nap_often, &wg) != 0)
		return 1;
	weft_waitgroup_wait(&wg);
	return 0;
}

TEST(who_sleeps_often_while_others_wait_is_no_deadlock)
{
	weft_sim thread = {.runs = 1, .thread = true}, task = {.runs = 1};

	CHECK_EQ(explore(thread, join_who_sleeps_often, NULL), 0);
	CHECK_EQ(explore(task, wait_for_who_naps_often, NULL), 0);
}

static int looked_at;

/* The library's text, as above. */
#undef WEFT_PRIV_POINT_WHERE
#define WEFT_PRIV_POINT_WHERE 4

static void *look_twice(void *unused)
{
	int first = weft_atomic_load(&looked_at, seq_cst);

	return first != weft_atomic_load(&looked_at, seq_cst) ? &looked_at
							      : unused;
}

/* Unless the other is preempted, this one writes when it is alone. */
static int write_alone(void *unused)
{
	pthread_t thread;
	void *difference;

	(void)unused;
	pthread_create(&thread, NULL, look_twice, NULL);
	weft_yield();
	weft_atomic_store(&looked_at, 1, seq_cst);
	pthread_join(thread, &difference);
	return difference != NULL;
}

#undef WEFT_PRIV_POINT_WHERE
#define WEFT_PRIV_POINT_WHERE 0

TEST(exhaustive_knows_what_one_did_alone)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1, .thread = true};

	CHECK_EQ(explore(sim, write_alone, NULL), 1);
	CHECK(strstr(text, "it returned 1") != NULL);
}

/* In the sets of who has accessed what, those two are far apart. */
static int write_alone_beside_many(void *unused)
{
	pthread_t thread;

	for (int i = 0; i < 31; i++) {
		pthread_create(&thread, NULL, read_in_order, NULL);
		pthread_join(thread, NULL);
	}
	return write_alone(unused);
}

TEST(exhaustive_tells_thread_32_from_thread_0)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1, .thread = true};

	CHECK_EQ(explore(sim, write_alone_beside_many, NULL), 1);
	CHECK(strstr(text, "it returned 1") != NULL);
}

TEST(explore_reports_a_deadlock_with_who_waits_for_what)
{
	for (int i = 0; i < MODES; i++) {
		CHECK_EQ(explore(every_mode[i], deadlock, NULL), 1);
		CHECK(strstr(text, "deadlock") != NULL);
		CHECK(strstr(text, "\"forwards\"") != NULL);
		CHECK(strstr(text, "\"backwards\"") != NULL);
		CHECK(strstr(text, "waits: mutex lock at") != NULL);
		CHECK(strstr(text, "waits: waitgroup wait at") != NULL);
	}
}

TEST(exhaustive_is_the_same_every_time_and_grows_with_its_bound)
{
	static char first[sizeof text];
	unsigned long one, two;

	CHECK_EQ(explore((weft_sim){.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1},
			 right, NULL),
		 0);
	strcpy(first, text);
	CHECK_EQ(explore((weft_sim){.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1},
			 right, NULL),
		 0);
	CHECK_EQ(strcmp(first, text), 0);
	CHECK_EQ(sscanf(first, "weft-sim: %lu runs", &one), 1);
	CHECK_EQ(explore((weft_sim){.mode = WEFT_SIM_EXHAUSTIVE,
				    .turns = 2,
				    .runs = 2 * one},
			 right, NULL),
		 0);
	CHECK_EQ(sscanf(text, "weft-sim: %lu runs", &two), 1);
	CHECK_EQ(two, 2 * one);
}

/* ---- plain threads: the mutex of three states, right and wrong ---- */

/*
 * Drepper, "Futexes are tricky", mutex 2, from plain variables and a condition;
 * the wrong one marks the lock 1 after a wait, so that of three threads the
 * last sleeps for ever. Two threads do not show it.
 */
static struct {
	uint32_t word;
	pthread_mutex_t queue;
	pthread_cond_t changed;
	bool wrong;
	int inside;
} tricky;

static void sleep_while(uint32_t value)
{
	pthread_mutex_lock(&tricky.queue);
	if (weft_atomic_load(&tricky.word, relaxed) == value)
		pthread_cond_wait(&tricky.changed, &tricky.queue);
	pthread_mutex_unlock(&tricky.queue);
}

static void wake_one(void)
{
	pthread_mutex_lock(&tricky.queue);
	pthread_cond_signal(&tricky.changed);
	pthread_mutex_unlock(&tricky.queue);
}

static void tricky_lock(void)
{
	uint32_t word = 0;

	if (weft_atomic_cas(&tricky.word, &word, 1, acquire, relaxed))
		return;
	for (;;) {
		if (word == 2 ||
		    weft_atomic_cas(&tricky.word, &word, 2, relaxed, relaxed) ||
		    word == 2)
			sleep_while(2);
		word = 0;
		if (weft_atomic_cas(&tricky.word, &word, tricky.wrong ? 1 : 2,
				    acquire, relaxed))
			return;
	}
}

static void tricky_unlock(void)
{
	if (weft_atomic_xchg(&tricky.word, 0, release) == 2)
		wake_one();
}

static void *use_tricky(void *unused)
{
	(void)unused;
	tricky_lock();
	if (tricky.inside++ != 0)
		abort();
	weft_sim_point();
	tricky.inside--;
	tricky_unlock();
	return NULL;
}

static int use_tricky_by(void *count)
{
	pthread_t threads[4];

	for (int i = 0; i < *(int *)count; i++)
		if (pthread_create(&threads[i], NULL, use_tricky, NULL) != 0)
			return 1;
	for (int i = 0; i < *(int *)count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

TEST(exhaustive_tells_a_right_mutex_from_one_that_forgets_the_third)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = 3, .thread = true};
	int two = 2, three = 3;

	pthread_mutex_init(&tricky.queue, NULL);
	pthread_cond_init(&tricky.changed, NULL);
	CHECK_EQ(explore(sim, use_tricky_by, &two), 0);
	tricky.wrong = true;
	CHECK_EQ(explore(sim, use_tricky_by, &two), 0);
	CHECK_EQ(explore(sim, use_tricky_by, &three), 1);
	CHECK(strstr(text, "deadlock") != NULL);
	CHECK(strstr(text, "pthread condition") != NULL);
	tricky.wrong = false;
	sim.turns = 2;
	CHECK_EQ(explore(sim, use_tricky_by, &three), 0);
}

/* ---- choices ---- */

static uint32_t *seen; /* shared with the children */

static int choose_two(void *unused)
{
	uint32_t first = weft_sim_choose(3), second = weft_sim_choose(2);

	(void)unused;
	seen[first * 2 + second]++;
	return 0;
}

TEST(exhaustive_tries_each_value_that_is_chosen)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = 1, .thread = true};

	seen = mmap(NULL, 6 * sizeof *seen, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(seen != MAP_FAILED);
	CHECK_EQ(explore(sim, choose_two, NULL), 0);
	for (int i = 0; i < 6; i++)
		CHECK_LE(1, seen[i]);
}

static int choose_of_many(void *n)
{
	return weft_sim_choose(*(uint32_t *)n) == 2;
}

TEST(exhaustive_tries_values_of_more_than_16_bits)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .thread = true};
	uint32_t n = 65536 + 2;

	CHECK_EQ(explore(sim, choose_of_many, &n), 1);
	CHECK(strstr(text, "run 3 failed") != NULL);
}

/* ---- workers ---- */

static int count_workers(void *unused)
{
	(void)unused;
	seen[weft__cpu_count()]++;
	return 0;
}

static void check_workers(weft_sim sim, uint32_t two, uint32_t three,
			  uint32_t four)
{
	seen = mmap(NULL, 5 * sizeof *seen, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(seen != MAP_FAILED);
	sim.runs = 6;
	CHECK_EQ(explore(sim, count_workers, NULL), 0);
	CHECK_EQ(seen[2], two);
	CHECK_EQ(seen[3], three);
	CHECK_EQ(seen[4], four);
}

TEST(runs_by_chance_have_two_to_four_workers)
{
	check_workers((weft_sim){0}, 2, 2, 2);
	check_workers((weft_sim){.mode = WEFT_SIM_PCT, .seed = 100}, 2, 2, 2);
	check_workers((weft_sim){.procs = 3}, 0, 6, 0);
	check_workers((weft_sim){.mode = WEFT_SIM_EXHAUSTIVE}, 6, 0, 0);
}

/* ---- what an exhaustive search leaves out ---- */

static int choose_late(void *points)
{
	for (int i = 0; i < *(int *)points; i++)
		weft_sim_point();
	return weft_sim_choose(2) == 1;
}

/* 0 at once, or 1 each time: as many turns from what is usual. */
static int choose_often(void *times)
{
	for (int i = 0; i < *(int *)times; i++)
		if (weft_sim_choose(2) == 0)
			return 0;
	return 1;
}

static int choose_now_and_then(void *unused)
{
	(void)unused;
	if (seen[0]++ % 2 == 0)
		return weft_sim_choose(2) != 0;
	weft_sim_point();
	return 0;
}

static void check_left_out(int (*fn)(void *), int n, const char *what)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .thread = true,
			.quiet = true};

	CHECK_EQ(explore(sim, fn, &n), -EOVERFLOW);
	CHECK(strstr(text, "none failed, but some were left out: ") != NULL);
	CHECK(strstr(text, what) != NULL);
}

TEST(exhaustive_says_what_it_has_left_out)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .thread = true};

	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(seen != MAP_FAILED);
	CHECK_EQ(explore(sim, choose_late, &(int){1000000}), 1);
	check_left_out(choose_late, 1050000, "after 2^20 choices");
	CHECK_EQ(explore(sim, choose_often, &(int){256}), 1);
	check_left_out(choose_often, 257, "more than 256 turns");
	check_left_out(choose_now_and_then, 0, "did not go as it was planned");
	sim.runs = 1;
	CHECK_EQ(explore(sim, choose_two, NULL), 0);
	CHECK(strstr(text, "1 runs, none failed; there are more\n") != NULL);
}

TEST(choose_outside_of_a_world_is_0)
{
	CHECK_EQ(weft_sim_choose(7), 0);
	CHECK(!weft_sim_inside());
	weft_sim_point();
}

/* ---- time ---- */

#define DAY (24 * 60 * WEFT_MINUTE)

static int sleep_for_a_day(void *unused)
{
	weft_time start = weft_now(), end;

	(void)unused;
	(void)weft_sleep(NULL, DAY);
	end = weft_now();
	return end - start < DAY || end - start > DAY + WEFT_MS(10);
}

static int sleep_outside_of_tasks(void *unused)
{
	struct timespec before, after;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &before);
	sleep(3600);
	usleep(500000);
	nanosleep(&(struct timespec){.tv_sec = 3600}, NULL);
	clock_gettime(CLOCK_MONOTONIC, &after);
	return after.tv_sec - before.tv_sec != 7200;
}

TEST(time_passes_when_nobody_can_run)
{
	weft_time start = weft_now();

	CHECK_EQ(weft_sim_run(NULL, sleep_for_a_day, NULL), 0);
	CHECK_EQ(weft_sim_run(&(weft_sim){.thread = true},
			      sleep_outside_of_tasks, NULL),
		 0);
	CHECK_LT(weft_now() - start, 10 * WEFT_SECOND);
}

static void *sleep_for_an_hour(void *unused)
{
	sleep(3600);
	return unused;
}

static void sleep_for_a_second(void *late)
{
	weft_time start = weft_now();

	(void)weft_sleep(NULL, WEFT_SECOND);
	*(bool *)late = weft_now() - start > WEFT_MS(1100);
}

static int block_for_an_hour(void *form)
{
	weft_time start = weft_now();
	bool late = true;
	pthread_t thread;

	if (weft_go(sleep_for_a_second, &late) != 0)
		return 1;
	weft_yield();
	if (*(char *)form == 'b')
		weft_blocking_begin();
	if (*(char *)form == 'j') {
		pthread_create(&thread, NULL, sleep_for_an_hour, NULL);
		pthread_join(thread, NULL);
	} else {
		sleep_for_an_hour(NULL);
	}
	if (*(char *)form == 'b')
		weft_blocking_end();
	return late || weft_now() - start > 3601 * WEFT_SECOND;
}

TEST(time_passes_while_a_task_blocks_its_worker)
{
	static char *const forms[] = {"sleep", "blocking", "join"};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		for (uint32_t procs = 1; procs <= 2; procs++)
			CHECK_EQ(explore((weft_sim){.runs = 20,
						    .steps = 1000000,
						    .procs = procs},
					 block_for_an_hour, forms[i]),
				 0);
}

/* Whichever is first, the cancellation or the deadline: both are seen. */
static int race_for_the_end(void *unused)
{
	weft_ctx ctx;
	int error;

	(void)unused;
	weft_ctx_init_timeout(&ctx, NULL, WEFT_US(20));
	(void)weft_sleep(NULL, WEFT_US(10));
	weft_ctx_cancel(&ctx, 0);
	error = weft_ctx_err(&ctx);
	weft_ctx_fini(&ctx);
	return error == -ETIMEDOUT;
}

TEST(a_machine_may_be_late)
{
	CHECK_EQ(explore((weft_sim){.runs = 1}, race_for_the_end, NULL), 0);
	CHECK_EQ(explore((weft_sim){.runs = 100000}, race_for_the_end, NULL), 1);
}

/* ---- what goes wrong ---- */

static int never_end(void *unused)
{
	(void)unused;
	while (!weft_atomic_load(&tricky.wrong, relaxed))
		weft_yield();
	return 0;
}

TEST(explore_reports_a_run_that_does_not_end)
{
	CHECK_EQ(explore((weft_sim){.steps = 10000}, never_end, NULL), 1);
	CHECK(strstr(text, "it does not end") != NULL);
}

static int die(void *unused)
{
	(void)unused;
	raise(SIGKILL);
	return 0;
}

TEST(explore_reports_a_death)
{
	CHECK_EQ(explore((weft_sim){0}, die, NULL), 1);
	CHECK(strstr(text, "run 1 failed: killed by signal 9") != NULL);
	CHECK(strstr(text, "WEFT_SIM=random:0\n") != NULL);
}

static int block(void *unused)
{
	int ends[2];

	return pipe(ends) != 0 || read(ends[0], unused, 1) != 0;
}

static int spin(void *unused)
{
	static volatile bool never;

	(void)unused;
	while (!never)
		;
	return 0;
}

/* For longer than the patience below, by a clock that is in no world. */
static int go_slowly(void *unused)
{
	struct timespec pause = {.tv_nsec = 100000000};

	(void)unused;
	for (int i = 0; i < 8; i++) {
		syscall(SYS_nanosleep, &pause, NULL);
		weft_sim_point();
	}
	return 0;
}

TEST(explore_reports_a_run_that_makes_no_step)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (self < 0)
		test_skip("this kernel has no pidfd_open()");
	weft__sim_patience_ms = 1000;
	CHECK_EQ(explore((weft_sim){0}, block, &self), 1);
	CHECK(strstr(text, "run 1 failed: no step for 1 s: ") != NULL);
	CHECK(strstr(text, "WEFT_SIM=random:0\n") != NULL);
	CHECK_EQ(explore((weft_sim){0}, spin, NULL), 1);
	CHECK(strstr(text, "run 1 failed: no step for 1 s: ") != NULL);
	weft__sim_patience_ms = 500;
	CHECK_EQ(explore((weft_sim){.runs = 1}, go_slowly, NULL), 0);
}

static int exit_with(void *status)
{
	exit(*(int *)status);
}

static int exit_at_once(void *status)
{
	_exit(*(int *)status);
}

static int return_it(void *result)
{
	return *(int *)result;
}

TEST(explore_reports_an_exit_whatever_its_status)
{
	for (int status = 0; status <= 3; status += 3) {
		CHECK_EQ(explore((weft_sim){0}, exit_with, &status), 1);
		CHECK(strstr(text, status == 0 ? "it exited, with status 0"
					       : "it exited, with status 3") !=
		      NULL);
		CHECK_EQ(explore((weft_sim){.thread = true}, exit_at_once,
				 &status),
			 1);
	}
}

TEST(explore_reports_what_a_run_returned)
{
	CHECK_EQ(explore((weft_sim){0}, return_it, &(int){256}), 1);
	CHECK(strstr(text, "it returned 256") != NULL);
	CHECK_EQ(explore((weft_sim){.runs = 3}, return_it, &(int){0}), 0);
}

/* ---- what a world has not ---- */

static pthread_mutex_t of_a_kind;

static int lock_it(void *kind)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, *(int *)kind);
	pthread_mutex_init(&of_a_kind, &attr);
	return pthread_mutex_lock(&of_a_kind) != 0 ||
	       pthread_mutex_unlock(&of_a_kind) != 0;
}

static int try_it(void *kind)
{
	(void)kind;
	of_a_kind = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	return pthread_mutex_trylock(&of_a_kind);
}

TEST(world_refuses_mutexes_that_know_their_owner)
{
	static int kinds[] = {PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(explore((weft_sim){.runs = 1}, lock_it, &kinds[i]), 1);
		CHECK(strstr(text, "weft-sim: a recursive or error-checking "
				   "pthread mutex in a world: it has none") !=
		      NULL);
	}
	CHECK_EQ(explore((weft_sim){.runs = 1}, try_it, NULL), 1);
	kinds[0] = PTHREAD_MUTEX_NORMAL;
	kinds[1] = PTHREAD_MUTEX_ADAPTIVE_NP;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(explore((weft_sim){.runs = 1}, lock_it, &kinds[i]), 0);
}

static struct {
	pthread_rwlock_t rwlock;
	pthread_once_t once;
	pthread_barrier_t barrier;
	pthread_mutex_t mutex;
	mtx_t mtx;
	sem_t sem;
	once_flag flag;
	pthread_key_t key;	/* 0: somebody's, or nobody's */
} unknown = {.flag = ONCE_FLAG_INIT, .rwlock = PTHREAD_RWLOCK_INITIALIZER,
	     .once = PTHREAD_ONCE_INIT,
	     .mutex = PTHREAD_MUTEX_INITIALIZER};

static void do_nothing(void)
{
}

static int do_nothing_either(void *unused)
{
	(void)unused;
	return 0;
}

/* Each waits for nothing, this time. */
static int wait_unknown(void *which)
{
	struct timespec at = {.tv_sec = 1};
	thrd_t thread;

	switch (*(int *)which) {
	case 0:
		return pthread_rwlock_rdlock(&unknown.rwlock);
	case 1:
		return pthread_rwlock_wrlock(&unknown.rwlock);
	case 2:
		return pthread_rwlock_timedrdlock(&unknown.rwlock, &at);
	case 3:
		return pthread_rwlock_timedwrlock(&unknown.rwlock, &at);
	case 4:
		return pthread_once(&unknown.once, do_nothing);
	case 5:
		pthread_barrier_init(&unknown.barrier, NULL, 1);
		(void)pthread_barrier_wait(&unknown.barrier);
		return 0;
	case 6:
		return pthread_mutex_timedlock(&unknown.mutex, &at);
	case 7:
		return pthread_mutex_clocklock(&unknown.mutex, CLOCK_MONOTONIC,
					       &at);
	case 8:
		sem_init(&unknown.sem, 0, 1);
		return sem_wait(&unknown.sem);
	case 9:
		sem_init(&unknown.sem, 0, 1);
		return sem_timedwait(&unknown.sem, &at);
	case 10:
		mtx_init(&unknown.mtx, mtx_plain);
		return mtx_lock(&unknown.mtx);
	case 11:
		call_once(&unknown.flag, do_nothing);
		return 0;
	case 12:
		return pthread_rwlock_clockrdlock(&unknown.rwlock,
						  CLOCK_MONOTONIC, &at);
	case 13:
		return pthread_rwlock_clockwrlock(&unknown.rwlock,
						  CLOCK_MONOTONIC, &at);
	case 14:
		sem_init(&unknown.sem, 0, 1);
		return sem_clockwait(&unknown.sem, CLOCK_MONOTONIC, &at);
	case 15:
		return pthread_tryjoin_np(pthread_self(), NULL);
	case 16:
		return pthread_timedjoin_np(pthread_self(), NULL, &at);
	case 17:
		return pthread_clockjoin_np(pthread_self(), NULL,
					    CLOCK_MONOTONIC, &at);
	case 18:
		return pthread_setspecific(unknown.key, &thread);
	case 19:
		return tss_set(unknown.key, &thread);
	default:
		return thrd_create(&thread, do_nothing_either, NULL);
	}
}

enum { UNKNOWN = 21 };

TEST(world_refuses_what_waits_and_is_not_simulated)
{
	for (int which = 0; which < UNKNOWN; which++) {
		CHECK_EQ(wait_unknown(&(int){6}), 0);
		pthread_mutex_unlock(&unknown.mutex);
		CHECK_EQ(explore((weft_sim){.runs = 1}, wait_unknown, &which),
			 1);
		CHECK(strstr(text, " in a world: it has none") != NULL);
	}
}

/* As a shared library would. */
static int (*real_create)(pthread_t *, const pthread_attr_t *,
			  void *(*)(void *), void *);

static void *lock_a(void *unused)
{
	add_in_one(unused);
	return NULL;
}

static int start_real_thread(void *unused)
{
	pthread_t thread;

	(void)unused;
	if (real_create(&thread, NULL, lock_a, NULL) != 0)
		return 1;
	for (;;)
		poll(NULL, 0, 10000);
}

TEST(world_refuses_threads_of_others)
{
	*(void **)&real_create = dlsym(RTLD_DEFAULT, "pthread_create");
	CHECK_EQ(explore((weft_sim){.runs = 1}, start_real_thread, NULL), 1);
	CHECK(strstr(text, "weft-sim: called by a thread that the world has not "
			   "started") != NULL);
}

static int wait_by_other_clocks(void *unused)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec hour = {.tv_sec = 3600}, at;
	weft_time start = weft_now();

	(void)unused;
	if (clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL) != 0)
		return 1;
	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += 3600;
	if (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) != 0)
		return 2;
	at.tv_sec += 3600;
	pthread_mutex_lock(&m);
	if (pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &at) != ETIMEDOUT)
		return 3;
	pthread_mutex_unlock(&m);
	return weft_now() - start < 3 * 3600 * WEFT_SECOND;
}

TEST(sleeps_of_every_clock_are_virtual)
{
	weft_sim sim = {.runs = 1, .thread = true};

	CHECK_EQ(explore(sim, wait_by_other_clocks, NULL), 0);
}

static int run_world_inside(void *thread)
{
	return weft_sim_run(&(weft_sim){.thread = thread != NULL},
			    do_nothing_either, NULL);
}

static int explore_inside(void *unused)
{
	(void)unused;
	return weft_sim_explore(&(weft_sim){.runs = 1}, do_nothing_either, NULL);
}

TEST(world_refuses_a_world_inside)
{
	for (int thread = 0; thread <= 1; thread++) {
		weft_sim sim = {.runs = 1, .thread = thread != 0};

		CHECK_EQ(explore(sim, run_world_inside, thread ? &sim : NULL), 1);
		CHECK(strstr(text, "weft-sim: a world in a world") != NULL);
		CHECK_EQ(explore(sim, explore_inside, NULL), 1);
		CHECK(strstr(text, "weft-sim: a world in a world") != NULL);
	}
}

TEST_TRAP(explore_refuses_a_process_that_had_a_world,
	  "weft-sim: an exploration in a process that has had a world")
{
	CHECK_EQ(weft_sim_run(NULL, do_nothing_either, NULL), 0);
	(void)weft_sim_explore(NULL, do_nothing_either, NULL);
}

#define OUTSIDE "weft-sim: a thread is started or waits outside of a world"

TEST_TRAP(sleep_outside_of_a_world_is_refused, OUTSIDE)
{
	(void)weft_sleep(NULL, 1);
}

TEST_TRAP(go_outside_of_a_world_is_refused, OUTSIDE)
{
	CHECK_EQ(weft_go(add_in_one, NULL), 0);
}

TEST_TRAP(run_outside_of_a_world_is_refused, OUTSIDE)
{
	(void)weft_run(do_nothing_either, NULL);
}

TEST_TRAP(wait_outside_of_a_world_is_refused, OUTSIDE)
{
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_SECOND);
	(void)weft_ctx_wait(&ctx);
	weft_ctx_fini(&ctx);
}

TEST_TRAP(explore_refuses_a_mode_that_is_none, "weft-sim: mode 7 is none")
{
	(void)weft_sim_explore(&(weft_sim){.mode = (weft_sim_mode)7, .runs = 1},
			       do_nothing_either, NULL);
}

TEST_TRAP(run_refuses_a_depth_that_is_too_much,
	  "weft-sim: a depth of 17, but at most 16 is possible")
{
	(void)weft_sim_run(&(weft_sim){.mode = WEFT_SIM_PCT, .depth = 17},
			   do_nothing_either, NULL);
}

TEST(run_refuses_a_plan_that_is_none)
{
	static const char *const wrong[] = {
		"7", "random", "random:", "random:7x", "pct:1:2", "turns:1",
		"turns:1.2,", "turns:1.2;3.4", "sorted:1", "random:-1",
		"random: 1", "random:18446744073709551616", "pct:1:17:3",
		"pct:1:2:-3", "turns:9.9,3.1", "turns:3.1,3.1", "turns:3.0",
		"turns:4294967296.1",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		setenv("WEFT_SIM", wrong[i], 1);
		CHECK_EQ(explore((weft_sim){0}, right, NULL), -EINVAL);
		CHECK(strstr(text, wrong[i]) != NULL);
		CHECK(strstr(text, "is none of") != NULL);
	}
}

static int repeat(const char *plan, int (*fn)(void *), void *arg)
{
	setenv("WEFT_SIM", plan, 1);
	return explore((weft_sim){.thread = true}, fn, arg);
}

TEST(repeated_run_says_what_became_of_it)
{
	CHECK_EQ(repeat("random:5", return_it, &(int){0}), 0);
	CHECK(strstr(text, "WEFT_SIM=random:5: it succeeded, after ") != NULL);
	CHECK_EQ(repeat("pct:5:3:9", return_it, &(int){7}), 7);
	CHECK(strstr(text, "WEFT_SIM=pct:5:3:9: it returned 7, after ") != NULL);
	CHECK_EQ(repeat("turns:0.2", choose_of_many, &(int){3}), 1);
	CHECK(strstr(text, "WEFT_SIM=turns:0.2: it returned 1, after ") != NULL);
}

TEST(repeated_run_has_all_turns_of_its_plan)
{
	CHECK_EQ(repeat("turns:0.3", choose_of_many, &(int){3}), -EINVAL);
	CHECK(strstr(text, "another program's: the run had no turn 0.3\n") !=
	      NULL);
	CHECK_EQ(repeat("turns:0.1,99999.1", choose_of_many, &(int){3}), -EINVAL);
	CHECK(strstr(text, "another program's: the run had no turn 99999.1\n") !=
	      NULL);
}

/* ---- sameness ---- */

static void speak(void *chan)
{
	for (int i = 0; i < 3; i++)
		(void)weft_chan_send(chan, &i);
}

static int converse(void *unused)
{
	weft_chan one, other;
	int value;

	(void)unused;
	if (weft_chan_init(&one, sizeof value, 0) != 0 ||
	    weft_chan_init(&other, sizeof value, 1) != 0 ||
	    weft_go(speak, &one) != 0 || weft_go(speak, &other) != 0)
		return 1;
	for (int i = 0; i < 3; i++) {
		(void)weft_chan_recv(&one, &value);
		(void)weft_chan_recv(&other, &value);
	}
	weft_chan_fini(&one);
	weft_chan_fini(&other);
	return 0;
}

TEST(converse_in_a_world)
{
	CHECK_EQ(weft_sim_run(NULL, converse, NULL), 0);
}

static void nothing(weft__task *task)
{
	(void)task;
}

/* From so many places that some meet in the table of origins. */
static int start_from_everywhere(void *unused)
{
	static char place[1 << 16];

	(void)unused;
	for (size_t i = 0; i < 300; i++)
		if (weft__task_start(nothing, NULL, &place[i * i % sizeof place],
				     NULL, place) != 0)
			return 1;
	return 0;
}

TEST(start_from_everywhere_in_a_world)
{
	CHECK_EQ(weft_sim_run(NULL, start_from_everywhere, NULL), 0);
}

/* What another process says of the run of a case, without the addresses in it. */
static void trace(char *into, size_t size, const char *plan, const char *name)
{
	char command[256];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof command,
		 "WEFT_SIM_TRACE=1 WEFT_SIM=%s %s %s 2>&1 | "
		 "sed 's/0x[0-9a-f]*//g' | tail -c 60000",
		 plan, program_invocation_name, name);
	pipe = popen(command, "r");
	CHECK(pipe != NULL);
	n = fread(into, 1, size - 1, pipe);
	into[n] = 0;
	CHECK_EQ(pclose(pipe), 0);
}

TEST(same_plan_is_the_same_run_in_every_process)
{
	static char first[sizeof text], second[sizeof text];
	static const char *const plans[] = {"random:5", "random:6", "pct:5:3:100",
					    "turns:20.1"};

	for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
		trace(first, sizeof first, plans[i], "converse_in_a_world");
		CHECK_LT(100, strlen(first));
		CHECK_NE(strcmp(first, second), 0);
		trace(second, sizeof second, plans[i], "converse_in_a_world");
		CHECK_EQ(strcmp(first, second), 0);
	}
}

TEST(where_a_program_is_loaded_does_not_matter)
{
	static char first[sizeof text], second[sizeof text];

	trace(first, sizeof first, "random:5", "start_from_everywhere_in_a_world");
	CHECK_LT(100, strlen(first));
	for (int i = 0; i < 3; i++) {
		trace(second, sizeof second, "random:5",
		      "start_from_everywhere_in_a_world");
		CHECK_EQ(strcmp(first, second), 0);
	}
}
