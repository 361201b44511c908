/* SPDX-License-Identifier: MIT */
/* Reports of who waits for what: on request, of a deadlock, of leaks. */
#ifndef WEFT_SRC_SCHED_DUMP_H
#define WEFT_SRC_SCHED_DUMP_H

#include "plat/symbols.h"
#include "sched/census.h"

#include <weft/dump.h>

/* Text on its way to a descriptor. */
typedef struct {
	int fd;
	bool hurried;	/* what is not taken in time is left out, and the rest */
	bool lost;
	size_t length;
	char text[4096];
} weft__out;

__attribute__((format(printf, 2, 3))) void weft__print(weft__out *out,
						       const char *format, ...);
void weft__print_flush(weft__out *out);

/* "task 7 "name"" or "thread 1234". */
void weft__print_who(weft__out *out, uint32_t mark, const char *name);
/* "mutex lock at 0x55…", or "descriptor 5". */
void weft__print_wait(weft__out *out, const weft__why *why, const void *object);
/* "12 s". */
void weft__print_age(weft__out *out, weft_duration age);

/* Everybody, those with the same stack as one; still: nothing runs. */
void weft__dump_all(weft__out *out, bool still);

/* Who waits for whom, and who therefore for himself: graph.c. */
void weft__graph_print(weft__out *out, bool still);

/* Before the first worker: what the environment says. */
void weft__dump_prepare(void);
/* The monitor's: make the dump that a signal has asked for. */
void weft__dump_if_asked(void);
/* seq_cst: see sleep_deeply(). */
bool weft__dump_is_asked(void);

/* The monitor's, when all workers sleep, or can only wait: deadlock.c. */
void weft__deadlock_prepare(void);
void weft__deadlock_look(void);

/* A line for each parked task. Nothing runs any more. */
void weft__leaks_report(void);

#endif
