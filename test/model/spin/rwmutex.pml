/* SPDX-License-Identifier: MIT */
/*
 * src/sync/rwmutex.c: R1 … R6. The tasks below WRITE write once each, the others
 * read; the first GIVE_UP and the last READERS_GIVE_UP may give up while they wait,
 * and then go without. The lot's queue is that of the writers; that of the
 * readers, who are only taken out together or by themselves, is a set. Whoever
 * writes as the last inside frees the lock at once, else the last one that has
 * returned does.
 *
 *	also	-DTASKS=3 -DWRITE=1 -DGIVE_UP=1 -DREADERS_GIVE_UP=1
 *	also	-DTASKS=4 -DWRITE=2 -DGIVE_UP=1 -DREADERS_GIVE_UP=0
 *	also	-DTASKS=4 -DWRITE=1 -DGIVE_UP=1 -DREADERS_GIVE_UP=0
 *	mutant	MARK_BY_OR	R1	assertion violated
 *	mutant	LEAVES_ONLY	R2	assertion violated
 *	mutant	ONE_BY_ONE	R4	assertion violated	-DTASKS=4 -DWRITE=2 -DGIVE_UP=0 -DREADERS_GIVE_UP=0
 *	mutant	CLAIM_FIRST	R4	assertion violated
 *	mutant	KEEPS_WHO_LEFT	R5	invalid end state	-DTASKS=4 -DWRITE=1 -DGIVE_UP=1 -DREADERS_GIVE_UP=0
 *	mutant	READERS_PASS	R6	assertion violated
 */
#include "lot.pml"

#define WRITER 128
#define WRITERS 64
#define READERS 32
#define COUNT 31

byte m;			/* priv_word */
byte rqueue;		/* the readers' queue: a bit each */
byte writing, reading;
byte to_come = TASKS, users = TASKS;

#define IS_WRITER (me < WRITE)
#define MARK (IS_WRITER -> WRITERS : READERS)
#define KEPT_OUT_BY (IS_WRITER -> 255 : WRITER | WRITERS)
#define STEP (IS_WRITER -> WRITER : 1)
#define MARKS ((queued > 0 -> WRITERS : 0) | (rqueue != 0 -> READERS : 0))

/* weft_atomic_cas(&m->priv_word, &word, new, …) */
inline cas(new, success)
{
	d_step {
		TOUCH;
		success = m == word;
		if
		:: success -> m = new
		:: else -> word = m
		fi
	}
}

inline load()
{
	d_step { TOUCH; word = m }
}

inline check_not_copied()
{
	assert((word & (WRITERS | READERS)) == MARKS)
}

/* R2 */
inline unlock_bucket()
{
	d_step {
		assert(queued == 0 || (m & (WRITER | COUNT)));
		assert(rqueue == 0 || (m & (WRITER | WRITERS)));
		bucket_locked = false
	}
}

/* ---- letting others in: with the bucket locked ---- */

inline let_writer_in(success)
{
	success = false;
	do
	:: queued == 0 || success -> break
	:: else ->
		first = queue[0];
		lot_remove(first, success);
#ifdef CLAIM_FIRST
		claim(first, NOTIFIED, success);
		if
		:: success -> d_step { TOUCH; m = WRITER | MARKS }
		:: else -> skip
		fi
#else
		d_step { TOUCH; m = WRITER | MARKS };	/* R4 */
		claim(first, NOTIFIED, success);
#ifdef KEEPS_WHO_LEFT
		success = true
#endif
#endif
	od
}

/* left becomes how many of them had left. */
inline claim_readers()
{
	left = 0;
	first = WRITE;
	do
	:: first < TASKS && (rqueue & (1 << first)) ->
		rqueue = rqueue & ~(1 << first);
#ifdef ONE_BY_ONE
		d_step { TOUCH; m = m + 1 };
#endif
		claim(first, NOTIFIED, success);
#ifdef ONE_BY_ONE
		wake();
#endif
		atomic { left = left + !success; first++ }
	:: first < TASKS && !(rqueue & (1 << first)) -> first++
	:: first == TASKS -> break
	od
}

inline let_readers_in()
{
	d_step {
		first = WRITE;
		n = 0;
		do
		:: first < TASKS -> n = n + ((rqueue >> first) & 1); first++
		:: else -> break
		od
	};
#ifdef ONE_BY_ONE
	n = 0;
#endif
	load();
	success = false;
	do
	:: success -> break
	:: else -> cas(((word & COUNT) + n) | (queued > 0 -> WRITERS : 0), success)
	od;
	claim_readers();
	if
	:: left > 0 ->
		d_step { TOUCH; m = m - left; word = m };
		if
		:: word == WRITERS ->
			let_writer_in(success);	/* R5 */
			if
			:: !success -> d_step { TOUCH; m = 0 }
			:: else -> skip
			fi
		:: else -> skip
		fi
	:: else -> skip
	fi
}

