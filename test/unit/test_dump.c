/* SPDX-License-Identifier: MIT */
/* Dumps: who is there, who waits for what, and with which stack. */
#define _GNU_SOURCE
#include "proc.h"
#include "test.h"

#include <weft.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char text[1 << 20];

static void read_all(int file)
{
	ssize_t n = pread(file, text, sizeof text - 1, 0);

	CHECK(n >= 0);
	text[n] = 0;
}

static const char *dump(void)
{
	int file = memfd_create("dump", 0);

	CHECK(file >= 0);
	weft_dump(file);
	read_all(file);
	close(file);
	return text;
}

static int count_in(const char *where, const char *part)
{
	int n = 0;

	for (; (where = strstr(where, part)) != NULL; where++)
		n++;
	return n;
}

static void check_in(const char *where, const char *part)
{
	if (strstr(where, part) == NULL) {
		fprintf(stderr, "%s\nlacks: %s\n", where, part);
		abort();
	}
}

/* Where tasks are started is part of what makes them equal: in one place. */
static __attribute__((noinline)) void go(weft_fn fn, void *arg)
{
	CHECK_EQ(weft_go(fn, arg), 0);
}

/* Dump until the tasks that were started are where they are meant to be. */
static void dump_until(const char *part)
{
	test_until(strstr(dump(), part) != NULL);
}

/* ---- the stacks ---- */

static weft_mutex mutex;

/* After a call: the frame has to be there until then. */
static void use(void *room)
{
	__asm__ volatile("" ::"r"(room) : "memory");
}

__attribute__((noinline)) static void innermost(void)
{
	weft_mutex_lock(&mutex);
	weft_mutex_unlock(&mutex);
	__asm__ volatile("");
}

/* A frame with room of a size that the compiler does not know. */
__attribute__((noinline)) static void in_between(size_t size)
{
	char room[size];

	innermost();
	use(room);
}

/* One that aligns its stack by itself, which needs an expression. */
__attribute__((noinline)) static void outermost(size_t size)
{
	_Alignas(128) char room[128];

	in_between(size);
	use(room);
}

static void call_down(void *arg)
{
	weft_task_name("deep");
	outermost(*(size_t *)arg);
	use(arg);
}

TEST(dump_shows_the_frames_of_a_parked_task_in_order)
{
	size_t size = 3000;
	const char *a, *b, *c, *d;

	weft_mutex_lock(&mutex);
	go(call_down, &size);
	dump_until("1 task waits: mutex lock at ");
	a = strstr(text, " innermost");
	b = strstr(text, " in_between");
	c = strstr(text, " outermost");
	d = strstr(text, " call_down");
	CHECK(a != NULL && b != NULL && c != NULL && d != NULL);
	CHECK(a < b && b < c && c < d);
	CHECK(strstr(text, "loop+0x") == NULL);
	check_in(text, " \"deep\"\n    started at 0x");
	weft_mutex_unlock(&mutex);
}

static void lock(void *arg)
{
	weft_task_name("same");
	innermost();
	use(arg);
}

TEST(dump_shows_tasks_with_the_same_stack_once)
{
	size_t size = 10;

	weft_mutex_lock(&mutex);
	for (int i = 0; i < 100; i++)
		go(lock, NULL);
	go(call_down, &size);
	dump_until("weft: 101 tasks: 101 wait,");
	check_in(text, "\n100 tasks wait: mutex lock at ");
	check_in(text, "\n1 task waits: mutex lock at ");
	check_in(text, " and 92 more\n");
	CHECK_EQ(count_in(text, " lock+0x"), 1);
	weft_mutex_unlock(&mutex);
}

/* ---- what they wait for ---- */

static weft_rwmutex rwmutex;
static weft_sema sema;
static weft_once once, other_once;
static weft_cond cond;
static weft_mutex cond_mutex;
static weft_waitgroup wg;
static weft_chan full, empty;
static weft_group group;
static weft_flight flight;
static weft_ctx ctx;
static weft_loop loop;
static int ends[2];

static void wait_rwmutex(void *arg)
{
	if (arg != NULL)
		weft_rwmutex_lock(&rwmutex);
	else
		weft_rwmutex_rlock(&rwmutex);
}

static void wait_sema(void *arg)
{
	(void)arg;
	weft_sema_acquire(&sema, 3);
}

