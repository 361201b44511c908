/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "child.h"
#include "gate.h"
#include "proc.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/flight.h>
#include <weft/sema.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t counter;

static void count_one(void *arg)
{
	(void)arg;
	weft_atomic_add(&counter, 1, release);
}

static void go(weft_fn fn, void *arg)
{
	CHECK_EQ(weft_go(fn, arg), 0);
}

/* ---- weft_go ---- */

static int go_and_look(void *arg)
{
	(void)arg;
	go(count_one, NULL);
	CHECK_EQ(weft_atomic_load(&counter, relaxed), 0);
	test_until(weft_atomic_load(&counter, relaxed) == 1);
	return 0;
}

TEST(go_starts_the_task_later_not_inside_the_call)
{
	one_worker();
	CHECK_EQ(weft_run(go_and_look, NULL), 0);
}

TEST_FLAVOURS(go_runs_every_task)
{
	enum { MANY = 300 };

	for (int i = 0; i < MANY; i++)
		test_start(count_one, NULL);
	test_join_all();
	CHECK_EQ(counter, MANY);
}

static void go_many(void *arg)
{
	for (int i = 0; i < 5000; i++)
		go(count_one, arg);
}

TEST_FLAVOURS(go_can_be_called_by_many_at_once)
{
	for (int i = 0; i < 8; i++)
		test_start(go_many, NULL);
	test_until(weft_atomic_load(&counter, relaxed) == 8 * 5000);
	test_until(weft_task_count() <= 1);
}

static void see_before(void *arg)
{
	CHECK_EQ(*(int *)arg, 42);
	*(int *)arg = 43;
	count_one(NULL);
}

/* The race detector checks the order; the values are the lesser part. */
TEST_FLAVOURS(go_happens_before_the_task_begins)
{
	int value[100];

	for (int i = 0; i < 100; i++) {
		value[i] = 42;
		go(see_before, &value[i]);
	}
	test_until(weft_atomic_load(&counter, acquire) == 100);
}

TEST_TRAP(go_of_a_null_function_is_fatal, "go of nil func value")
{
	(void)!weft_go(NULL, NULL);
}

/* ---- weft_go_copy ---- */

struct parcel {
	size_t size;
	unsigned char byte[];
};

static void check_parcel(void *arg)
{
	struct parcel *p = arg;

	CHECK_EQ((uintptr_t)p % _Alignof(max_align_t), 0);
	for (size_t i = 0; i < p->size; i++)
		CHECK_EQ(p->byte[i], (unsigned char)(p->size + i));
	memset(p->byte, 0, p->size);	/* its own: nobody else minds */
	count_one(NULL);
}

TEST_FLAVOURS(go_copy_gives_the_task_its_own_aligned_copy)
{
	static const size_t sizes[] = {0, 1, 7, 8, 9, 100, 4096, 1 << 20};
	enum { SIZES = sizeof sizes / sizeof *sizes };
	struct parcel *p = malloc(sizeof *p + (1 << 20));

	CHECK(p != NULL);
	for (int i = 0; i < SIZES; i++) {
		p->size = sizes[i];
		for (size_t j = 0; j < p->size; j++)
			p->byte[j] = (unsigned char)(p->size + j);
		CHECK_EQ(weft_go_copy(check_parcel, p, sizeof *p + p->size), 0);
		memset(p, 0xff, sizeof *p + p->size);
	}
	free(p);
	test_until(weft_atomic_load(&counter, relaxed) == SIZES);
}

TEST(go_copy_of_nothing_works)
{
	CHECK_EQ(weft_go_copy(count_one, NULL, 0), 0);
	test_until(weft_atomic_load(&counter, relaxed) == 1);
}

TEST(go_copy_of_more_than_there_is_returns_enomem)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2};

	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_go_copy(count_one, "", sizes[i]), -ENOMEM);
	CHECK_EQ(weft_task_count(), 0);
}

TEST_TRAP(go_copy_of_a_null_function_is_fatal, "go of nil func value")
{
	(void)!weft_go_copy(NULL, NULL, 0);
}

/* ---- weft_run ---- */

static int give_back(void *arg)
{
	return *(int *)arg;
}

TEST(run_returns_what_the_function_returned)
{
	static int values[] = {0, 1, -1, INT32_MAX, INT32_MIN};

	for (int i = 0; i < 5; i++)
		CHECK_EQ(weft_run(give_back, &values[i]), values[i]);
}

static int go_and_leave(void *arg)
{
	for (int i = 0; i < 100; i++)
		go(count_one, arg);
	return 0;
}

