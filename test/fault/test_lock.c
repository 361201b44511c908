/* SPDX-License-Identifier: MIT */
/*
 * What the lock inside asks of the kernel: a wake for who sleeps, nothing while
 * somebody sleeps elsewhere, or was woken and has no CPU yet; and how it does
 * without the barrier for all.
 */
#define _GNU_SOURCE
#include "fault.h"

#include "door.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DROPS = 1000, THREADS = 4, ROUNDS = 5000 };

static weft__lock lock, other;
static uint32_t waits, wakes;	/* atomic: what the kernel was asked for */
static bool held_back;		/* atomic: who was woken has no CPU */
static bool no_barrier;
static bool asked_alone;	/* atomic: while there was one thread */
static uint32_t timed, asked, barriers;	/* atomic: of the waits; and of these */
static int inside, entered;	/* under lock */

static void count_barrier(long command)
{
	if (command == MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
		weft_atomic_add(&asked, 1, seq_cst);
		weft_atomic_store(&asked_alone, __libc_single_threaded, seq_cst);
	}
	if (command != MEMBARRIER_CMD_PRIVATE_EXPEDITED)
		return;
	weft_atomic_add(&barriers, 1, seq_cst);
	CHECK_NE(weft_atomic_load(&weft__lock_arrivals.count, seq_cst), 0);
}

static long answer(long number, const long a[6])
{
	long operation = a[1] & FUTEX_CMD_MASK, result;
	bool waiting = number == SYS_futex && operation == FUTEX_WAIT_BITSET;

	if (number == SYS_membarrier && no_barrier) {
		errno = ENOSYS;
		return -1;
	}
	if (number == SYS_futex && operation == FUTEX_WAKE)
		weft_atomic_add(&wakes, 1, seq_cst);
	if (waiting)
		weft_atomic_add(&waits, 1, seq_cst);
	if (waiting && a[3] != 0)
		weft_atomic_add(&timed, 1, seq_cst);
	result = fault_syscall(number, a);
	if (number == SYS_membarrier && result == 0)
		count_barrier(a[0]);
	while (waiting && weft_atomic_load(&held_back, seq_cst))
		usleep(100);
	return result;
}

static int once = 1;

static void *use_lock(void *rounds)
{
	for (int i = 0; i < *(int *)rounds; i++) {
		weft__lock_take(&lock);
		CHECK_EQ(++inside, 1);
		entered++;
		if (i % 100 == 0)
			sched_yield(); /* others come to sleep */
		inside--;
		weft__lock_drop(&lock);
	}
	return NULL;
}

static void start(pthread_t threads[], int count, int *rounds)
{
	for (int i = 0; i < count; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, use_lock, rounds), 0);
}

static void join(pthread_t threads[], int count)
{
	for (int i = 0; i < count; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* The lock is held, and so many sleep for it, who will use it so often. */
static void start_sleepers(pthread_t threads[], int count, int *rounds)
{
	fault_on_syscall = answer;
	weft__lock_take(&lock);
	start(threads, count, rounds);
	test_until(weft_atomic_load(&waits, seq_cst) >= (uint32_t)count);
	CHECK_EQ(weft_atomic_load(&lock.word, seq_cst), 2);
}

static void use_alone(weft__lock *l)
{
	for (int i = 0; i < DROPS; i++) {
		weft__lock_take(l);
		weft__lock_drop(l);
	}
}

TEST(lock_wakes_nobody_while_another_is_slept_for)
{
	pthread_t sleepers[THREADS];
	pid_t child;
	int status;

	start_sleepers(sleepers, THREADS, &once);
	use_alone(&other);
	CHECK_EQ(wakes, 0);
	child = fork();	/* it has none of the sleepers */
	CHECK(child >= 0);
	if (child == 0) {
		use_alone(&other);
		weft__lock_drop(&lock);
		CHECK_EQ(wakes, 1);
		use_alone(&lock);
		_exit(wakes == 1 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	weft__lock_drop(&lock);
	join(sleepers, THREADS);
	CHECK_EQ(entered, THREADS);
}

TEST(lock_wakes_once_who_has_no_cpu_yet)
{
	pthread_t sleeper;

	start_sleepers(&sleeper, 1, &once);
	weft_atomic_store(&held_back, true, seq_cst);
	weft__lock_drop(&lock);
	use_alone(&lock);
	CHECK_EQ(wakes, 1);
	weft_atomic_store(&held_back, false, seq_cst);
	join(&sleeper, 1);
	CHECK_EQ(entered, 1);
}

static void need_barriers(void)
{
	long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (known < 0 || !(known & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		test_skip("the kernel makes no barrier");
}

/* One that turns 1 into 2; counted before, and sure of its wake after. */
TEST(lock_has_a_barrier_made_before_it_is_slept_for)
{
	pthread_t sleeper;

	need_barriers();
	start_sleepers(&sleeper, 1, &once);
	CHECK_EQ(barriers, 1);
	CHECK_EQ(timed, 0);
	weft__lock_drop(&lock);
	join(&sleeper, 1);
	CHECK_EQ(entered, 1);
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

TEST(barrier_is_asked_for_while_there_is_one_thread)
{
	need_barriers();
	if (!__libc_single_threaded)
		test_skip("there are others already");
	fault_on_syscall = answer;
	CHECK_EQ(weft_run(do_nothing, NULL), 0);
	CHECK_EQ(asked, 1);
	CHECK(asked_alone);
}

/*
 * Whoever unlocks has read the word, then the first one writes its 2, and the 0
 * covers it: without the barrier neither may notice. The others sleep on that.
 */
TEST(lock_is_looked_at_again_where_there_is_no_barrier)
{
	pthread_t sleepers[THREADS];

	no_barrier = true;
	start_sleepers(sleepers, THREADS, &once);
	test_until(weft_atomic_load(&waits, seq_cst) > 2 * THREADS);
	weft_atomic_store(&lock.word, 0, release);
	join(sleepers, THREADS);
	CHECK_EQ(entered, THREADS);
}

/* All begin at once, when the last one sleeps. */
static void use_in_crowd(void)
{
	pthread_t threads[THREADS];
	int rounds = ROUNDS / test_slowdown();

	entered = 0;
	start_sleepers(threads, THREADS, &rounds);
	weft__lock_drop(&lock);
	join(threads, THREADS);
	CHECK_EQ(entered, THREADS * rounds);
}

TEST(lock_loses_nobody)
{
	use_in_crowd();
}

TEST(lock_loses_nobody_where_there_is_no_barrier)
{
	no_barrier = true;
	use_in_crowd();
}
