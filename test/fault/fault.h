/* SPDX-License-Identifier: MIT */
/*
 * Calls for memory and threads that fail when a test wants them to. The linker
 * puts fault.c between the library and the C library (--wrap): the library
 * itself knows nothing of it.
 *
 *	static void scenario(void)
 *	{
 *		fault_begin();
 *		err = weft_go(fn, arg);
 *		failed = fault_end();
 *		CHECK(err == 0 || (failed && err == -ENOMEM));
 *		… nothing is lost, and it works now …
 *	}
 *
 *	TEST(go_without_memory)
 *	{
 *		fault_each(scenario);
 *	}
 */
#ifndef WEFT_TEST_FAULT_H
#define WEFT_TEST_FAULT_H

#include "test.h"

/*
 * Run scenario with the n-th call failing, n = 1, 2, 3 …, in a fresh process
 * each, until it comes through untouched; then the same once more where the
 * n-th and all after it fail. Fails if it never met a failing call.
 */
void fault_each(void (*scenario)(void));
/* The first half of that: one call fails, those after it do not. */
void fault_each_single(void (*scenario)(void));

/* In a scenario: calls count, and fail, between these two. */
void fault_begin(void);
/* Returns whether one has failed. */
bool fault_end(void);

/* Called, if set, by each call that is about to fail. */
extern void (*fault_on_failure)(void);

/*
 * Called, if set, before a thread is created, which fails if it returns true, and
 * once more when that is done, before anybody is told.
 */
extern bool (*fault_on_thread)(bool started);

/* How many calls have counted until now. */
int64_t fault_calls(void);

/* How many calls of epoll_ctl() there were. */
int64_t fault_epoll_ctls(void);

/* From now on only the calls that make a stack usable count. */
void fault_stacks_only(void);

/* What the library gets from syscall(2), if set; and what it would get else. */
extern long (*fault_on_syscall)(long number, const long a[6]);
long fault_syscall(long number, const long a[6]);

/* Blocks of the heap that the library and the test hold now. */
long fault_blocks(void);

#endif