static void wait_cond(void *arg)
{
	(void)arg;
	weft_mutex_lock(&cond_mutex);
	weft_cond_wait(&cond);
}

static void wait_wg(void *arg)
{
	(void)arg;
	weft_waitgroup_wait(&wg);
}

static void receive(void *chan)
{
	weft_chan_recv(chan, NULL);
}

static void send(void *chan)
{
	weft_chan_send(chan, &(int){0});
}

static void select_two(void *arg)
{
	int v;
	weft_case cases[] = {WEFT_CASE_RECV(&empty, &v), WEFT_CASE_SEND(&full, &v)};

	(void)arg;
	weft_select(cases, 2);
}

static void run_once(void *arg)
{
	(void)arg;
	weft_once_do(&once, receive, &empty);
}

static int member(weft_ctx *unused, void *arg)
{
	(void)unused;
	receive(arg);
	return 0;
}

static void wait_group(void *arg)
{
	(void)arg;
	weft_group_wait(&group);
}

static void go_group(void *arg)
{
	weft_group_go(&group, member, arg);
}

static int fly(weft_ctx *unused, void *arg, void **value)
{
	(void)unused;
	(void)value;
	receive(arg);
	return 0;
}

static void ask(void *arg)
{
	weft_result r = weft_flight_do(&flight, weft_key_str("user\n17"), fly,
				       arg);

	weft_result_release(&r);
}

static void wait_ctx(void *arg)
{
	(void)arg;
	(void)!weft_ctx_wait(&ctx);
}

static void sleep_long(void *arg)
{
	(void)arg;
	weft_sleep(NULL, 1000 * WEFT_SECOND);
}

static void wait_fd(void *arg)
{
	(void)arg;
	weft_wait_fd(NULL, ends[0], POLLIN);
}

static void call_loop(void *arg)
{
	(void)arg;
	weft_loop_call(&loop, receive, &empty);
}

static void start_one_of_each(void)
{
	go(wait_rwmutex, &rwmutex);
	go(wait_rwmutex, NULL);
	go(wait_sema, NULL);
	go(wait_cond, NULL);
	go(wait_wg, NULL);
	go(receive, &empty);
	go(receive, NULL);
	go(send, &full);
	go(select_two, NULL);
	go(run_once, NULL);
	go(wait_group, NULL);
	go(go_group, &empty);
	go(ask, &empty);
	go(wait_ctx, NULL);
	go(sleep_long, NULL);
	go(wait_fd, NULL);
	go(call_loop, NULL);
}

static void set_up(void)
{
	weft_rwmutex_lock(&rwmutex);
	weft_sema_init(&sema, 2);
	weft_cond_init(&cond, &cond_mutex);
	weft_waitgroup_add(&wg, 7);
	CHECK_EQ(weft_chan_init(&full, sizeof(int), 1), 0);
	CHECK_EQ(weft_chan_init(&empty, sizeof(int), 4), 0);
	weft_chan_send(&full, &(int){0});
	weft_ctx_init(&ctx, NULL);
	CHECK_EQ(weft_loop_init(&loop), 0);
	CHECK_EQ(pipe(ends), 0);
	weft_group_set_limit(&group, 1);
	weft_group_go(&group, member, &empty);
}

TEST(dump_says_what_each_waits_for)
{
	char descriptor[64];

	set_up();
	go(run_once, NULL);
	go(ask, &empty);
	dump_until("3 wait,");
	start_one_of_each();
	dump_until("weft: 20 tasks: 20 wait,");
	check_in(text, "rwmutex lock at 0x");
	check_in(text, "rwmutex rlock at 0x");
	check_in(text, " (a writer has it)");
	check_in(text, "semaphore acquire at 0x");
	check_in(text, " (3 wanted, 2 free)");
	check_in(text, "cond wait at 0x");
	check_in(text, "waitgroup wait at 0x");
	check_in(text, " (count 7)");
	check_in(text, "channel receive at 0x");
	check_in(text, "waits: channel receive, for");
	check_in(text, "channel send at 0x");
	check_in(text, "select, for");
	check_in(text, "once at 0x");
	check_in(text, "group wait at 0x");
	check_in(text, "group go at 0x");
	check_in(text, "flight at 0x");
	check_in(text, " (key user\\x0a17)");
	check_in(text, "context wait at 0x");
	check_in(text, "sleep, for");
	snprintf(descriptor, sizeof descriptor, "descriptor %d, for", ends[0]);
	check_in(text, descriptor);
	check_in(text, "loop call at 0x");
}

