/* SPDX-License-Identifier: MIT */
/*
 * How the scheduler behaves over time: fairness, blocking calls, idling, many
 * parked tasks. Runs alone, because it measures.
 */
#define _GNU_SOURCE
#include "gate.h"
#include "proc.h"
#include "test.h"

#include <weft/cond.h>
#include <weft/dump.h>
#include <weft/fd.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint32_t counter, stop;
static gate door;

static void count_one(void *arg)
{
	(void)arg;
	weft_atomic_add(&counter, 1, release);
}

static void wait_at_the_door(void *arg)
{
	gate_wait(&door);
	count_one(arg);
}

static void compute(weft_duration d)
{
	weft_time end = weft_now() + d;

	while (weft_now() < end)
		;
}

static void sleep_of_libc(weft_duration d)
{
	struct timespec time = {d / WEFT_SECOND, d % WEFT_SECOND};

	nanosleep(&time, NULL);
}

static int by_duration(const void *a, const void *b)
{
	weft_duration x = *(const weft_duration *)a, y = *(const weft_duration *)b;

	return (x > y) - (x < y);
}

/* ---- workers ---- */

static uint32_t present;

/* Not a wait that the library knows of: each needs a worker of its own. */
static void meet_three_others(void *arg)
{
	(void)arg;
	weft_atomic_add(&present, 1, relaxed);
	while (weft_atomic_load(&present, relaxed) < 4)
		;
}

TEST(procs_sets_how_many_tasks_run_at_once)
{
	workers("4");
	for (int i = 0; i < 4; i++)
		test_start_task(meet_three_others, NULL);
	test_join_all();
}

enum { TURNS = 10 };

static uint32_t turns, together;

static void be_alone(void *arg)
{
	(void)arg;
	for (int i = 0; i < TURNS; i++) {
		uint32_t mine = weft_atomic_add(&turns, 1, relaxed);

		compute(WEFT_US(20));
		if (weft_atomic_load(&turns, relaxed) != mine + 1)
			weft_atomic_add(&together, 1, relaxed);
		weft_yield();
	}
}

/*
 * What the machine may spoil by taking a CPU away, for then the monitor takes a
 * worker for one that blocks, is done again, up to so many times: wrong code
 * does it wrong each time.
 */
enum { ATTEMPTS = 50 };

TEST(procs_1_runs_one_task_at_a_time)
{
	int i = 0;

	one_worker();
	do {
		weft_atomic_store(&together, 0, relaxed);
		for (int j = 0; j < 50; j++)
			test_start_task(be_alone, NULL);
		test_join_all();
	} while (together > 0 && ++i < ATTEMPTS);
	CHECK_EQ(together, 0);
}

static uint64_t stolen(void)
{
	weft_stats stats;

	weft_stats_get(&stats);
	return stats.stolen;
}

static void start_three_others(void *arg)
{
	for (int i = 0; i < 3; i++)
		test_start_task(meet_three_others, arg);
	meet_three_others(arg);
}

/* Fresh ones of a worker that is busy, before the monitor hands them over. */
/* Without a yield: a worker that looks for more ends its search in other ways. */
static int wait_for_no_search(void *unused)
{
	weft_time end = weft_now() + WEFT_SECOND;

	(void)unused;
	while (weft_atomic_load(&weft__rt.searching, relaxed) > 0)
		CHECK_LT(weft_now(), end);
	return 0;
}

/* The first worker begins as one who searches, and is given the first task. */
TEST(worker_that_has_found_a_task_searches_no_more)
{
	CHECK_EQ(weft_run(wait_for_no_search, NULL), 0);
}

TEST(tasks_of_a_busy_worker_are_stolen)
{
	workers("4");
	for (int i = 0; i < ATTEMPTS && stolen() == 0; i++) {
		weft_atomic_store(&present, 0, relaxed);
		test_start_task(start_three_others, NULL);
		test_join_all();
	}
	CHECK_LT(0, stolen());
}

TEST(procs_that_is_no_number_is_ignored)
{
	static const char *const values[] = {"", "0", "-1", "two", "2x", "1e9"};

	for (int i = 0; i < 6; i++) {
		workers(values[i]);
		test_start_task(count_one, NULL);
		test_join_all();
		test_until(weft_task_count() == 0);
	}
	CHECK_EQ(counter, 6);
}

/* ---- what is worth stealing ---- */

enum { PARTIES = 32, ROUNDS = 2000 };

