/* SPDX-License-Identifier: MIT */
/*
 * src/sync/once.c: O1 … O5, for calls of weft_once_try(), of which the first
 * FAILS fail. Every task calls; the first GIVE_UP may give up while they wait.
 * Whoever is the last to return frees the once; the one who ran the attempt that
 * it was told of may still be on its way out.
 *
 *	right	-DTASKS=3 -DFAILS=1 -DGIVE_UP=1
 *	also	-DTASKS=4 -DFAILS=1 -DGIVE_UP=0
 *	mutant	RETURNS_WHILE_RUNNING	O2	assertion violated
 *	mutant	DONE_BEFORE_CALL	O2	assertion violated
 *	mutant	WAKES_FIRST	O3	assertion violated
 *	mutant	TWO_STEPS	O4	invalid end state
 *	mutant	ASKS_THE_STATE	O5	assertion violated
 */
#include "lot.pml"

#define NEW 0
#define DONE 1
#define RUNNING 2
#define WAITERS 4

byte o;			/* priv_state */
byte inside;		/* that run the function now */
byte attempts, failed;	/* … and have, and those that failed */
bool ok;		/* one has not failed */
byte calling = (1 << TASKS) - 1;	/* whose calls have not returned, a bit each */
byte winner;		/* whose function has not failed */

inline cas(word, new, done)
{
	d_step {
		TOUCH;
		done = o == word;
		if
		:: done -> o = new
		:: else -> word = o
		fi
	}
}

inline finish(final, outcome)
{
	word = RUNNING;
	cas(word, final, done);
	if
	:: done -> skip
	:: else ->
		lot_lock();
#ifndef WAKES_FIRST
		d_step { TOUCH; o = final };	/* O3 */
#endif
		lot_claim_all(outcome);
#ifdef WAKES_FIRST
		atomic { TOUCH; o = final };
#endif
		lot_unlock();
		wake()
	fi
}

inline queue_up(waits)
{
	lot_lock();
	d_step { TOUCH; word = o; assert(!(word & WAITERS) == (queued == 0)) }; /* O7 */
	waits = false;
	do
	:: (word & RUNNING) && !waits ->
#ifdef TWO_STEPS
		d_step { TOUCH; o = o | WAITERS; waits = true }
#else
		cas(word, RUNNING | WAITERS, waits)	/* O4 */
#endif
	:: else -> break
	od;
	if
	:: waits -> lot_push(me)
	:: else -> skip
	fi;
	lot_unlock()
}

inline leave()
{
	lot_lock();
	lot_remove(me, done);
	if
	:: done && queued == 0 -> d_step { TOUCH; o = o & ~WAITERS }
	:: else -> skip
	fi;
	lot_unlock();
	d_step { TOUCH; error = !(o & DONE) }	/* is_final() */
}

proctype task(byte me)
{
	byte word, taken, wakeups, i, fate;
	bool done, waits, error, runs;

again:	skip;
	d_step {
		TOUCH;
#ifdef RETURNS_WHILE_RUNNING
		done = (o & (DONE | RUNNING)) != 0
#else
		done = o & DONE
#endif
	};
	if
	:: done -> goto good
	:: else -> skip
	fi;
	word = NEW;
	cas(word, RUNNING, done);	/* begin() */
	if
	:: done -> runs = true; goto run_it
	:: else -> skip
	fi;
	waiter_init(me);
	queue_up(waits);
	if
	:: !waits -> goto again
	:: else -> skip
	fi;
	ctx_park(me, me < GIVE_UP, error);
	if
	:: error ->
		leave();
		if
		:: error -> goto end	/* nothing is promised to it */
		:: else -> goto good
		fi
	:: else -> skip
	fi;
#ifdef ASKS_THE_STATE
	d_step { TOUCH; fate = (o == NEW) };
	if
	:: fate -> assert(!ok); fate = teller[me]; goto out
	:: else -> assert(result[me] == 0); goto again
	fi;
#else
	if
	:: result[me] -> assert(failed > 0); fate = teller[me]; goto out /* O5 */
	:: else -> goto again
	fi;
#endif
run_it:
	atomic { inside++; assert(inside == 1 && !ok) };	/* O1 */
#ifdef DONE_BEFORE_CALL
	d_step { TOUCH; o = o | DONE };
#endif
	d_step {
		attempts++;
		fate = attempts <= FAILS;
		failed = failed + fate;
		ok = !fate;
		winner = me;
		inside--
	};
	if
	:: fate -> finish(NEW, 1)
	:: else -> finish(DONE, 0)
	fi;
	goto end;
good:
	assert(ok);	/* O2 */
	fate = winner;
out:
	atomic {	/* O3: whoever ran it need not have returned */
		if
		:: (calling & ~(1 << me) & ~(1 << fate)) == 0 -> freed = true
		:: else -> skip
		fi
	};
end:
	calling = calling & ~(1 << me)
}

init {
	byte n;

	atomic {
		do
		:: n < TASKS -> run task(n); n++
		:: else -> break
		od
	}
}