TEST(dump_says_how_long_they_have_waited)
{
	const char *age;

	weft_mutex_lock(&mutex);
	go(lock, NULL);
	dump_until("1 wait");
	CHECK_EQ(weft_sleep(NULL, WEFT_MS(200)), 0);
	age = strstr(dump(), ", for ");
	CHECK(age != NULL);
	CHECK_LE(190, atoi(age + strlen(", for ")));
	CHECK_LE(atoi(age + strlen(", for ")), 9000);
}

static void sleep_short(void *arg)
{
	weft_sleep(NULL, WEFT_MS(1));
	weft_waitgroup_done(arg);
}

/* There is one worker, and it does not look at the clock meanwhile. */
static bool sees_a_sleep_that_is_over(void)
{
	weft_waitgroup done = {0};
	weft_time start = weft_now();
	bool seen;

	weft_waitgroup_add(&done, 1);
	go(sleep_short, &done);
	weft_yield();
	seen = strstr(dump(), "1 waits, 0 are ready, 1 runs") != NULL;
	while (weft_now() < start + WEFT_MS(2))
		;
	seen = seen && strstr(dump(), "0 wait, 1 is ready, 1 runs") != NULL;
	weft_waitgroup_wait(&done);
	return seen;
}

static void look_past_sleeps(void *arg)
{
	test_until(sees_a_sleep_that_is_over());
	weft_waitgroup_done(arg);
}

TEST(dump_knows_that_a_sleep_is_over)
{
	weft_waitgroup done = {0};

	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	weft_waitgroup_add(&done, 1);
	go(look_past_sleeps, &done);
	weft_waitgroup_wait(&done);
}

static void dump_by_itself(void *arg)
{
	weft_task_name("dumper");
	dump_until("1 thread waits: waitgroup wait at 0x");
	weft_waitgroup_done(arg);
}

TEST(dump_by_a_task_shows_that_it_runs)
{
	weft_waitgroup done = {0};

	weft_waitgroup_add(&done, 1);
	go(dump_by_itself, &done);
	weft_waitgroup_wait(&done);
	check_in(text, "weft: 1 task: 0 wait, 0 are ready, 1 runs, 0 have not begun");
	check_in(text, "\n1 task runs\n    ");
	check_in(text, "\"dumper\"");
}

static uint32_t over;

static void yield_by_name(void *arg)
{
	while (!weft_atomic_load(&over, relaxed))
		weft_yield();
	weft_waitgroup_done(arg);
}

static bool sees_ten_that_have_yielded(void)
{
	weft_yield();
	return strstr(dump(), "0 wait, 10 are ready, 1 runs,") != NULL;
}

static void dump_among_yielding(void *arg)
{
	test_until(sees_ten_that_have_yielded());
	weft_atomic_store(&over, 1, relaxed);
	weft_waitgroup_done(arg);
}

TEST(dump_shows_tasks_that_have_yielded_as_ready_with_their_stacks)
{
	weft_waitgroup done = {0};

	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	weft_waitgroup_add(&done, 11);
	for (int i = 0; i < 10; i++)
		go(yield_by_name, &done);
	go(dump_among_yielding, &done);
	weft_waitgroup_wait(&done);
	check_in(text, "\n10 tasks are ready, after: yield, for ");
	check_in(text, " yield_by_name+0x");
}

static void *lock_in_thread(void *arg)
{
	(void)arg;
	innermost();
	return NULL;
}

TEST(dump_shows_plain_threads_that_wait_here)
{
	pthread_t thread;

	weft_mutex_lock(&mutex);
	CHECK_EQ(pthread_create(&thread, NULL, lock_in_thread, NULL), 0);
	dump_until("1 thread waits: mutex lock at 0x");
	check_in(text, "weft: 0 tasks");
	check_in(text, "; 1 plain thread\n");
	weft_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	CHECK(strstr(dump(), "thread waits") == NULL);
}

/* ---- for whom ---- */

static uint32_t knots;

static void wait_for_other(void *arg)
{
	weft_atomic_add(&knots, 1, relaxed);
	while (weft_atomic_load(&knots, relaxed) < 2)
		weft_sleep(NULL, WEFT_MS(1));
	weft_once_do(arg, receive, NULL);
}