static struct {
	weft_mutex mutex;
	weft_cond cond;
	int round;
	int arrived;
} barrier;

static void meet_again_and_again(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		weft_mutex_lock(&barrier.mutex);
		if (++barrier.arrived == PARTIES) {
			barrier.arrived = 0;
			barrier.round++;
			weft_cond_broadcast(&barrier.cond);
		}
		while (barrier.round == i)
			weft_cond_wait(&barrier.cond);
		weft_mutex_unlock(&barrier.mutex);
	}
}

static void have_parties_meet(void)
{
	weft_cond_init(&barrier.cond, &barrier.mutex);
	barrier.round = 0;
	for (int i = 0; i < PARTIES; i++)
		test_start_task(meet_again_and_again, NULL);
	test_join_all();
}

/* Has a thief, who has looked at it often enough, once left one its tasks? */
static bool is_known_as_quick(void)
{
	bool known = false;

	for (uint32_t i = 0; i < weft__rt.worker_count; i++)
		known |= weft_atomic_load(&weft__rt.workers[i]->quick_tick,
					  relaxed) != 0;
	return known;
}

/* Less is done between two waits than it costs to move a task. */
TEST(ready_tasks_that_are_quick_stay_with_their_worker)
{
	uint64_t before, after;
	int i = 0;

	workers("2");
	do {
		for (uint32_t n = 0; n < weft__rt.worker_count; n++)
			weft_atomic_store(&weft__rt.workers[n]->quick_tick, 0,
					  relaxed);
		before = stolen();
		have_parties_meet();
		after = stolen();
	} while ((after - before >= PARTIES * ROUNDS / 8 ||
		  !is_known_as_quick()) &&
		 ++i < ATTEMPTS);
	if (test_slowdown() == 1)	/* else nothing is quick */
		CHECK_LT(i, ATTEMPTS);
}

static void wait_until_forgotten(void *arg)
{
	weft__worker *w = weft__stack_self()->worker;

	(void)arg;
	weft_atomic_store(&w->tiny, 1, relaxed);
	weft_atomic_store(&w->quick, 1, relaxed);
	while (weft_atomic_load(&w->tiny, relaxed) ||
	       weft_atomic_load(&w->quick, relaxed))
		;
}

TEST(what_thieves_think_of_a_worker_is_forgotten)
{
	test_start_task(wait_until_forgotten, NULL);
	test_join_all();
}

static void take_a_while(void *arg)
{
	gate_wait(&door);
	compute(WEFT_US(200) * test_slowdown());
	count_one(arg);
}

static void open_the_door(void *arg)
{
	(void)arg;
	gate_open(&door);
}

/* Also where those before them were quick. */
TEST(ready_tasks_that_take_a_while_are_run_by_others_too)
{
	uint64_t before, after;
	int i = 0;

	workers("2");
	do {
		have_parties_meet();
		door = (gate){0};
		for (int j = 0; j < 100; j++)
			test_start_task(take_a_while, NULL);
		test_until(weft_atomic_load(&door.waiting, relaxed) == 100);
		before = stolen();
		test_start_task(open_the_door, NULL);
		test_join_all();
		after = stolen();
	} while (after - before < 10 && ++i < ATTEMPTS);
	CHECK_LE(10, after - before);
}

enum { SIGNALS = 40 };

static struct {
	weft_sema sema;
	uint32_t heard;	/* atomic */
	weft_duration took[SIGNALS];
} signalled;

static void hear_signals(void *arg)
{
	(void)arg;
	for (uint32_t i = 1; i <= SIGNALS; i++) {
		weft_sema_acquire(&signalled.sema, 1);
		weft_atomic_store(&signalled.heard, i, release);
	}
}

static void compute_and_signal(void *arg)
{
	uint32_t i = (uint32_t)((weft_duration *)arg - signalled.took);
	weft_time start;

	compute(WEFT_US(300));
	start = weft_now();
	weft_sema_release(&signalled.sema, 1);
	while (weft_atomic_load(&signalled.heard, acquire) <= i)
		;
	signalled.took[i] = weft_now() - start;
}

static weft_duration median_of_signals(void)
{
	weft_atomic_store(&signalled.heard, 0, relaxed);
	test_start_task(hear_signals, NULL);
	for (uint32_t i = 0; i < SIGNALS; i++) {
		test_start_task(compute_and_signal, &signalled.took[i]);
		test_until(weft_atomic_load(&signalled.heard, acquire) > i);
	}
	test_join_all();
	qsort(signalled.took, SIGNALS, sizeof *signalled.took, by_duration);
	return signalled.took[SIGNALS / 2];
}

