/* SPDX-License-Identifier: MIT */
/*
 * The simulated machine: what stands in for the operating system in the
 * library that explores schedules (weft/sim.h). Every thread, the library's
 * own included, is a stack that one real thread runs. It changes from one to
 * another only where the machine is asked: before each atomic operation, and
 * where a thread sleeps, wakes, yields or ends. The clock moves by what the
 * threads do, and jumps when all of them sleep.
 *
 * M1  Nothing but choices (choice.h) decides what happens: the same choices in
 *     the same order are the same run. So nothing here may depend on an
 *     address, on real time, or on what was before the world.
 * M2  The machine itself has no points: what it does between two is one step.
 */
#ifndef WEFT_SRC_PLAT_SIM_MACHINE_H
#define WEFT_SRC_PLAT_SIM_MACHINE_H

#include "base/base.h"
#include "plat/context.h"
#include "plat/thread.h"
#include "plat/unwind.h"

#include <weft/sim.h>
#include <weft/time.h>

typedef enum {
	WEFT__SIM_RUNNABLE,
	WEFT__SIM_BLOCKED,
	WEFT__SIM_ENDED,
} weft__sim_state;

/* What a point is: bits that weft/atomic.h spells as numbers. */
typedef enum {
	WEFT__SIM_WRITES = 1,
	WEFT__SIM_SCHEDULER = 2,	/* in the scheduler's text … */
	WEFT__SIM_LIBRARY = 4,	/* … or anywhere in the library's */
} weft__sim_point_kind;

typedef struct weft__sim_thread weft__sim_thread;
struct weft__sim_thread {
	weft__context context;
	uint32_t id;		/* 0 is the world's first */
	weft__sim_state state;
	char name[16];
	void *(*run)(void *);
	void *arg;
	void *result;
	char *memory;		/* its stack, below which is a guard */
	char *stack_low;
	size_t stack_bytes;
	bool detached;
	bool library;		/* weft's own: a worker, the monitor, the watcher */
	uint64_t priority;	/* choice.c's … */
	uint64_t points;	/* … it has passed so many */
	weft__unwind unwind;	/* of its pthread_exit() */
	weft__sim_thread *next;	/* of a higher number */

	/* While it is blocked: */
	const void *key;	/* on what; NULL: on time alone */
	const char *reason;
	weft_time deadline;
	int epoll;		/* or on the descriptors of this; -1: no */
	bool timed_out;

	/* What belongs to a thread: */
	int errno_value;
	weft__exceptions exceptions;
	_Alignas(16) unsigned char data[WEFT__THREAD_DATA_BYTES];
};

/*
 * Run fn(arg) as the first thread of a world until it returns, and the others
 * until they sleep; then the world is over. Should nobody be able to go on, stuck is called, and
 * the process aborts.
 */
void weft__sim_world(const weft_sim *options, void (*fn)(void *), void *arg,
		     void (*stuck)(const char *what));

/* Is the caller in a world, and not in the machine? */
bool weft__sim_active(void);

/* Is the world at its end, and says why? */
bool weft__sim_reporting(void);

weft__sim_thread *weft__sim_self(void);
weft__sim_thread *weft__sim_threads(void);	/* by their numbers */
weft_time weft__sim_now(void);
uint64_t weft__sim_steps(void);
extern uint64_t *weft__sim_pulse;	/* steps are counted there too, unless NULL */
uint64_t weft__sim_points(void);	/* where one may be preempted */
uint32_t weft__sim_procs(void);

/* A new thread; NULL: no memory. */
weft__sim_thread *weft__sim_start(const char *name, void *(*run)(void *),
				  void *arg);
void *weft__sim_join(weft__sim_thread *t);
void weft__sim_detach(weft__sim_thread *t);
_Noreturn void weft__sim_exit(void *result);

/* Sleep until a wake of key or the deadline. False: that has passed. */
bool weft__sim_block(const void *key, weft_time deadline, const char *reason);
/* The same until that epoll set has something to tell. */
bool weft__sim_block_epoll(int epoll, weft_time deadline);
/* Wake at most count of those who sleep on key. */
void weft__sim_wake(const void *key, uint32_t count);
/* Others may have to run before the caller can go on. */
void weft__sim_yield(void);
void weft__sim_yield_of_user(void);	/* who may go on at once, for all we know */
/* The time now; a point. */
weft_time weft__sim_clock(void);

#endif
