/* SPDX-License-Identifier: MIT */
/*
 * What is proved in comments inside the library, explored: each in some
 * thousand worlds, by three threads or more, since two show little.
 */
#define _GNU_SOURCE
#include "door.h"
#include "queue.h"
#include "test.h"

#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/dump.h>
#include <weft/fd.h>
#include <weft/flight.h>
#include <weft/group.h>
#include <weft/loop.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/sema.h>
#include <weft/sim.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

TEST_SEEDS_AT_MOST(10);

static const weft__why why = {.text = "test"};

enum { THREADS = 3, RUNS = 600, RUNS_LONG = 10000 };

static uint64_t runs(void)
{
	return (test_long() ? RUNS_LONG : RUNS) / (unsigned)test_slowdown();
}

/* By chance, in two ways: each finds what the other seldom does. */
static void explore_more(int (*world)(void *), unsigned times)
{
	weft_sim random = {.runs = runs() * times, .procs = 2,
			   .scheduler = true, .thread = true,
			   .steps = 200000, .quiet = true};
	weft_sim pct = random;

	pct.mode = WEFT_SIM_PCT;
	test_limit(test_long() ? 600 : 120);
	CHECK_EQ(weft_sim_explore(&random, world, NULL), 0);
	CHECK_EQ(weft_sim_explore(&pct, world, NULL), 0);
}

static void explore(int (*world)(void *))
{
	explore_more(world, 1);
}

/* All that differ from the usual in few turns; one CPU, on which nobody spins. */
static void explore_all(int (*world)(void *), uint32_t turns, uint32_t procs)
{
	weft_sim sim = {.mode = WEFT_SIM_EXHAUSTIVE, .turns = turns,
			.procs = procs, .scheduler = true, .thread = true,
			.steps = 200000, .quiet = true};

	test_limit(120);
	CHECK_EQ(weft_sim_explore(&sim, world, NULL), 0);
}

static int start_and_join(void *(*run[])(void *), int count)
{
	pthread_t threads[8];

	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, run[i], NULL) != 0)
			return 1;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int join_three(void *(*run)(void *))
{
	return start_and_join((void *(*[])(void *)){run, run, run}, THREADS);
}

/*
 * What ends as soon as the header says that it may: nobody writes there after.
 * Whoever only reads there does it for nothing, which other tests notice.
 */
enum { POISON = 0xa5 };

static void bury(void *object, size_t size)
{
	memset(object, POISON, size);
}

static bool is_at_rest(const void *object, size_t size)
{
	for (const unsigned char *p = object; size > 0; p++, size--)
		if (*p != POISON)
			return false;
	return true;
}

/* ---- locks ---- */

static weft__lock small_lock;
static weft_mutex mutex;
static uint32_t inside, entered;

/* Now and then for longer than the others turn before they sleep. */
static void enter_and_leave(void)
{
	CHECK_EQ(inside++, 0);
	for (uint32_t i = weft_sim_choose(2) * 100; i > 0; i--)
		weft_yield();
	inside--;
	entered++;
}

static void *use_small_lock(void *unused)
{
	for (int i = 0; i < 2; i++) {
		weft__lock_take(&small_lock);
		enter_and_leave();
		weft__lock_drop(&small_lock);
	}
	return unused;
}

static int three_use_small_lock(void *unused)
{
	(void)unused;
	return join_three(use_small_lock) != 0 || entered != 2 * THREADS;
}

TEST(lock_forgets_nobody_who_sleeps)
{
	explore(three_use_small_lock);
}

static void *use_mutex(void *unused)
{
	for (int i = 0; i < 2; i++) {
		weft_mutex_lock(&mutex);
		enter_and_leave();
		weft_mutex_unlock(&mutex);
	}
	return unused;
}

static int three_use_mutex(void *unused)
{
	(void)unused;
	return join_three(use_mutex) != 0 || entered != 2 * THREADS;
}

TEST(mutex_forgets_nobody)
{
	explore(three_use_mutex);
}

static void *use_mutex_once(void *unused)
{
	weft_mutex_lock(&mutex);
	entered++;
	weft_mutex_unlock(&mutex);
	return unused;
}

static int three_use_mutex_once(void *unused)
{
	(void)unused;
	return join_three(use_mutex_once) != 0 || entered != THREADS;
}

TEST(mutex_forgets_nobody_in_any_three_turns)
{
	explore_all(three_use_mutex_once, test_slowdown() > 1 ? 2 : 3, 1);
}

/* The last owner needs no unlock. */
static void *lock_and_bury(void *unused)
{
	weft_mutex_lock(&mutex);
	bury((void *)&mutex, sizeof mutex);
	return unused;
}

/* It has waited for long, and is about to sleep, when it is handed the lock. */
static void let_it_grow_old(void)
{
	weft__bucket *b = weft__lot_lock(&mutex);
	weft__waiter *w = weft__lot_first(b, &mutex);

	if (w != NULL)
		w->since -= WEFT_MS(2);
	weft__lot_unlock(b);
}

