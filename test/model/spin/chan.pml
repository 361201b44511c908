/* SPDX-License-Identifier: MIT */
/*
 * src/sync/chan.c and select.c: H1 to H5; E1, E2, E3, E5. SENDERS tasks send a
 * value each, RECEIVERS tasks receive as many each as there are for them, and one
 * more, if COUNT says so, closes the first channel; then everybody receives until
 * he meets the end. Channels have room for CAPACITY values. Senders select among
 * all CHANNELS if SENDS_SELECT, receivers if RECVS_SELECT; otherwise a sender has
 * the channel of its number, and receivers have the first. The first GIVE_UP
 * tasks may give up once. With FREES who has received the last value frees the
 * channel that it came by.
 *
 * An operation is a select here, of one channel perhaps.
 *
 *	also	-DCOUNT=3 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=2 -DCHANNELS=2 -DCAPACITY=0 -DSENDS_SELECT -DRECVS_SELECT
 *	also	-DCOUNT=3 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=3 -DCHANNELS=2 -DCAPACITY=0 -DRECVS_SELECT -DFREES
 *	also	-DCOUNT=3 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=3 -DCHANNELS=1 -DCAPACITY=1 -DFREES
 *	also	-DCOUNT=4 -DSENDERS=2 -DRECEIVERS=2 -DGIVE_UP=1 -DCHANNELS=1 -DCAPACITY=0
 *	also	-DCOUNT=4 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=1 -DCHANNELS=1 -DCAPACITY=1
 *	mutant	ROOM_LEFT	H1	assertion violated	-DCOUNT=3 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=0 -DCHANNELS=1 -DCAPACITY=1
 *	mutant	LEAVES_SENDERS	H1	assertion violated	-DCOUNT=4 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=0 -DCHANNELS=1 -DCAPACITY=1
 *	mutant	COPIES_FIRST	H2	assertion violated
 *	mutant	SPENT_ON_WHO_LEFT	H2	invalid end state
 *	mutant	RETURNS_AT_CLAIM	H3	assertion violated
 *	mutant	LOCKS_AFTER_CLAIM	H3	assertion violated	-DCOUNT=3 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=0 -DCHANNELS=1 -DCAPACITY=0 -DFREES
 *	mutant	LETS_GO_LOCKED	H4	assertion violated	-DCOUNT=3 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=0 -DCHANNELS=1 -DCAPACITY=0 -DFREES
 *	mutant	LEAVES_UNLOCKED	H5	assertion violated
 *	mutant	LOCKS_AS_GIVEN	E1	invalid end state
 *	mutant	CHOOSES_ONCE	E2	assertion violated	-DCOUNT=3 -DSENDERS=2 -DRECEIVERS=1 -DGIVE_UP=3 -DCHANNELS=2 -DCAPACITY=0 -DRECVS_SELECT
 *	mutant	CLAIMED_BY_STORE	E3	invalid end state
 *	mutant	STAYS_QUEUED	E5	assertion violated
 */
#define TASKS (2 * COUNT)	/* waiters: each task's wake, and its settled */
#include "lot.pml"

#define CLOSES (COUNT > SENDERS + RECEIVERS)
#define ALL ((1 << SENDERS) - 1)
#define settled(t) (t + COUNT)

typedef channel {
	bool locked;
	bool closed;
	bool freed;
	byte count;
	byte ring[2]
};

typedef line {
	byte task[COUNT];	/* who is queued, first to last */
	byte count
};

#define SENDS 0
#define RECEIVES 1
#define line_of(k, side) (2 * (k) + side)
#define length_of(k, side) lines[line_of(k, side)].count

channel c[CHANNELS];
line lines[2 * CHANNELS];

/* What is in the frame of who waits. */
bool there[COUNT];	/* the frame */
bool parked[COUNT];	/* priv_parked */
byte fired[COUNT];	/* priv_fired: the channel, or NOBODY */
bool good[COUNT];	/* ok */
byte value[COUNT];	/* to send, or received; 0 is none */

byte sent, received;	/* values, a bit each */

/* ---- the lock ---- */

inline chan_lock(k)
{
	atomic { !c[k].locked -> assert(!c[k].freed); c[k].locked = true }
}

/* Of those that are queued: how many are alive, for a moment. */
hidden byte sending, receiving;

