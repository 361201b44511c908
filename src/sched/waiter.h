/* SPDX-License-Identifier: MIT */
/*
 * Waiting: the one park and unpark that every blocking call goes through.
 *
 * A waiter lives on the stack of whoever waits, a task or a plain thread, for
 * one wait. Its state word decides everything:
 *
 *	state            who may change it, and to what
 *	WAITING          the waiter is or will be visible to wakers, and still
 *	                 runs. The parking side: to PARKED_*. A claimer: to an
 *	                 outcome; the waiter sees it and does not sleep.
 *	PARKED_ALONE     the same as PARKED_TASK, where none but the holder of one
 *	                 lock can claim it: to an outcome, by a store (P5).
 *	PARKED_TASK      the task is off its stack. A claimer: to an outcome;
 *	                 whoever did that must make the task ready.
 *	PARKED_THREAD    the thread sleeps, or is about to, in futex_wait.
 *	                 A claimer: to an outcome with PENDING; whoever did that
 *	                 must take PENDING away and wake the futex.
 *	ASLEEP           final: the task is off its stack, and only the clock
 *	                 wakes it, without a claim: T3.
 *	outcome          final. NOTIFIED, CANCELLED, TIMEDOUT or MOVED.
 *	outcome|PENDING  the thread must not leave yet: the claimer still has the
 *	                 waiter in its list.
 *
 * P1  Exactly one claim wins: each is a CAS from WAITING or PARKED_* on the
 *     one word, or P5's store, and no outcome is ever replaced by another.
 * P2  A waiter whose claim was won in WAITING may be gone at once: the claimer
 *     does not touch it after its CAS.
 * P3  A task becomes PARKED_TASK or PARKED_ALONE only after the switch, by a CAS
 *     that the next stack's commit makes (commit after switch). So who reads
 *     either may resume it: nobody else runs on that stack. Marking it before the switch
 *     is the tempting wrong version: a claimer then resumes a task whose
 *     registers are not saved yet, and two threads run on one stack.
 * P4  A waiter won in PARKED_* stays where it is until the claimer calls
 *     weft__wake(), or weft__wake_early(): a task cannot run before that, a thread
 *     waits for PENDING to go. So who was claimed can be collected in lists.
 * P5  A task that waits without a context and without a deadline is claimed by
 *     nobody but who has taken it out of its queue, under the queue's lock. It
 *     parks as PARKED_ALONE: from there the one who finds it so is the only one
 *     to change the word, and needs no CAS. (In WAITING it does: the commit of
 *     P3 is still to come.) One that waits in several queues, or also for a
 *     context, is not alone.
 *     Tempting and wrong: to store in WAITING too, "since nobody else claims".
 *     The commit finds WAITING, and has the outcome replaced by PARKED_ALONE.
 *
 * The order in which a queue is left: whoever takes a waiter out of a queue
 * unlinks it first, under the queue's lock, and then claims it; a waiter that
 * returns with anything but NOTIFIED takes that lock and unlinks itself if it
 * still is linked. (Who is sure to claim a parked task or nobody may unlink it
 * after that, under the same lock: P4.) A claim that fails is a waiter on its
 * way out: take the next one, so that no wake is ever spent on somebody who has
 * left.
 */
#ifndef WEFT_SRC_SCHED_WAITER_H
#define WEFT_SRC_SCHED_WAITER_H

#include "base/base.h"
#include "base/list.h"
#include "base/wheel.h"
#include "plat/whim.h"

#include <weft/time.h>

enum {
	WEFT__WAITING = 0,
	WEFT__PARKED_ALONE = 1,
	WEFT__PARKED_TASK = 2,
	WEFT__PARKED_THREAD = 3,
	WEFT__NOTIFIED = 4,
	WEFT__CANCELLED = 5,
	WEFT__TIMEDOUT = 6,
	WEFT__MOVED = 7,	/* its claimer has more to tell: chan.c, flight.c */
	WEFT__PENDING = 8,
	WEFT__ASLEEP = 16,
};

typedef struct weft__waiter weft__waiter;
typedef struct weft__task weft__task;

/* What a report says of a wait beyond its why. */
typedef struct {
	bool still;	/* in: nothing runs, every object may be looked at */
	uint32_t holder;	/* weft__flow_mark() of who is to end it; 0: unknown */
	const void *tasks_of;	/* it is for tasks that have this object */
	char text[96];	/* "count 2" */
} weft__told;

