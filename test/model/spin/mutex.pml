/* SPDX-License-Identifier: MIT */
/*
 * src/sync/mutex.c: M1 … M6, M8. Every task locks once, the first TWICE of them
 * twice; the first GIVE_UP of them may once give up while they wait, and try
 * again. PASSES_MOST is there too, but 0 is for threads, which never give way.
 * Whoever is the last inside frees the mutex, at once or when its unlock has
 * returned.
 *
 *	right	-DTASKS=3 -DTWICE=1 -DGIVE_UP=1 -DPASSES_MOST=0
 *	also	-DTASKS=4 -DTWICE=0 -DGIVE_UP=0 -DPASSES_MOST=0
 *	also	-DTASKS=3 -DTWICE=1 -DGIVE_UP=1 -DPASSES_MOST=1
 *	also	-DTASKS=3 -DTWICE=2 -DGIVE_UP=0 -DPASSES_MOST=2
 *	mutant	MARK_BY_OR	M2	invalid end state
 *	mutant	KEEP_WOKEN	M2	invalid end state
 *	mutant	QUEUE_AGAIN_LAST	M3	assertion violated
 *	mutant	CLAIM_FIRST	M4	assertion violated
 *	mutant	LEAVE_MARK	M5	assertion violated
 *	mutant	LEAVES_A_PASS	M8	invalid end state	-DTASKS=3 -DTWICE=1 -DGIVE_UP=0 -DPASSES_MOST=1
 */
#include "lot.pml"

#define LOCKED 1
#define PARKED 2
#define WOKEN 4
#define PASS 8
#define PASSES 248
#ifdef LEAVES_A_PASS
#define OUR_WAKE WOKEN
#else
#define OUR_WAKE (WOKEN | PASSES)
#endif

#define HANDED_OVER 1

byte m;		/* priv_word */
byte inside;	/* tasks that hold the lock */
byte users = TASKS;
byte ticket[TASKS], tickets;	/* the order in which they were queued first */
bool old[TASKS];	/* waits for longer than HAND_OVER_AGE */

/* weft_atomic_cas(&m->priv_word, &word, new, …): word is what was found. */
inline cas(word, new, done)
{
	d_step {
		TOUCH;
		done = m == word;
		if
		:: done -> m = new
		:: else -> word = m
		fi
	}
}

inline load(word)
{
	d_step { TOUCH; word = m }
}

/* M6 */
inline check_not_copied(word)
{
	assert(!(word & PARKED) == (queued == 0))
}

#define gives_way(word, our_wake) (!our_wake && (word & PASSES) == PASS)

/* taken() */
inline taken_word(our_wake)
{
	d_step {
		wanted = word;
		if
		:: !our_wake && (word & PASSES) > PASS -> wanted = wanted - PASS
		:: else -> skip
		fi;
		wanted = (wanted & ~our_wake) | LOCKED
	}
}

/* take_spinning(), one round: another would change nothing. */
inline take(our_wake, done)
{
	load(word);
	done = false;
	if
	:: gives_way(word, our_wake) -> skip
	:: else ->
		do
		:: done || (word & LOCKED) -> break
		:: else -> taken_word(our_wake); cas(word, wanted, done)
		od
	fi
}

inline take_or_queue(our_wake, taken)
{
	lot_lock();
	load(word);
	check_not_copied(word);
#ifdef MARK_BY_OR
	if
	:: word & LOCKED ->
		d_step { TOUCH; m = (m & ~our_wake) | PARKED };
		taken = false
	:: else ->
		take(our_wake, taken);
		if
		:: taken -> skip
		:: else -> d_step { TOUCH; m = (m & ~our_wake) | PARKED }
		fi
	fi;
#else
	done = false;
	do
	:: done -> break
	:: else ->
		taken = !(word & LOCKED) && !gives_way(word, our_wake);
		if
		:: taken -> taken_word(our_wake)
		:: else -> wanted = (word & ~our_wake) | PARKED
		fi;
		cas(word, wanted, done)
	od;
#endif
	if
	:: taken -> skip
#ifndef QUEUE_AGAIN_LAST
	:: !taken && our_wake -> lot_push_front(me)
	:: !taken && !our_wake -> lot_push(me)
#else
	:: !taken -> lot_push(me)
#endif
	fi;
	if
	:: !taken && !our_wake -> d_step { ticket[me] = tickets; tickets++ }
	:: else -> skip
	fi;
	lot_unlock()
}

