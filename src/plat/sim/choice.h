/* SPDX-License-Identifier: MIT */
/*
 * Where the runs of a simulated machine part: its choices.
 *
 * C1  Alternative 0 is what a machine without preemption would do: the running
 *     thread goes on if it can, else the next one does. So a run is told by
 *     those of its choices that were not 0; how often it was preempted is the
 *     number of those that are PREEMPT.
 * C2  RANDOM and PCT draw from one generator, in the order of the run: the seed
 *     tells the run (and PCT's estimate of how long it will be).
 */
#ifndef WEFT_SRC_PLAT_SIM_CHOICE_H
#define WEFT_SRC_PLAT_SIM_CHOICE_H

#include "plat/sim/machine.h"

typedef enum {
	WEFT__SIM_PREEMPT,	/* the running thread could go on */
	WEFT__SIM_SWITCH,	/* it cannot */
	WEFT__SIM_YIELD,	/* it should not */
	WEFT__SIM_VALUE,	/* not between threads */
} weft__sim_kind;

typedef struct {
	weft__sim_kind kind;
	uint32_t n;
	weft__sim_thread **threads;	/* but for VALUE */
	/* What the running thread is about to do; 0: not known. */
	uintptr_t address;
	unsigned int point;	/* weft__sim_point_kind */
} weft__sim_alternatives;

/* One of n ≥ 1. */
uint32_t weft__sim_choose(const weft__sim_alternatives *a);

/*
 * Might the running thread be preempted before its next step, at that point?
 * Quick: only if so the threads that could run instead are looked up, and a
 * choice is made. Alone it cannot, but EXHAUSTIVE has to know what it does.
 */
bool weft__sim_choice_wanted(weft__sim_thread *running, uint64_t point,
			     bool alone);
/* Something that happens now and then, where chance decides. */
bool weft__sim_chance(uint32_t one_in);
/* No choice, and the same in each run of a seed: for secrets and the like. */
uint64_t weft__sim_noise(void);

/* What happens to threads, for those who have preferences. */
void weft__sim_choice_started(weft__sim_thread *t);
void weft__sim_choice_woken(void);
void weft__sim_choice_yields(weft__sim_thread *t);

/* ---- which run ---- */

/* A choice that is not 0: number at, from 0 on, takes alternative pick. */
typedef struct {
	uint32_t at;
	uint32_t pick;
} weft__sim_turn;

enum { WEFT__SIM_TURNS = 256, WEFT__SIM_DEPTH_MAX = 16 };

typedef struct {
	weft_sim_mode mode;
	uint64_t seed;
	uint64_t length;	/* PCT: how many points it may have */
	uint32_t depth;		/* PCT */
	uint32_t turn_count;	/* EXHAUSTIVE */
	weft__sim_turn turns[WEFT__SIM_TURNS];
} weft__sim_plan;

/* The plan of the next world. */
extern weft__sim_plan weft__sim_planned;

/* As text, and back; false: it is none. */
void weft__sim_plan_print(const weft__sim_plan *plan, char *text, size_t size);
bool weft__sim_plan_parse(weft__sim_plan *plan, const char *text);

/* The first turn of the plan that the world has not taken; NULL: none. */
const weft__sim_turn *weft__sim_turn_left(void);

void weft__sim_choice_begin(void);

/* ---- what an explorer reads of a run in a child: shared memory ---- */

/* A choice of an EXHAUSTIVE run. */
typedef struct {
	uintptr_t address;
	uint32_t thread;	/* who ran; for a choice between threads */
	uint32_t n;
	uint32_t pick;
	uint8_t kind;
	uint8_t point;
} weft__sim_entry;

enum { WEFT__SIM_ENTRIES = 1 << 20 };

typedef struct {
	uint64_t points;
	uint64_t count;		/* of choices, though not all may be here */
	uint32_t turned;	/* as was planned, so often */
	weft__sim_entry entries[WEFT__SIM_ENTRIES];
} weft__sim_log;

extern weft__sim_log *weft__sim_logged;	/* NULL: nobody reads it */

#endif
