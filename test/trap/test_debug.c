/* SPDX-License-Identifier: MIT */
/* Tasks that wait with a pthread mutex locked, in a program built to notice. */
#define WEFT_DEBUG
#include <pthread.h>

#include "proc.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/debug.h>
#include <weft/group.h>
#include <weft/panic.h>
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

/* By a function of a file that was not built to notice. */
static void unlock_unnoticed(void *wg)
{
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	CHECK_EQ((pthread_mutex_unlock)(&mutex), 0);
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
	one_worker();
	CHECK_EQ(dup2(fileno(file), 2), 2);
	run(wait_without);
	run(unlock_unnoticed);
	run(wait_without);	/* on the same stack */
	run(wait_pinned);
	weft_waitgroup_add(&of_thread, 1);
	wait_with_mutex(&of_thread);
	CHECK_EQ(dup2(saved, 2), 2);
	CHECK_EQ(lseek(fileno(file), 0, SEEK_END), 0);
	fclose(file);
	close(saved);
}

typedef struct {
	int x, y;
} point;

static int take_point(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	return ((point *)arg)->x + ((point *)arg)->y - 11;
}

static void add_point(void *arg)
{
	point *sum = ((point **)arg)[0], *p = ((point **)arg)[1];

	sum->x += p->x;
	sum->y += p->y;
}

/* The commas in a compound literal's braces part the arguments of a macro. */
TEST(calls_take_compound_literals)
{
	point p, sum = {0, 0};
	weft_group g = {0};
	weft_chan c;
	int n = 2;

	CHECK_EQ(weft_chan_init(&c, sizeof(point), 3), 0);
	weft_chan_send(&c, &(point){1, 2});
	CHECK(weft_chan_try_send(&c, &(point){3, 4}));
	CHECK_EQ(weft_select((weft_case[]){
				     WEFT_CASE_SEND(&c, &(point){5, 6}),
				     WEFT_CASE_DEFAULT,
			     }, n++),
		 0);
	CHECK_EQ(n, 3);
	CHECK_EQ(weft_select((weft_case[]){WEFT_CASE_RECV(&c, &p)}, 1), 0);
	CHECK_EQ(p.x + p.y, 3);
	CHECK_EQ(weft_chan_len(&c), 2);
	weft_chan_fini(&c);
	weft_group_go_copy(&g, take_point, &(point){5, 6}, sizeof(point));
	CHECK_EQ(weft_group_wait(&g), 0);
	{
		WEFT_DEFER(add_point, (void *[]){&sum, &(point){7, 8}});
	}
	CHECK_EQ(sum.x + sum.y, 15);
}
