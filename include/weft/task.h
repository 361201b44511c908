/* SPDX-License-Identifier: MIT */
/*
 * Tasks: functions that run concurrently, many on few threads.
 *
 * A task runs on one of a few worker threads (one per available CPU, or
 * WEFT_PROCS of them), which are started when the first task is. A task that
 * never waits runs as an ordinary call on its worker's stack. One that waits,
 * in any waiting call of this library, keeps its stack, and the worker goes on
 * with other tasks; when what it waited for has happened it may go on at
 * another worker, that is, on another thread.
 *
 *   - Do not hold the address of a thread-local variable across a call that
 *     may switch tasks. That holds for errno, of which a compiler may keep the
 *     address: its value is kept for you, but in a function that waits read it
 *     with weft_errno(). The library's own functions return their errors.
 *   - A task that blocks its thread in the C library (usleep, a query, a read
 *     from a file) holds up nobody: a monitor notices within milliseconds and
 *     lends its place to a spare thread. weft_blocking_begin() says so at once.
 *     There are at most 256 threads.
 *   - A task's stack is 252 KiB of address space: 188 KiB to be used, of which
 *     only the pages that were touched cost memory, and a guard of 64 KiB below
 *     them (on aarch64, where a page may have 64 KiB, 256 KiB to be used).
 *     Running into the guard stops the process with a message that names the
 *     task; -fstack-clash-protection sees to it that no large array jumps over.
 *     Where address space is limited (ulimit -v), half of it is for stacks. A
 *     task that waits when there are no more keeps its thread. When that has
 *     nobody left to run the others, and every other thread of the process
 *     waits in weft as well, a line on stderr says so.
 *   - A C++ exception may be in flight when a task waits, in a catch block or a
 *     destructor: it follows the task to its next thread.
 *   - In the child of a fork(2) made after the first task, no tasks run. What
 *     needs none works there: exec, and every call that does not have to wait.
 *     Starting a task there, waking one through a channel or a context, a
 *     wait, a yield or the return of the task that has called fork, or waiting
 *     for a descriptor, stop the child with "weft: used in the child of a fork".
 *     Plain threads of the child may wait for each other; an object that some
 *     other thread was using at the moment of the fork stays as it was then,
 *     as a pthread_mutex_t would, and those who waited for it are not there. A
 *     child that a signal handler has forked must not return into a wait.
 *     vfork and posix_spawn are not affected.
 *   - The workers block the signals that the thread blocks that starts the first
 *     task, or the first after a weft_run(): so do the programs that a task
 *     starts. A program that takes signals by sigwait() or signalfd() blocks
 *     them before, as it must before pthread_create(). A handler may run on a
 *     task's stack; one with SA_ONSTACK has 64 KiB of its worker's instead.
 *   - exit() may be called while tasks run, also by one: nothing is stopped or
 *     freed for it. A shared object that brought this library along may be
 *     unloaded: the library itself stays.
 *   - There is no preemption, no priority, and no way to kill a task: cancel
 *     its context.
 *
 *	static void hello(void *arg)
 *	{
 *		weft_waitgroup *wg = arg;
 *		puts("hello from a task");
 *		weft_waitgroup_done(wg);
 *	}
 *
 *	int main(void)
 *	{
 *		weft_waitgroup wg = {0};
 *		weft_waitgroup_add(&wg, 1);
 *		if (weft_go(hello, &wg) == 0)
 *			weft_waitgroup_wait(&wg);
 *	}
 */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

/*
 * Start fn(arg) as a task. It begins later, never inside this call.
 *
 * Returns   0         fn will run
 *           -ENOMEM   no memory for the task, or none of our threads could be
 *                     started, by the first call or the first after a
 *                     weft_run(); nothing was started
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before fn begins.
 * Lifetime  *arg is the caller's business; see weft_go_copy().
 */
WEFT_API int weft_go(weft_fn fn, void *arg) WEFT_PRIV_WARN_UNUSED;

/*
 * As weft_go(), with a copy of the size bytes at arg: the task gets the
 * address of its own copy, aligned for any type, which lives until fn returns.
 *
 * Returns   as weft_go()
 */
