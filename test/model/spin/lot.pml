/* SPDX-License-Identifier: MIT */
/*
 * What the models of the primitives stand on: waiters (src/sched/waiter.h) and
 * the queue of one object in the parking lot (src/sched/lot.h), for the tasks
 * 0 … TASKS - 1, each with one waiter. A step of a model is one access to
 * memory that others can see; what the bucket's lock guards is one step.
 */
#define NOBODY 255

#define WAITING 0
#define PARKED_TASK 1
#define NOTIFIED 4
#define CANCELLED 5

byte state[TASKS];
byte result[TASKS];
bool ready[TASKS];	/* in some queue of the scheduler */

bool bucket_locked;
byte queue[TASKS];	/* of the object, first to last */
byte queued;		/* how many */

byte teller[TASKS];	/* who has taken a waiter out, with all others */

bool freed;		/* the object's memory */

/* Before each access to the object. */
#define TOUCH assert(!freed)

inline lot_lock()
{
	atomic { !bucket_locked -> bucket_locked = true }
}

inline lot_unlock()
{
	bucket_locked = false
}

inline waiter_init(w)
{
	d_step { assert(!ready[w]); state[w] = WAITING; result[w] = 0 }
}

/* With the bucket locked. */
#define lot_first (queued == 0 -> NOBODY : queue[0])

inline lot_push(w)
{
	d_step { queue[queued] = w; queued++ }
}

inline lot_push_front(w)
{
	d_step {
		i = queued;
		do
		:: i > 0 -> queue[i] = queue[i - 1]; i--
		:: else -> break
		od;
		queue[0] = w;
		queued++
	}
}

/* is_queued becomes whether it was; then it is no longer. */
inline lot_remove(w, is_queued)
{
	d_step {
		i = 0;
		do
		:: i < queued && queue[i] != w -> i++
		:: else -> break
		od;
		is_queued = i < queued;
		do
		:: i + 1 < queued -> queue[i] = queue[i + 1]; i++
		:: else -> break
		od;
		if
		:: is_queued -> queued--; queue[queued] = 0
		:: else -> skip
		fi;
		i = 0
	}
}

/*
 * weft__claim(): P1. The wakeups are a set of tasks, a bit each: those that
 * were claimed while parked.
 */
inline claim(w, outcome, won)
{
	d_step {
		won = state[w] <= PARKED_TASK;
		if
		:: won && state[w] == PARKED_TASK -> wakeups = wakeups | (1 << w)
		:: else -> skip
		fi;
		if
		:: won -> state[w] = outcome
		:: else -> skip
		fi
	}
}

inline claim_taken(value)
{
	d_step {
		result[queue[i]] = value;
		teller[queue[i]] = me
	};
	claim(queue[i], NOTIFIED, done)
}

/*
 * weft__lot_claim_all(): all are taken out at once, and then claimed, one after
 * the other; a claim that fails is that of somebody who leaves. The places in
 * the queue stay meanwhile: nobody else has the lock.
 */
inline lot_claim_all(value)
{
	atomic { taken = queued; queued = 0; i = 0 };
	do
	:: i < taken ->
		claim_taken(value);
		d_step { queue[i] = 0; i++ }
	:: else -> break
	od;
	atomic { taken = 0; i = 0 }
}

/* weft__lot_wake_all(): the same, and any of them goes on at once, or later. */
inline lot_wake_all(value)
{
	atomic { taken = queued; queued = 0; i = 0 };
	do
	:: i < taken ->
		claim_taken(value);
		if
		:: d_step {
			(wakeups & (1 << queue[i])) ->
			wakeups = wakeups & ~(1 << queue[i]);
			ready[queue[i]] = true
		   }
		:: skip
		fi;
		d_step { queue[i] = 0; i++ }
	:: else -> break
	od;
	atomic { taken = 0; i = 0 }
}

/* weft__wake() */
inline wake()
{
	i = 0;
	do
	:: i < TASKS && (wakeups & (1 << i)) -> ready[i] = true; i++
	:: i < TASKS && !(wakeups & (1 << i)) -> i++
	:: i == TASKS -> break
	od;
	atomic { wakeups = 0; i = 0 }
}

/*
 * weft__ctx_park(): until the waiter is claimed. may_give_up: its context may
 * be done at any moment; whoever claims it CANCELLED then is left out, its
 * claim is made here. error: that it was.
 */
inline ctx_park(w, may_give_up, error)
{
	if
	:: atomic { state[w] == WAITING -> state[w] = PARKED_TASK };
		if
		:: atomic { ready[w] -> ready[w] = false }
		:: atomic { may_give_up && state[w] == PARKED_TASK ->
			    state[w] = CANCELLED }
		fi
	:: atomic { state[w] > PARKED_TASK -> skip }
	:: atomic { may_give_up && state[w] == WAITING ->
		    state[w] = CANCELLED }
	fi;
	error = state[w] == CANCELLED
}
