/* SPDX-License-Identifier: MIT */
/*
 * src/sync/waitgroup.c: W1, W2, W3, W5. Tasks below WAITERS wait, the others
 * end what was counted. There are ROUNDS: whoever returns first begins the next
 * one. The first GIVE_UP waiters may give up, and wait again. When all waits
 * have returned for the last time, the wait group is freed.
 *
 *	right	-DTASKS=4 -DWAITERS=2 -DROUNDS=2 -DGIVE_UP=1
 *	also	-DTASKS=5 -DWAITERS=2 -DROUNDS=1 -DGIVE_UP=1
 *	mutant	TWO_STEPS	W1	invalid end state
 *	mutant	LOOKS_UNLOCKED	W2	assertion violated
 *	mutant	LATE_RELEASE	W3	assertion violated	-DTASKS=3 -DWAITERS=1 -DROUNDS=2 -DGIVE_UP=1
 *	mutant	LEAVE_UNCOUNTED	W1	assertion violated
 */
#include "lot.pml"

#define WORKERS (TASKS - WAITERS)

byte count = WORKERS, waiters;	/* priv_word: two halves, one word */
byte returned, round = 1;	/* waits of this round */
byte ended;			/* workers of this round */
bool go[TASKS];			/* a worker may begin its round */

/* W6: with the bucket locked, from inside a wait */
#define CHECK_NOT_COPIED assert(waiters == queued)

/* Somebody saw the count at zero, and that others wait. */
inline release()
{
	lot_lock();
#ifdef LOOKS_UNLOCKED
	d_step { TOUCH; zero = count == 0 };
#else
	zero = false;
	if	/* is_ours(): W2, W3 */
#ifdef LATE_RELEASE
	:: queued > 0 -> d_step { TOUCH; zero = true }
#else
	:: queued > 0 -> d_step { TOUCH; zero = count == 0 }
#endif
	:: else -> skip
	fi;
#endif
	if
	:: zero ->
		d_step { TOUCH; waiters = 0 };
		lot_wake_all(0)
	:: else -> skip
	fi;
	lot_unlock();
	wake()
}

inline wait_done()
{
	d_step {
		TOUCH;
		count--;
		zero = count == 0 && waiters > 0;
		last = count == 0;
		ended++
	};
	if
	:: zero -> release()
	:: else -> skip
	fi
}

/* Queue, unless the count is zero: waits. */
inline queue_up(waits)
{
	lot_lock();
	d_step { TOUCH; CHECK_NOT_COPIED; waits = count != 0 };
	if
	:: waits ->
#ifdef TWO_STEPS
		d_step { TOUCH; waiters++ }
#else
		d_step { TOUCH; waits = count != 0; waiters = waiters + waits }
#endif
	:: else -> skip
	fi;
	if
	:: waits -> lot_push(me)
	:: else -> skip
	fi;
	lot_unlock()
}

/* zero: that it was, after all */
inline leave()
{
	lot_lock();
	zero = true;
	lot_remove(me, done);
	if
	:: done ->
#ifdef LEAVE_UNCOUNTED
		d_step { TOUCH; zero = count == 0 }
#else
		d_step { TOUCH; waiters--; zero = count == 0 }
#endif
	:: else -> skip
	fi;
	lot_unlock()
}

proctype waiter(byte me)
{
	byte i, wakeups, mine = 1;
	bool done, zero, waits, error, patient;

again:	skip;
	/* weft_waitgroup_wait(): one load */
	d_step { TOUCH; zero = count == 0 };
	if
	:: zero -> goto out
	:: else -> skip
	fi;
	waiter_init(me);
	queue_up(waits);
	if
	:: !waits -> goto out
	:: else -> skip
	fi;
	ctx_park(me, me < GIVE_UP && !patient, error);
	if
	:: error ->
		patient = true;
		leave();
		if
		:: zero -> goto out
		:: else -> goto again
		fi
	:: else -> skip
	fi;
out:
	/* The dones of this round happen before, and nobody waits for more. */
	atomic {
		assert(round > mine || ended == WORKERS);
		mine++;
		returned++
	};
	if
	:: mine > ROUNDS && returned == WAITERS * ROUNDS -> freed = true
	:: mine > ROUNDS && returned < WAITERS * ROUNDS -> skip
	:: mine <= ROUNDS ->
		if	/* the first one out adds for the next round: W5 */
		:: atomic { round < mine ->
			    TOUCH; round++; ended = 0; count = WORKERS;
			    i = WAITERS;
			    do
			    :: i < TASKS -> go[i] = true; i++
			    :: else -> i = 0; break
			    od }
		:: atomic { round >= mine -> skip }
		fi;
		goto again
	fi
}

proctype worker(byte me)
{
	byte i, wakeups, taken, rounds = ROUNDS;
	bool done, zero, last;

	do
	:: rounds > 0 ->
		atomic { go[me] -> go[me] = false };
		wait_done();
		rounds--
	:: else -> break
	od
}

init {
	byte n;

	atomic {
		do
		:: n < TASKS && n < WAITERS -> run waiter(n); n++
		:: n < TASKS && n >= WAITERS -> go[n] = true; run worker(n); n++
		:: else -> break
		od
	}
}