/*
 * These take too long to be waited for, and not long enough for the monitor to
 * see that they are still there: then it would be one to two milliseconds.
 */
TEST(who_is_woken_by_a_long_task_is_run_by_another_worker_at_once)
{
	int i = 0;

	if (test_emulated())
		test_skip("valgrind runs one thread at a time");
	workers("2");
	while (median_of_signals() >= WEFT_US(200) && ++i < ATTEMPTS)
		;
	CHECK_LT(i, ATTEMPTS);
}

static weft_sema ping, pong;

/* Wakes of others for a task that is taken to be long: each is noted by the tick. */
static void count_eager_wakes(uint64_t *count)
{
	static uint32_t last;
	uint32_t workers = weft_atomic_load(&weft__rt.worker_count, acquire);
	uint32_t sum = 0;

	for (uint32_t i = 0; i < workers; i++)
		sum += weft_atomic_load(&weft__rt.workers[i]->eager_tick, relaxed);
	*count += sum != last;
	last = sum;
}

static void wake_each_other(void *eager_wakes)
{
	bool first = eager_wakes != NULL;

	for (int i = 0; i < 200000 / test_slowdown(); i++) {
		weft_sema_release(first ? &ping : &pong, 1);
		if (first)
			count_eager_wakes(eager_wakes);
		weft_sema_acquire(first ? &pong : &ping, 1);
	}
}

static int by_count(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* … and where tasks are short no other worker is woken. */
TEST(pair_that_wakes_each_other_stays_with_its_worker)
{
	enum { TIMES = 9 };
	uint64_t moved[TIMES], eager[TIMES] = {0};

	workers("2");
	for (int i = 0; i < TIMES; i++) {
		uint64_t before = stolen();

		test_start_task(wake_each_other, &eager[i]);
		test_start_task(wake_each_other, NULL);
		test_join_all();
		moved[i] = stolen() - before;
	}
	qsort(moved, TIMES, sizeof *moved, by_count);
	CHECK_LE(moved[TIMES / 2], 100);
	qsort(eager, TIMES, sizeof *eager, by_count);
	if (test_slowdown() == 1)	/* else nothing is quick */
		CHECK_LE(eager[TIMES / 2], 5);
}

static weft_mutex mutex;
static weft_sema sema;
static weft_once once;
static weft_waitgroup wg;
static weft_cond cond;
static int signals;

static void use_primitives(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		weft_mutex_lock(&mutex);
		signals++;
		weft_cond_signal(&cond);
		weft_mutex_unlock(&mutex);
		weft_sema_acquire(&sema, 1);
		weft_once_do(&once, count_one, NULL);
		weft_sema_release(&sema, 1);
		weft_mutex_lock(&mutex);
		while (signals == 0)
			weft_cond_wait(&cond);
		signals--;
		weft_mutex_unlock(&mutex);
	}
	weft_waitgroup_done(&wg);
	weft_waitgroup_wait(&wg);
}

TEST(threads_that_use_primitives_start_no_thread_of_ours)
{
	enum { THREADS = 4 };
	int before = thread_count();

	weft_sema_init(&sema, 1);
	weft_cond_init(&cond, &mutex);
	weft_waitgroup_add(&wg, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		test_start_thread(use_primitives, NULL);
	weft_sleep(NULL, WEFT_MS(5));
	CHECK_LE(thread_count(), before + THREADS);
	weft_waitgroup_done(&wg);
	test_join_all();
	test_until(thread_count() == before);
	CHECK_EQ(counter, 1);
}

/* Settled: the monitor looks around a few times before it sleeps deeply. */
TEST(idle_workers_use_no_cpu)
{
	int64_t used;

	for (int i = 0; i < 100; i++)
		test_start_task(wait_at_the_door, NULL);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 100);
	sleep_of_libc(WEFT_MS(100));
	used = cpu_time_ns();
	sleep_of_libc(WEFT_MS(300));
	used = cpu_time_ns() - used;
	CHECK_LT(used, WEFT_MS(5) * test_slowdown());
	gate_open(&door);
	test_join_all();
}

/* ---- fairness ---- */

/*
 * A pair wakes each other into the next slot; others must get through. Turns are
 * counted, not time: they say the same however seldom the machine has a CPU for
 * us. Only where it takes ours away in a bad moment does the monitor take the
 * worker for one that blocks, and come to the rescue of who starves: not in each
 * of PAIRS.
 */