/*
 * Why somebody waits, for reports; static, one for each kind of wait. tell adds
 * what is known about w, which is queued in the lot, with its bucket locked; or
 * w waits for something else, and tell may look at that only if told->still.
 */
typedef struct {
	const char *text;	/* "mutex lock" */
	enum {
		WEFT__OF_ADDRESS,	/* the waiter's address is the object */
		WEFT__OF_DATA,		/* its data is, or NULL */
		WEFT__OF_DESCRIPTOR,	/* its data is the number */
		WEFT__OF_NOTHING,
	} object;
	bool counts;	/* the primitive's: see waitgroup.c */
	void (*tell)(const weft__waiter *w, weft__told *told);
} weft__why;

typedef struct weft__wakeups weft__wakeups;
typedef struct weft__timer weft__timer;

typedef void weft__task_entry(weft__task *task);

/* What is in a wheel of timers: a timer, or a task that sleeps. */
typedef struct weft__alarm weft__alarm;
struct weft__alarm {
	weft__wheel_node node;
	/* Of a timer. NULL: of a task, which is to be made ready. */
	void (*fire)(weft__timer *timer, weft__wakeups *wakeups);
};

struct weft__task {
	union {
		struct {
			weft__task *next;	/* in a queue or free list */
			weft__task_entry *entry;
			void *fn;	/* the starter's, with arg and object */
			void *arg;
		};
		weft__alarm nap;	/* begun, and asleep: T3 in timer.c.
					   Nothing above is there after it. */
	};
	void *object;
	struct weft__stack *stack;	/* while it is started: where it is */
	void *site;
	uint32_t flags;		/* WEFT__TASK_*: sched.h, marks in task.h */
	uint32_t number;	/* only if traced: trace.h */
};

/* In flags, beside those of sched.h and the marks of task.h: */
enum { WEFT__TASK_EMBEDDED = 1 };	/* its memory is not the pool's */

/* A point in time at which alarm.fire is called: see timer.h. */
struct weft__timer {
	weft__alarm alarm;
	struct weft__timers *owner;	/* NULL when not armed */
};

/*
 * Who wakes a crowd goes from one to the next, each on a page of its own: what
 * that takes comes first, in as few lines of the cache as it can.
 */
struct weft__waiter {
	uint32_t state;
	int result;		/* the primitive's: what the claimer decided */
	union {
		weft__task *task;	/* set when a task parks */
		weft__waiter *claimed;	/* a thread's: next in a weft__wakeups */
	};

	/* In the lot (lot.h): under the bucket's lock. */
	weft__waiter *next;	/* behind it, same address */
	union {
		weft__waiter *last;	/* the first one's: the last one; … */
		weft__waiter *behind;	/* … others have one to be fetched: Q4 */
	};
	const void *address;	/* what it waits for; NULL when not queued */

	void *data;		/* the primitive's */
	const weft__why *why;

	weft__waiter *prev;	/* before it; NULL: the first, which has … */
	weft__waiter *chain;	/* … the first of the bucket's next address */
	union {
		weft_time since;	/* for the primitive and reports; 0 unknown */
		weft_time end;		/* of a sleep: T3 */
	};
};

/*
 * Who was claimed while parked, in the order of the claims: tasks by their
 * next, that of the last one unset, and threads. A task's waiter lies on a page
 * that was not touched for long; with the task itself in the list nobody has to
 * fetch that page once more before the task runs.
 */
struct weft__wakeups {
	weft__task *first;
	weft__task *last;
	weft__waiter *first_thread;
	weft__waiter *last_thread;
};

/* What weft__claim() returns. */
enum {
	WEFT__LOST = 0,
	WEFT__WON_RUNNING = 1,	/* the waiter may be gone (P2) */
	WEFT__WON_PARKED = 2,	/* it is in *wakeups (P4) */
};

/*
 * All but the state, that a claimer may be changing: what is needed to park is
 * nobody else's before that.
 */
static inline void weft__waiter_init_rest(weft__waiter *w, const weft__why *why)
{
	w->result = 0;
	w->data = NULL;
	w->why = why;
	w->since = 0;
	w->address = NULL;
}

static inline void weft__waiter_init(weft__waiter *w, const weft__why *why)
{
	w->state = WEFT__WAITING;
	weft__waiter_init_rest(w, why);
}

/*
 * Sleep until somebody claims w, or until deadline (WEFT_NEVER: for ever), at
 * which w claims itself TIMEDOUT. Returns the outcome, at once when there is
 * one already. Everything that the claimer did before its claim happens before
 * the return.
 */
