/* SPDX-License-Identifier: MIT */
/* What the core and the engines ask the operating system. */
#ifndef WEFT_SRC_FLEET_OS_OS_H
#define WEFT_SRC_FLEET_OS_OS_H

#include <weft/base.h>
#include <weft/time.h>

#include <pthread.h>

/* The time since the machine started, suspended or not: CLOCK_BOOTTIME. */
weft_time weft__fleet_boottime(void);

/* Nanoseconds since 1970, as far as this machine knows. */
int64_t weft__fleet_walltime(void);

/* Fill size_bytes, at most 256, with bytes that nobody can guess. */
void weft__fleet_random(void *buffer, size_t size_bytes);

/* A number in (0, 1]; for dice. */
double weft__fleet_dice(void);

/*
 * Start run(arg) on a thread named name (at most 15 bytes), with every signal
 * blocked. 0 or a negative errno value.
 */
int weft__fleet_thread_start(pthread_t *thread, const char *name,
			     void *(*run)(void *), void *arg);
void weft__fleet_thread_join(pthread_t thread);

/* How many forks lie between the program's start and this process. */
uint32_t weft__fleet_generation(void);

/* Who this process is, for lists. */
typedef struct {
	int64_t pid;
	int64_t start;		/* of the process, in clock ticks since the boot */
	uint64_t space;		/* the name space of its pid */
	char host[64];
	unsigned char boot[16];	/* changes when the machine starts */
} weft__fleet_self;

void weft__fleet_self_get(weft__fleet_self *self);

/* Of the process that has this pid; 0: unknown. */
int64_t weft__fleet_start_of(int64_t pid);

/*
 * Is the process gone that had this pid and this start, in this name space?
 * False where that cannot be known.
 */
bool weft__fleet_is_gone(const weft__fleet_self *me, int64_t pid, int64_t start,
			 uint64_t space);

#endif