static int hand_over_and_end(void *unused)
{
	pthread_t thread;

	(void)unused;
	weft_mutex_lock(&mutex);
	if (pthread_create(&thread, NULL, lock_and_bury, NULL) != 0)
		return 1;
	while (queue_length(&mutex) == 0)
		weft_yield();
	let_it_grow_old();
	weft_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	return !is_at_rest(&mutex, sizeof mutex);
}

TEST(mutex_may_end_when_it_is_handed_over)
{
	explore_all(hand_over_and_end, 2, 1);
}

/* ---- a wait, and who ends it ---- */

/*
 * Two claim a waiter, whose time may be over besides. It is told what the one
 * that won has said, and is left alone from then on.
 */
static struct {
	weft__waiter waiter;
	weft_time deadline;
	uint32_t visible;	/* atomic */
	uint32_t told;		/* atomic: what the wait has returned */
	uint32_t wins;		/* atomic */
	uint32_t said;		/* by who has won */
} race;

static void wait_for_claim(void *unused)
{
	uint32_t told;

	(void)unused;
	weft__waiter_init(&race.waiter, &why);
	weft_atomic_store(&race.visible, 1, release);
	told = weft__park(&race.waiter, race.deadline);
	bury(&race.waiter, sizeof race.waiter);
	weft_atomic_store(&race.told, told, release);
}

static void *wait_in_thread(void *unused)
{
	wait_for_claim(unused);
	return NULL;
}

static void claim(uint32_t outcome)
{
	weft__wakeups wakeups = {0};

	while (weft_atomic_load(&race.visible, acquire) == 0)
		weft_yield();
	if (weft__claim(&race.waiter, outcome, &wakeups)) {
		weft_atomic_add(&race.wins, 1, relaxed);
		race.said = outcome;
		weft__wake(&wakeups);
	}
}

static void *notify(void *unused)
{
	claim(WEFT__NOTIFIED);
	return unused;
}

static void *cancel(void *unused)
{
	claim(WEFT__CANCELLED);
	return unused;
}

static int wait_and_claim(void *unused)
{
	bool thread = weft_sim_choose(2);

	(void)unused;
	race.deadline = weft_sim_choose(2) ? WEFT_NEVER
					   : weft_now() + 100 * weft_sim_choose(50);
	if (!thread && weft_go(wait_for_claim, NULL) != 0)
		return 1;
	if (start_and_join((void *(*[])(void *)){notify, cancel, wait_in_thread},
			   thread ? 3 : 2) != 0)
		return 1;
	while (weft_atomic_load(&race.told, acquire) == 0)
		weft_yield();
	CHECK_LE(race.wins, 1);
	CHECK_EQ(race.told, race.wins == 1 ? race.said : WEFT__TIMEDOUT);
	CHECK(race.wins == 1 || race.deadline != WEFT_NEVER);
	CHECK(is_at_rest(&race.waiter, sizeof race.waiter));
	return 0;
}

TEST(claims_race_and_one_wins)
{
	explore(wait_and_claim);
}

/* The same where only who takes it out of its queue may claim it: P5. */
static void wait_alone(void *unused)
{
	weft__bucket *b = weft__lot_lock(&race);
	uint32_t told;

	(void)unused;
	weft__waiter_init(&race.waiter, &why);
	weft__lot_push(b, &race, &race.waiter);
	weft__lot_unlock(b);
	told = weft__park_alone(&race.waiter);
	bury(&race.waiter, sizeof race.waiter);
	weft_atomic_store(&race.told, told, release);
}

static void *wait_alone_in_thread(void *unused)
{
	wait_alone(unused);
	return NULL;
}

static void *wake_until_it_is_told(void *unused)
{
	while (weft_atomic_load(&race.told, acquire) == 0) {
		weft__bucket *b = weft__lot_lock(&race);
		weft__wakeups wakeups = {0};

		if (weft__lot_wake_one(b, &race, 0, &wakeups))
			weft_atomic_add(&race.wins, 1, relaxed);
		weft__lot_unlock(b);
		weft__wake(&wakeups);
		weft_yield();
	}
	return unused;
}

static int wait_alone_and_claim(void *unused)
{
	bool thread = weft_sim_choose(2);

	(void)unused;
	if (!thread && weft_go(wait_alone, NULL) != 0)
		return 1;
	if (start_and_join((void *(*[])(void *)){wake_until_it_is_told,
						 wake_until_it_is_told,
						 wait_alone_in_thread},
			   thread ? 3 : 2) != 0)
		return 1;
	CHECK_EQ(race.wins, 1);
	CHECK_EQ(race.told, WEFT__NOTIFIED);
	CHECK(is_at_rest(&race.waiter, sizeof race.waiter));
	return 0;
}

TEST(claim_of_who_waits_alone_wins)
{
	explore(wait_alone_and_claim);
}

/* ---- queues ---- */

enum { TASKS = 6, THIEVES = 2 };

static weft__task tasks[WEFT__RING_CAPACITY + TASKS];
static uint32_t taken[WEFT__RING_CAPACITY + TASKS];	/* atomic */
static weft__deque deque;
static weft__ring ring;

