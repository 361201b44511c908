/* SPDX-License-Identifier: MIT */
/*
 * What a system has too little of: descriptors, processes, address space,
 * mappings. Whatever cannot be had is said, by the error that the header
 * promises; the rest works, and all of it does when there is enough again.
 */
#define _GNU_SOURCE
#include "fault.h"

#include "gate.h"
#include "no_tables.h"
#include "proc.h"

#include <weft/chan.h>
#include <weft/fd.h>
#include <weft/flight.h>
#include <weft/group.h>
#include <weft/loop.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { TASKS = 100, NOBODY = 65534 };

/* ---- some of everything ---- */

static int value;

static int fly(weft_ctx *ctx, void *arg, void **result)
{
	*result = arg;
	return weft_sleep(ctx, WEFT_US(100));
}

static int work(weft_ctx *ctx, void *arg)
{
	weft_result r = weft_flight_do_ctx(arg, ctx, weft_key_u64(1), fly,
					   &value);

	if (r.err == 0)
		CHECK(r.value == &value);
	weft_result_release(&r);
	return r.err;
}

/* Returns 0, or the first error. */
static int work_together(void *unused)
{
	weft_flight flight = {0};
	weft_group g = {0};
	int err;

	(void)unused;
	for (int i = 0; i < TASKS; i++)
		weft_group_go(&g, work, &flight);
	err = weft_group_wait(&g);
	weft_flight_fini(&flight);
	return err;
}

static void check_works(void)
{
	CHECK_EQ(weft_run(work_together, NULL), 0);
	CHECK_EQ(weft_task_count(), 0);
}

static void check_works_or(int error)
{
	int err = weft_run(work_together, NULL);

	if (err != 0)
		CHECK_EQ(err, error);
	CHECK_EQ(weft_task_count(), 0);
}

/* ---- a want that ends ---- */

/*
 * Who waits without a stack to leave sleeps with its worker, and without
 * memory for another thread nobody is left to run what it waits for. So the
 * want ends, after a while, and all goes on.
 */
static struct {
	void *region;	/* of mappings, to be given back */
	size_t bytes;
	uint32_t begun;	/* atomic */
} want;

static void sleep_of_libc(weft_duration d)
{
	struct timespec time = {.tv_nsec = d};

	while (nanosleep(&time, &time) != 0)
		;
}

static void end_the_want(void *unused)
{
	(void)unused;
	while (weft_atomic_load(&want.begun, acquire) == 0)
		sleep_of_libc(WEFT_MS(1));
	sleep_of_libc(WEFT_MS(200));
	setrlimit(RLIMIT_AS, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	if (want.region != NULL)
		munmap(want.region, want.bytes);
	want.region = NULL;
	weft_atomic_store(&want.begun, 0, relaxed);
}

/* ---- limits ---- */

static rlim_t set_limit(int which, rlim_t limit)
{
	struct rlimit r;
	rlim_t before;

	CHECK_EQ(getrlimit(which, &r), 0);
	before = r.rlim_cur;
	r.rlim_cur = limit;
	CHECK_EQ(setrlimit(which, &r), 0);
	return before;
}

static rlim_t allow_no_more_descriptors(void)
{
	int next = INT_MAX;

	/* More than once: the monitor may have one open just now. */
	for (int i = 0; i < 10; i++) {
		int free_one = dup(0);

		CHECK_LE(0, free_one);
		close(free_one);
		next = free_one < next ? free_one : next;
		usleep(100);
	}
	return set_limit(RLIMIT_NOFILE, (rlim_t)next);
}

static void wait_for_nothing(void *arg)
{
	int *ends = arg;

	CHECK_EQ(weft_wait_fd(NULL, ends[0], POLLIN), -EMFILE);
}

TEST_FLAVOURS(without_descriptors_what_needs_one_says_so_and_the_rest_works)
{
	weft_loop loop;
	rlim_t before;
	int ends[2];

	CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	before = allow_no_more_descriptors();
	test_start(wait_for_nothing, ends);
	test_join_all();
	CHECK_EQ(weft_loop_init(&loop), -EMFILE);
	CHECK_EQ(work_together(NULL), 0);
	set_limit(RLIMIT_NOFILE, before);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(weft_wait_fd(NULL, ends[0], POLLIN), POLLIN);
	CHECK_EQ(weft_loop_init(&loop), 0);
	weft_loop_fini(&loop);
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

static void become_nobody(void)
{
	if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
		test_skip("there is nobody to become");
}

TEST(without_threads_starting_says_so)
{
	rlim_t before;

	become_nobody();
	before = set_limit(RLIMIT_NPROC, 0);
	CHECK_EQ(weft_run(work_together, NULL), -ENOMEM);
	CHECK_EQ(weft_go(wait_for_nothing, NULL), -ENOMEM);
	set_limit(RLIMIT_NPROC, before);
	check_works();
}

static uint32_t here;	/* atomic */

/* Computes till there are two: on two workers. */
static void meet_computing(void *wg)
{
	weft_atomic_add(&here, 1, relaxed);
	while (weft_atomic_load(&here, relaxed) < 2)
		weft__cpu_pause();
	weft_waitgroup_done(wg);
}

static int start_two(void *unused)
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, 2);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(weft_go(meet_computing, &wg), 0);
	weft_waitgroup_wait(&wg);
	return unused != NULL;
}

