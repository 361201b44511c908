/* SPDX-License-Identifier: MIT */
/*
 * For debug builds of programs that use weft: what they notice with WEFT_DEBUG
 * defined, in every file. It changes no layout, and nothing where it is not
 * defined.
 *
 *	cc -DWEFT_DEBUG -include pthread.h -include weft/debug.h …
 *
 *   - A weft object that was copied after its first use, or moved, or that was
 *     neither initialised nor all zero: at the first use of the copy, it
 *     panics, "weft_mutex is copied, or was not zero at first". What every
 *     build notices of copies is in the comment of each type. This build may be
 *     mistaken about objects that files without WEFT_DEBUG were the first to
 *     use, or calls through function pointers; and where an object has ended it
 *     does not notice a copy of the same type.
 *   - A task that waits while it holds a pthread mutex. It may go on at another
 *     thread, which may not unlock the mutex; and the other tasks of its thread
 *     that want the mutex block the thread that it would need. A weft_mutex has
 *     no such trouble. It is reported on stderr, with its stack, and goes on.
 *     Pinned tasks (task.h) may do so. For this <pthread.h> has to be included
 *     before this header.
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
