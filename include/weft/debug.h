/* SPDX-License-Identifier: MIT */
/*
 * For debug builds of programs that use weft: notices a task that waits while
 * it holds a pthread mutex.
 *
 * Such a task may go on at another thread, which may not unlock the mutex; and
 * the other tasks of its thread that want the mutex block the thread that it
 * would need. A weft_mutex has no such trouble. To be told, define WEFT_DEBUG
 * and have <pthread.h> included before this header, in every file:
 *
 *	cc -DWEFT_DEBUG -include pthread.h -include weft/debug.h …
 *
 * A task that waits with a mutex locked is reported on stderr then, with its
 * stack, and goes on. Pinned tasks (task.h) may do so. Without WEFT_DEBUG this
 * header does nothing.
 */
#ifndef WEFT_DEBUG_H
#define WEFT_DEBUG_H

#include <weft/base.h>

WEFT_BEGIN

/* Private: count what the caller holds. Both return err. */
WEFT_API int weft_debug_locked(int err);
WEFT_API int weft_debug_unlocked(int err);

WEFT_END

#if defined(WEFT_DEBUG) && defined(PTHREAD_MUTEX_INITIALIZER)
#define pthread_mutex_lock(m) weft_debug_locked(pthread_mutex_lock(m))
#define pthread_mutex_trylock(m) weft_debug_locked(pthread_mutex_trylock(m))
#define pthread_mutex_timedlock(m, t)                                          \
	weft_debug_locked(pthread_mutex_timedlock(m, t))
#define pthread_mutex_unlock(m) weft_debug_unlocked(pthread_mutex_unlock(m))
#endif

#endif