inline leave()
{
	lot_lock();
	lot_remove(me, done);
	if
#ifndef LEAVE_MARK
	:: done && queued == 0 -> d_step { TOUCH; m = m & ~PARKED }
#endif
	:: else -> skip
	fi;
	lot_unlock()
}

/* M3: nobody who came later is taken out before one who is queued. */
inline check_order(w)
{
	d_step {
		i = 0;
		do
		:: i < queued -> assert(ticket[w] < ticket[queue[i]]); i++
		:: else -> break
		od;
		i = 0
	}
}

/* With the bucket locked. */
inline release()
{
	do
	:: queued == 0 -> d_step { TOUCH; m = 0 }; break
	:: else ->
		first = queue[0];
		lot_remove(first, done);
		check_order(first);
		rest = (queued > 0 -> PARKED : 0);
		if	/* is_starving() */
		:: old[first] = true
		:: !old[first] -> skip
		fi;
#ifndef CLAIM_FIRST
		if
		:: old[first] ->
			result[first] = HANDED_OVER;
			d_step { TOUCH; m = LOCKED | rest }
		:: else -> skip
		fi;
		hand_over = old[first];
		claim(first, NOTIFIED, done);
#else
		hand_over = old[first];
		if
		:: hand_over -> result[first] = HANDED_OVER
		:: else -> skip
		fi;
		claim(first, NOTIFIED, done);
		if
		:: hand_over && done -> d_step { TOUCH; m = LOCKED | rest }
		:: else -> skip
		fi;
#endif
		if
		:: done && hand_over -> break
		:: done && !hand_over ->
			d_step { TOUCH; m = rest | WOKEN | (PASSES_MOST * PASS) };
			break
		:: else -> skip
		fi
	od
}

proctype task(byte me)
{
	byte word, wanted, our_wake, first, rest, wakeups, i, round;
	byte rounds = 1 + (me < TWICE);
	bool done, taken, hand_over, error, patient, last;

next:
	if
	:: round == rounds -> goto finished
	:: else -> round++
	fi;
again:	/* weft_mutex_lock() */
	word = 0;
	cas(word, LOCKED, done);
	if
	:: done -> goto locked
	:: else -> skip
	fi;
	/* weft_mutex_lock_ctx_slow() */
	our_wake = 0;
	do
	:: true ->
#ifdef KEEP_WOKEN
		take(0, done);
#else
		take(our_wake, done);
#endif
		if
		:: done -> break
		:: else -> skip
		fi;
		waiter_init(me);
		take_or_queue(our_wake, taken);
		if
		:: taken -> break
		:: else -> skip
		fi;
		ctx_park(me, me < GIVE_UP && !patient, error);
		if
		:: error -> leave(); patient = true; goto again
		:: else -> skip
		fi;
		if
		:: result[me] == HANDED_OVER -> break
		:: else -> our_wake = OUR_WAKE
		fi
	od;
locked:
	atomic { inside++; assert(inside == 1); old[me] = false };
	atomic {
		inside--;
		users = users - (round == rounds);
		last = users == 0
	};
	if	/* the last owner may also free it as it is */
	:: last -> freed = true; goto finished
	:: true -> skip
	fi;
	/* weft_mutex_unlock() */
	word = LOCKED;
	cas(word, 0, done);
	if
	:: done -> goto unlocked
	:: else -> skip
	fi;
	/* weft_mutex_unlock_slow() */
	load(word);
	do
	:: (word & LOCKED) && (word & (PARKED | WOKEN)) != PARKED ->
		cas(word, word & ~LOCKED, done);
		if
		:: done -> goto unlocked
		:: else -> skip
		fi
	:: else -> break
	od;
	assert(word & LOCKED);
	lot_lock();
	load(word);
	assert(word & LOCKED);
	check_not_copied(word);
	release();
	lot_unlock();
	wake();
unlocked:
	if	/* the others have left the section, if not the function */
	:: last -> freed = true
	:: else -> skip
	fi;
	goto next;
finished:
	skip
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
