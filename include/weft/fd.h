/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors: sockets, pipes, eventfds, timerfds, whatever
 * poll(2) knows. It is what makes any library with a non-blocking descriptor
 * usable from tasks: try, and where it would block, wait here and try again.
 *
 *	ssize_t read_some(weft_ctx *ctx, int fd, void *to, size_t size_bytes)
 *	{
 *		for (;;) {
 *			ssize_t n = read(fd, to, size_bytes);
 *			int err;
 *
 *			if (n >= 0 || weft_errno() != EAGAIN)
 *				return n >= 0 ? n : -weft_errno();
 *			err = weft_wait_fd(ctx, fd, POLLIN);
 *			if (err < 0)
 *				return err;
 *		}
 *	}
 *
 *   - After a wait, errno may be another thread's: hence weft_errno() (task.h).
 *   - Nothing here makes a descriptor non-blocking: set O_NONBLOCK. That it is
 *     ready is a hint, as poll's is: another task may have read what was there.
 *   - Any number of tasks and threads may wait for one descriptor, for the same
 *     events or for different ones. Whoever waits for what happens is woken,
 *     all of them, in the order in which they came.
 *   - Close a descriptor that others may wait for with weft_fd_close(). The
 *     kernel says nothing of a close(2): who waits for that descriptor goes on
 *     waiting, until its context is done, or until somebody waits for a new
 *     descriptor of the same number. Then it is told -EBADF; the new one's
 *     events are not mistaken for its own. A task that has only just begun to
 *     wait is an exception: it may be told -EBADF at once, and if there is a new
 *     descriptor of that number already it waits for that.
 *   - While tasks run their workers look at the descriptors: those that have
 *     nothing else to do sleep in epoll(7), the others look now and then. What is
 *     answered before the worker has run out of tasks needs one poll(2) for all
 *     who wait, and no epoll_ctl(2). If all workers compute, or the one does on
 *     which the wait has begun, what becomes ready is told within some
 *     milliseconds.
 *   - Otherwise a thread looks, which the first wait starts that finds its
 *     descriptor not ready. weft_run() ends it if nobody waits any more when it
 *     returns. For weft_run() it is a plain thread, which may wake a task when
 *     weft_run() has ended: wait for the tasks that matter.
 */
#ifndef WEFT_FD_H
#define WEFT_FD_H

#include <weft/base.h>

#include <errno.h>

WEFT_BEGIN

/*
 * Wait until fd is ready for one of events, which are poll(2)'s (POLLIN,
 * POLLOUT, POLLPRI, POLLRDHUP); POLLERR and POLLHUP need not be asked for. A
 * descriptor that is ready costs one system call and nothing else; but where
 * waits before found that it was not, it is told like one that becomes ready.
 *
 * A regular file is always ready, as for poll(2). To keep a slow disk from
 * holding up others see weft_blocking_begin().
 *
 * Returns   > 0          what fd is ready for, of events, POLLERR and POLLHUP
 *           -EBADF       fd is not open, or was closed with weft_fd_close()
 *                        while the caller waited
 *           -ECANCELED   ctx was cancelled first
 *           -ETIMEDOUT   ctx's deadline passed first
 *           -EPERM       such a descriptor can never become ready for events
 *                        (a regular file, for POLLPRI)
 *           -ENOMEM, -ENOSPC, -EMFILE, -ENFILE   the wait could not be set up:
 *                        no memory, thread or descriptor for it
 *           When fd is ready and ctx done, what fd is ready for is returned.
 * Context   a task or a plain thread; may switch tasks.
 * Order     what was done before weft_fd_close() happens before a return of
 *           -EBADF that it caused. Of what another thread did before its
 *           write(2) made fd ready nothing is promised beyond what write and
 *           read promise.
 */
WEFT_API int weft_wait_fd(weft_ctx *ctx, int fd, short events);

/*
 * Close fd, and wake everybody who waits for it, with -EBADF. The same as
 * close(2) where nobody does. A wait that begins after this has returned is
 * one for whatever has the number then: it is up to the caller that nobody
 * goes on using it.
 *
 * Returns   what close(2) has: 0, -EBADF, -EIO … The descriptor is gone also
 *           after an error.
 * Context   a task or a plain thread; never switches tasks, but may block its
 *           thread as close(2) may.
 */
WEFT_API int weft_fd_close(int fd);

WEFT_END

#endif