static void nothing(weft__task *task)
{
	(void)task;
}

static void note_taken(weft__task *task)
{
	if (task != NULL)
		CHECK_EQ(weft_atomic_add(&taken[task - tasks], 1, relaxed), 0);
}

/* By turns one that has memory of its own, and one that has not. */
static weft__start start_of(int i)
{
	if (i % 2 == 0)
		return weft__start_of_task(&tasks[i]);
	return weft__start_from(weft__origin_of(nothing, tasks, &deque),
				&tasks[i], &tasks[i]);
}

static void note_started(weft__task *task, const weft__task *room)
{
	if (task == room) {
		CHECK(task->object == task->arg);
		task = task->arg;
	}
	note_taken(task);
}

static void *own_deque(void *unused)
{
	weft__task room;

	for (int i = 0; i < TASKS; i++) {
		CHECK(weft__deque_make_room(&deque));
		weft__deque_push(&deque, start_of(i));
		if (i % 2 != 0)
			note_started(weft__deque_pop(&deque, &room), &room);
	}
	return unused;
}

static void *steal_from_deque(void *unused)
{
	weft__task room;

	for (int i = 0; i < TASKS / 2; i++)
		note_started(weft__deque_steal(&deque, &room), &room);
	return unused;
}

static int own_and_steal(void *unused)
{
	weft__task room, *task;

	(void)unused;
	if (start_and_join((void *(*[])(void *)){own_deque, steal_from_deque,
						 steal_from_deque},
			   1 + THIEVES) != 0)
		return 1;
	while ((task = weft__deque_pop(&deque, &room)) != NULL)
		note_started(task, &room);
	for (int i = 0; i < TASKS; i++)
		CHECK_EQ(taken[i], 1);
	return 0;
}

TEST(deque_gives_each_task_once)
{
	explore(own_and_steal);
}

static void *own_ring(void *unused)
{
	for (int i = WEFT__RING_CAPACITY; i < WEFT__RING_CAPACITY + TASKS; i++)
		while (!weft__ring_put(&ring, &tasks[i]))
			weft_yield();
	return unused;
}

static void take_in_order(int count)
{
	weft__task *some[2], *last = NULL;

	for (int i = 0; i < count; i++) {
		uint32_t n = weft__ring_take(&ring, some, 1 + i % 2);

		for (uint32_t j = 0; j < n; j++) {
			CHECK(last == NULL || last < some[j]);
			last = some[j];
			note_taken(last);
		}
		if (n == 0)
			weft_yield();
	}
}

static void *take_from_ring(void *unused)
{
	take_in_order(TASKS);
	return unused;
}

static int put_and_take(void *unused)
{
	(void)unused;
	for (int i = 0; i < WEFT__RING_CAPACITY; i++)
		CHECK(weft__ring_put(&ring, &tasks[i]));
	CHECK(!weft__ring_put(&ring, &tasks[WEFT__RING_CAPACITY]));
	while (weft__ring_count(&ring) > 2)
		take_in_order(1);
	if (start_and_join((void *(*[])(void *)){own_ring, take_from_ring,
						 take_from_ring},
			   3) != 0)
		return 1;
	take_in_order(WEFT__RING_CAPACITY);
	for (int i = 0; i < WEFT__RING_CAPACITY + TASKS; i++)
		CHECK_EQ(taken[i], 1);
	return 0;
}

TEST(ring_gives_each_task_once_and_in_order)
{
	explore(put_and_take);
}

/* ---- who falls asleep, and who starts a task ---- */

static uint32_t ran;	/* atomic */

static void run_one(void *unused)
{
	(void)unused;
	weft_atomic_add(&ran, 1, release);
}

/*
 * A task that is started as the worker falls asleep runs at once, and not when
 * the monitor comes by.
 */
static int start_one_by_one(void *unused)
{
	(void)unused;
	for (uint32_t i = 1; i <= 2; i++) {
		weft_time start;

		usleep(weft_sim_choose(2) * 100);	/* all may sleep by now */
		start = weft_now();
		if (weft_go(run_one, NULL) != 0)
			return 1;
		while (weft_atomic_load(&ran, acquire) != i)
			weft_yield();
		CHECK_LT(weft_now() - start, WEFT_US(900));
	}
	return 0;
}

TEST(sleepers_and_starters_miss_nothing)
{
	explore_all(start_one_by_one, 1, 1);
	explore_all(start_one_by_one, 1, 2);
}

/* ---- who falls asleep, and who says that it has slept enough ---- */

static void sleep_twice(void *unused)
{
	weft_sleep(NULL, WEFT_MINUTE);
	weft_sleep(NULL, WEFT_MINUTE);
	run_one(unused);
}

/* As the monitor does for a worker that is late. */
static void run_all_timers(void)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);
	weft_time later = weft_now() + 60 * WEFT_MINUTE;

	for (uint32_t i = 0; i < count; i++)
		weft__timers_run(&weft__rt.workers[i]->timers, later);
}

