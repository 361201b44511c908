/* SPDX-License-Identifier: MIT */
/* Operating system threads, and what belongs to one. */
#ifndef WEFT_SRC_PLAT_THREAD_H
#define WEFT_SRC_PLAT_THREAD_H

#include "base/base.h"

#include <pthread.h>

/* A thread and what it is told, which stays until it was joined. */
typedef struct {
	pthread_t handle;
	const char *name;
	void *(*run)(void *);
	void *arg;
} weft__thread;

/*
 * Start run(arg) on a thread named name (at most 15 bytes), with every
 * asynchronous signal blocked. Returns 0 or a negative errno value.
 */
int weft__thread_start(weft__thread *thread, const char *name,
		       void *(*run)(void *), void *arg);
void weft__thread_join(const weft__thread *thread);
_Noreturn void weft__thread_exit(void);

/* Call function in the child of every fork from now on. 0 or -ENOMEM. */
int weft__thread_at_fork(void (*function)(void));

/* Room for a frame with the largest register sets, and for what handlers do. */
typedef struct {
	_Alignas(16) unsigned char bytes[64 * 1024];
} weft__signal_stack;

/*
 * Give the calling thread a stack for signal handlers, which must not run on
 * the end of a task's stack; and take it back before *stack goes.
 */
void weft__thread_prepare(weft__signal_stack *stack);
void weft__thread_unprepare(void);

/*
 * Note which signals the calling thread blocks, and block those and no others:
 * what runs tasks is to the programs that they start, and to who sends a
 * signal, as the thread that has started the first of them.
 */
void weft__thread_note_signals(void);
void weft__thread_take_signals(void);

/*
 * To the end of the scope that this stands in the calling thread is not
 * cancelled: for what waits, reads, writes or prints with a lock held, or on
 * the way to abort(). The library has no cancellation point otherwise but for
 * the functions that it calls.
 */
#define WEFT__UNCANCELLED()                                                    \
	__attribute__((cleanup(weft__thread_cancel_as), unused)) int           \
		weft__cancel_before = weft__thread_no_cancel()
int weft__thread_no_cancel(void);
void weft__thread_cancel_as(const int *before);

/* The stack that the calling thread came with; NULL and 0: not known. */
void weft__thread_stack(void **low, size_t *size_bytes);

/* The kernel's number of the calling thread. */
int weft__thread_id(void);

/*
 * True when the thread with that number is asleep in the kernel, false when it
 * runs, could run, or nothing is known about it.
 */
bool weft__thread_sleeps(int thread_id);

/* How many threads the process has; 0: not known. */
size_t weft__thread_count(void);

/* sched_yield(2). */
void weft__thread_yield(void);

/*
 * Bytes for what a layer above keeps of each thread: all zero when the thread
 * starts. Out of line, as errno below.
 */
enum { WEFT__THREAD_DATA_BYTES = 384 };
void *weft__thread_data(void);

/*
 * errno of the thread that runs now. Out of line: glibc declares its address
 * constant, so that a compiler that sees a read before a switch and a write
 * after it uses the first thread's errno for both.
 */
int weft__errno_get(void);
void weft__errno_set(int value);
int *weft__errno_address(void);

/*
 * The exceptions of C++ that a thread is handling, and how many it is throwing:
 * what the C++ ABI (Itanium, 2.2.2) calls __cxa_eh_globals.
 */
typedef struct {
	void *caught;
	unsigned int uncaught;
} weft__exceptions;

/* Those of the calling thread; NULL where the program has no C++ in it. */
weft__exceptions *weft__exceptions_self(void);

#endif
