/* SPDX-License-Identifier: MIT */
/*
 * A lock for a few instructions, shared by tasks and by threads that must not be
 * held up by them. A weft_mutex that is contended may be handed to a task that no
 * worker has time for, and then a plain thread waits for that worker. With this
 * one held nobody switches tasks.
 */
#ifndef WEFT_SRC_FLEET_OS_LOCK_H
#define WEFT_SRC_FLEET_OS_LOCK_H

#include <pthread.h>

/* All bytes zero is one that nobody has. */
typedef struct {
	pthread_mutex_t mutex;
} weft__fleet_lock;

static inline void weft__fleet_lock_take(weft__fleet_lock *l)
{
	pthread_mutex_lock(&l->mutex);
}

static inline void weft__fleet_lock_drop(weft__fleet_lock *l)
{
	pthread_mutex_unlock(&l->mutex);
}

#endif