static int wake_as_they_fall_asleep(void *unused)
{
	(void)unused;
	for (int i = 0; i < THREADS; i++)
		if (weft_go(sleep_twice, NULL) != 0)
			return 1;
	while (weft_atomic_load(&ran, acquire) != THREADS) {
		run_all_timers();
		weft_yield();
	}
	return 0;
}

TEST(sleeper_may_be_woken_once_it_is_off_its_stack)
{
	explore(wake_as_they_fall_asleep);
}

/* ---- who falls asleep, and leaves memory to be given back ---- */

enum { FIRST = 1500, SECOND = 400 };	/* both more than stay for the next load */
static uintptr_t pages[FIRST];
static weft_waitgroup gate, come, gone;

static void wait_and_leave(void *page)
{
	*(uintptr_t *)page = (uintptr_t)__builtin_frame_address(0) &
			     -(uintptr_t)sysconf(_SC_PAGESIZE);
	weft_waitgroup_done(&come);
	weft_waitgroup_wait(&gate);
	weft_waitgroup_done(&gone);
}

static bool come_and_go(int count)
{
	weft_waitgroup_add(&gate, 1);
	weft_waitgroup_add(&come, count);
	weft_waitgroup_add(&gone, count);
	for (int i = 0; i < count; i++)
		if (weft_go(wait_and_leave, &pages[i]) != 0)
			return false;
	weft_waitgroup_wait(&come);
	weft_waitgroup_done(&gate);
	weft_waitgroup_wait(&gone);
	return true;
}

static int pages_in_memory(int most)
{
	unsigned char state;
	int count = 0;

	for (int i = 0; i < most; i++)
		count += mincore((void *)pages[i], 1, &state) == 0 && state & 1;
	return count;
}

/* The second comes while what the first has left is given back, part by part. */
static int two_crowds(void *delay)
{
	if (!come_and_go(FIRST))
		return 1;
	usleep(*(useconds_t *)delay);	/* no timer of the library's */
	if (!come_and_go(SECOND))
		return 2;
	sleep(10);
	return pages_in_memory(SECOND) == SECOND ? 3 : 0;
}

/* Sometimes it is the last to run, and finds all asleep as they were before. */
TEST(monitor_gives_back_what_is_left_while_it_gives_back)
{
	weft_sim sim = {.mode = WEFT_SIM_PCT, .runs = 8, .procs = 2,
			.steps = 2000000, .thread = true, .quiet = true};

	test_limit(120);
	for (useconds_t us = 1000000; us < 1010000; us += 1000)
		CHECK_EQ(weft_sim_explore(&sim, two_crowds, &us), 0);
}

/* ---- the next slot ---- */

static weft__waiter waiting[2];
static uint32_t parked, woken;	/* atomic */

static void wait_to_be_woken(void *w)
{
	weft__waiter_init(w, &why);
	weft_atomic_add(&parked, 1, release);
	weft__park(w, WEFT_NEVER);
	weft_atomic_add(&woken, 1, release);
}

/* What is in the slot makes room for who is woken next. */
static void wake_one_by_one(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		weft__wakeups wakeups = {0};

		weft__claim(&waiting[i], WEFT__NOTIFIED, &wakeups);
		weft__wake(&wakeups);
	}
}

static int wake_two(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++)
		if (weft_go(wait_to_be_woken, &waiting[i]) != 0)
			return 1;
	while (weft_atomic_load(&parked, acquire) != 2)
		weft_yield();
	if (weft_go(wake_one_by_one, NULL) != 0)
		return 1;
	while (weft_atomic_load(&woken, acquire) != 2)
		weft_yield();
	return 0;
}

TEST(tasks_woken_one_by_one_all_run)
{
	explore(wake_two);
}

/*
 * One that is pinned has come back from a call that blocked, to one worker too
 * many, and waits; who wakes it meets its worker as that falls asleep.
 */
static void block_and_wait(void *unused)
{
	(void)unused;
	weft_pin();
	weft_blocking_begin();
	usleep(10);
	weft_blocking_end();
	wait_to_be_woken(&waiting[0]);
	weft_unpin();
}

static void wake_pinned(void *unused)
{
	weft__wakeups wakeups = {0};

	(void)unused;
	while (weft_atomic_load(&parked, acquire) == 0)
		weft_sim_point();
	for (uint32_t i = weft_sim_choose(40); i > 0; i--)
		weft_sim_point();
	weft__claim(&waiting[0], WEFT__NOTIFIED, &wakeups);
	weft__wake(&wakeups);
}

static int wake_one_that_is_pinned(void *unused)
{
	(void)unused;
	if (weft_go(block_and_wait, NULL) != 0 || weft_go(wake_pinned, NULL) != 0)
		return 1;
	while (weft_atomic_load(&woken, acquire) == 0)
		usleep(1000);
	return 0;
}

TEST(pinned_task_is_woken_as_its_worker_falls_asleep)
{
	weft_sim sim = {.runs = 2 * runs(), .procs = 1,
			.scheduler = true, .thread = true, .steps = 200000,
			.quiet = true};

	CHECK_EQ(weft_sim_explore(&sim, wake_one_that_is_pinned, NULL), 0);
}