enum { PAIRS = 20, YIELDS = 10, TURNS_SOON = 2000, TURNS_MAX = 20000 };

struct player {
	gate turn;
	struct player *other;
};

static uint32_t turns, turns_seen;	/* atomic */

static void play(void *arg)
{
	struct player *me = arg;

	while (weft_atomic_add(&turns, 1, relaxed) < TURNS_MAX &&
	       weft_atomic_load(&counter, relaxed) < 2) {
		gate_wait(&me->turn);
		gate_close(&me->turn);
		gate_open(&me->other->turn);
	}
	gate_open(&me->other->turn);
}

static void see_turns(void *arg)
{
	weft_atomic_store(&turns_seen, weft_atomic_load(&turns, relaxed), relaxed);
	count_one(arg);
}

static void yield_and_see(void *arg)
{
	for (int i = 0; i < YIELDS; i++)
		weft_yield();
	see_turns(arg);
}

/* On a worker that has nothing else: what is started last runs first. */
static void start_pair(struct player p[2])
{
	test_start_task(play, &p[0]);
	test_start_task(play, &p[1]);
}

static void ready_one_and_pair(void *players)
{
	start_pair(players);
	test_start_task(see_turns, NULL);
	test_start_task(yield_and_see, NULL);
}

static void fresh_ones_and_pair(void *players)
{
	test_start_task(see_turns, NULL);
	test_start_task(see_turns, NULL);
	start_pair(players);
}

static void check_nobody_starves(void (*start)(void *players))
{
	one_worker();
	for (int i = 0; i < PAIRS; i++) {
		struct player players[2] = {{.other = &players[1]},
					    {.other = &players[0]}};

		counter = turns = 0;
		gate_open(&players[0].turn);
		test_start_task(start, players);
		test_join_all();
		CHECK_EQ(counter, 2);
		CHECK_LT(turns_seen, TURNS_SOON);
	}
}

TEST(pair_that_wakes_each_other_does_not_starve_the_rest)
{
	check_nobody_starves(ready_one_and_pair);
}

TEST(pair_that_wakes_each_other_does_not_starve_fresh_tasks)
{
	check_nobody_starves(fresh_ones_and_pair);
}

static void yield_a_while(void *arg)
{
	for (int i = 0; i < 20000; i++)
		weft_yield();
	count_one(arg);
}

/*
 * Where one kind of task starves another the monitor comes to help after ten
 * milliseconds or so: that is seen by the time it takes.
 */
static void check_soon(weft_time start)
{
	CHECK_LT(weft_now() - start, 2 * WEFT_SECOND * test_slowdown());
}

/* Each task starts the next one, for ever. */
static void beget(void *arg)
{
	if (!weft_atomic_load(&stop, relaxed))
		test_start_task(beget, arg);
}

TEST(fresh_tasks_do_not_starve_ready_ones)
{
	weft_time start = weft_now();

	one_worker();
	test_start_task(beget, NULL);
	test_start_task(beget, NULL);
	test_start_task(yield_a_while, NULL);
	test_start_task(wait_at_the_door, NULL);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 1);
	gate_open(&door);
	test_until(weft_atomic_load(&counter, relaxed) == 2);
	check_soon(start);
	weft_atomic_store(&stop, 1, relaxed);
	test_join_all();
}

static void yield_for_ever(void *arg)
{
	(void)arg;
	while (!weft_atomic_load(&stop, relaxed))
		weft_yield();
}

static int start_beside_yielders(void *arg)
{
	weft_time start = weft_now();

	for (int i = 0; i < 10; i++)
		test_start_task(yield_for_ever, arg);
	weft_yield();
	test_start_task(count_one, arg);	/* from a task: the deque */
	test_until(weft_atomic_load(&counter, relaxed) == 2);
	check_soon(start);
	weft_atomic_store(&stop, 1, relaxed);
	return 0;
}

static void start_from_a_thread(void *arg)
{
	test_start_task(count_one, arg);	/* the global queue */
}

TEST(ready_tasks_do_not_starve_fresh_ones)
{
	one_worker();
	test_start_thread(start_from_a_thread, NULL);
	weft_run(start_beside_yielders, NULL);
	test_join_all();
}

static uint32_t hog_is_done;

/*
 * A second of work, whatever else the machine does. What is done before it
 * ends did not have to wait for it.
 */
static void hog(void *arg)
{
	struct timespec used;

	(void)arg;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	while (used.tv_sec < 1);
	weft_atomic_store(&hog_is_done, 1, relaxed);
}

