/* SPDX-License-Identifier: MIT */
/* Telling a stack overflow from any other bad access. */
#ifndef WEFT_SRC_PLAT_FAULT_H
#define WEFT_SRC_PLAT_FAULT_H

#include "base/base.h"

/*
 * Says in text (size bytes) whose stack the address is on; false if it is on
 * none. Called in a signal handler.
 */
typedef bool weft__fault_describe(uintptr_t address, char *text, size_t size);

/*
 * From now on an access to the guard of a stack prints one line that tells
 * whose it is, before the process dies of it as it would have. Other faults go
 * to the handlers that were there before, which stay in effect.
 */
void weft__fault_install(weft__fault_describe *describe);

#endif