TEST(run_may_be_called_again_and_again)
{
	for (uint32_t i = 1; i <= 200; i++) {
		CHECK_EQ(weft_run(go_and_leave, NULL), 0);
		CHECK_EQ(counter, 100 * i);
		CHECK_EQ(weft_task_count(), 0);
	}
}

/* A task that needs many turns, and leaves another one behind. */
static void live_long(void *arg)
{
	intptr_t left = (intptr_t)arg;

	for (int i = 0; i < 10; i++)
		weft_yield();
	count_one(NULL);
	if (left > 0)
		go(live_long, (void *)(left - 1));
}

static int leave_at_once(void *arg)
{
	for (int i = 0; i < 50; i++)
		go(live_long, arg);
	return 7;
}

TEST(run_runs_what_can_run_to_its_end)
{
	CHECK_EQ(weft_run(leave_at_once, (void *)20), 7);
	CHECK_EQ(counter, 50 * 21);
	CHECK_EQ(weft_task_count(), 0);
}

TEST(run_leaves_no_thread_behind)
{
	int before = thread_count();

	CHECK_EQ(weft_run(leave_at_once, NULL), 7);
	/* The kernel takes a joined thread from the list a moment later. */
	test_until(thread_count() == before);
}

static gate door;

static void wait_at_the_door(void *arg)
{
	weft_task_name(arg);
	gate_wait(&door);
	count_one(NULL);
}

static int leave_three(void *arg)
{
	(void)arg;
	go(wait_at_the_door, "ada");
	go(wait_at_the_door, "grace");
	go(wait_at_the_door, "barbara");
	test_until(weft_atomic_load(&door.waiting, relaxed) == 3);
	return 0;
}

enum { MANY_LEFT = 130 };

static int leave_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < MANY_LEFT; i++)
		go(wait_at_the_door, "one of many");
	test_until(weft_atomic_load(&door.waiting, relaxed) == MANY_LEFT);
	return 0;
}

/* Run fn() with stderr in text. */
static void run_and_read_stderr(int (*fn)(void *), char *text, size_t size)
{
	int file = memfd_create("stderr", 0), old = dup(STDERR_FILENO);
	ssize_t n;

	dup2(file, STDERR_FILENO);
	CHECK_EQ(weft_run(fn, NULL), 0);
	dup2(old, STDERR_FILENO);
	n = pread(file, text, size - 1, 0);
	text[n > 0 ? n : 0] = 0;
	fputs(text, stderr);
}

static int count_in(const char *text, const char *part)
{
	int n = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		n++;
	return n;
}

static void name_oneself(void *name)
{
	weft_task_name(name);
	count_one(NULL);
}

static int name_oneself_in_flight(weft_ctx *ctx, void *name, void **value)
{
	(void)ctx;
	(void)value;
	weft_task_name(name);
	return 0;
}

static void wait_unnamed(void *unused)
{
	(void)unused;
	gate_wait(&door);
}

static int leave_two_after_named_ones(void *arg)
{
	static weft_flight f;

	(void)arg;
	for (int i = 0; i < 10; i++)
		go(name_oneself, "ada");
	test_until(weft_atomic_load(&counter, relaxed) == 10);
	go(wait_unnamed, NULL);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 1);
	for (int i = 0; i < 10; i++)
		weft_flight_do_ctx(&f, NULL, weft_key_u64(1),
				   name_oneself_in_flight, "grace");
	go(wait_unnamed, NULL);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 2);
	return 0;
}

TEST(task_has_not_the_name_of_the_one_before)
{
	char text[4096];

	one_worker();
	run_and_read_stderr(leave_two_after_named_ones, text, sizeof text);
	CHECK_EQ(count_in(text, "unnamed"), 2);
	CHECK_EQ(count_in(text, "ada"), 0);
	CHECK_EQ(count_in(text, "grace"), 0);
}

TEST(run_reports_each_leaked_task_in_one_line_and_keeps_it)
{
	char text[4096];

	run_and_read_stderr(leave_three, text, sizeof text);
	CHECK_EQ(count_in(text, "\n"), 3);
	CHECK_EQ(count_in(text, "weft: leaked task"), 3);
	CHECK_EQ(count_in(text, "\"ada\""), 1);
	CHECK_EQ(count_in(text, "\"grace\""), 1);
	CHECK_EQ(count_in(text, "\"barbara\""), 1);
	CHECK_EQ(count_in(text, "test gate"), 3);
	CHECK_EQ(weft_task_count(), 3);

	gate_open(&door);
	test_until(weft_atomic_load(&counter, relaxed) == 3);
	CHECK_EQ(weft_run(go_and_leave, NULL), 0);
	CHECK_EQ(weft_task_count(), 0);
}