static uint32_t short_ones;

static void short_chain(void *arg)
{
	intptr_t left = (intptr_t)arg;

	weft_yield();
	weft_atomic_add(&short_ones, 1, relaxed);
	if (left > 0)
		test_start_task(short_chain, (void *)(left - 1));
}

TEST(hog_does_not_hold_up_short_tasks)
{
	workers("2");
	test_start_task(hog, NULL);
	for (int i = 0; i < 20; i++)
		test_start_task(short_chain, (void *)49);
	test_until(weft_atomic_load(&short_ones, relaxed) == 20 * 50);
	CHECK(!weft_atomic_load(&hog_is_done, relaxed));
	test_join_all();
}

/* What a hog has started itself can be taken from it by others. */
static void start_and_hog(void *arg)
{
	for (int i = 0; i < 100; i++)
		test_start_task(short_chain, NULL);
	hog(arg);
}

TEST(tasks_of_a_hog_are_run_by_others)
{
	one_worker();
	test_start_task(start_and_hog, NULL);
	test_until(weft_atomic_load(&short_ones, relaxed) == 100);
	CHECK(!weft_atomic_load(&hog_is_done, relaxed));
	test_join_all();
}

/* ---- calls that block the thread ---- */

enum { TICKS = 1000 };

struct ticker {
	void (*sleep)(weft_duration d);
	weft_duration late[TICKS];
	weft_duration p99;
};

/*
 * A thousand ticks at 1 kHz; how late is each? One that is due while the one
 * before it is late is late as well: nothing is hidden by waiting.
 */
static void tick(void *arg)
{
	struct ticker *t = arg;
	weft_time start = weft_now();

	for (int i = 0; i < TICKS; i++) {
		weft_time due = start + (i + 1) * WEFT_MS(1), now = weft_now();

		if (now < due)
			t->sleep(due - now);
		t->late[i] = weft_now() - due;
	}
	qsort(t->late, TICKS, sizeof t->late[0], by_duration);
	t->p99 = t->late[TICKS * 99 / 100];
}

static void sleep_of_weft(weft_duration d)
{
	weft_sleep(NULL, d);
}

static void block_a_second(void *arg)
{
	(void)arg;
	sleep_of_libc(WEFT_SECOND);
}

static void compute_200_ms(void *arg)
{
	(void)arg;
	compute(WEFT_MS(200));
}

/*
 * Beside 16 tasks of fn, how much later is a task's 99th percentile than a
 * plain thread's? The thread says what the machine, which may have other work,
 * can do at the moment.
 */
static weft_duration delay_beside(weft_fn fn)
{
	static struct ticker task = {.sleep = sleep_of_weft};
	static struct ticker thread = {.sleep = sleep_of_libc};

	test_start_task(tick, &task);
	test_start_thread(tick, &thread);
	for (int i = 0; i < 16; i++)
		test_start_task(fn, NULL);
	test_join_all();
	fprintf(stderr, "p99: task %.3f ms, thread %.3f ms\n",
		(double)task.p99 / 1e6, (double)thread.p99 / 1e6);
	return task.p99 - 2 * thread.p99;
}

static void check_delay_beside(weft_fn fn)
{
	weft_duration best = WEFT_NEVER;

	test_limit(60);
	workers("2");
	for (int i = 0; i < 5 && best > WEFT_MS(20) * test_slowdown(); i++) {
		weft_duration delay = delay_beside(fn);

		best = delay < best ? delay : best;
	}
	CHECK_LT(best, WEFT_MS(20) * test_slowdown());
}

TEST(tasks_that_block_do_not_hold_up_others_for_long)
{
	check_delay_beside(block_a_second);
}

static pthread_barrier_t others_have_run;

static void block_until_others_have_run(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&others_have_run);
}

static void run_a_hundred_times(void *arg)
{
	for (int i = 0; i < 100; i++)
		weft_sleep(NULL, WEFT_US(100));
	block_until_others_have_run(arg);
}

/* However late it may be: all of them come to where they meet. */
TEST(tasks_that_block_do_not_hold_up_others)
{
	enum { BLOCKED = 16 };

	workers("2");
	pthread_barrier_init(&others_have_run, NULL, BLOCKED + 1);
	for (int i = 0; i < BLOCKED; i++)
		test_start_task(block_until_others_have_run, NULL);
	test_start_task(run_a_hundred_times, NULL);
	test_join_all();
}