static void first_knot(void *arg)
{
	weft_task_name("one");
	weft_once_do(&once, wait_for_other, &other_once);
	(void)arg;
}

static void second_knot(void *arg)
{
	weft_task_name("two");
	weft_once_do(&other_once, wait_for_other, &once);
	(void)arg;
}

static void compute(void *stop)
{
	while (!weft_atomic_load((uint32_t *)stop, relaxed))
		weft_yield();
}

TEST(dump_finds_those_who_wait_for_each_other_while_others_run)
{
	uint32_t stop = 0;

	go(compute, &stop);
	go(first_knot, NULL);
	go(second_knot, NULL);
	dump_until("These wait for each other, and will for ever:\n");
	check_in(text, "\nWho waits for whom:\n");
	CHECK(strstr(text, "\"one\" -> ") != NULL);
	CHECK(strstr(text, "\"two\" -> ") != NULL);
	CHECK_EQ(count_in(text, "These wait for each other"), 1);
	weft_atomic_store(&stop, 1, relaxed);
}

static uint32_t in_once;

static void wait_in_once(void *arg)
{
	weft_atomic_store(&in_once, 1, relaxed);
	wait_group(arg);
}

static void wait_for_group_in_once(void *arg)
{
	weft_task_name("waits for the group");
	weft_once_do(&once, wait_in_once, arg);
}

static int wait_for_once_in_group(weft_ctx *unused, void *arg)
{
	(void)unused;
	(void)arg;
	weft_task_name("member");
	while (!weft_atomic_load(&in_once, relaxed))
		weft_sleep(NULL, WEFT_MS(1));
	weft_once_do(&once, wait_in_once, NULL);
	return 0;
}

TEST(dump_finds_a_group_that_waits_for_who_waits_for_it)
{
	weft_group_go(&group, wait_for_once_in_group, NULL);
	go(wait_for_group_in_once, NULL);
	dump_until("These wait for each other, and will for ever:\n");
	check_in(text, "\"waits for the group\" (group wait at 0x");
	check_in(text, "\"member\" -> ");
}

enum { MEMBERS = 20 };

static weft_group circle[2];

static int wait_for_circle(weft_ctx *unused, void *group_)
{
	(void)unused;
	(void)!weft_sleep(NULL, WEFT_MS(5));
	return weft_group_wait(group_);
}

/* Each waits for all of the other group: there are 400 ways round, and more. */
TEST(dump_tells_one_way_round_where_groups_wait_for_each_other)
{
	for (int i = 0; i < 2 * MEMBERS; i++)
		weft_group_go(&circle[i % 2], wait_for_circle, &circle[1 - i % 2]);
	dump_until("\n40 tasks wait: group wait at ");
	CHECK_EQ(count_in(text, "These wait for each other"), 1);
	CHECK(strstr(text, " more such\n") == NULL);
}

enum { PAIRS = 10 };

static weft_once pairs[2 * PAIRS];
static uint32_t in_pairs;

static void do_other_of_pair(void *once_)
{
	size_t i = (size_t)((weft_once *)once_ - pairs);

	weft_atomic_add(&in_pairs, 1, relaxed);
	while (weft_atomic_load(&in_pairs, relaxed) < 2 * PAIRS)
		weft_sleep(NULL, WEFT_MS(1));
	weft_once_do(&pairs[i ^ 1], do_other_of_pair, &pairs[i ^ 1]);
}

static void do_one_of_pair(void *once_)
{
	weft_once_do(once_, do_other_of_pair, once_);
}

TEST(dump_tells_eight_cycles_and_how_many_more_there_are)
{
	for (int i = 0; i < 2 * PAIRS; i++)
		go(do_one_of_pair, &pairs[i]);
	dump_until("\n20 tasks wait: once at ");
	CHECK_EQ(count_in(text, "These wait for each other"), 8);
	check_in(text, "\nand 2 more such\n");
}

/* The one that runs the once waits as well, and is the first to be left out. */
TEST(dump_says_that_it_leaves_out_some_of_who_waits_for_whom)
{
	CHECK_EQ(weft_chan_init(&empty, sizeof(int), 4), 0);
	go(run_once, NULL);
	dump_until("1 waits,");
	for (int i = 0; i < 1010; i++)
		go(run_once, NULL);
	dump_until(": 1011 wait,");
	check_in(text, "\nonly 1000 of those who wait so, or are waited for, "
			"were looked at\n");
	CHECK_EQ(count_in(text, ", which runs"), 0);
}