TEST(after_a_start_without_threads_others_are_woken)
{
	rlim_t before;

	become_nobody();
	workers("2");
	before = set_limit(RLIMIT_NPROC, 0);
	CHECK_EQ(weft_run(start_two, NULL), -ENOMEM);
	set_limit(RLIMIT_NPROC, before);
	CHECK_EQ(weft_run(start_two, NULL), 0);
}

/* As it is where another program of the user's has taken all but few. */
TEST(with_few_threads_it_works_or_says_so)
{
	become_nobody();
	workers("8");
	for (rlim_t n = 1; n <= 8; n++) {
		rlim_t before = set_limit(RLIMIT_NPROC, n);

		check_works_or(-ENOMEM);
		set_limit(RLIMIT_NPROC, before);
		check_works();
	}
}

static rlim_t address_space_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages;

	CHECK(file != NULL && fscanf(file, "%zu", &pages) == 1);
	fclose(file);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Of the region of stacks there are at least 64 MiB, or none. */
static void work_within(rlim_t more_bytes)
{
	if (test_slowdown() > 1)
		test_skip("the sanitizer takes all of the address space");
	test_start_thread(end_the_want, NULL);
	set_limit(RLIMIT_AS, address_space_bytes() + more_bytes);
	weft_atomic_store(&want.begun, 1, release);
	check_works_or(-ENOMEM);
	test_join_all();
	check_works();
}

TEST(with_an_address_space_of_1_mib_it_waits_or_says_so)
{
	work_within(1 << 20);
}

TEST(with_an_address_space_of_20_mib_it_waits_or_says_so)
{
	work_within(20 << 20);
}

TEST(with_an_address_space_of_200_mib_it_works)
{
	if (test_slowdown() > 1)
		test_skip("the sanitizer takes all of the address space");
	set_limit(RLIMIT_AS, address_space_bytes() + (200 << 20));
	check_works();
}

static int want_300_mib(void *unused)
{
	void *p = malloc((size_t)300 << 20);
	bool had = p != NULL;

	(void)unused;
	free(p);
	return had ? 0 : -ENOMEM;
}

TEST(with_an_address_space_of_1200_mib_it_leaves_half_to_the_program)
{
	if (test_slowdown() > 1)
		test_skip("the sanitizer takes all of the address space");
	set_limit(RLIMIT_AS, (rlim_t)1200 << 20);
	CHECK_EQ(weft_run(want_300_mib, NULL), 0);
}

/*
 * As many mappings as vm.max_map_count allows, but for spare: every other page
 * of a region gets a protection of its own, which makes each a mapping.
 */
