/* SPDX-License-Identifier: MIT */
/* Tasks that wait with a pthread mutex locked, in a program built to notice. */
#define WEFT_DEBUG
#include <pthread.h>

#include "test.h"

#include <weft/debug.h>
#include <weft/waitgroup.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void wait_with_mutex(void *wg)
{
	weft_task_name("holder");
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	weft_sleep(NULL, WEFT_MS(1));
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	weft_waitgroup_done(wg);
}

static void run(weft_fn fn)
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, 1);
	CHECK_EQ(weft_go(fn, &wg), 0);
	weft_waitgroup_wait(&wg);
}

TEST_TRAP(debug_reports_a_task_that_waits_with_a_mutex,
	  "weft: task \"holder\" waits (sleep) and holds 1 pthread mutex:\n0x")
{
	run(wait_with_mutex);
	abort();
}

static void wait_without(void *wg)
{
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	CHECK(pthread_mutex_trylock(&mutex) != 0);
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	weft_sleep(NULL, WEFT_MS(1));
	weft_waitgroup_done(wg);
}

static void wait_pinned(void *wg)
{
	weft_pin();
	wait_with_mutex(wg);
	weft_unpin();
}

TEST(debug_says_nothing_of_tasks_that_may)
{
	weft_waitgroup of_thread = {0};
	FILE *file = tmpfile();
	int saved = dup(2);

	CHECK(file != NULL && saved >= 0);
	CHECK_EQ(dup2(fileno(file), 2), 2);
	run(wait_without);
	run(wait_pinned);
	weft_waitgroup_add(&of_thread, 1);
	wait_with_mutex(&of_thread);
	CHECK_EQ(dup2(saved, 2), 2);
	CHECK_EQ(lseek(fileno(file), 0, SEEK_END), 0);
	fclose(file);
	close(saved);
}
