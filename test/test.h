/* SPDX-License-Identifier: MIT */
/*
 * The test harness. Every case runs in a process of its own, with a time
 * limit; a check may fail in any task or thread and ends that process.
 *
 *	#include "test.h"
 *
 *	static void add_one(void *arg)
 *	{
 *		weft_atomic_add((int *)arg, 1, relaxed);
 *	}
 *
 *	TEST_FLAVOURS(join_all_waits_for_all)
 *	{
 *		int sum = 0;
 *
 *		for (int i = 0; i < 100; i++)
 *			test_start(add_one, &sum);
 *		test_join_all();
 *		CHECK_EQ(sum, 100);
 *	}
 *
 *	PROGRAM                run all cases; exit status 0, 1, or 77 when all
 *	                       were skipped
 *	PROGRAM --list         print their names
 *	PROGRAM NAME           run one in this process: for a debugger
 *
 *	WEFT_TEST_CASE=pattern run those whose names fit: mutex_excludes_*
 *	WEFT_TEST_SEED=n       the seed of test_random(), and of the simulated
 *	                       machine; a failure prints its own
 *	WEFT_TEST_SEEDS=n      each case with n seeds, from that one on
 *	WEFT_TEST_LONG=1       test_long() is true
 *	WEFT_TEST_LIMIT=n      time limits times n, and fewer rounds: for valgrind
 *	                       and emulators
 *	WEFT_TEST_SIGNALS=how  a thousand signals a second, to whichever thread:
 *	                       "restart", or "interrupt" system calls
 */
#ifndef WEFT_TEST_H
#define WEFT_TEST_H

#include <weft/atomic.h>
#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

#include <inttypes.h>
#include <signal.h>

/*
 * In a program whose cases explore hundreds of worlds each, whatever the seed:
 * they take no more than n, however many WEFT_TEST_SEEDS are.
 */
#define TEST_SEEDS_AT_MOST(n) unsigned test_priv_seeds_most = (n)
extern unsigned test_priv_seeds_most;

/* A case: TEST(name) { … } runs on the main thread, a plain one. */
#define TEST(name)                                                             \
	static void name(void);                                                \
	TEST_PRIV_CASE(name, , TEST_PLAIN, 0, NULL)                            \
	static void name(void)

/*
 * Three cases: name_tasks, name_threads and name_mixed. test_start() starts
 * tasks, threads, or both by turns; the body is a task, a thread, or what the
 * seed decides. Whatever was started is joined after the body, and a task that
 * is left then fails the case.
 */
#define TEST_FLAVOURS(name)                                                    \
	static void name(void);                                                \
	TEST_PRIV_CASE(name, _tasks, TEST_TASKS, 0, NULL)                      \
	TEST_PRIV_CASE(name, _threads, TEST_THREADS, 0, NULL)                  \
	TEST_PRIV_CASE(name, _mixed, TEST_MIXED, 0, NULL)                      \
	static void name(void)

/* A case that passes if signal number kills it with message on stderr. */
#define TEST_DEATH(name, number, message)                                      \
	static void name(void);                                                \
	TEST_PRIV_CASE(name, , TEST_PLAIN, number, message)                    \
	static void name(void)
#define TEST_TRAP(name, message) TEST_DEATH(name, SIGABRT, message)

/* Checks: for any task or thread. The second form prints both operands. */
#define CHECK(expr)                                                            \
	((expr) ? (void)0 : test_priv_fail(__FILE__, __LINE__, #expr))
#define CHECK_EQ(a, b) TEST_PRIV_COMPARE(a, ==, b)
#define CHECK_NE(a, b) TEST_PRIV_COMPARE(a, !=, b)
#define CHECK_LT(a, b) TEST_PRIV_COMPARE(a, <, b)
#define CHECK_LE(a, b) TEST_PRIV_COMPARE(a, <=, b)

/*
 * Let others run until expr is true; fails when that takes half the usual time
 * limit. Read what others write with weft_atomic_load().
 */
#define test_until(expr)                                                       \
	do {                                                                   \
		weft_time priv_start = weft_now();                             \
		for (uint32_t priv_i = 0; !(expr); priv_i++)                   \
			test_priv_pause(priv_i, priv_start, #expr, __FILE__,   \
					__LINE__);                             \
	} while (0)

/* Start fn(arg): in a case of TEST() as a thread, else see TEST_FLAVOURS(). */
void test_start(weft_fn fn, void *arg);
void test_start_task(weft_fn fn, void *arg);
void test_start_thread(weft_fn fn, void *arg);
/*
 * Wait until everything started so far has ended, the threads with their last
 * instruction, the tasks with the return of fn. Not from one of them.
 */
void test_join_all(void);

/* End the case, counted as skipped. */
_Noreturn void test_skip(const char *reason);
/* Give the case this long from now, instead of 20 s (a sanitizer's ×10 apart). */
void test_limit(unsigned seconds);

/* True if the long form of the tests is wanted. */
bool test_long(void);
/* How many times slower it runs: 10 with a sanitizer or WEFT_TEST_LIMIT, else 1. */
int test_slowdown(void);
/* Is WEFT_TEST_LIMIT set? */
bool test_emulated(void);
/* On the simulated machine? Time there is counted in steps: weft/sim.h. */
bool test_simulated(void);
uint64_t test_seed(void);
/* The next of a sequence that the seed decides; for any task or thread. */
uint64_t test_random(void);

/* What the macros need. */
typedef enum { TEST_PLAIN, TEST_TASKS, TEST_THREADS, TEST_MIXED } test_flavour;

typedef struct test_case {
	const char *name;
	void (*body)(void);
	test_flavour flavour;
	int signal;
	const char *message;
	struct test_case *next;
} test_case;

#define TEST_PRIV_CASE(name, suffix, flavour, signal, message)                 \
	static test_case name##suffix##_case = {                               \
		#name #suffix, name, flavour, signal, message, NULL};          \
	__attribute__((constructor)) static void name##suffix##_add(void)      \
	{                                                                      \
		test_priv_add(&name##suffix##_case);                           \
	}

#define TEST_PRIV_COMPARE(a, op, b)                                            \
	do {                                                                   \
		intmax_t priv_a = (intmax_t)(a), priv_b = (intmax_t)(b);       \
		if (!(priv_a op priv_b))                                       \
			test_priv_fail_compare(__FILE__, __LINE__,             \
					       #a " " #op " " #b, priv_a,      \
					       priv_b);                        \
	} while (0)

void test_priv_add(test_case *c);
_Noreturn void test_priv_fail(const char *file, int line, const char *expr);
_Noreturn void test_priv_fail_compare(const char *file, int line,
				      const char *expr, intmax_t a, intmax_t b);
void test_priv_pause(uint32_t round, weft_time start, const char *expr,
		     const char *file, int line);

#endif