inline count_alive(k, side, alive)
{
	alive = 0;
	i = 0;
	do
	:: i < length_of(k, side) ->
		if
		:: state[lines[line_of(k, side)].task[i]] <= PARKED_TASK -> alive++
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* H1 */
inline chan_unlock(k)
{
	d_step {
		assert(!c[k].freed);
		count_alive(k, SENDS, sending);
		count_alive(k, RECEIVES, receiving);
		assert(sending == 0 || (c[k].count == CAPACITY && !c[k].closed));
		assert(receiving == 0 || (c[k].count == 0 && !c[k].closed));
		assert(sending == 0 || receiving == 0);
		c[k].locked = false
	}
}

/* ---- those who wait ---- */

/* i becomes where t is in that line, or its length. */
inline look_up(l, t)
{
	i = 0;
	do
	:: i < lines[l].count && lines[l].task[i] != t -> i++
	:: else -> break
	od
}

inline take_out(l, t)
{
	d_step {
		look_up(l, t);
		do
		:: i + 1 < lines[l].count -> lines[l].task[i] = lines[l].task[i + 1]; i++
		:: else -> break
		od;
		if
		:: i < lines[l].count -> lines[l].count--; lines[l].task[i] = 0
		:: else -> skip
		fi;
		i = 0
	}
}

/* weft__claim(), of the wake of t: was what it was. */
inline claim_wake(t)
{
	d_step {
		assert(there[t]);
		was = state[t];
#ifdef CLAIMED_BY_STORE
		won = true;
#else
		won = was <= PARKED_TASK;
#endif
		if
		:: won && was == PARKED_TASK -> wakeups = wakeups | (1 << t)
		:: else -> skip
		fi;
		if
		:: won -> state[t] = NOTIFIED
		:: else -> skip
		fi
	}
}

/* H2: o becomes the first that can be claimed, or NOBODY. */
inline claim_first(l)
{
	o = NOBODY;
	do
	:: lines[l].count > 0 && o == NOBODY ->
		t = lines[l].task[0];
		take_out(l, t);
#ifdef COPIES_FIRST
		if
		:: me < SENDERS -> d_step { assert(there[t]); value[t] = value[me] }
		:: else -> skip
		fi;
#endif
		claim_wake(t);
		if
		:: won && was == PARKED_TASK ->
			d_step { assert(there[t]); parked[t] = true }
		:: else -> skip
		fi;
#ifdef SPENT_ON_WHO_LEFT
		o = t
#else
		if
		:: won -> o = t
		:: else -> skip
		fi
#endif
	:: else -> break
	od
}

inline complete(ok)
{
	d_step {
		assert(there[o]);
		good[o] = ok;
		fired[o] = k;
		if
		:: !parked[o] -> running = running | (1 << o)
		:: else -> skip
		fi
	}
}

/* weft__chan_let_go() */
inline let_go()
{
	wake();
	t = 0;
	do
	:: t < COUNT && (running & (1 << t)) ->
#ifndef LOCKS_AFTER_CLAIM
		assert(there[t]);
		claim(settled(t), NOTIFIED, won);
#endif
		t++
	:: t < COUNT && !(running & (1 << t)) -> t++
	:: t == COUNT -> break
	od;
	atomic { running = 0; t = 0 };
	wake()
}

/* ---- the two directions, and the end; with c[k] locked ---- */

inline put()
{
	if
	:: c[k].closed -> done = true; ok = false
	:: else ->
		claim_first(line_of(k, RECEIVES));
		if
		:: o != NOBODY ->
			d_step { assert(there[o]); value[o] = value[me] };
			complete(true);
			done = true
		:: o == NOBODY && c[k].count < CAPACITY ->
			c[k].ring[c[k].count] = value[me];
			c[k].count++;
			done = true
		:: else -> skip
		fi
	fi
}

inline get()
{
#ifdef ROOM_LEFT
	if
	:: c[k].count > 0 -> o = NOBODY
	:: else -> claim_first(line_of(k, SENDS))
	fi;
#else
	claim_first(line_of(k, SENDS));
#endif
	if
	:: c[k].count > 0 ->
		d_step {
			value[me] = c[k].ring[0];
			c[k].ring[0] = c[k].ring[1];
			c[k].ring[1] = 0;
			c[k].count--
		};
		if
		:: o != NOBODY ->	/* H1: the ring was full */
			d_step {
				assert(there[o]);
				c[k].ring[c[k].count] = value[o];
				c[k].count++
			}
		:: else -> skip
		fi;
		done = true
	:: c[k].count == 0 && o != NOBODY ->
		d_step { assert(there[o]); value[me] = value[o] };
		done = true
	:: c[k].count == 0 && o == NOBODY && c[k].closed ->
		done = true;
		ok = false
	:: else -> skip
	fi;
	if
	:: o != NOBODY -> complete(true)
	:: else -> skip
	fi
}

/* ---- select ---- */

inline lock_all()
{
#ifdef LOCKS_AS_GIVEN
	if
	:: me % 2 == 1 && first < last -> chan_lock(last); chan_lock(first)
	:: me % 2 == 1 && first == last -> chan_lock(first)
	:: me % 2 == 0 ->
#endif
	k = first;
	do
	:: k <= last -> chan_lock(k); k++
	:: else -> break
	od
#ifdef LOCKS_AS_GIVEN
	fi
#endif
}

inline unlock_all()
{
	k = first;
	do
	:: k <= last -> chan_unlock(k); k++
	:: else -> break
	od
}

#define can_send(k) (c[k].count < CAPACITY || length_of(k, RECEIVES) > 0 || c[k].closed)
#define can_receive(k) (c[k].count > 0 || length_of(k, SENDS) > 0 || c[k].closed)
#define looks_ready(k) (me < SENDERS -> can_send(k) : can_receive(k))

inline try()
{
	if
	:: me < SENDERS -> put()
	:: else -> get()
	fi
}

/* E2: k is the case that was done, if one was. */
inline fire()
{
	done = false;
	ok = true;
	do
	:: !done && looks_ready(first) ->
		k = first;
		try();
#ifdef CHOOSES_ONCE
		break
#endif
	:: !done && looks_ready(last) ->
		k = last;
		try();
#ifdef CHOOSES_ONCE
		break
#endif
	:: done || (!looks_ready(first) && !looks_ready(last)) -> break
	od
}

inline queue_all(side)
{
	waiter_init(me);
	waiter_init(settled(me));
	d_step {
		there[me] = true;
		parked[me] = false;
		fired[me] = NOBODY;
		k = first;
		do
		:: k <= last ->
			lines[line_of(k, side)].task[length_of(k, side)] = me;
			length_of(k, side)++;
			k++
		:: else -> break
		od
	}
}

/* H5, E5 */
inline leave_others(side, all)
{
	k = first;
	do
	:: k <= last ->
		if
		:: all || k != fired[me] ->
#ifdef STAYS_QUEUED
			if
			:: !all -> skip
			:: else ->
#endif
#ifdef LEAVES_UNLOCKED
			d_step {
				look_up(line_of(k, side), me);
				is_queued = i < length_of(k, side);
				i = 0
			};
			if
			:: !is_queued -> skip
			:: else ->
#endif
			chan_lock(k);
			take_out(line_of(k, side), me);
			chan_unlock(k)
#ifdef LEAVES_UNLOCKED
			fi
#endif
#ifdef STAYS_QUEUED
			fi
#endif
		:: else -> skip
		fi;
		k++
	:: else -> break
	od
}

/* H3: wake was claimed for an operation. */
inline await_fired()
{
	if
	:: parked[me] -> skip
	:: else ->
#ifdef LOCKS_AFTER_CLAIM
		chan_lock(first);
		chan_unlock(first)
#else
#ifndef RETURNS_AT_CLAIM
		ctx_park(settled(me), false, ignored)
#endif
#endif
	fi
}

/* Until it is done, by channel k, or was given up. */
inline operate(side)
{
	lock_all();
	fire();
	if
	:: done ->
		o = k;
#ifdef LETS_GO_LOCKED
		let_go();
		unlock_all();
#else
		unlock_all();
		let_go();
#endif
		k = o;
		gave_up = false
	:: else ->
		queue_all(side);
		unlock_all();
		let_go();
		ctx_park(me, me < GIVE_UP && !patient, gave_up);
		if
		:: gave_up -> skip
		:: else -> await_fired()
		fi;
		leave_others(side, gave_up);
		ok = good[me];
		d_step { k = fired[me]; there[me] = false }
	fi
}

/* ---- the tasks ---- */

proctype sender(byte me)
{
	byte i, k, o, t, was, first, last, wakeups, running;
	bool done, ok, won, gave_up, patient, ignored, is_queued;

#ifdef SENDS_SELECT
	last = CHANNELS - 1;
#else
	first = me % CHANNELS;
	last = first;
#endif
	value[me] = me + 1;
	do
	:: operate(SENDS);
		if
		:: gave_up -> patient = true
		:: else -> break
		fi
	od;
	assert(ok || CLOSES);
	if
	:: ok -> sent = sent | (1 << me)
	:: else -> skip
	fi
}

proctype receiver(byte me)
{
	byte i, k, o, t, was, first, last, wakeups, running, got;
	bool done, ok, won, gave_up, patient, ignored, is_queued;

#ifdef RECVS_SELECT
	last = CHANNELS - 1;
#endif
	do
	:: CLOSES || got < SENDERS / RECEIVERS ->
		value[me] = 0;
		operate(RECEIVES);
		if
		:: gave_up ->
			assert(value[me] == 0);
			patient = true
		:: !gave_up && !ok ->
			assert(CLOSES && value[me] == 0);
			break
		:: !gave_up && ok ->
			assert(value[me] > 0 && !(received & (1 << (value[me] - 1))));
			d_step { received = received | (1 << (value[me] - 1)); got++ };
#ifdef FREES
			if
			:: received == ALL -> c[k].freed = true
			:: else -> skip
			fi
#endif
		fi
	:: else -> break
	od
}

proctype closer(byte me)
{
	byte i, k, o, t, was, wakeups, running;
	bool won;

	chan_lock(0);
	c[0].closed = true;
	do
	:: claim_first(line_of(0, RECEIVES));
		if
		:: o != NOBODY ->
			d_step { assert(there[o]); value[o] = 0 };
			complete(false)
		:: else -> break
		fi
	od;
#ifndef LEAVES_SENDERS
	do
	:: claim_first(line_of(0, SENDS));
		if
		:: o != NOBODY -> complete(false)
		:: else -> break
		fi
	od;
#endif
	chan_unlock(0);
	let_go()
}

init {
	byte n;

	atomic {
		do
		:: n < SENDERS -> run sender(n); n++
		:: n >= SENDERS && n < SENDERS + RECEIVERS -> run receiver(n); n++
		:: n >= SENDERS + RECEIVERS && n < COUNT -> run closer(n); n++
		:: else -> break
		od
	};
	_nr_pr == 1;
	assert(sent == received)
}
