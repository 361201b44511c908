/* SPDX-License-Identifier: MIT */
/*
 * src/group/flight.c, for one key, calls that run in a task of their own, and
 * results that have to be dropped: F1 … F5. The callers 0 … CALLERS - 1 ask; the
 * first GIVE_UP of them may leave while they wait; the first AGAIN ask again
 * when they have a result. One forgets the key meanwhile, if FORGETS. Calls are
 * numbered; who has all results frees the flight.
 *
 *	right	-DCALLERS=2 -DGIVE_UP=1 -DAGAIN=1 -DFORGETS=1
 *	also	-DCALLERS=3 -DGIVE_UP=2 -DAGAIN=0 -DFORGETS=0
 *	mutant	UNLINKS_LATE	F1	assertion violated
 *	mutant	UNLINKS_BY_KEY	F1	assertion violated
 *	mutant	COUNTS_LATE	F2	assertion violated
 *	mutant	UNLINKS_WHO_IS_LEFT	F3	assertion violated
 *	mutant	JOINS_WHO_IS_LEFT	F3	assertion violated
 *	mutant	DONE_IN_SHARD	F4	assertion violated
 *	mutant	DROPS_TWICE	F5	assertion violated
 */
#define CALLS (CALLERS + AGAIN + 1)
#define NONE 0

#define DYING 1
#define FORGOTTEN 2
#define ENDED 4
#define DONE 8

bool shard_locked;
byte table;		/* the call for the key, NONE */
byte started;		/* calls, ever */
byte state[CALLS + 1];
byte refs[CALLS + 1];
byte callers[CALLS + 1];
bool gone[CALLS + 1];	/* its memory */
byte drops[CALLS + 1];	/* of its value */
byte busy;		/* calls whose functions run, a bit each */
byte excused;		/* those that were forgotten */
byte asking = CALLERS + FORGETS;	/* that are inside, or will be */
byte unended;		/* the shard's running: a fini waits for them, locked */
bool freed;		/* the flight */

#define TOUCH assert(!freed)
#define LIVES(c) assert(!gone[c])

inline shard_lock()
{
	atomic { TOUCH; !shard_locked -> shard_locked = true }
}

inline shard_unlock()
{
	atomic { TOUCH; shard_locked = false }
}

/* weft__call_put(): let go; the last one destroys it. */
inline put(c)
{
	atomic {
		LIVES(c);
		refs[c]--;
		if
		:: refs[c] == 0 ->
			assert(state[c] & ENDED);
#ifdef DROPS_TWICE
			drops[c]++;
#else
			drops[c] = (drops[c] == 0 -> 1 : drops[c]);
#endif
			assert(drops[c] == 1);	/* F5 */
			gone[c] = true
		:: else -> skip
		fi
	}
}

/* The task of a call: run_call(), finish(), let_go(). */
proctype call(byte c)
{
	bool unwanted;
	byte i;

	/* F1: of those that are not forgotten only one runs. */
	d_step {
		i = 1;
		do
		:: i <= CALLS ->
			assert(!(busy & (1 << i)) || (excused & (1 << i)) ||
			       (excused & (1 << c)));
			i++
		:: else -> break
		od;
		i = 0;
		busy = busy | (1 << c)
	};
	busy = busy & ~(1 << c);
	/* Its result is this call's for good: nobody comes to it who asks later. */
	shard_lock();
	LIVES(c);
	unwanted = callers[c] == 0;
	if
	:: unwanted -> drops[c]++	/* F3, F5 */
	:: else -> skip
	fi;
#ifndef UNLINKS_LATE
	if
#ifdef UNLINKS_BY_KEY
	:: true -> table = NONE
#else
	:: !(state[c] & FORGOTTEN) -> assert(table == c); table = NONE
	:: else -> skip
#endif
	fi;
	state[c] = state[c] | ENDED;
#endif
#ifdef DONE_IN_SHARD
	state[c] = state[c] | DONE | ENDED;
#endif
	unended = unended - !unwanted;
	shard_unlock();
	unended = unended - unwanted;
	/* let_go(): DONE and the task's reference in one section of the bucket. */
	atomic {
		LIVES(c);
#ifdef UNLINKS_LATE
		state[c] = state[c] | DONE | ENDED
#else
		state[c] = state[c] | DONE
#endif
	};
	put(c);
#ifdef UNLINKS_LATE
	shard_lock();
	if
	:: table == c -> table = NONE
	:: else -> skip
	fi;
	shard_unlock()
#endif
}

proctype caller(byte me)
{
	byte c, times = 1 + (me < AGAIN), first;
	bool joined, last;

ask:	/* enter() */
	shard_lock();
	c = table;
	joined = false;
	if
	:: c == NONE ->
		atomic {
			started++;
			c = started;
			first = c;
			refs[c] = 2;
			callers[c] = 1;
			table = c;
			unended++;
			run call(c)
		};
		joined = true
#ifndef JOINS_WHO_IS_LEFT
	:: c != NONE && (state[c] & DYING) ->
		refs[c]++
#endif
#ifdef JOINS_WHO_IS_LEFT
	:: c != NONE ->
#else
	:: c != NONE && !(state[c] & DYING) ->
#endif
		LIVES(c);
		assert(!(state[c] & ENDED));	/* F1: not an old result */
#ifdef COUNTS_LATE
		callers[c]++;
#else
		refs[c]++;
		callers[c]++;
#endif
		joined = true
	fi;
	shard_unlock();
	if
	:: !joined ->	/* wait_behind() */
		atomic { (state[c] & (DONE | FORGOTTEN)) -> LIVES(c) };
		put(c);
		goto ask
	:: else -> skip
	fi;
#ifdef COUNTS_LATE
	if
	:: c != first -> atomic { LIVES(c); refs[c]++ }
	:: else -> skip
	fi;
#endif
	/* follow(): sleep_on(DONE), or leave() */
	if
	:: atomic { (state[c] & DONE) -> LIVES(c) }
	:: me < GIVE_UP ->
		shard_lock();
		LIVES(c);
		if
		:: state[c] & ENDED ->
			shard_unlock();
			atomic { (state[c] & DONE) -> LIVES(c) }	/* F4 */
		:: else ->
			callers[c]--;
			last = callers[c] == 0;
			if
			:: last -> state[c] = state[c] | DYING
			:: else -> skip
			fi;
#ifdef UNLINKS_WHO_IS_LEFT
			if
			:: last && table == c ->
				table = NONE; state[c] = state[c] | FORGOTTEN
			:: else -> skip
			fi;
#endif
			shard_unlock();
			put(c);
			goto left
		fi
	fi;
	/* A result: its call was not given up, and its value not dropped. */
	assert(state[c] & ENDED && !(state[c] & DYING));	/* F3 */
	assert(drops[c] == 0);
	put(c);
	times--;
	if
	:: times > 0 -> goto ask
	:: else -> skip
	fi;
left:
	atomic {
		asking--;
		if
		:: asking == 0 && unended == 0 -> freed = true
		:: else -> skip
		fi
	}
}

/* weft_flight_forget() */
proctype forgetter()
{
	byte c;

	shard_lock();
	c = table;
	if
	:: c != NONE ->
		table = NONE;
		state[c] = state[c] | FORGOTTEN;
		excused = excused | (1 << c)
	:: else -> skip
	fi;
	shard_unlock();
	asking--
}

init {
	byte n;

	atomic {
		do
		:: n < CALLERS -> run caller(n); n++
		:: else -> break
		od;
#if FORGETS
		run forgetter()
#endif
	}
}