TEST(run_leaves_what_is_due_later_to_the_next_start)
{
	weft_ctx_after after = {0};
	weft_ctx soon;
	int value = 0;

	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(20));
	CHECK_EQ(weft_ctx_after_start(&after, &soon, count_one, NULL), 0);
	CHECK_EQ(weft_run(give_back, &value), 0);
	test_until(weft_ctx_done(&soon));
	go(count_one, NULL);
	test_until(weft_atomic_load(&counter, relaxed) == 2);
	weft_ctx_fini(&soon);
}

TEST(run_reports_the_first_hundred_leaked_tasks_and_how_many_more)
{
	static char text[64 * 1024];

	run_and_read_stderr(leave_many, text, sizeof text);
	CHECK_EQ(count_in(text, "weft: leaked task \"one of many\""), 100);
	CHECK_EQ(count_in(text, "weft: 30 more leaked tasks\n"), 1);
	gate_open(&door);
	test_until(weft_task_count() == 0);
}

static uint32_t stop;

static void wait_for_gate(void *arg)
{
	gate *g = arg;

	gate_wait(g);
	weft_atomic_add(&g->waiting, 1, release);
}

typedef struct {
	weft_sema sema;
	uint32_t state;
} passage;

static void wait_for_sema(void *arg)
{
	passage *p = arg;

	weft_atomic_store(&p->state, 1, release);
	weft_sema_acquire(&p->sema, 1);
	weft_atomic_store(&p->state, 2, release);
}

static void go_for_ever(void *arg)
{
	while (!weft_atomic_load(&stop, relaxed)) {
		gate g = {0};

		go(wait_for_gate, &g);
		test_until(weft_atomic_load(&g.waiting, relaxed) == 1);
		gate_open(&g);
		test_until(weft_atomic_load(&g.waiting, acquire) == 2);
	}
	(void)arg;
}

/* Such a wait says more of itself in the report of leaks: from its semaphore. */
static void release_for_ever(void *arg)
{
	while (!weft_atomic_load(&stop, relaxed)) {
		passage p = {.state = 0};

		go(wait_for_sema, &p);
		test_until(weft_atomic_load(&p.state, acquire) == 1);
		for (uint32_t i = test_random() % 5000; i > 0; i--)
			weft_atomic_load(&stop, relaxed);
		weft_sema_release(&p.sema, 1);
		test_until(weft_atomic_load(&p.state, acquire) == 2);
	}
	(void)arg;
}

/* Tasks are started and woken in every moment of the runtime's end. */
TEST(run_may_end_while_threads_start_and_wake_tasks)
{
	int value = 5;

	if (test_simulated())
		test_skip("a worker that is slow enough has work for ever");
	for (int i = 0; i < 2; i++)
		test_start_thread(i == 0 ? go_for_ever : release_for_ever, NULL);
	for (int i = 0; i < 300 / test_slowdown(); i++)
		CHECK_EQ(weft_run(give_back, &value), 5);
	weft_atomic_store(&stop, 1, relaxed);
	test_join_all();
	test_until(weft_task_count() == 0);
}

static int run_inside(void *arg)
{
	return weft_run(give_back, arg);
}

TEST_TRAP(run_by_a_task_is_fatal, "weft_run called by a task")
{
	int value = 0;

	weft_run(run_inside, &value);
}

/* ---- weft_yield ---- */

static int yield_until_counted(void *arg)
{
	uint32_t *wanted = arg, yields = 0;

	for (uint32_t i = 0; i < *wanted; i++)
		go(count_one, NULL);
	for (; weft_atomic_load(&counter, relaxed) < *wanted; yields++)
		weft_yield();
	CHECK_LE(yields, *wanted);	/* each lets one run, at least */
	return 0;
}

TEST(yield_lets_fresh_tasks_run)
{
	uint32_t wanted = 1000;

	one_worker();
	weft_run(yield_until_counted, &wanted);
}

static void yield_and_start(void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++)
		weft_yield();
	go(count_one, NULL);
}

static int start_two_who_yield(void *arg)
{
	for (int i = 0; i < 2; i++)
		go(yield_and_start, NULL);
	while (weft_atomic_load(&counter, relaxed) < 2)
		weft_yield();
	return arg != NULL;
}

TEST(task_begins_on_a_stack_where_one_has_yielded)
{
	one_worker();
	CHECK_EQ(weft_run(start_two_who_yield, NULL), 0);
}

