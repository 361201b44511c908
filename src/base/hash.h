/* SPDX-License-Identifier: MIT */
/*
 * SipHash-1-3, the keyed hash (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", 2012): who does not know the key cannot choose inputs that
 * collide.
 */
#ifndef WEFT_SRC_BASE_HASH_H
#define WEFT_SRC_BASE_HASH_H

#include "base/base.h"

uint64_t weft__siphash(const uint64_t key[2], const void *data,
		       size_t size_bytes);

#endif
