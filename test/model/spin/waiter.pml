/* SPDX-License-Identifier: MIT */
/*
 * src/sched/waiter.h and the commits of switch.c: P1 … P4. A task waits, ROUNDS
 * times, on a waiter in its stack; who signals, who cancels and the timer claim
 * it, each when it likes. The task runs on stack TASK of one of two workers; a
 * worker leaves it for its loop, and commits there. Nobody may run on a stack
 * that another one has not left.
 *
 *	right	-DROUNDS=2 -DCLAIMERS=3
 *	mutant	MARKED_BEFORE_SWITCH	P3	assertion violated
 *	mutant	CLAIMED_BY_STORE	P1	assertion violated
 *	mutant	TOUCHED_AFTER_CLAIM	P2	assertion violated
 *	mutant	SLEEPS_UNASKED	P1	invalid end state
 */
#define WAITING 0
#define PARKED_TASK 1
#define OUTCOME 4		/* of the claimer n: OUTCOME + n */

byte state;		/* of the waiter of this round */
byte round;		/* which one that is */
bool linked;		/* claimers can find it */
byte on_stack;		/* workers that run on the task's stack */
byte readied;		/* times in a queue of the scheduler */
byte wins;		/* claims won in this round */
bool over;

inline run_on_stack()
{
	atomic { on_stack++; assert(on_stack == 1) }	/* S1, P3 */
}

/* The task goes on, sees its outcome, and waits again. Returns: it waits. */
inline run_task()
{
	run_on_stack();
	assert(round == 0 || state >= OUTCOME);
	atomic {
		linked = false;
		assert(round == 0 || wins == 1);
		wins = 0
	};
	if
	:: round == ROUNDS -> over = true
	:: else ->
		atomic { round++; state = WAITING; linked = true }
	fi
}

/* weft__task_park(): leave the stack; commit_park() on the other one. */
inline park()
{
	do
#ifdef MARKED_BEFORE_SWITCH
	:: atomic { state == WAITING -> state = PARKED_TASK };
		on_stack--;
		break
	:: atomic { state >= OUTCOME -> again = true; on_stack-- };
		break
#else
	:: atomic { state >= OUTCOME -> skip };	/* seen before the switch */
		again = true;
		on_stack--;
		break
	:: true ->
		on_stack--;		/* the switch */
#ifdef SLEEPS_UNASKED
		state = PARKED_TASK;
#else
		if
		:: atomic { state == WAITING -> state = PARKED_TASK }
		:: atomic { state >= OUTCOME -> again = true }	/* push_ready() */
		fi;
#endif
		break
#endif
	od
}

proctype worker()
{
	bool again;

	do
	:: atomic { readied > 0 -> readied-- };
		again = true;
		do
		:: again ->
			again = false;
			run_task();
			if
			:: over -> goto out
			:: else -> park()
			fi
		:: else -> break
		od
	:: atomic { over -> goto out }
	od;
out:
	skip
}

proctype claimer(byte n)
{
	byte mine, old;

	do
	:: atomic { linked && round > mine && !over -> mine = round };
		/* weft__claim(); what it finds is a waiter while it is linked */
		do
		:: true ->
			atomic {
				if
				:: !linked || round != mine -> break
				:: else -> old = state
				fi
			};
			if
			:: old >= OUTCOME -> break
			:: else -> skip
			fi;
#ifndef CLAIMED_BY_STORE
			atomic {
				if
				:: round == mine && linked && state == old ->
					state = OUTCOME + n; wins++
				:: else -> old = 255
				fi
			};
#else
			atomic { state = OUTCOME + n; wins++ };
#endif
			if
			:: old == 255 -> skip
			:: old == WAITING ->
#ifdef TOUCHED_AFTER_CLAIM
				assert(linked && round == mine);
#endif
				break
			:: old == PARKED_TASK ->
				assert(linked && round == mine);	/* P4 */
				readied++;
				break
			fi
		od
	:: atomic { over -> break }
	od
}

init {
	byte n;

	atomic {
		readied = 1;
		run worker();
		run worker();
		do
		:: n < CLAIMERS -> run claimer(n); n++
		:: else -> break
		od
	}
}