static uint32_t turns[3];

static void take_turns(void *arg)
{
	uint32_t *mine = arg;

	while (weft_atomic_load(mine, relaxed) < 10000) {
		weft_atomic_add(mine, 1, relaxed);
		weft_yield();
	}
}

static int start_three(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		test_start_task(take_turns, &turns[i]);
	while (weft_atomic_load(&turns[0], relaxed) < 5000)
		weft_yield();
	for (int i = 1; i < 3; i++)
		CHECK_LT(2500, weft_atomic_load(&turns[i], relaxed));
	return 0;
}

TEST(yield_gives_equal_turns_to_those_who_yield)
{
	one_worker();
	weft_run(start_three, NULL);
}

TEST(yield_alone_returns)
{
	weft_yield();
	test_start_task(take_turns, &turns[0]);
	test_join_all();
}

/* ---- many ---- */

static latch all;

static void count_down(void *arg)
{
	(void)arg;
	latch_done(&all);
}

static int spawn_many_and_wait(void *arg)
{
	(void)arg;
	all.count = 100 * 1000;
	for (int i = 0; i < 100 * 1000; i++)
		go(count_down, NULL);
	latch_wait(&all);
	return 0;
}

TEST(parent_of_100000_tasks_waits_for_all)
{
	CHECK_EQ(weft_run(spawn_many_and_wait, NULL), 0);
	CHECK_EQ(all.count, 0);
}

struct node {
	latch children;
	latch *parent;
	int depth;
};

static void grow_tree(void *arg)
{
	struct node *n = arg;
	struct node child[2];

	if (n->depth > 0) {
		n->children = (latch){.count = 2};
		for (int i = 0; i < 2; i++) {
			child[i] = (struct node){.parent = &n->children,
						 .depth = n->depth - 1};
			go(grow_tree, &child[i]);
		}
		latch_wait(&n->children);
	}
	count_one(NULL);
	if (n->parent != NULL)
		latch_done(n->parent);
}

static int run_tree(void *arg)
{
	struct node root = {.depth = *(int *)arg};

	grow_tree(&root);
	return 0;
}

TEST(tree_of_tasks_waits_at_every_level)
{
	int depth = 13;

	CHECK_EQ(weft_run(run_tree, &depth), 0);
	CHECK_EQ(counter, (1 << 14) - 1);
}

/* ---- weft_task_count ---- */

TEST(task_count_counts_those_that_wait)
{
	CHECK_EQ(weft_task_count(), 0);
	for (int i = 0; i < 50; i++)
		test_start_task(wait_at_the_door, NULL);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 50);
	CHECK_EQ(weft_task_count(), 50);
	gate_open(&door);
	test_until(weft_task_count() == 0);
	CHECK_EQ(weft_atomic_load(&counter, relaxed), 50);
}

/* ---- stacks and registers ---- */

/* Touch the stack, KiB by KiB. */
__attribute__((noinline)) static int use_stack(int kib)
{
	volatile char frame[1000];

	frame[0] = (char)kib;
	frame[sizeof frame - 1] = (char)kib;
	if (kib > 0)
		return use_stack(kib - 1) + frame[0] - frame[sizeof frame - 1];
	return frame[0];
}

static void go_deep(void *arg)
{
	use_stack(100);
	gate_wait(&door);
	use_stack(100);
	count_one(arg);
}

TEST(stack_has_room_for_100_kib)
{
	for (int i = 0; i < 64; i++)
		test_start_task(go_deep, NULL);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 64);
	gate_open(&door);
	test_join_all();
	CHECK_EQ(counter, 64);
}

static void go_too_deep(void *arg)
{
	weft_task_name("diver");
	if (arg != NULL)
		gate_wait(arg);
	use_stack(1 << 20);
}

TEST_DEATH(stack_overflow_names_the_task, SIGSEGV,
	   "stack overflow in task \"diver\"")
{
	test_start_task(go_too_deep, NULL);
	test_join_all();
}

TEST_DEATH(stack_overflow_after_a_wait_names_the_task, SIGSEGV,
	   "stack overflow in task \"diver\"")
{
	for (int i = 0; i < 100; i++)
		test_start_task(wait_at_the_door, "bystander");
	test_start_task(go_too_deep, &door);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 101);
	gate_open(&door);
	test_join_all();
}

static void leave_well(int number)
{
	(void)number;
	_exit(0);
}

/* Code may be read, so that valgrind has nothing to report. */
static void write_code(void *arg)
{
	(void)arg;
	*(volatile char *)(uintptr_t)write_code = 0;
}