TEST(tasks_that_compute_do_not_hold_up_others_for_long)
{
	check_delay_beside(compute_200_ms);
}

static void block_10_ms(void *arg)
{
	(void)arg;
	sleep_of_libc(WEFT_MS(10));
}

static void announce_and_block_10_ms(void *arg)
{
	weft_blocking_begin();
	block_10_ms(arg);
	weft_blocking_end();
}

/* Start n of fn at a time, ten times; the shortest it took. */
static weft_duration shortest_of_ten(weft_fn fn, int n)
{
	weft_duration shortest = WEFT_NEVER;

	for (int i = 0; i < 10; i++) {
		weft_time start = weft_now();
		weft_duration took;

		for (int j = 0; j < n; j++)
			test_start_task(fn, NULL);
		test_join_all();
		took = weft_now() - start;
		shortest = took < shortest ? took : shortest;
	}
	fprintf(stderr, "shortest: %.3f ms\n", (double)shortest / 1e6);
	return shortest;
}

TEST(tasks_on_idle_workers_are_not_run_in_a_row)
{
	workers("4");
	CHECK_LT(shortest_of_ten(block_10_ms, 4), WEFT_MS(19) * test_slowdown());
}

enum { BYTES_SENT = 60 };

static struct {
	int ends[2];
	uint32_t heard;		/* atomic */
	uint32_t yields;	/* atomic: a microsecond each */
	uint32_t at;		/* atomic: so many were there when the last was sent */
	weft_duration took[BYTES_SENT];	/* and so many more when it was heard */
} line;

static void listen_to_line(void *unused)
{
	char byte;

	(void)unused;
	for (int i = 0; i < BYTES_SENT; i++) {
		CHECK_EQ(weft_wait_fd(NULL, line.ends[0], POLLIN), POLLIN);
		line.took[i] = weft_atomic_load(&line.yields, relaxed) -
			       weft_atomic_load(&line.at, acquire);
		CHECK_EQ(read(line.ends[0], &byte, 1), 1);
		weft_atomic_store(&line.heard, i + 1, release);
	}
	weft_atomic_store(&stop, 1, relaxed);
}

static void yield_until_stopped(void *unused)
{
	(void)unused;
	while (!weft_atomic_load(&stop, relaxed)) {
		compute(WEFT_US(1));
		weft_atomic_add(&line.yields, 1, relaxed);
		weft_yield();
	}
}

/*
 * A worker that has always something to run looks each 50 us, among 61 tasks; the
 * monitor each millisecond. Counted in yields, since those stand still when the
 * worker's thread does.
 */
TEST(descriptors_are_looked_at_however_busy_the_worker_is)
{
	workers("1");
	CHECK_EQ(pipe(line.ends), 0);
	test_start_task(yield_until_stopped, NULL);
	test_start_task(yield_until_stopped, NULL);
	test_start_task(listen_to_line, NULL);
	for (uint32_t i = 0; i < BYTES_SENT; i++) {
		sleep_of_libc(WEFT_MS(2) + (weft_duration)(i % 10) * WEFT_US(100));
		weft_atomic_store(&line.at,
				  weft_atomic_load(&line.yields, relaxed), release);
		CHECK_EQ(write(line.ends[1], "", 1), 1);
		test_until(weft_atomic_load(&line.heard, acquire) == i + 1);
	}
	test_join_all();
	qsort(line.took, BYTES_SENT, sizeof *line.took, by_duration);
	CHECK_LE(line.took[BYTES_SENT / 2], 200);
}

TEST(blocking_begin_lends_the_place_at_once)
{
	one_worker();
	CHECK_LT(shortest_of_ten(announce_and_block_10_ms, 8),
		 WEFT_MS(30) * test_slowdown());
}

enum { LEFT = 32 };	/* by a worker that sleeps, to workers that are busy */
static bool turned[LEFT];	/* atomic */

static void turn_without_end(void *mark)
{
	while (!weft_atomic_load(&stop, relaxed)) {
		if (mark != NULL)
			weft_atomic_store((bool *)mark, true, relaxed);
		weft_yield();
	}
}

static void turn_when_let(void *mark)
{
	gate_wait(&door);
	turn_without_end(mark);
}

static void let_them_and_sleep(void *arg)
{
	(void)arg;
	gate_open(&door);
	while (!weft_atomic_load(&stop, relaxed))
		sleep_of_libc(WEFT_MS(10));
}

static int have_turned(void)
{
	int count = 0;

	for (int i = 0; i < LEFT; i++)
		count += weft_atomic_load(&turned[i], relaxed);
	return count;
}

