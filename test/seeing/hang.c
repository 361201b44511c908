/* SPDX-License-Identifier: MIT */
/*
 * A program for a debugger to look at: tasks with known names and stacks wait,
 * one runs, and then it stops itself.
 */
#define _GNU_SOURCE
#include <weft.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static weft_mutex mutex;
static weft_chan chan;
static weft_waitgroup parked;
static uint32_t stop;

static void use(const void *p)
{
	__asm__ volatile("" ::"r"(p) : "memory");
}

__attribute__((noinline)) static void innermost(int level)
{
	volatile int here = level * 100 + 1;

	use((void *)&here);
	weft_waitgroup_done(&parked);
	weft_mutex_lock(&mutex);
	weft_mutex_unlock(&mutex);
	use((void *)&here);
}

__attribute__((noinline)) static void outermost(int level)
{
	char room[level * 64];

	use(room);
	innermost(level);
	use(room);
}

static void wait_deeply(void *arg)
{
	weft_task_name("deep");
	outermost((int)(intptr_t)arg);
	use(arg);
}

static void receive(void *arg)
{
	weft_task_name("receiver");
	weft_waitgroup_done(&parked);
	weft_chan_recv(&chan, NULL);
	use(arg);
}

__attribute__((noinline)) static void compute(void)
{
	while (!weft_atomic_load(&stop, relaxed))
		;
}

static void run(void *arg)
{
	weft_task_name("runner");
	weft_waitgroup_done(&parked);
	compute();
	use(arg);
}

__attribute__((noinline)) static void go(weft_fn fn, int arg)
{
	weft_waitgroup_add(&parked, 1);
	if (weft_go(fn, (void *)(intptr_t)arg) != 0)
		abort();
}

int main(void)
{
	weft_stats stats;

	if (weft_chan_init(&chan, sizeof(int), 0) != 0)
		abort();
	weft_mutex_lock(&mutex);
	go(wait_deeply, 7);
	for (int i = 0; i < 20; i++)
		go(receive, 0);
	go(run, 0);
	weft_waitgroup_wait(&parked);
	/* Those that have said so are about to park. */
	do
		weft_stats_get(&stats);
	while (stats.idle + 1 < stats.workers);
	weft_sleep(NULL, WEFT_MS(20));
	puts("parked");
	fflush(stdout);
	raise(SIGABRT);
}
