/* SPDX-License-Identifier: MIT */
/*
 * A simulated world: concurrent code under a scheduler that can be replayed.
 *
 * Link with libweft-sim instead of libweft, and compile with what
 * `pkg-config --cflags --libs weft-sim` says: the same library, on a machine
 * that is simulated. All threads, the library's workers and those that
 * pthread_create() starts, are run by one real thread, which changes from one
 * to another before any atomic operation inside the library, wherever one
 * sleeps or wakes another, and at weft_sim_point(). Which one goes on, which
 * ready case a select takes, which sleeper a wake goes to: each such choice
 * comes from the seed, so that the same seed is the same run. Time is virtual:
 * it jumps to the next timer when everybody sleeps, so a minute's sleep costs
 * nothing. When everybody sleeps and no timer is left, that is a deadlock, and
 * the world ends with a list of who waits for what.
 *
 *	static int transfer(void *unused)
 *	{
 *		… start tasks, wait for them, assert() what must hold …
 *		return 0;
 *	}
 *
 *	int main(void)
 *	{
 *		return weft_sim_explore(&(weft_sim){.runs = 10000}, transfer,
 *					NULL);
 *	}
 *
 * A run fails when it deadlocks, panics, crashes, exits, makes no step for 30
 * seconds of real time, or its function returns something other than 0. The
 * exploration stops at the first that does and prints how to repeat it:
 *
 *	weft-sim: run 213 failed: killed by signal 6, Aborted
 *	weft-sim: to repeat it: WEFT_SIM=random:212
 *
 * With WEFT_SIM set, weft_sim_explore() and weft_sim_run() make that one run,
 * in their own process, for a debugger; WEFT_SIM_TRACE=1 prints each change
 * from a thread to another, with the place where it happened.
 *
 * Descriptors may be fed from outside, by another process: the world looks at
 * them now and then. But time does not wait for it: a time-out passes at once
 * when nobody in the world can run, and when no timer is left either, one
 * second of real time without anything from outside is a deadlock.
 *
 * Outside of a world this library starts no task and waits for nothing: it says
 * so in one line, and aborts.
 *
 * What a world is not: all threads are run by one, so that every run is
 * sequentially consistent (an order that is too weak is not found by it), a
 * system call that blocks blocks the world, and __thread variables of yours are
 * shared by its threads; what pthread_self() gives is for the functions below,
 * and no thread of the C library. Of pthreads, it has threads, mutexes (but not
 * recursive or error-checking ones), condition variables, sleeping, yielding
 * and clock_gettime(). What else may wait stops the run with one line:
 * readers-writer locks, barriers, pthread_once(), semaphores, mutexes and joins
 * with a time-out, and C11's threads; so does pthread_setspecific(), whose value
 * all threads of the world would have. All that goes for calls from objects that are
 * linked with the --wrap options of weft-sim.pc. Threads that a shared library
 * starts (std::thread is one) are real ones; the run is stopped when one of
 * them comes to weft, or to a wrapped function.
 */
#ifndef WEFT_SIM_H
#define WEFT_SIM_H

#include <weft/base.h>

#ifndef WEFT_SIM
#error "weft/sim.h: compile with -DWEFT_SIM, as pkg-config weft-sim says"
#endif

WEFT_BEGIN

typedef enum {
	/*
	 * At each point, with a chance that the seed decides (1/2 to 1/256),
	 * go on with another thread; each that could go on is as likely.
	 */
	WEFT_SIM_RANDOM,
	/*
	 * Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010):
	 * the runnable thread with the highest of random priorities runs, and
	 * at depth - 1 random points the running one's is lowered. Finds a
	 * defect that needs an order of depth events with a probability of
	 * 1 / (threads × points^(depth - 1)) per run, at least. Who yields or
	 * polls for long is lowered too: what needs him to go on is not found.
	 */
	WEFT_SIM_PCT,
	/*
	 * Every run that turns at most so many times from the usual one, in
	 * which a thread goes on as long as it can, and the next one then (delay
	 * bounding: Emmi, Qadeer and Rakamaric, POPL 2011). For small programs:
	 * it finds what the others find with luck, and ends.
	 */
	WEFT_SIM_EXHAUSTIVE,
} weft_sim_mode;

/* All fields may be 0. */
typedef struct weft_sim {
	weft_sim_mode mode;
	uint64_t seed;		/* of the first run; the others count on */
	uint64_t runs;		/* at most so many; 0: 1000, EXHAUSTIVE: all */
	uint32_t depth;		/* PCT's d, at most 16; 0: 3 */
	uint64_t points;	/* PCT: how many a run has, about; 0: what those
				   before it had */
	uint32_t turns;		/* EXHAUSTIVE's bound; 0: 2 */
	uint32_t procs;		/* workers, as WEFT_PROCS; 0: 2 to 4, by the
				   seed; EXHAUSTIVE: 2 */
	uint64_t steps;		/* points after which a run counts as one that
				   does not end; 0: 20 million */
	bool scheduler;		/* change threads inside the scheduler too: for
				   its own tests. Users' code sees no more of
				   it than what comes first */
	bool thread;		/* run fn as a plain thread, the first one, and
				   not as a task */
	bool quiet;		/* say nothing about runs that succeed */
} weft_sim;

/*
 * Run fn(arg) as the first task of one world, that of sim's seed, in this
 * process. NULL for sim: the seed 0, or what WEFT_SIM says.
 *
 * Returns   what fn returned, or what weft_run() returns in its place. A
 *           deadlock and a run without end are reported, and abort. With
 *           WEFT_SIM set it is told what became of the run; -EINVAL: it is no
 *           plan, or one of another program.
 * Context   a plain thread, outside of any world, while weft does not run. One
 *           world at a time in a process; only the first is surely that of its
 *           seed, since memory that is used again may lie elsewhere.
 */
int weft_sim_run(const weft_sim *sim, int (*fn)(void *), void *arg);

/*
 * Run fn(arg) in one world after another, each in a child of this process, and
 * stop at the first run that fails. Prints what it found to stderr.
 *
 * Returns   0            all runs succeeded
 *           1            one has failed
 *           -EOVERFLOW   EXHAUSTIVE: none has failed, but some were left out:
 *                        those that part after 2^20 choices or turn more than
 *                        256 times, or a run did not go as it was planned,
 *                        since fn looks at what is outside of its world
 *           -errno       a child could not be had
 *           With WEFT_SIM set: what weft_sim_run() returns.
 * Context   as weft_sim_run(), in a process that has one thread and has had no
 *           world of its own.
 */
int weft_sim_explore(const weft_sim *sim, int (*fn)(void *), void *arg);

/*
 * Let the scheduler change to another thread here, as before an atomic
 * operation: for code that shares plain variables.
 *
 * Context   anywhere; nothing outside of a world.
 */
void weft_sim_point(void);

/*
 * A number below n, which the schedule chooses: EXHAUSTIVE tries each.
 *
 * Returns   0 … n - 1; outside of a world, 0.
 * Context   anywhere.
 */
uint32_t weft_sim_choose(uint32_t n);

/*
 * Is the caller in a world?
 *
 * Context   anywhere.
 */
bool weft_sim_inside(void);

WEFT_END

#endif