/* ---- descriptors: who looks, and who is woken for what ---- */

typedef struct {
	int ends[2];
} channel;

static channel channels[2];

static void wait_for_byte(void *channel_)
{
	const channel *c = channel_;
	char byte;

	while (read(c->ends[0], &byte, 1) != 1)
		CHECK_EQ(weft_wait_fd(NULL, c->ends[0], POLLIN), POLLIN);
	weft_atomic_add(&woken, 1, release);
}

static void *wait_for_byte_in_thread(void *channel_)
{
	wait_for_byte(channel_);
	return NULL;
}

/*
 * A task and a thread wait, and are told by whoever looks: a worker that is awake,
 * one that watches, the monitor, the thread that hands over. Meanwhile the one
 * that watches is to run a task.
 */
static int tell_all_who_wait(void *unused)
{
	pthread_t thread;

	(void)unused;
	for (int i = 0; i < 2; i++)
		if (pipe2(channels[i].ends, O_NONBLOCK | O_CLOEXEC) != 0)
			return 1;
	if (pthread_create(&thread, NULL, wait_for_byte_in_thread,
			   &channels[0]) != 0 ||
	    weft_go(wait_for_byte, &channels[1]) != 0)
		return 1;
	for (int i = 0; i < 2; i++) {
		usleep(weft_sim_choose(3) * 100);	/* all may sleep by now */
		if (weft_go(run_one, NULL) != 0)
			return 1;
		CHECK_EQ(write(channels[i].ends[1], "x", 1), 1);
	}
	while (weft_atomic_load(&woken, acquire) != 2 ||
	       weft_atomic_load(&ran, acquire) != 2)
		usleep(100);
	pthread_join(thread, NULL);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_fd_close(channels[i / 2].ends[i % 2]), 0);
	return 0;
}

TEST(who_waits_for_a_descriptor_is_told_whoever_looks)
{
	explore(tell_all_who_wait);
}

/* Two files, one after the other, under a number that nobody else is given. */
enum { NUMBER = 500 };

static channel files[2];
static uint32_t closed, waits_again;

static void wait_for_both(void *unused)
{
	int first = weft_wait_fd(NULL, NUMBER, POLLIN);
	char byte;

	(void)unused;
	CHECK(first == POLLIN || first == -EBADF);
	while (weft_atomic_load(&closed, acquire) == 0)
		weft_yield();
	CHECK_EQ(dup2(files[1].ends[0], NUMBER), NUMBER);
	weft_atomic_store(&waits_again, 1, release);
	CHECK_EQ(weft_wait_fd(NULL, NUMBER, POLLIN), POLLIN);
	CHECK_EQ(read(NUMBER, &byte, 1), 1);	/* F4, F11 */
	weft_atomic_add(&woken, 1, release);
}

static void write_and_close(void *unused)
{
	(void)unused;
	while (weft__poller_count(NUMBER) == 0)
		weft_sim_point();
	CHECK_EQ(write(files[0].ends[1], "x", 1), 1);
	for (uint32_t i = weft_sim_choose(10); i > 0; i--)
		weft_sim_point();
	CHECK_EQ(weft_fd_close(NUMBER), 0);
	weft_atomic_store(&closed, 1, release);
}

/* Workers look, since somebody waits for another descriptor all the time. */
static int tell_who_was_looked_for(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++)
		if (pipe2(files[i].ends, O_NONBLOCK | O_CLOEXEC) != 0)
			return 1;
	if (pipe2(channels[0].ends, O_NONBLOCK | O_CLOEXEC) != 0 ||
	    dup2(files[0].ends[0], NUMBER) != NUMBER ||
	    weft_go(wait_for_byte, &channels[0]) != 0)
		return 1;
	while (!weft__poller_has_duty())
		usleep(100);
	if (weft_go(wait_for_both, NULL) != 0 ||
	    weft_go(write_and_close, NULL) != 0)
		return 1;
	while (weft_atomic_load(&waits_again, acquire) == 0 ||
	       weft__poller_count(NUMBER) == 0)
		usleep(100);
	CHECK_EQ(write(files[1].ends[1], "x", 1), 1);
	CHECK_EQ(write(channels[0].ends[1], "x", 1), 1);
	while (weft_atomic_load(&woken, acquire) != 2)
		usleep(100);
	return 0;
}

TEST(who_waits_for_a_descriptor_is_not_told_what_its_number_was_ready_for)
{
	explore_more(tell_who_was_looked_for, 8);	/* it is seldom met */
}

/* ---- once, wait group, cond, contexts, loops, flights ---- */

static weft_once once;
static weft_waitgroup wg;
static weft_cond cond;
static weft_ctx ctx;
static weft_loop loop;
static uint32_t calls;

static void call_once(void *unused)
{
	(void)unused;
	calls++;
	weft_sim_point();
	calls++;
}

static void *use_once(void *unused)
{
	weft_once_do(&once, call_once, NULL);
	CHECK_EQ(calls, 2);
	return unused;
}

static int three_use_once(void *unused)
{
	(void)unused;
	return join_three(use_once);
}