TEST(no_ready_task_is_left_with_a_worker_that_sleeps)
{
	workers("2");
	for (int i = 0; i < LEFT; i++)
		test_start_task(turn_when_let, &turned[i]);
	test_until(weft_atomic_load(&door.waiting, relaxed) == LEFT);
	for (int i = 0; i < 2; i++)
		test_start_task(turn_without_end, NULL);
	test_start_task(let_them_and_sleep, NULL);
	test_until(have_turned() == LEFT);
	weft_atomic_store(&stop, true, relaxed);
	test_join_all();
}

static void block_and_unblock(void *arg)
{
	for (int i = 0; i < 100; i++) {
		weft_blocking_begin();
		sleep_of_libc(WEFT_US(test_random() % 50));
		weft_blocking_end();
		weft_yield();
	}
	count_one(arg);
}

TEST(blocking_many_times_at_once_works)
{
	workers("2");
	for (int i = 0; i < 50; i++)
		test_start_task(block_and_unblock, NULL);
	test_join_all();
	CHECK_EQ(counter, 50);
}

/* ---- many tasks ---- */

enum { QUEUED = 20000 };

static int start_at_the_door(void *arg)
{
	uint32_t count = *(uint32_t *)arg;

	for (uint32_t i = 0; i < count; i++)
		CHECK_EQ(weft_go(wait_at_the_door, NULL), 0);
	test_until(weft_atomic_load(&door.waiting, relaxed) == count);
	return 0;
}

/* They are leaks to weft_run(); woken they end, and their memory goes back. */
static void park(uint32_t count)
{
	size_t before = resident_bytes(), each, most;

	test_limit(200);
	CHECK_EQ(weft_run(start_at_the_door, &count), 0);
	CHECK_EQ(weft_task_count(), count);
	most = resident_bytes();
	each = (most - before) / count;
	fprintf(stderr, "%zu bytes a task\n", each);
	if (test_slowdown() == 1)
		CHECK_LT(each, 5 * 1024);
	gate_open(&door);
	test_until(weft_atomic_load(&counter, acquire) == count);
	test_until(weft_task_count() == 0);
	if (test_slowdown() == 1)
		test_until(resident_bytes() - before < (most - before) / 8);
}

static void start_crowd(void *unused)
{
	(void)unused;
	for (int i = 0; i < QUEUED; i++)
		CHECK_EQ(weft_go(count_one, NULL), 0);
}

static bool a_queue_is_slack(void)
{
	bool slack = false;

	weft__lock_take(&weft__rt.lock);
	for (uint32_t i = 0; i < weft__rt.worker_count; i++)
		slack |= weft__deque_is_slack(&weft__rt.workers[i]->fresh);
	weft__lock_drop(&weft__rt.lock);
	return slack;
}

static void queue_many(uint32_t round)
{
	CHECK_EQ(weft_go(start_crowd, NULL), 0);
	test_until(weft_atomic_load(&counter, acquire) == round * QUEUED);
	CHECK(a_queue_is_slack());	/* for a second */
	test_until(!a_queue_is_slack());
}

TEST(tasks_that_have_run_give_the_memory_of_their_queue_back)
{
	workers("1");
	for (uint32_t i = 1; i <= 2; i++)
		queue_many(i);
}

/* Its worker sleeps often, and never for long. */
static void sleep_shortly(void *unused)
{
	while (!weft_atomic_load(&stop, acquire))
		weft_sleep(NULL, WEFT_MS(1));
	(void)unused;
}

TEST(tasks_that_have_run_give_the_memory_of_their_queue_back_while_others_run)
{
	workers("1");
	test_start_task(sleep_shortly, NULL);
	for (uint32_t i = 1; i <= 2; i++)
		queue_many(i);
	weft_atomic_store(&stop, 1, release);
	test_join_all();
}

TEST(parked_tasks_100000_take_less_than_5_kib_each_and_give_it_back)
{
	park(100 * 1000 / (uint32_t)test_slowdown() / (uint32_t)test_slowdown());
}

TEST(parked_tasks_1000000_take_less_than_5_kib_each_and_give_it_back)
{
	if (!test_long())
		test_skip("only with WEFT_TEST_LONG");
	if (test_slowdown() > 1)
		test_skip("more stacks than a sanitizer can handle");
	park(1000 * 1000);
}

/* ---- stacks that are given back ---- */