TEST(dump_finds_no_cycle_where_one_is_about_to_end)
{
	set_up();
	go(run_once, NULL);
	dump_until("2 wait,");
	go(run_once, NULL);
	dump_until("3 wait,");
	check_in(text, "Who waits for whom:\n");
	CHECK(strstr(text, "These wait for each other") == NULL);
}

/* ---- while tasks run ---- */

enum { BOUNCERS = 8, DEPTH = 40 };

static bool receive_or_yield(weft_chan *c)
{
	if (c != NULL)
		return weft_chan_recv(c, NULL);
	weft_yield();
	return !weft_atomic_load(&over, relaxed);
}

__attribute__((noinline)) static bool bounce_at(uint32_t depth, weft_chan *c)
{
	char room[16 * (depth + 1)];
	bool more = depth > 0 ? bounce_at(depth - 1, c) : receive_or_yield(c);

	use(room);
	return more;
}

static void bouncer(void *chan)
{
	uint32_t depth = (uint32_t)test_random();

	do
		depth = depth * 1664525 + 1013904223;
	while (bounce_at(depth / 65536 % DEPTH, chan));
	weft_waitgroup_done(&wg);
}

static void feed(void *chan)
{
	while (!weft_atomic_load(&over, relaxed))
		weft_chan_send(chan, &(int){0});
	weft_chan_close(chan);
	weft_waitgroup_done(&wg);
}

/* Each stack that is shown is a whole one: some depth, then the task's own. */
static int check_stacks(const char *what, const char *innermost)
{
	const char *block = text;
	int seen = 0;

	for (; (block = strstr(block, what)) != NULL; seen++) {
		const char *end = strstr(block, "\n\n");
		char one[1 << 14];
		size_t n = end != NULL ? (size_t)(end - block) : strlen(block);

		CHECK(n < sizeof one);
		memcpy(one, block, n);
		one[n] = 0;
		block += n;
		CHECK_EQ(count_in(one, innermost), 1);
		CHECK_LE(1, count_in(one, " bounce_at+0x"));
		CHECK_LE(count_in(one, " bounce_at+0x"), DEPTH);
		CHECK_EQ(count_in(one, " bouncer+0x"), 1);
	}
	return seen;
}

TEST(dump_of_tasks_that_run_shows_no_stack_that_never_was)
{
	weft_chan chans[BOUNCERS];
	int rounds = test_simulated() ? 20	/* a point at each word */
		     : (test_long() ? 1000 : 300) / test_slowdown();
	int seen = 0;

	for (int i = 0; i < BOUNCERS; i++) {
		CHECK_EQ(weft_chan_init(&chans[i], sizeof(int), 0), 0);
		weft_waitgroup_add(&wg, 2);
		go(bouncer, &chans[i]);
		go(feed, &chans[i]);
	}
	for (int i = 0; i < rounds; i++) {
		dump();
		seen += check_stacks("waits: channel receive", " weft_chan_recv+0x");
	}
	weft_atomic_store(&over, 1, relaxed);
	weft_waitgroup_wait(&wg);
	CHECK(seen > 0 || test_simulated());	/* where few take long turns */
}

TEST(dump_of_tasks_that_yield_shows_no_stack_that_never_was)
{
	int rounds = test_simulated() ? 20	/* a point at each word */
		     : (test_long() ? 1000 : 300) / test_slowdown();
	int seen = 0;

	for (int i = 0; i < BOUNCERS; i++) {
		weft_waitgroup_add(&wg, 1);
		go(bouncer, NULL);
	}
	for (int i = 0; i < rounds; i++) {
		dump();
		seen += check_stacks(" ready, after: yield", " bouncer+0x");
	}
	weft_atomic_store(&over, 1, relaxed);
	weft_waitgroup_wait(&wg);
	CHECK(seen > 0 || test_simulated());
}

/* ---- by a signal ---- */

static int err_file, err_before;

static void keep_stderr(void)
{
	err_file = memfd_create("stderr", 0);
	err_before = dup(STDERR_FILENO);
	CHECK(err_file >= 0 && err_before >= 0);
	CHECK_EQ(dup2(err_file, STDERR_FILENO), STDERR_FILENO);
}