/* The caller holds the lock alone: R3. */
inline pass_on()
{
	check_not_copied();
	success = false;
	if
	:: !(word & WRITER) -> let_writer_in(success)
	:: else -> skip
	fi;
	if
	:: success -> skip
	:: !success && rqueue != 0 -> let_readers_in()
	:: else ->
		let_writer_in(success);
		if
		:: !success -> d_step { TOUCH; m = 0 }
		:: else -> skip
		fi
	fi
}

/* counted: the caller is off the count, and was not the last before a writer. */
inline count_off()
{
	counted = false;
	do
	:: counted || (word & (WRITERS | COUNT)) == (WRITERS | 1) -> break
	:: else -> assert(word & COUNT); cas(word - 1, counted)
	od
}

inline unlock()
{
	lot_lock();
	load();
	assert(word & WRITER);
	pass_on();
	unlock_bucket();
	wake()
}

inline runlock()
{
	load();
	count_off();
	if
	:: counted -> skip
	:: else ->
		lot_lock();
		load();
		count_off();
		if
		:: !counted -> pass_on()
		:: else -> skip
		fi;
		unlock_bucket();
		wake()
	fi
}

/* ---- getting in ---- */

inline take()
{
	load();
	success = false;
	do
#ifdef READERS_PASS
	:: success || (word & (IS_WRITER -> 255 : WRITER)) -> break
#else
	:: success || (word & KEPT_OUT_BY) -> break
#endif
	:: else ->
		atomic {
			cas(word + STEP, success);
			assert(!success || IS_WRITER || queued == 0)	/* R6 */
		}
	od
}

inline take_or_queue()
{
	lot_lock();
	load();
	check_not_copied();
	success = false;
	do
	:: success -> break
	:: else ->
		taken = !(word & KEPT_OUT_BY);
		if
		:: taken -> cas(word + STEP, success)
#ifdef MARK_BY_OR
		:: !taken -> d_step { TOUCH; m = m | MARK; success = true }
#else
		:: !taken -> cas(word | MARK, success)	/* R1 */
#endif
		fi
	od;
	if
	:: taken -> skip
	:: !taken && IS_WRITER -> lot_push(me)
	:: !taken && !IS_WRITER -> rqueue = rqueue | (1 << me)
	fi;
	unlock_bucket()
}

inline leave()
{
	lot_lock();
	if
	:: IS_WRITER -> lot_remove(me, was)
	:: else -> atomic {
		was = (rqueue >> me) & 1;
		rqueue = rqueue & ~(1 << me)
	}
	fi;
	if
	:: was ->
		load();
		if
#ifndef LEAVES_ONLY
		:: IS_WRITER && !(word & WRITER) && (word & READERS) && queued == 0 ->
			let_readers_in()	/* R2 */
		:: else ->
#else
		:: true ->
#endif
			if
			:: IS_WRITER && queued == 0 -> d_step { TOUCH; m = m & ~WRITERS }
			:: !IS_WRITER && rqueue == 0 -> d_step { TOUCH; m = m & ~READERS }
			:: else -> skip
			fi
		fi
	:: else -> skip
	fi;
	unlock_bucket();
	wake()
}

proctype task(byte me)
{
	byte word, first, wakeups, i, n, left;
	bool success, taken, was, counted, error, last;

	take();
	if
	:: success -> goto inside
	:: else -> skip
	fi;
	waiter_init(me);
	take_or_queue();
	if
	:: taken -> goto inside
	:: else -> skip
	fi;
	ctx_park(me, (me < GIVE_UP || me >= TASKS - READERS_GIVE_UP), error);
	if
	:: error -> leave(); to_come--; goto returned
	:: else -> skip
	fi;
inside:
	atomic {
		if
		:: IS_WRITER -> writing++
		:: else -> reading++
		fi;
		assert(writing == 0 || (writing == 1 && reading == 0));
		to_come--;
		last = to_come == 0 && IS_WRITER
	};
	if
	:: last -> freed = true; goto finished
	:: else -> skip
	fi;
	if
	:: IS_WRITER ->
		writing--;
		word = WRITER;
		cas(0, success);
		if
		:: success -> skip
		:: else -> unlock()
		fi
	:: else -> reading--; runlock()
	fi;
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