static void use_mappings_up(int spare)
{
	enum { PAGES = 1 << 18 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, PAGES * page, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t i = 1;

	CHECK(p != MAP_FAILED);
	want.region = p;
	want.bytes = PAGES * page;
	while (i < PAGES && mprotect(p + i * page, page, PROT_READ) == 0)
		i += 2;
	if (i >= PAGES)
		test_skip("vm.max_map_count is too high");
	for (; spare > 0 && i > 2; spare--) {
		i -= 2;
		CHECK_EQ(munmap(p + i * page, page), 0);
	}
}

static void park(void *arg)
{
	gate_wait(arg);
}

static void work_with_mappings(int spare)
{
	gate gate = {0};

	if (test_slowdown() > 1)
		test_skip("the sanitizer needs mappings of its own");
	test_start_thread(end_the_want, NULL);
	use_mappings_up(spare);
	weft_atomic_store(&want.begun, 1, release);
	for (int i = 0; i < TASKS && weft_go(park, &gate) == 0; i++)
		;
	gate_open(&gate);
	test_until(weft_task_count() == 0);
	check_works_or(-ENOMEM);
	test_join_all();
	check_works();
}

TEST(without_mappings_it_waits_or_says_so)
{
	work_with_mappings(0);
}

TEST(with_few_mappings_it_waits_or_says_so)
{
	work_with_mappings(6);
	work_with_mappings(20);
	work_with_mappings(60);
}

/* ---- when nobody is left to run them ---- */

static int stderr_file;

static void keep_stderr(void)
{
	stderr_file = memfd_create("stderr", 0);
	CHECK_EQ(dup2(stderr_file, STDERR_FILENO), STDERR_FILENO);
}

static int complaints(void)
{
	char text[4096];
	ssize_t n = pread(stderr_file, text, sizeof text - 1, 0);
	int count = 0;

	text[n > 0 ? n : 0] = 0;
	for (const char *at = text;
	     (at = strstr(at, "weft: out of memory or threads")) != NULL; at++)
		count++;
	return count;
}

static weft_waitgroup come, gone;

static void meet_all(void *unused)
{
	(void)unused;
	weft_waitgroup_done(&come);
	weft_waitgroup_wait(&come);
	weft_waitgroup_done(&gone);
}

static void give_room(int number)
{
	(void)number;
	setrlimit(RLIMIT_AS, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
}

/* A thread that is elsewhere could wake somebody: so it is a signal that helps. */
static void meet_without_room(void)
{
	enum { CROWD = 2000 };

	signal(SIGALRM, give_room);
	weft_waitgroup_add(&come, CROWD);
	weft_waitgroup_add(&gone, CROWD);
	set_limit(RLIMIT_AS, address_space_bytes() + (20 << 20));
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(weft_go(meet_all, NULL), 0);
	alarm(4);
	weft_waitgroup_wait(&gone);
	test_until(weft_task_count() == 0);
}

TEST(tasks_that_nobody_is_left_to_run_are_told_of_once_and_run_when_they_can)
{
	if (test_slowdown() > 1)
		test_skip("the sanitizer takes all of the address space");
	keep_stderr();
	meet_without_room();
	CHECK_EQ(complaints(), 1);
}

TEST(tasks_that_nobody_is_left_to_run_are_not_told_of_if_that_is_not_wanted)
{
	if (test_slowdown() > 1)
		test_skip("the sanitizer takes all of the address space");
	setenv("WEFT_DEADLOCK", "off", 1);
	keep_stderr();
	meet_without_room();
	CHECK_EQ(complaints(), 0);
}

TEST_TRAP(tasks_that_nobody_is_left_to_run_stop_the_program_if_that_is_wanted,
	  "weft: out of memory or threads: all wait")
{
	if (test_slowdown() > 1)
		test_skip("the sanitizer takes all of the address space");
	setenv("WEFT_DEADLOCK", "abort", 1);
	meet_without_room();
}

/* Its own stack is the thread's. */
TEST_TRAP(a_task_without_a_stack_that_is_waited_for_cannot_exit_without_tables,
	  "fatal error: a panic or exit cannot leave 0x")
{
	weft_waitgroup wg = {0};

	if (test_slowdown() > 1)
		test_skip("the sanitizer takes all of the address space");
	set_limit(RLIMIT_AS, address_space_bytes() + (20 << 20));
	CHECK_EQ(weft_waitgroup_go(&wg, exit_without_tables, NULL), 0);
	weft_waitgroup_wait(&wg);
}

static void compute_and_sleep(void *arg)
{
	weft_time end = weft_now() + WEFT_MS(1500);

	while (weft_now() < end)
		weft__cpu_pause();
	usleep(2500000);
	weft_waitgroup_done(arg);
}

static void end(void *arg)
{
	weft_waitgroup_done(arg);
}

TEST(tasks_that_wait_for_one_that_comes_back_are_not_told_of)
{
	weft_waitgroup wg = {0};
	rlim_t before;

	become_nobody();
	workers("1");
	keep_stderr();
	weft_waitgroup_add(&wg, 2);
	CHECK_EQ(weft_go(compute_and_sleep, &wg), 0);
	before = set_limit(RLIMIT_NPROC, 0);
	CHECK_EQ(weft_go(end, &wg), 0);
	weft_waitgroup_wait(&wg);
	set_limit(RLIMIT_NPROC, before);	/* a sanitizer wants one at the end */
	CHECK_EQ(complaints(), 0);
}

/* ---- what needs memory of its own ---- */

static void init_chan(void)
{
	weft_chan c;
	int err;

	fault_begin();
	err = weft_chan_init(&c, 8, 8);
	CHECK(err == 0 || (fault_end() && err == -ENOMEM));
	if (err != 0)
		CHECK_EQ(weft_chan_init(&c, 8, 8), 0);
	CHECK(weft_chan_try_send(&c, &(uint64_t){1}));
	weft_chan_fini(&c);
	CHECK_EQ(fault_blocks(), 0);
	fault_end();
}

TEST(chan_init_without_memory_returns_enomem)
{
	fault_each(init_chan);
}

static void init_loop(void)
{
	weft_loop loop;
	int err;

	fault_begin();
	err = weft_loop_init(&loop);
	CHECK(err == 0 || (fault_end() && err == -ENOMEM));
	if (err != 0)
		CHECK_EQ(weft_loop_init(&loop), 0);
	CHECK_EQ(weft_loop_step(&loop), 0);
	weft_loop_fini(&loop);
	fault_end();
}

TEST(loop_init_without_memory_returns_enomem)
{
	fault_each(init_loop);
}