static const char *stderr_text(void)
{
	read_all(err_file);
	return text;
}

static void give_stderr_back(void)
{
	CHECK_EQ(dup2(err_before, STDERR_FILENO), STDERR_FILENO);
}

TEST(dump_comes_for_a_signal)
{
	if (test_simulated())
		test_skip("signals come from outside of the world");
	CHECK_EQ(weft_dump_on_signal(SIGUSR1), 0);
	CHECK_EQ(weft_dump_on_signal(SIGUSR1), 0);
	weft_mutex_lock(&mutex);
	go(lock, NULL);
	dump_until("1 wait");
	keep_stderr();
	CHECK_EQ(raise(SIGUSR1), 0);
	test_until(strstr(stderr_text(), " innermost") != NULL);
	give_stderr_back();
	weft_mutex_unlock(&mutex);
}

static void unlock_soon(void *arg)
{
	weft_atomic_store((uint32_t *)arg, 1, relaxed);
}

TEST(dump_comes_for_the_signal_that_the_environment_names)
{
	uint32_t ran = 0;

	if (test_simulated())
		test_skip("signals come from outside of the world");
	setenv("WEFT_DUMP_SIGNAL", "SIGQUIT", 1);
	go(unlock_soon, &ran);
	test_until(weft_atomic_load(&ran, relaxed));
	keep_stderr();
	CHECK_EQ(raise(SIGQUIT), 0);
	test_until(strstr(stderr_text(), "weft: 0 tasks: ") != NULL);
	give_stderr_back();
}

static int leave_at_once(void *arg)
{
	return arg != NULL;
}

TEST(dump_asked_for_after_a_run_comes_with_the_next_task)
{
	uint32_t ran = 0;

	if (test_simulated())
		test_skip("signals come from outside of the world");
	CHECK_EQ(weft_dump_on_signal(SIGUSR1), 0);
	CHECK_EQ(weft_run(leave_at_once, NULL), 0);
	keep_stderr();
	CHECK_EQ(raise(SIGUSR1), 0);
	go(unlock_soon, &ran);
	test_until(strstr(stderr_text(), "weft: ") != NULL);
	give_stderr_back();
	test_until(weft_atomic_load(&ran, relaxed));
}

/* The monitor, which writes it, has the timers of plain threads as well. */
TEST(dump_to_a_pipe_that_nobody_reads_stops_no_timer)
{
	static char page[4096];
	weft_ctx_after after = {0};
	uint32_t ran = 0;
	int pipe_ends[2];

	if (test_simulated())
		test_skip("signals come from outside of the world");
	CHECK_EQ(weft_dump_on_signal(SIGUSR1), 0);
	weft_mutex_lock(&mutex);
	go(lock, NULL);
	dump_until("1 wait");
	CHECK_EQ(pipe(pipe_ends), 0);
	CHECK_LE((int)sizeof page, fcntl(pipe_ends[1], F_SETPIPE_SZ, sizeof page));
	CHECK_EQ(write(pipe_ends[1], page, sizeof page), sizeof page);
	err_before = dup(STDERR_FILENO);
	CHECK_EQ(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
	CHECK_EQ(raise(SIGUSR1), 0);
	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(100));
	CHECK_EQ(weft_ctx_after_start(&after, &ctx, unlock_soon, &ran), 0);
	test_until(weft_atomic_load(&ran, relaxed));
	weft_ctx_fini(&ctx);
	give_stderr_back();
	weft_mutex_unlock(&mutex);
}

static void own_handler(int number)
{
	(void)number;
}

TEST(dump_takes_no_signal_that_is_taken)
{
	struct sigaction now;

	signal(SIGUSR2, own_handler);
	CHECK_EQ(weft_dump_on_signal(SIGUSR2), -EBUSY);
	CHECK_EQ(sigaction(SIGUSR2, NULL, &now), 0);
	CHECK(now.sa_handler == own_handler);
	CHECK_EQ(weft_dump_on_signal(SIGKILL), -EINVAL);
	CHECK_EQ(weft_dump_on_signal(0), -EINVAL);
	CHECK_EQ(weft_dump_on_signal(9999), -EINVAL);
}

