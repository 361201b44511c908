/* SPDX-License-Identifier: MIT */
/*
 * What the layers above ask of an operating system, asked of the simulated
 * machine. Outside of a world there is none: to start a thread or to sleep is
 * refused.
 */
#define _GNU_SOURCE
#include "plat/sim/machine.h"

#include "base/trap.h"
#include "plat/barrier.h"
#include "plat/clock.h"
#include "plat/cpu.h"
#include "plat/futex.h"
#include "plat/pollset.h"
#include "plat/random.h"
#include "plat/sim/choice.h"
#include "plat/whim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

weft_time weft_now(void)
{
	struct timespec now;

	if (weft_sim_inside())
		return weft__sim_clock();
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (weft_time)now.tv_sec * WEFT_SECOND + now.tv_nsec;
}

/* As coarse as a kernel's of 250 Hz. */
weft_time weft__clock_coarse(void)
{
	weft_time now = weft_now();

	return now - now % WEFT_MS(4);
}

int weft__cpu_count(void)
{
	return (int)weft__sim_procs();
}

static void refuse_outside(void)
{
	if (!weft_sim_inside())
		weft__fatal("weft-sim: a thread is started or waits outside of "
			    "a world: see weft_sim_run()");
}

/* ---- futex ---- */

bool weft__futex_wait(const uint32_t *word, uint32_t value, weft_time deadline)
{
	if (weft__sim_reporting())
		abort();	/* a lock was held: there is no more to be told */
	refuse_outside();
	if (!weft__sim_active())
		return true;
	weft_sim_point_at(word, WEFT__SIM_LIBRARY);
	if (*word != value)
		return true;
	return weft__sim_block(word, deadline, "futex");
}

void weft__futex_wake(const uint32_t *word, int count)
{
	if (!weft__sim_active())
		return;
	weft_sim_point_at(word, WEFT__SIM_LIBRARY | WEFT__SIM_WRITES);
	weft__sim_wake(word, (uint32_t)count);
}

/* Of the simulated threads each sees at once what another has stored. */
bool weft__barrier_all(void)
{
	return true;
}

void weft__barrier_prepare(void)
{
}

/* ---- threads ---- */

int weft__thread_start(weft__thread *thread, const char *name,
		       void *(*run)(void *), void *arg)
{
	weft__sim_thread *t;

	refuse_outside();
	t = weft__sim_start(name, run, arg);
	if (t == NULL)
		return -EAGAIN;
	t->library = true;
	thread->handle = (pthread_t)t;
	return 0;
}

/* All of them are threads of one: it has its signals. */
void weft__thread_note_signals(void)
{
}

void weft__thread_take_signals(void)
{
}

void weft__thread_join(const weft__thread *thread)
{
	weft__sim_join((weft__sim_thread *)thread->handle);
}

void weft__thread_exit(void)
{
	weft__sim_exit(NULL);
}

/* Outside of a world it is not asked for. */
void weft__thread_stack(void **low, size_t *size_bytes)
{
	*low = weft__sim_self()->stack_low;
	*size_bytes = weft__sim_self()->stack_bytes;
}

int weft__thread_id(void)
{
	return weft_sim_inside() ? (int)weft__sim_self()->id + 1 : 0;
}

bool weft__thread_sleeps(int thread_id)
{
	weft__sim_thread *t = weft__sim_threads();

	while (t != NULL && (int)t->id + 1 != thread_id)
		t = t->next;
	return t != NULL && t->state == WEFT__SIM_BLOCKED;
}

/* The machine finds deadlocks by itself. */
size_t weft__thread_count(void)
{
	return 0;
}

void weft__thread_yield(void)
{
	weft__sim_yield();
}

void *weft__thread_data(void)
{
	static _Alignas(16) unsigned char outside[WEFT__THREAD_DATA_BYTES];

	return weft_sim_inside() ? weft__sim_self()->data : outside;
}

/* ---- descriptors ---- */

int weft__pollset_wait(weft__pollset *p, weft__pollset_event *events, int max,
		       weft_time deadline)
{
	struct epoll_event e[WEFT__POLLSET_MAX];
	int n;

	weft_sim_point();
	while ((n = epoll_wait(p->epoll, e, max, 0)) == 0)
		if (deadline == 0 || !weft__sim_block_epoll(p->epoll, deadline))
			return 0;
	for (int i = 0; i < n; i++)
		events[i] = (weft__pollset_event){
			.tag = e[i].data.u64,
			.revents = e[i].events,
		};
	return n > 0 ? n : 0;
}

/* ---- chance ---- */

void weft__random_bytes(void *buffer, size_t size_bytes)
{
	unsigned char *p = buffer;

	for (size_t i = 0; i < size_bytes; i++)
		p[i] = (unsigned char)weft__sim_noise();
}

uint32_t weft__random_below(uint32_t n)
{
	return weft_sim_choose(n);
}

/* True wherever it can be chosen: more can happen then. */
bool weft__whim(bool usual)
{
	return usual || weft__sim_planned.mode == WEFT_SIM_EXHAUSTIVE ||
	       weft__sim_chance(2);
}
