/* SPDX-License-Identifier: MIT */
/*
 * Deadlocks that are reported, and what is none. With WEFT_DEADLOCK=abort, so
 * that a report ends the case.
 */
#define _GNU_SOURCE
#include "proc.h"
#include "test.h"

#include <weft.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static weft_mutex one, two;
static weft_once once_one, once_two;
static weft_chan chan;

static void abort_on_deadlock(void)
{
#if HAS_HIDDEN_THREADS
	test_skip("the sanitizer has a thread that could wake anybody");
#endif
	setenv("WEFT_DEADLOCK", "abort", 1);
}

static void go(weft_fn fn, void *arg)
{
	CHECK_EQ(weft_go(fn, arg), 0);
}

/* ---- what is one ---- */

static void lock_both(void *arg)
{
	weft_mutex *first = arg, *then = first == &one ? &two : &one;

	weft_task_name(first == &one ? "forwards" : "backwards");
	weft_mutex_lock(first);
	weft_sleep(NULL, WEFT_MS(5));
	weft_mutex_lock(then);
	weft_mutex_unlock(then);
	weft_mutex_unlock(first);
}

static int lock_in_two_orders(void *arg)
{
	(void)arg;
	go(lock_both, &one);
	go(lock_both, &two);
	weft_sleep(NULL, WEFT_MS(20));
	weft_mutex_lock(&one);
	return 0;
}

TEST_TRAP(deadlock_of_two_mutexes_is_reported,
	  "weft: deadlock: all wait, and nothing is left that could wake anybody\n"
	  "weft: 3 tasks: 3 wait,")
{
	abort_on_deadlock();
	(void)weft_run(lock_in_two_orders, NULL);
	abort();
}

static uint32_t knots;

static void run_other(void *other)
{
	weft_atomic_add(&knots, 1, relaxed);
	while (weft_atomic_load(&knots, relaxed) < 2)
		weft_sleep(NULL, WEFT_MS(1));
	weft_once_do(other, NULL, NULL);
}

static void run_first(void *arg)
{
	(void)arg;
	weft_task_name("first");
	weft_once_do(&once_one, run_other, &once_two);
}

static int knot_onces(void *arg)
{
	(void)arg;
	go(run_first, NULL);
	weft_task_name("second");
	weft_once_do(&once_two, run_other, &once_one);
	return 0;
}

TEST_TRAP(deadlock_of_two_onces_names_the_cycle,
	  "These wait for each other, and will for ever:\n    task ")
{
	abort_on_deadlock();
	(void)weft_run(knot_onces, NULL);
	abort();
}

static void receive(void *arg)
{
	(void)arg;
	weft_chan_recv(&chan, NULL);
}

TEST_TRAP(deadlock_of_a_plain_main_and_a_task_is_reported,
	  "1 thread waits: waitgroup wait at ")
{
	weft_waitgroup wg = {0};

	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, 4, 0), 0);
	go(receive, NULL);
	weft_waitgroup_add(&wg, 1);
	weft_waitgroup_wait(&wg);
	abort();
}

static void *receive_in_thread(void *arg)
{
	receive(arg);
	return NULL;
}

TEST_TRAP(deadlock_with_plain_threads_that_all_wait_here_is_reported,
	  "2 threads wait: channel receive at ")
{
	pthread_t thread;

	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, 4, 0), 0);
	go(receive, NULL);
	CHECK_EQ(pthread_create(&thread, NULL, receive_in_thread, NULL), 0);
	receive(NULL);
	abort();
}

TEST_TRAP(deadlock_that_a_plain_thread_completes_late_is_reported,
	  "1 thread waits: channel receive at ")
{
	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, 4, 0), 0);
	go(receive, NULL);
	usleep(100000);	/* everybody else sleeps long before the end of that */
	receive(NULL);
	abort();
}

/* It is there once, and the program goes on as it is. */
static void *look_for_report(void *arg)
{
	int file = *(int *)arg;
	char text[8192];
	ssize_t n = pread(file, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = 0;
	CHECK(strstr(text, "weft: deadlock: ") != NULL);
	CHECK(strstr(strstr(text, "deadlock") + 1, "deadlock: ") == NULL);
	return NULL;
}

static int stderr_file;

static void on_alarm(int number)
{
	(void)number;
	look_for_report(&stderr_file);
	_exit(0);
}

TEST(deadlock_is_reported_once_and_the_program_stays)
{
#if HAS_HIDDEN_THREADS
	test_skip("the sanitizer has a thread that could wake anybody");
#endif
	CHECK_EQ(weft_chan_init(&chan, 4, 0), 0);
	stderr_file = memfd_create("stderr", 0);
	CHECK_EQ(dup2(stderr_file, STDERR_FILENO), STDERR_FILENO);
	signal(SIGALRM, on_alarm);
	alarm(1);
	go(receive, NULL);
	receive(NULL);
}

/* ---- what is none ---- */

static void send_late(void *arg)
{
	(void)arg;
	weft_sleep(NULL, WEFT_MS(100));
	weft_chan_send(&chan, &(int){0});
}

TEST(deadlock_is_none_while_a_timer_is_to_come)
{
	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, sizeof(int), 0), 0);
	go(send_late, NULL);
	receive(NULL);
}