static void check_complaint(const char *value, const char *complaint)
{
	uint32_t ran = 0;

	setenv("WEFT_DUMP_SIGNAL", value, 1);
	keep_stderr();
	go(unlock_soon, &ran);
	test_until(weft_atomic_load(&ran, relaxed));
	check_in(stderr_text(), complaint);
	give_stderr_back();
}

TEST(dump_signal_that_is_taken_is_complained_about)
{
	signal(SIGUSR2, own_handler);
	check_complaint("USR2", "weft: WEFT_DUMP_SIGNAL=USR2: the program has a "
				"handler of its own for it\n");
}

static void (*handler_of(int number))(int)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 ? now.sa_handler : SIG_DFL;
}

TEST(dump_signal_may_be_a_number)
{
	uint32_t ran = 0;
	char number[8];

	snprintf(number, sizeof number, "%d", SIGUSR1);
	setenv("WEFT_DUMP_SIGNAL", number, 1);
	go(unlock_soon, &ran);
	test_until(weft_atomic_load(&ran, relaxed));
	CHECK(handler_of(SIGUSR1) != SIG_DFL);
}

TEST(dump_signal_that_is_none_is_complained_about)
{
	check_complaint("99", "weft: WEFT_DUMP_SIGNAL=99 is no signal that can "
			      "be handled\n");
}

TEST(dump_signal_with_an_unknown_name_is_complained_about)
{
	check_complaint("SIGWEFT", "weft: WEFT_DUMP_SIGNAL=SIGWEFT is no signal "
				   "that can be handled\n");
}

/* The harness and sanitizers have some of their own; for a stack's end we do. */
TEST(dump_installs_no_handler_unasked)
{
	void (*before[32])(int);
	uint32_t ran = 0;

	for (int number = 1; number < 32; number++)
		before[number] = handler_of(number);
	go(unlock_soon, &ran);
	test_until(weft_atomic_load(&ran, relaxed));
	for (int number = 1; number < 32; number++)
		if (number != SIGSEGV && number != SIGBUS)
			CHECK(handler_of(number) == before[number]);
}

/* ---- oddities ---- */

static weft_waitgroup left;

static void end_soon(void *arg)
{
	char *name = arg;

	weft_task_name(name);
	weft_yield();
	weft_task_name(NULL);
	munmap(name, (size_t)sysconf(_SC_PAGESIZE));
	weft_waitgroup_done(&left);
}

/* A dump may read a name while its owner ends and frees it. */
TEST(dump_survives_names_that_go)
{
	int rounds = 400 / test_slowdown();

	for (int i = 0; i < rounds; i++) {
		for (int j = 0; j < 16; j++) {
			char *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE),
					  PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			CHECK(page != MAP_FAILED);
			strcpy(page, "gone");
			weft_waitgroup_add(&left, 1);
			go(end_soon, page);
		}
		dump();
	}
	weft_waitgroup_wait(&left);
}

static void wait_with_a_name(void *name)
{
	weft_task_name(name);
	innermost();
}

TEST(dump_shows_control_characters_of_a_name_as_question_marks)
{
	weft_mutex_lock(&mutex);
	go(wait_with_a_name, "a\033[31m\nb\x7f\xc3\xa4");
	dump_until("1 task waits: ");
	check_in(text, " \"a?[31m?b?\xc3\xa4\"\n");
	weft_mutex_unlock(&mutex);
}

TEST(dump_without_tasks_says_so)
{
	check_in(dump(), "weft: 0 tasks: 0 wait, 0 are ready, 0 run, 0 have not "
			 "begun\n");
}

TEST(dump_to_a_bad_descriptor_does_nothing)
{
	weft_dump(-1);
}

TEST(stats_count_tasks_and_workers)
{
	weft_stats stats;

	weft_stats_get(&stats);
	CHECK_EQ(stats.started, 0);
	CHECK_EQ(stats.workers, 0);
	weft_mutex_lock(&mutex);
	for (int i = 0; i < 10; i++)
		go(lock, NULL);
	dump_until("10 wait");
	weft_stats_get(&stats);
	CHECK_EQ(stats.started, 10);
	CHECK_EQ(stats.ended, 0);
	CHECK_LE(1, stats.workers);
	CHECK_LE(10, stats.stacks);
	CHECK_LE(stats.steals, stats.stolen);
	weft_mutex_unlock(&mutex);
	test_until(weft_task_count() == 0);
	weft_stats_get(&stats);
	CHECK_EQ(stats.ended, 10);
}