TEST(once_forgets_nobody)
{
	explore(three_use_once);
}

static int try_in_vain(void *ran)
{
	weft_sim_point();
	calls++;
	*(bool *)ran = true;
	return 7;
}

/* Whoever was told of the other's attempt is the last who needs it. */
static void *try_once_and_bury(void *unused)
{
	bool ran = false;

	CHECK_EQ(weft_once_try(&once, try_in_vain, &ran), 7);
	if (!ran)
		bury((void *)&once, sizeof once);
	return unused;
}

static int two_try_once_and_end_it(void *unused)
{
	(void)unused;
	return start_and_join((void *(*[])(void *)){try_once_and_bury,
						    try_once_and_bury},
			      2) != 0 ||
	       (calls == 1 && !is_at_rest(&once, sizeof once));
}

TEST(once_may_end_when_one_was_told)
{
	explore_all(two_try_once_and_end_it, 3, 1);
}

static void *wait_for_group(void *unused)
{
	weft_waitgroup_wait(&wg);
	return unused;
}

static void *count_down(void *unused)
{
	weft_waitgroup_done(&wg);
	return unused;
}

static int two_wait_for_two(void *unused)
{
	(void)unused;
	weft_waitgroup_add(&wg, 2);
	return start_and_join((void *(*[])(void *)){wait_for_group, count_down,
						    wait_for_group, count_down},
			      4);
}

TEST(waitgroup_forgets_nobody)
{
	explore(two_wait_for_two);
}

static weft_group crew;
static uint32_t begun; /* the task that comes to wait */

static int hold_a_slot(weft_ctx *ctx, void *held)
{
	(void)ctx;
	weft_sema_acquire(held, 1);
	return 0;
}

static int do_nothing(weft_ctx *ctx, void *unused)
{
	(void)ctx;
	(void)unused;
	return 0;
}

static int start_another(weft_ctx *ctx, void *unused)
{
	int err;

	weft_atomic_store(&begun, 1, release);
	err = weft_group_go_ctx(&crew, NULL, do_nothing, unused);
	(void)ctx;
	return err == -EDEADLK ? 0 : err;
}

/* One comes to wait for the slot that the limit takes away meanwhile. */
static int limit_falls_to_one_who_comes(void *unused)
{
	weft_sema held = {0};

	(void)unused;
	begun = 0;
	memset((void *)&crew, 0, sizeof crew);
	weft_group_set_limit(&crew, 2);
	weft_group_go(&crew, hold_a_slot, &held);
	weft_group_go(&crew, start_another, NULL);
	while (weft_atomic_load(&begun, acquire) == 0)
		weft_yield();
	weft_group_set_limit(&crew, 1);
	weft_sema_release(&held, 1);
	return weft_group_wait(&crew);
}

TEST(group_whose_limit_falls_forgets_nobody_who_comes)
{
	explore(limit_falls_to_one_who_comes);
}

static uint32_t tickets;

/* Take a ticket; one that leaves without one takes no signal with it. */
static void wait_for_ticket(weft_ctx *c)
{
	int err = 0;

	weft_mutex_lock(&mutex);
	while (tickets == 0 && err == 0)
		err = weft_cond_wait_ctx(&cond, c);
	if (tickets > 0 && err == 0)
		tickets--;
	weft_mutex_unlock(&mutex);
}

static void *wait_or_leave(void *unused)
{
	wait_for_ticket(&ctx);
	/* Whoever leaves, or not, there is a ticket for the other one. */
	weft_mutex_lock(&mutex);
	if (tickets == 0) {
		tickets++;
		weft_cond_signal(&cond);
	}
	weft_mutex_unlock(&mutex);
	return unused;
}

static void *wait_and_stay(void *unused)
{
	wait_for_ticket(NULL);
	return unused;
}

static void *give_ticket_and_cancel(void *unused)
{
	weft_mutex_lock(&mutex);
	tickets++;
	weft_mutex_unlock(&mutex);
	weft_ctx_cancel(&ctx, 0);
	weft_cond_signal(&cond);
	return unused;
}

static int one_leaves_as_a_signal_comes(void *unused)
{
	(void)unused;
	weft_cond_init(&cond, &mutex);
	weft_ctx_init(&ctx, NULL);
	if (start_and_join((void *(*[])(void *)){wait_or_leave, wait_and_stay,
						 give_ticket_and_cancel},
			   3) != 0)
		return 1;
	CHECK_EQ(cond.priv_waiters, 0);
	return 0;
}

TEST(cond_signal_is_not_lost_on_one_that_leaves)
{
	explore(one_leaves_as_a_signal_comes);
}

static void *wait_for_ctx(void *unused)
{
	weft__waiter w;

	weft__waiter_init(&w, &why);
	CHECK_EQ(weft__ctx_park(&w, &ctx), -ECANCELED);
	return unused;
}

static void *cancel_ctx(void *unused)
{
	weft_ctx_cancel(&ctx, 0);
	return unused;
}

