/* SPDX-License-Identifier: MIT */
/* The functions of a mutex's locker, by which it is known from other locks. */
#ifndef WEFT_SRC_SYNC_LOCKER_H
#define WEFT_SRC_SYNC_LOCKER_H

#include "base/base.h"

void weft__mutex_call_lock(void *m);
void weft__mutex_call_unlock(void *m);

#endif