enum { CROWD = 1000 };	/* far more stacks than are kept */
static uintptr_t frames[CROWD];	/* atomic */

static void wait_on_a_stack(void *frame)
{
	weft_atomic_store((uintptr_t *)frame,
			  (uintptr_t)__builtin_frame_address(0), relaxed);
	gate_wait(&door);
}

static int stacks_in_memory(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	int count = 0;

	for (int i = 0; i < CROWD; i++) {
		uintptr_t frame = weft_atomic_load(&frames[i], relaxed);
		unsigned char state;

		CHECK_EQ(mincore((void *)(frame & -page), 1, &state), 0);
		count += state & 1;
	}
	return count;
}

static void gather_and_leave(void)
{
	uint32_t before = weft_atomic_load(&door.waiting, relaxed);

	gate_close(&door);
	for (int i = 0; i < CROWD; i++)
		test_start_task(wait_on_a_stack, &frames[i]);
	test_until(weft_atomic_load(&door.waiting, relaxed) == before + CROWD);
	CHECK_EQ(stacks_in_memory(), CROWD);
	gate_open(&door);
	test_join_all();
	test_until(stacks_in_memory() < CROWD / 2);
}

TEST(stacks_that_a_crowd_has_left_are_given_back_and_serve_the_next)
{
	size_t carved;

	test_limit(40);
	gather_and_leave();
	carved = weft__stack_count();
	gather_and_leave();
	CHECK_LT(weft__stack_count(), carved + CROWD / 2);
}

enum { RUNS = 60, WAITERS = 40 };	/* more than one list of a worker's */

static void wait_at_door(void *unused)
{
	(void)unused;
	gate_wait(&door);
}

static int wait_and_leave(void *unused)
{
	uint32_t before = weft_atomic_load(&door.waiting, relaxed);

	gate_close(&door);
	for (int i = 0; i < WAITERS; i++)
		test_start_task(wait_at_door, unused);
	test_until(weft_atomic_load(&door.waiting, relaxed) == before + WAITERS);
	gate_open(&door);
	test_join_all();
	return 0;
}

TEST(stacks_of_workers_that_have_ended_serve_the_next)
{
	size_t carved = 0;

	for (int i = 0; i < RUNS; i++) {
		CHECK_EQ(weft_run(wait_and_leave, NULL), 0);
		if (i == RUNS / 2)
			carved = weft__stack_count();
	}
	CHECK_LT(weft__stack_count(), carved + RUNS / 2);
}

/* ---- no stack to be had ---- */

enum { STACKLESS = 200 };	/* more than are made ready at a time */
static gate gates[STACKLESS];

static void wait_and_count(void *arg)
{
	gate_wait(arg);
	count_one(NULL);
}

/* From now on no mapping can be had, and none be made writable. */
static void refuse_memory(void)
{
	struct rlimit none = {4096, RLIM_INFINITY};

	CHECK_EQ(setrlimit(RLIMIT_DATA, &none), 0);
}

/* There is memory for so many tasks, because even more were there before. */
static void start_without_memory(void *arg)
{
	for (int i = 0; i < 6 * STACKLESS; i++)
		CHECK_EQ(weft_go(count_one, arg), 0);
	test_until(weft_atomic_load(&counter, relaxed) == 6 * STACKLESS);
	weft_atomic_store(&counter, 0, relaxed);
	refuse_memory();
	for (int i = 0; i < STACKLESS; i++)
		CHECK_EQ(weft_go(wait_and_count, &gates[i]), 0);
}

/* Whoever has come to wait is let go, until all have been. */
static void open_all(void *arg)
{
	int opened = 0;

	while (opened < STACKLESS)
		for (int i = 0; i < STACKLESS; i++)
			if (weft_atomic_load(&gates[i].waiting, relaxed) == 1 &&
			    !gates[i].open) {
				gate_open(&gates[i]);
				opened++;
			} else {
				weft_yield();
			}
	count_one(arg);
}

/*
 * Without a stack to go on with a worker waits with its task, or goes on on
 * its thread's stack: slower, but whoever waits goes on when it is woken.
 */
TEST(task_without_a_stack_to_leave_waits_and_is_woken)
{
	if (test_slowdown() > 1)
		test_skip("a sanitizer needs memory of its own");
	workers("2");
	test_start_thread(open_all, NULL);
	test_start_task(start_without_memory, NULL);
	test_join_all();
	test_until(weft_task_count() == 0);
	CHECK_EQ(weft_atomic_load(&counter, acquire), STACKLESS + 1);
}