static int two_wait_as_one_cancels(void *unused)
{
	(void)unused;
	weft_ctx_init(&ctx, NULL);
	return start_and_join((void *(*[])(void *)){wait_for_ctx, wait_for_ctx,
						    cancel_ctx},
			      3);
}

TEST(a_wait_that_meets_its_cancellation_ends)
{
	explore(two_wait_as_one_cancels);
}

static weft_ctx child;

static void *finish_child(void *unused)
{
	weft_ctx_fini(&child);
	bury((void *)&child, sizeof child);
	return unused;
}

static int child_ends_as_its_parent_is_cancelled(void *unused)
{
	(void)unused;
	weft_ctx_init(&ctx, NULL);
	weft_ctx_init(&child, &ctx);
	return start_and_join((void *(*[])(void *)){cancel_ctx, finish_child},
			      2) != 0 ||
	       !is_at_rest(&child, sizeof child);
}

TEST(ctx_may_end_as_its_parent_is_cancelled)
{
	explore_all(child_ends_as_its_parent_is_cancelled, 2, 1);
}

static void note_call(void *unused)
{
	(void)unused;
	calls++;
}

static void *call_the_loop(void *unused)
{
	CHECK_EQ(weft_loop_call(&loop, note_call, NULL), 0);
	return unused;
}

static void *step_the_loop(void *unused)
{
	struct pollfd set = {.fd = weft_loop_fd(&loop), .events = POLLIN};

	while (calls < 2) {
		if (poll(&set, 1, 0) == 1)
			weft_loop_step(&loop);
		weft_yield();
	}
	return unused;
}

static int two_call_one_loop(void *unused)
{
	(void)unused;
	CHECK_EQ(weft_loop_init(&loop), 0);
	return start_and_join((void *(*[])(void *)){call_the_loop, call_the_loop,
						    step_the_loop},
			      3);
}

TEST(loop_misses_no_call)
{
	explore(two_call_one_loop);
}

/* ---- census ---- */

static void wait_for_flag(uint32_t *flag)
{
	while (weft_atomic_load(flag, acquire) == 0)
		weft_yield();
}

static weft_sema left, right;
static uint32_t walked;	/* atomic */
static int seen;

/*
 * Functions that differ in their place alone, and leave the same frames. They
 * call what waits: a compiler puts the call of an inlined acquire elsewhere.
 */
enum { CODE_BYTES = 256, STEPS = 4 };
#define SITE __attribute__((noinline, aligned(CODE_BYTES))) static void

SITE wait_at_the_left(void)
{
	weft_sema_acquire_slow(&left, 1, 0);
	__asm__ volatile("");
}

SITE wait_at_the_right(void)
{
	weft_sema_acquire_slow(&right, 1, 0);
	__asm__ volatile("");
}

SITE walk(void *unused)
{
	(void)unused;
	for (int i = 0; i < STEPS; i++) {
		wait_at_the_left();
		wait_at_the_right();
	}
	weft_atomic_store(&walked, 1, release);
}

static void *let_walk(void *unused)
{
	for (int i = 0; i < STEPS; i++) {
		weft_sema_release(&left, 1);
		weft_yield();
		weft_sema_release(&right, 1);
	}
	return unused;
}

static int frames_in(const weft__person *p, void (*site)(void))
{
	int count = 0;

	for (size_t i = 0; i < p->frame_count; i++)
		count += (uintptr_t)p->frames[i] - (uintptr_t)site < CODE_BYTES;
	return count;
}

/* One way leads there, that to what it waits for, unless it is being woken. */
static void check_person(const weft__person *p, void *unused)
{
	int at_left = frames_in(p, wait_at_the_left);
	int at_right = frames_in(p, wait_at_the_right);

	(void)unused;
	if (p->is_thread || p->state == WEFT__RUNS)
		return;
	CHECK_EQ(at_left + at_right, 1);
	if (p->object != NULL)
		CHECK(p->object == (at_left ? &left : &right));
	seen++;
}

static void count_people(void)
{
	static weft__person p;

	weft__census(&p, check_person, NULL);
}

static void *count_people_thrice(void *unused)
{
	for (int i = 0; i < 3; i++)
		count_people();
	return unused;
}

static int one_walks_as_people_are_counted(void *unused)
{
	(void)unused;
	weft_sema_init(&left, 0);
	weft_sema_init(&right, 0);
	if (weft_go(walk, NULL) != 0)
		return 1;
	for (; seen == 0; weft_yield())	/* it stands still before long */
		count_people();
	if (start_and_join((void *(*[])(void *)){let_walk, count_people_thrice},
			   2) != 0)
		return 1;
	wait_for_flag(&walked);
	return 0;
}

TEST(census_shows_no_wait_that_never_was)
{
	explore_more(one_walks_as_people_are_counted, 4);
}

/* A plain thread's waits, one after the other, by the same waiter at one time. */
static void *wait_twice(void *unused)
{
	for (uint32_t i = 1; i <= 2; i++) {
		weft_atomic_store(&walked, i, release);
		weft_sema_acquire(&left, 1);
	}
	return unused;
}

static weft__person sleeper;