WEFT_API int weft_go_copy(weft_fn fn, const void *arg,
			  size_t size) WEFT_PRIV_WARN_UNUSED;

/*
 * Run fn(arg) as the first task of the program, wait until it has returned and
 * nothing runs any more, and stop the worker threads: what a main() does that
 * wants to leave a clean process behind.
 *
 * Tasks that can still run when fn returns are run to their end. Tasks that
 * wait then, for anything, are leaks: each of the first hundred is reported in
 * one line on stderr, and how many more there are. They stay as they are;
 * should the program start tasks again later they may yet be woken. If plain
 * threads start or wake tasks while weft_run ends, the worker threads run on,
 * or anew, for those, and nothing is reported.
 *
 * With the threads go the one that watches the clock for after-funcs and the
 * one that answers weft_dump_on_signal(). A deadline that passes after that,
 * and a dump that is asked for, are noticed when tasks are started again; a
 * context that is cancelled starts its after-funcs in any case.
 *
 * Returns   what fn returned; WEFT_ERR_EXITED if it exited (see panic.h); or
 *           -ENOMEM when it could not be started
 * Context   a plain thread, one at a time; never a task (it aborts).
 */
WEFT_API int weft_run(int (*fn)(void *), void *arg);

/*
 * Let other tasks run first. From a plain thread: sched_yield(2).
 *
 * Context   a task or a plain thread; may switch tasks.
 */
WEFT_API void weft_yield(void);

/*
 * Sleep for d nanoseconds, or until ctx is done; d <= 0 only looks at ctx.
 *
 * Returns   -ECANCELED   ctx is or was cancelled before the time was over
 *           -ETIMEDOUT   likewise, ctx's deadline passed
 *           0            slept the whole time
 *           When several hold, the first in this list is returned.
 * Context   a task or a plain thread; may switch tasks.
 */
WEFT_API int weft_sleep(weft_ctx *ctx, weft_duration d);

/*
 * Between these two the calling task blocks its thread in calls that the
 * library cannot see. Others can have its place at once, instead of after the
 * few milliseconds that the monitor takes to notice by itself. Does not nest,
 * and no waiting call of this library may stand between the two. From a plain
 * thread both do nothing.
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API void weft_blocking_begin(void);
WEFT_API void weft_blocking_end(void);

/*
 * Between these two the calling task stays on its thread: however often it
 * waits or yields, it goes on there. For what a library ties to the thread:
 * thread-local variables, a locale, an error queue, an OpenGL context, a lock
 * that knows its owner. Nests; a task that ends is not pinned any more.
 *
 * The thread is not reserved: while the task waits, others run there, and the
 * task goes on when they wait or end. One that computes for long, or blocks
 * the thread in the C library, holds up those who are pinned to it; nothing
 * else can run them. What a pinned task leaves in a thread-local variable, the
 * others on that thread can see.
 *
 * A task that is left when weft_run() ends loses its thread: should it ever be
 * woken it goes on wherever that may be, and stays there.
 *
 * From a plain thread both do nothing. weft_unpin() by a task that is not
 * pinned is misuse: panics "weft_unpin without weft_pin".
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API void weft_pin(void);
WEFT_API void weft_unpin(void);

/*
 * errno of the thread that runs now. In a function that calls something that
 * may switch tasks, use it instead of errno: there a compiler may go on with
 * the address that errno had on the thread before.
 *
 *	while (read(fd, to, size) < 0 && weft_errno() == EAGAIN)
 *		weft_wait_fd(ctx, fd, POLLIN);
 *
 * Context   a task or a plain thread, also a signal handler; never switches
 *           tasks.
 */
WEFT_API int weft_errno(void);

/*
 * Name the calling task, for reports. The string is not copied: it must live
 * as long as the task. From a plain thread this does nothing.
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API void weft_task_name(const char *name);

/*
 * The number of tasks that were started and have not ended. Exact only when
 * nothing starts or ends meanwhile.
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API size_t weft_task_count(void);

WEFT_END

#endif