static void *wake_late(void *arg)
{
	(void)arg;
	usleep(100000);
	weft_chan_send(&chan, &(int){0});
	return NULL;
}

TEST(deadlock_is_none_while_a_thread_is_elsewhere)
{
	pthread_t thread;

	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, sizeof(int), 0), 0);
	CHECK_EQ(pthread_create(&thread, NULL, wake_late, NULL), 0);
	receive(NULL);
	pthread_join(thread, NULL);
}

TEST(deadlock_is_none_while_main_is_elsewhere)
{
	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, sizeof(int), 0), 0);
	go(receive, NULL);
	usleep(200000);
	weft_chan_send(&chan, &(int){0});
}

static int ends[2];

static void wait_fd(void *arg)
{
	(void)arg;
	CHECK(weft_wait_fd(NULL, ends[0], POLLIN) > 0);
	weft_chan_send(&chan, &(int){0});
}

static void on_alarm_write(int number)
{
	(void)number;
	(void)!write(ends[1], "", 1);
}

TEST(deadlock_is_none_while_a_descriptor_is_waited_for)
{
	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, sizeof(int), 0), 0);
	CHECK_EQ(pipe(ends), 0);
	signal(SIGALRM, on_alarm_write);
	ualarm(150000, 0);
	go(wait_fd, NULL);
	receive(NULL);
}

static void block(void *arg)
{
	(void)arg;
	usleep(150000);
	weft_chan_send(&chan, &(int){0});
}

TEST(deadlock_is_none_while_a_task_blocks_its_thread)
{
	abort_on_deadlock();
	CHECK_EQ(weft_chan_init(&chan, sizeof(int), 0), 0);
	go(block, NULL);
	receive(NULL);
}

/*
 * Threads hand a turn around, resting now and then for about as long as it
 * takes the monitor to look: whoever looks sees all but one parked.
 */
enum { PLAYERS = 4 };

static weft_chan turns[PLAYERS];
static int rounds;

static void pass_on(int player)
{
	weft_chan *from = &turns[player], *to = &turns[(player + 1) % PLAYERS];
	unsigned state = (unsigned)player + 1;
	int turn;

	while (weft_chan_recv(from, &turn) && turn > 0) {
		state = state * 1103515245 + 12345;
		if (state / 65536 % 4 == 0)
			usleep(state / 65536 % 16000);
		turn--;
		weft_chan_send(to, &turn);
	}
	weft_chan_close(to);
}

static void *player(void *arg)
{
	pass_on((int)(intptr_t)arg);
	return NULL;
}

static void player_task(void *arg)
{
	pass_on((int)(intptr_t)arg);
}

/* Every other one is a task, or all are plain threads. */
static void play(bool tasks)
{
	pthread_t threads[PLAYERS];

	abort_on_deadlock();
	rounds = test_long() ? 5000 : 150;
	for (int i = 0; i < PLAYERS; i++)
		CHECK_EQ(weft_chan_init(&turns[i], sizeof(int), 1), 0);
	for (int i = 0; i < PLAYERS; i++)
		if (tasks && i % 2 == 0)
			go(player_task, (void *)(intptr_t)i);
		else
			CHECK_EQ(pthread_create(&threads[i], NULL, player,
						(void *)(intptr_t)i), 0);
	weft_chan_send(&turns[0], &rounds);
	for (int i = tasks; i < PLAYERS; i += 1 + tasks)
		pthread_join(threads[i], NULL);
}

TEST(deadlock_is_none_while_a_turn_goes_around)
{
	play(true);
	test_until(weft_task_count() == 0);
}

TEST(deadlock_is_none_while_a_turn_goes_around_among_threads)
{
	CHECK_EQ(weft_chan_init(&chan, sizeof(int), 0), 0);
	go(receive, NULL);	/* so that somebody looks */
	play(false);
	weft_chan_close(&chan);
}

TEST(deadlock_policy_that_is_none_is_complained_about)
{
	char text[256];
	ssize_t n;

	stderr_file = memfd_create("stderr", 0);
	CHECK_EQ(dup2(stderr_file, STDERR_FILENO), STDERR_FILENO);
	setenv("WEFT_DEADLOCK", "maybe", 1);
	go(send_late, NULL);
	n = pread(stderr_file, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = 0;
	CHECK(strstr(text, "weft: WEFT_DEADLOCK=maybe is none of report, abort, "
			   "off\n") != NULL);
}