uint32_t weft__park(weft__waiter *w, weft_time deadline);

/* Sleep until then. Nobody can end that sooner, so it takes no claim. */
void weft__sleep(const weft__why *why, weft_time end);

static inline void weft__wakeups_add_task(weft__wakeups *wakeups,
					  weft__task *task)
{
	if (wakeups->last != NULL)
		wakeups->last->next = task;
	else
		wakeups->first = task;
	wakeups->last = task;
}

static inline void weft__wakeups_add_thread(weft__wakeups *wakeups,
					    weft__waiter *w)
{
	w->claimed = NULL;
	if (wakeups->last_thread != NULL)
		wakeups->last_thread->claimed = w;
	else
		wakeups->first_thread = w;
	wakeups->last_thread = w;
}

/*
 * The rest of weft__claim(), for who was not a parked task: its state was old.
 * Returns the one that it was claimed in, or the outcome that it has (P1).
 */
uint32_t weft__claim_slow(weft__waiter *w, uint32_t outcome, uint32_t old);

/*
 * Try to decide how w's wait ends. Returns one of the three above, which is
 * nonzero if this claim won.
 *
 * Release: the waiter sees what the claimer did before. Acquire: the claimer
 * sees the context of a task that has parked. No locked instruction for one that
 * has parked alone: P5.
 */
static inline int weft__claim(weft__waiter *w, uint32_t outcome,
			      weft__wakeups *wakeups)
{
	uint32_t old = weft_atomic_load(&w->state, acquire);

	if (likely(old == WEFT__PARKED_ALONE))
		weft_atomic_store(&w->state, outcome, release);
	else
		old = weft__claim_slow(w, outcome, old);
	if (old == WEFT__PARKED_THREAD)
		weft__wakeups_add_thread(wakeups, w);
	else if (old == WEFT__PARKED_ALONE || old == WEFT__PARKED_TASK)
		weft__wakeups_add_task(wakeups, w->task);
	else
		return old == WEFT__WAITING ? WEFT__WON_RUNNING : WEFT__LOST;
	return WEFT__WON_PARKED;
}

/*
 * The same for a task that has parked, and nothing else. True: it is won, and
 * for the caller to make ready.
 */
static inline bool weft__claim_parked(weft__waiter *w, uint32_t outcome)
{
	uint32_t old = weft_atomic_load(&w->state, acquire);

	if (likely(old == WEFT__PARKED_ALONE)) {
		weft_atomic_store(&w->state, outcome, release);
		return true;
	}
	return old == WEFT__PARKED_TASK &&
	       weft_atomic_cas(&w->state, &old, outcome, acq_rel, relaxed);
}

/* Several tasks, from the first to the last, or threads, or both; NULL: none. */
void weft__wake_slow(weft__task *first, weft__task *last,
		     weft__waiter *first_thread);

/* Make a task ready that nobody else can resume. Called from anywhere. */
void weft__ready(weft__task *task);

/*
 * Let the claimed ones go on, in order, and empty the list. Call it without
 * locks held where that can be had. A list that no function has seen but those
 * that are inlined needs no memory.
 */
static inline void weft__wake(weft__wakeups *wakeups)
{
	weft__task *task = wakeups->first, *last = wakeups->last;
	weft__waiter *thread = wakeups->first_thread;

	if (thread == NULL && task == NULL)
		return;
	*wakeups = (weft__wakeups){0};
	if (likely(thread == NULL && task == last))
		weft__ready(task);
	else
		weft__wake_slow(task, last, thread);
}

/*
 * Of a crowd so many go on at a time, while others are still being claimed: that
 * takes about as long as to run them, and another worker can do it meanwhile. Of
 * fewer he would get no more than he does when all are claimed, but sooner, and
 * with that more to move than he is worth if he was asleep.
 */
#ifndef WEFT__EARLY
#define WEFT__EARLY 1024
#endif

void weft__wake_early_slow(weft__wakeups *wakeups);

/*
 * In a loop of claims, after so many: now and then let the tasks go on that were
 * claimed. The loop's locks are held then, and those of the scheduler and of
 * traces come after them; a thread may be woken or started meanwhile. So it is
 * for who holds none that most of the tasks want first.
 */
static inline void weft__wake_early(weft__wakeups *wakeups, size_t claimed)
{
	if (unlikely(weft__whim(claimed % WEFT__EARLY == 0)))
		weft__wake_early_slow(wakeups);
}

#endif
