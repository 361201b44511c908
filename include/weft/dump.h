/* SPDX-License-Identifier: MIT */
/*
 * Seeing what tasks do: a program that hangs can say who waits for what.
 *
 * Every task that has begun is shown with its number and name, where it was
 * started, whether it runs or what it waits for and since when, and if it does
 * not run its stack. Tasks with the same stack are shown once, with their
 * number. Plain threads that wait in this library are shown too.
 *
 *	weft: 1003 tasks: 1001 wait, 0 are ready, 1 runs, 1 has not begun
 *
 *	1000 tasks wait: mutex lock at 0x5581d8a4, for 12 s; the last for 3 s
 *	    4 "reader", 5 "reader", 6 "reader" and 997 more
 *	    started at 0x5581b2c1 main+0x41 (server)
 *	    0x5581b97a weft_mutex_lock_slow+0xa (server)
 *	    0x5581b2f3 reader+0x23 (server)
 *
 * The times are exact to some milliseconds. Names of functions come from the
 * symbol table of the program; a debugger has the lines: tools/weft-gdb.py,
 * see docs/debugging.md.
 *
 * Three reports come by themselves, on stderr:
 *
 *   - a deadlock: every task and every thread waits, in this library and
 *     without a deadline, and no timer and no descriptor is left to wake
 *     anybody. A program with a thread that is elsewhere, in poll() say, has
 *     none by that rule. It is reported once, with who waits for whom where
 *     that is known, and the program stays as it is, for a debugger.
 *     WEFT_DEADLOCK=abort has it abort instead, WEFT_DEADLOCK=off say nothing;
 *     WEFT_DEADLOCK=report is what there is without.
 *   - a leak: a task that waits when weft_run() ends;
 *   - a panic that nobody catches.
 */
#ifndef WEFT_DUMP_H
#define WEFT_DUMP_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

/*
 * Write who is there and who waits for what to the descriptor fd. No task is
 * stopped for it: one that goes on meanwhile is shown as it was, or as one that
 * runs. What cannot be written is left out.
 *
 * Context   a task or a plain thread; never switches tasks, but blocks its
 *           thread while fd does. Not from a signal handler; see below.
 */
WEFT_API void weft_dump(int fd);

/*
 * Have the signal with that number, SIGQUIT say, make a weft_dump(2) from now
 * on; the program goes on after it. The handler only rouses a thread of the
 * library, which is there from the first task on until a weft_run() has ended:
 * else the dump comes with the next task. WEFT_DUMP_SIGNAL=QUIT in the
 * environment does the same from the first task on. No signal is taken without
 * one of the two. That thread has other things to do: where stderr is a pipe or
 * a terminal that takes nothing for a second, the rest of the dump is left out.
 *
 * As by every handler, system calls of the thread that gets the signal are
 * interrupted: they go on where SA_RESTART has them do so, but sleep(), poll()
 * and others that signal(7) lists come back early. Waits of this library go on.
 *
 * Returns   0         it will
 *           -EBUSY    the program has a handler of its own for it, which stays
 *           -EINVAL   there is no such signal, or none that can be handled
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API int weft_dump_on_signal(int number) WEFT_PRIV_WARN_UNUSED;

/* What has happened since the program started; see weft_stats_get(). */
typedef struct weft_stats weft_stats;
struct weft_stats {
	uint64_t started;	/* tasks that were started … */
	uint64_t ended;		/* … and that have ended */
	uint64_t steals;	/* a worker took tasks from another … */
	uint64_t stolen;	/* … how many in all */
	uint64_t sleeps;	/* a worker found nothing to do, and slept */
	uint32_t workers;	/* threads that run tasks … */
	uint32_t idle;		/* … those of them that sleep … */
	uint32_t stuck;		/* … or are blocked by their task */
	uint32_t stacks;	/* made so far, several at a time; all are reused */
};

/*
 * Count. Each number is one that it had during the call, not all at the same
 * moment.
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API void weft_stats_get(weft_stats *stats);

WEFT_END

#endif