static void note_sleeper(const weft__person *p, void *unused)
{
	(void)unused;
	if (p->is_thread && p->state == WEFT__WAITS && p->object == &left)
		sleeper = *p;
}

/* Its n-th wait, when it has come to that. */
static weft__person wait_number(uint32_t n)
{
	static weft__person p;

	sleeper.mark = 0;
	for (; sleeper.mark == 0; weft_yield())
		if (weft_atomic_load(&walked, acquire) == n)
			weft__census_threads(&p, note_sleeper, NULL);
	return sleeper;
}

static int one_waits_twice(void *unused)
{
	weft__person first, second;
	pthread_t thread;

	weft_sema_init(&left, 0);
	weft_atomic_store(&walked, 0, relaxed);
	if (pthread_create(&thread, NULL, wait_twice, unused) != 0)
		return 1;
	first = wait_number(1);
	weft_sema_release(&left, 1);
	second = wait_number(2);
	weft_sema_release(&left, 1);
	pthread_join(thread, NULL);
	CHECK(first.waiter == second.waiter && first.since == second.since);
	CHECK(first.turn != second.turn);
	return 0;
}

TEST(census_tells_two_waits_of_a_thread_apart)
{
	explore(one_waits_twice);
}

static void lock_and_unlock(void *unused)
{
	(void)unused;
	weft_mutex_lock(&mutex);
	weft_mutex_unlock(&mutex);
}

/* It notes the time after its look at the signals; unless it sleeps by now. */
static void wait_for_monitor(void)
{
	weft_time before = weft_atomic_load(&weft__rt.now, relaxed);
	weft_time end = weft_now() + WEFT_MS(2);

	while (weft_atomic_load(&weft__rt.now, relaxed) == before &&
	       weft_now() < end)
		weft_yield();
}

/* The monitor falls asleep ten milliseconds after the task. */
static int ask_for_a_dump_as_all_fall_asleep(void *unused)
{
	int file = memfd_create("stderr", 0);

	(void)unused;
	CHECK_EQ(dup2(file, STDERR_FILENO), STDERR_FILENO);
	CHECK_EQ(weft_dump_on_signal(SIGUSR1), 0);
	weft_mutex_lock(&mutex);
	if (weft_go(lock_and_unlock, NULL) != 0)
		return 1;
	usleep(8000 + weft_sim_choose(5) * 1000);
	wait_for_monitor();
	raise(SIGUSR1);
	usleep(10000);
	CHECK_LT(0, lseek(file, 0, SEEK_END));
	weft_mutex_unlock(&mutex);
	return 0;
}

TEST(dump_comes_for_a_signal_that_comes_as_all_fall_asleep)
{
	explore(ask_for_a_dump_as_all_fall_asleep);
}

static weft_flight flight;
static uint32_t flown, landing, roused;	/* atomic */
static int answer;

/* The first ends as it is forgotten, the second when that is over. */
static int fly(weft_ctx *c, void *unused, void **result)
{
	(void)c;
	(void)unused;
	wait_for_flag(weft_atomic_add(&flown, 1, seq_cst) == 0 ? &landing
							       : &roused);
	*result = &answer;
	return 0;
}

static void *fly_and_leave(void *unused)
{
	weft_result r = weft_flight_do_ctx(&flight, &ctx, weft_key_u64(1), fly,
					   NULL);

	CHECK_EQ(r.err, -ECANCELED);
	return unused;
}

static void *fly_and_stay(void *unused)
{
	weft_result r = weft_flight_do_ctx(&flight, NULL, weft_key_u64(1), fly,
					   NULL);

	CHECK_EQ(r.err, 0);
	CHECK(r.value == &answer);
	weft_result_release(&r);
	return unused;
}

static void *forget(void *unused)
{
	weft_atomic_store(&landing, 1, release);
	weft_flight_forget(&flight, weft_key_u64(1));
	weft_atomic_store(&roused, 1, release);
	return unused;
}

/*
 * A call that all have left is forgotten as it ends, which wakes who waits behind
 * it, and nobody else: at its address may be the next call by then, with others who
 * wait for it.
 */
static int forget_a_dying_call(void *unused)
{
	pthread_t leaver, behind;

	(void)unused;
	weft_ctx_init(&ctx, NULL);
	if (pthread_create(&leaver, NULL, fly_and_leave, NULL) != 0)
		return 1;
	wait_for_flag(&flown);
	weft_ctx_cancel(&ctx, 0);
	pthread_join(leaver, NULL);
	if (pthread_create(&behind, NULL, fly_and_stay, NULL) != 0)
		return 1;
	while (queue_length(weft__flight_address(&flight, weft_key_u64(1))) == 0)
		weft_yield();
	if (start_and_join((void *(*[])(void *)){forget, fly_and_stay}, 2) != 0)
		return 1;
	pthread_join(behind, NULL);
	weft_flight_fini(&flight);
	return 0;
}

TEST(flight_forget_wakes_nobody_who_waits_for_another_call)
{
	explore_more(forget_a_dying_call, test_long() ? 1 : 16);
}