TEST(fault_handler_of_the_program_stays_in_effect)
{
	signal(SIGSEGV, leave_well);
	test_start_task(write_code, NULL);
	test_join_all();
	CHECK(!"got here");
}

/* Where stacks would be, and none is yet, nor is any of the room made ready. */
static void write_ahead(void *bytes)
{
	char here, *there = &here + ((size_t)1 << 30) + *(size_t *)bytes;

	__asm__ volatile("" : "+r"(there));
	*(volatile char *)there = 0;
}

static void be_hit(void *bytes)
{
	signal(SIGSEGV, leave_well);
	test_start_task(write_ahead, bytes);
	test_join_all();
	abort();
}

/* Nobody can be named for it, wherever it is in what will be a stack and its guard. */
TEST(fault_where_no_stack_is_yet_is_the_programs)
{
	struct rlimit limit;

	if (test_emulated())
		test_skip("valgrind reports it");
	getrlimit(RLIMIT_AS, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		test_skip("address space is limited, and so is that for stacks");
	for (size_t bytes = 0; bytes < (size_t)1088 << 10; bytes += 64 << 10)
		CHECK_EQ(in_child(be_hit, &bytes), 0);
}

__attribute__((noinline)) static void set_errno(int value)
{
	errno = value;
	__asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static int get_errno(void)
{
	__asm__ volatile("" ::: "memory");
	return errno;
}

static void keep_errno(void *arg)
{
	int mine = (int)(intptr_t)arg;

	for (int i = 0; i < 200; i++) {
		set_errno(mine);
		weft_yield();
		CHECK_EQ(get_errno(), mine);
	}
	set_errno(mine);
	gate_wait(&door);
	CHECK_EQ(get_errno(), mine);
}

TEST(errno_is_kept_while_others_run)
{
	for (intptr_t i = 1; i <= 100; i++)
		test_start_task(keep_errno, (void *)i);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 100);
	gate_open(&door);
	test_join_all();
}

static void keep_registers(void *arg)
{
	uint64_t x = (uintptr_t)arg, v[8];
	double d[8];

	for (int i = 0; i < 8; i++) {
		v[i] = x * (uint64_t)(i + 3);
		d[i] = (double)x / (i + 3);
	}
	for (int i = 0; i < 100; i++) {
		weft_yield();
		for (int j = 0; j < 8; j++) {
			v[j] += (uint64_t)j;
			d[j] += j;
		}
	}
	for (int i = 0; i < 8; i++) {
		CHECK(v[i] == x * (uint64_t)(i + 3) + 100 * (uint64_t)i);
		CHECK(d[i] - ((double)x / (i + 3) + 100 * i) < 1e-6);
	}
}

TEST(registers_survive_a_switch)
{
	for (intptr_t i = 1; i <= 100; i++)
		test_start_task(keep_registers, (void *)i);
	test_join_all();
}

/* ---- threads and signals ---- */

static pthread_t handler_thread;
static uint32_t handled;

static void note_thread(int number)
{
	(void)number;
	handler_thread = pthread_self();
	weft_atomic_store(&handled, 1, release);
}

/* The kernel asks the main thread first, and workers only if that has them blocked. */
TEST(signals_go_to_the_threads_of_the_program)
{
	if (test_emulated())
		test_skip("valgrind chooses the thread");
	one_worker();	/* who makes another takes what comes meanwhile */
	signal(SIGUSR1, note_thread);
	weft_run(leave_at_once, NULL);
	test_start_task(wait_at_the_door, NULL);
	test_until(weft_atomic_load(&door.waiting, relaxed) == 1);
	for (int i = 0; i < 100; i++) {
		weft_atomic_store(&handled, 0, relaxed);
		kill(getpid(), SIGUSR1);
		test_until(weft_atomic_load(&handled, acquire));
		CHECK(pthread_equal(handler_thread, pthread_self()));
	}
	gate_open(&door);
	test_join_all();
}

static void end_blocking(void *arg)
{
	(void)arg;
	weft_blocking_end();
}

TEST_TRAP(blocking_end_without_begin_panics,
	  "weft_blocking_end without weft_blocking_begin")
{
	test_start_task(end_blocking, NULL);
	test_join_all();
}

TEST(blocking_on_a_thread_does_nothing)
{
	int before = thread_count();

	weft_blocking_begin();
	weft_blocking_end();
	weft_blocking_end();
	weft_task_name("no task");
	CHECK_EQ(thread_count(), before);
}
