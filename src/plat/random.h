/* SPDX-License-Identifier: MIT */
/* Bytes that nobody can guess. */
#ifndef WEFT_SRC_PLAT_RANDOM_H
#define WEFT_SRC_PLAT_RANDOM_H

#include "base/base.h"

/*
 * Fill size_bytes (at most 256) from the kernel's generator. Neither waits nor
 * fails: where getrandom(2) is refused or not ready yet, the bytes are derived
 * from those that the kernel gave the process at its start. Keeps errno.
 */
void weft__random_bytes(void *buffer, size_t size_bytes);

/* A number below n; for dice, not for secrets. */
uint32_t weft__random_below(uint32_t n);

#endif
