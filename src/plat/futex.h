/* SPDX-License-Identifier: MIT */
/* futex(2), private to the process. */
#ifndef WEFT_SRC_PLAT_FUTEX_H
#define WEFT_SRC_PLAT_FUTEX_H

#include "base/base.h"

#include <weft/time.h>

/*
 * Sleep while *word == value, until a wake or the absolute time deadline
 * (WEFT_NEVER: none). Returns false when the deadline has passed; true after
 * anything else, spurious wakes included. Keeps errno.
 */
bool weft__futex_wait(const uint32_t *word, uint32_t value, weft_time deadline);

/*
 * Wake at most count sleepers. Uses the address only: the word may be gone,
 * and a wake that hits what lies there now is spurious there. Keeps errno.
 */
void weft__futex_wake(const uint32_t *word, int count);

#endif
