/* SPDX-License-Identifier: MIT */
/*
 * src/sync/cond.c: C1, C2, C3; the place in the queue is the ticket. Tasks below
 * WAITERS wait until there is something to take, under a lock; the others put
 * one thing each and signal, without the lock if UNLOCKED_SIGNAL, or all at once
 * with BROADCAST. The first GIVE_UP waiters may give up once. A waiter
 * that was woken, knows that none waits any more, and that no other signal is
 * under way than the one that woke it, frees the cond.
 *
 *	right	-DTASKS=4 -DWAITERS=2 -DGIVE_UP=1
 *	also	-DTASKS=6 -DWAITERS=3 -DGIVE_UP=1
 *	also	-DTASKS=4 -DWAITERS=2 -DGIVE_UP=1 -DBROADCAST
 *	also	-DTASKS=4 -DWAITERS=2 -DGIVE_UP=1 -DUNLOCKED_SIGNAL
 *	mutant	UNLOCKS_FIRST	C1	invalid end state
 *	mutant	SPENT_ON_WHO_LEFT	C2	assertion violated
 *	mutant	COUNTS_AFTER_CLAIM	C3	assertion violated	-DTASKS=4 -DWAITERS=2 -DGIVE_UP=1 -DUNLOCKED_SIGNAL
 */
#include "lot.pml"

byte priv_waiters;
bool locked;			/* the user's lock */
byte things;			/* under it */
byte wanting = WAITERS;
byte calling = (1 << TASKS) - (1 << WAITERS);	/* putters, a bit each */

inline lock()
{
	atomic { !locked -> locked = true }
}

inline unlock()
{
	locked = false
}

inline queue_up()
{
	lot_lock();
	d_step { TOUCH; priv_waiters++ };
	lot_push(me);
	lot_unlock()
}

inline leave()
{
	lot_lock();
	lot_remove(me, done);
	if
	:: done -> d_step { TOUCH; priv_waiters-- }
	:: else -> skip
	fi;
	lot_unlock()
}

/* With the bucket locked: the first that can be claimed. */
inline wake_first()
{
	done = false;
	heard = false;
	do
	:: queued > 0 && !done ->
		first = queue[0];
		lot_remove(first, done);
#ifdef COUNTS_AFTER_CLAIM
		teller[first] = me;
		claim(first, NOTIFIED, done);
		heard = done;
		d_step { TOUCH; priv_waiters-- }
#else
		d_step { TOUCH; priv_waiters-- };
		teller[first] = me;
		claim(first, NOTIFIED, done);
		heard = done;
#ifdef SPENT_ON_WHO_LEFT
		done = true
#endif
#endif
	:: else -> break
	od;
	assert(heard || queued == 0)	/* C2 */
}

inline wake_all()
{
	if
	:: queued > 0 ->
		d_step { TOUCH; priv_waiters = 0 };	/* C3 */
		lot_claim_all(0)
	:: else -> skip
	fi
}

inline signal()
{
	d_step { TOUCH; done = priv_waiters == 0 };
	if
	:: done -> skip
	:: else ->
		lot_lock();
#ifdef BROADCAST
		wake_all();
#else
		wake_first();
#endif
		lot_unlock();
		wake()
	fi
}

proctype waiter(byte me)
{
	byte i;
	bool done, error, patient, woken;

	lock();
	do
	:: things == 0 ->
		waiter_init(me);
#ifdef UNLOCKS_FIRST
		unlock();
		queue_up();
#else
		queue_up();
		unlock();	/* C1 */
#endif
		ctx_park(me, me < GIVE_UP && !patient, error);
		if
		:: error -> patient = true; leave(); woken = false
		:: else -> woken = true
		fi;
		lock()
	:: else -> break
	od;
	things--;
	wanting--;
	if
	:: wanting == 0 && woken && (calling & ~(1 << teller[me])) == 0 ->
		freed = true
	:: else -> skip
	fi;
	unlock()
}

proctype putter(byte me)
{
	byte i, first, taken, wakeups;
	bool done, heard;

	lock();
	things++;
#ifdef UNLOCKED_SIGNAL
	unlock();
	signal();
#else
	signal();
	unlock();
#endif
	calling = calling & ~(1 << me)
}

init {
	byte n;

	atomic {
		do
		:: n < WAITERS -> run waiter(n); n++
		:: n >= WAITERS && n < TASKS -> run putter(n); n++
		:: else -> break
		od
	}
}
