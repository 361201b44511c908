/* SPDX-License-Identifier: MIT */
/*
 * src/sync/sema.c: S1 … S4. There are UNITS; the first task asks for FIRST of
 * them, the others for one each; all give back what they got. The first GIVE_UP
 * may give up while they wait, and then go without. Who has all units and knows
 * the others to have had theirs frees the semaphore at once, else the last one
 * that has returned does.
 *
 *	right	-DTASKS=3 -DUNITS=2 -DFIRST=2 -DGIVE_UP=3
 *	also	-DTASKS=4 -DUNITS=2 -DFIRST=2 -DGIVE_UP=0
 *	also	-DTASKS=4 -DUNITS=1 -DFIRST=1 -DGIVE_UP=2
 *	mutant	TAKES_PAST_THE_QUEUE	S1	assertion violated
 *	mutant	MARK_BY_OR	S1	assertion violated
 *	mutant	LEAVES_ONLY	S2	assertion violated
 *	mutant	TOOK_FROM_WHO_LEFT	S2	invalid end state	-DTASKS=3 -DUNITS=1 -DFIRST=1 -DGIVE_UP=1
 *	mutant	CLAIM_FIRST	S3	assertion violated
 *	mutant	LEAVE_MARK	S4	assertion violated
 */
#include "lot.pml"

#define NEED(w) ((w) == 0 -> FIRST : 1)

short units = UNITS;	/* the word's upper bits … */
bool marked;		/* … and QUEUED */
byte out;		/* units that somebody has */
byte to_come = TASKS, users = TASKS;

/* weft_atomic_cas(&s->priv_word, &word, …): u and k are the word that was found. */
inline cas(more, mark)
{
	d_step {
		TOUCH;
		done = units == u && marked == k;
		if
		:: done -> units = more; marked = mark
		:: else -> u = units; k = marked
		fi
	}
}

inline load()
{
	d_step { TOUCH; u = units; k = marked }
}

/* S4 */
inline check_not_copied()
{
	assert(k == (queued > 0))
}

/* S2 */
inline unlock_bucket()
{
	d_step {
		assert(queued == 0 || units < NEED(queue[0]));
		bucket_locked = false
	}
}

/* With the bucket locked. */
inline grant()
{
	do
	:: queued == 0 -> break
	:: else ->
		first = queue[0];
		d_step { TOUCH; u = units };
		if
		:: u < NEED(first) -> break
		:: else -> skip
		fi;
		lot_remove(first, done);
#ifdef CLAIM_FIRST
		claim(first, NOTIFIED, done);
		if
		:: done -> d_step {
			TOUCH; units = u - NEED(first); marked = queued > 0
		}
		:: else -> d_step { TOUCH; marked = queued > 0 }
		fi
#else
		d_step { TOUCH; units = u - NEED(first); marked = queued > 0 };
		claim(first, NOTIFIED, done);
#ifndef TOOK_FROM_WHO_LEFT
		if
		:: !done -> d_step { TOUCH; units = units + NEED(first) }
		:: else -> skip
		fi
#endif
#endif
	od
}

/* weft_sema_try_acquire() */
inline try_acquire()
{
	load();
	done = false;
	do
#ifdef TAKES_PAST_THE_QUEUE
	:: done || u < n -> break
#else
	:: done || k || u < n -> break
#endif
	:: else ->
		atomic {
			cas(u - n, k);
			assert(!done || queued == 0)	/* S1 */
		}
	od
}

inline take_or_queue()
{
	lot_lock();
	load();
	check_not_copied();
	done = false;
	do
	:: done -> break
	:: else ->
		taken = !k && u >= n;
#ifdef MARK_BY_OR
		if
		:: !taken -> d_step { TOUCH; marked = true; done = true }
		:: else -> cas(u - n, k)
		fi
#else
		cas(u - taken * n, !taken)
#endif
	od;
	if
	:: !taken -> lot_push(me)
	:: else -> skip
	fi;
	unlock_bucket()
}

inline leave()
{
	lot_lock();
	lot_remove(me, done);
	if
#ifndef LEAVE_MARK
	:: done && queued == 0 -> d_step { TOUCH; marked = false }
#endif
#ifndef LEAVES_ONLY
	:: done && queued > 0 -> grant()
#endif
	:: else -> skip
	fi;
	unlock_bucket();
	wake()
}

/* weft__sema_adjust(): n units more */
inline release()
{
	load();
	done = false;
	do
	:: done || k -> break
	:: else -> cas(u + n, k)	/* S3 */
	od;
	if
	:: done -> skip
	:: else ->
		lot_lock();
		do
		:: done -> break
		:: else -> cas(u + n, k)
		od;
		if
		:: k -> check_not_copied(); grant()
		:: else -> skip
		fi;
		unlock_bucket();
		wake()
	fi
}

proctype task(byte me)
{
	short u;
	byte n = NEED(me), first, wakeups, i;
	bool k, done, taken, error, last;

	try_acquire();
	if
	:: done -> goto acquired
	:: else -> skip
	fi;
	waiter_init(me);
	take_or_queue();
	if
	:: taken -> goto acquired
	:: else -> skip
	fi;
	ctx_park(me, me < GIVE_UP, error);
	if
	:: error -> leave(); n = 0
	:: else -> skip
	fi;
acquired:
	atomic {
		out = out + n;
		assert(out <= UNITS);
		to_come--;
		last = to_come == 0 && n == UNITS
	};
	if
	:: last -> freed = true; goto finished	/* S3 */
	:: n == 0 -> goto returned
	:: else -> skip
	fi;
	out = out - n;
	release();
returned:
	atomic {
		users--;
		if
		:: users == 0 -> freed = true
		:: else -> skip
		fi
	};
finished:
	skip
}

init {
	byte t;

	atomic {
		do
		:: t < TASKS -> run task(t); t++
		:: else -> break
		od
	}
}
