/* SPDX-License-Identifier: MIT */
/*
 * Who is there, and who waits for what: what dumps and reports are made from.
 *
 * A census disturbs nobody: no task is stopped, none is kept from being woken,
 * and no lock is held that a running task could want for long.
 *
 * N1  Stacks are never unmapped, and what a stack has at its top stays valid
 *     as memory. So all may be read at any time; what is to be believed is
 *     another question.
 * N2  A parked task stays as it was from the moment its waiter is PARKED_ALONE
 *     or PARKED_TASK to the moment it clears its stack's waiter field, which is the first
 *     thing it does when it goes on. Whoever has seen the waiter, has copied
 *     the stack and then (weft__peek_barrier) finds the same waiter there has
 *     copied a stack that stood still, unless the task has gone on and parked
 *     again meanwhile. A task that yields parks on weft__yielded, which is set
 *     there after the switch.
 * N3  Parking notes the coarse time, and a census moves that on before it looks
 *     (weft__clock_move), so that whoever parks after that notes a later time
 *     than any that was noted before. So the same time besides the same waiter
 *     rules that out, if it is from before that move: from then on two parks
 *     may note the same, whatever the time has become meanwhile. Release, after
 *     the clear of N2: who sees the time of one park does not see the waiter of
 *     the one before.
 *     A plain thread's waits are numbered instead: the coarse time that it
 *     notes is the kernel's, which stands still for milliseconds.
 * N4  What a wait is for, a mutex say, is looked at only with its bucket locked
 *     and the waiter queued there (Q3), or when nothing runs.
 *
 * The coarse time is brought up to date by the monitor in each of its ticks,
 * and by each worker that has slept.
 */
#ifndef WEFT_SRC_SCHED_CENSUS_H
#define WEFT_SRC_SCHED_CENSUS_H

#include "sched/sched.h"

enum { WEFT__CENSUS_FRAMES = 64 };

/* A task that has begun, or a plain thread that is parked. */
typedef struct {
	uint32_t mark;		/* weft__flow_mark(): of a task, its number */
	bool is_thread;
	enum {
		WEFT__RUNS,	/* or is just about to, or to park */
		WEFT__READY,	/* was woken, and will */
		WEFT__WAITS,
	} state;
	char name[48];		/* "" if it has none */
	void *site;		/* where it was started */
	const void *of;		/* the task's object */

	/* Unless it runs. */
	const weft__why *why;
	const void *object;	/* as why says */
	const weft__waiter *waiter;	/* for weft__census_tell() */
	weft_time since;	/* coarsely; 0: not known */
	uint64_t turn;		/* of a thread: no other wait of it has this one */
	weft_time deadline;	/* of a thread: WEFT_NEVER if it has none */
	size_t frame_count;
	void *frames[WEFT__CENSUS_FRAMES];
} weft__person;

/*
 * Call visit for each. p is the caller's scratch, and valid until visit returns;
 * visit may take locks.
 */
void weft__census(weft__person *p, void (*visit)(const weft__person *p, void *arg),
		  void *arg);

/* The same for the plain threads alone. */
void weft__census_threads(weft__person *p,
			  void (*visit)(const weft__person *p, void *arg),
			  void *arg);

/* One of them, as it is now; false: it is not there. */
bool weft__census_look(uint32_t mark, weft__person *p);

/*
 * What else is known about p's wait; still: nothing runs. False if p does not
 * wait any more, or nothing is known.
 */
bool weft__census_tell(const weft__person *p, bool still, weft__told *told);

/* ---- for those who park ---- */

/* A plain thread that parks: in its frame. */
typedef struct {
	weft__link link;
	weft__waiter *waiter;
	weft_time since;
	weft_time deadline;
	uint64_t turn;
	uint32_t mark;
} weft__parked_thread;

void weft__census_enter(weft__parked_thread *t, weft__waiter *w,
			weft_time deadline);
void weft__census_leave(weft__parked_thread *t);

/* In the child of a fork: none is parked, and nothing locked. */
void weft__census_in_child(void);

/* How many plain threads have parked, ever. */
uint64_t weft__census_entered(void);

/* The coarse time is at least now. */
void weft__clock_move(weft_time now);

#endif
