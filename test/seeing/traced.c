/* SPDX-License-Identifier: MIT */
/* A program to trace: something of everything, and then an end of some kind. */
#define _GNU_SOURCE
#include <weft.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORKERS = 20,
	LEAVES = 100,
	VALUES = 300,
	CALLERS = 5,
	BUSY = 64,
	STUCK = 20,
	FLIGHTS = 20000,
};

static weft_chan chan;
static weft_flight flight;
static weft_mutex mutex;
static const char *how = "";

static void leaf(void *wg)
{
	weft_waitgroup_done(wg);
}

static int work(weft_ctx *ctx, void *arg)
{
	weft_waitgroup wg = {0};

	(void)ctx;
	(void)arg;
	weft_task_name("wor\"k\\\n\xc3\xa4\xff");
	for (int i = 0; i < 5; i++) {
		weft_mutex_lock(&mutex);
		weft_yield();
		weft_sleep(NULL, 10000);
		weft_mutex_unlock(&mutex);
	}
	for (int i = 0; i < LEAVES; i++) {
		weft_waitgroup_add(&wg, 1);
		if (weft_go(leaf, &wg) != 0)
			abort();
	}
	weft_waitgroup_wait(&wg);
	return 0;
}

static int fly(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)arg;
	(void)value;
	return weft_sleep(NULL, WEFT_MS(5));
}

static int ask(weft_ctx *ctx, void *arg)
{
	weft_result r = weft_flight_do(&flight, weft_key_str("hot"), fly, arg);

	(void)ctx;
	weft_result_release(&r);
	return 0;
}

static void receive(void *wg)
{
	int value;

	while (weft_chan_recv(&chan, &value))
		;
	weft_waitgroup_done(wg);
}

/* Long enough to be worth stealing. */
static void compute(void *wg)
{
	weft_time end = weft_now() + 200000;

	while (weft_now() < end)
		;
	weft_waitgroup_done(wg);
}

static void compute_all(void)
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, BUSY);
	for (int i = 0; i < BUSY; i++)
		if (weft_go(compute, &wg) != 0)
			abort();
	weft_waitgroup_wait(&wg);
}

static void leave(void *wg)
{
	weft_waitgroup_done(wg);
	weft_exit();
}

static void go_and_wait(weft_fn fn)
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, 1);
	if (weft_go(fn, &wg) != 0)
		abort();
	weft_waitgroup_wait(&wg);
}

/* Who is waited for is not over when it has said so: its last slice is to come. */
static void wait_for_the_end_of_all(void)
{
	weft_stats stats;

	do {
		usleep(1000);
		weft_stats_get(&stats);
	} while (stats.ended != stats.started);
}

static int everything(void *arg)
{
	weft_waitgroup received = {0};
	weft_group group;

	(void)arg;
	weft_group_init(&group, NULL);
	if (weft_chan_init(&chan, sizeof(int), 0) != 0)
		abort();
	weft_waitgroup_add(&received, 1);
	if (weft_go(receive, &received) != 0)
		abort();
	for (int i = 0; i < WORKERS; i++)
		weft_group_go(&group, work, NULL);
	for (int i = 0; i < CALLERS; i++)
		weft_group_go(&group, ask, NULL);
	for (int i = 0; i < VALUES; i++)
		weft_chan_send(&chan, &i);
	weft_group_wait(&group);
	weft_chan_close(&chan);
	weft_waitgroup_wait(&received);
	go_and_wait(leave);
	compute_all();
	return 0;
}

static void end_badly(void *arg)
{
	(void)arg;
	weft_task_name("bad end");
	if (strcmp(how, "panic") == 0)
		weft_panic("as it was told to");
	if (strcmp(how, "fatal") == 0)
		weft_mutex_unlock(&mutex);
	if (strcmp(how, "exit") == 0)
		exit(0);
}

static void get_stuck(void *arg)
{
	weft_task_name("stuck");
	weft_mutex_lock(&mutex);
	weft_mutex_unlock(&mutex);
	(void)arg;
}

/* All wait for ever; so does main, in weft or where it could be woken. */
static void hang(void)
{
	weft_mutex_lock(&mutex);
	for (int i = 0; i < STUCK; i++)
		if (weft_go(get_stuck, NULL) != 0)
			abort();
	if (strcmp(how, "deadlock") == 0)
		weft_mutex_lock(&mutex);
	for (;;)
		pause();
}

static int nothing(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)arg;
	(void)value;
	return 0;
}

/* More than there is room for in memory. */
static void fly_often(void)
{
	for (int i = 0; i < FLIGHTS; i++) {
		weft_result r = weft_flight_do(
			&flight, weft_key_str("of the child"), nothing, NULL);

		weft_result_release(&r);
	}
}

/* A child must not write what is its parent's, nor among it. */
static void fork_and_exit(void)
{
	pid_t child = fork();

	if (child == 0) {
		fly_often();
		exit(0);
	}
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	how = argc > 1 ? argv[1] : "";
	if (weft_run(everything, NULL) != 0)
		return 1;
	if (strcmp(how, "fork") == 0)
		fork_and_exit();
	go_and_wait(leaf);
	wait_for_the_end_of_all();
	if (strcmp(how, "deadlock") == 0 || strcmp(how, "hang") == 0)
		hang();
	if (*how != 0 && strcmp(how, "fork") != 0)
		go_and_wait(end_badly);
	return 0;
}
