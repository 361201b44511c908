/* SPDX-License-Identifier: MIT */
/*
 * SipHash-1-3, the keyed hash (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", 2012): who does not know the key cannot choose inputs that
 * collide.
 */
#ifndef WEFT_SRC_BASE_HASH_H
#define WEFT_SRC_BASE_HASH_H

#include "base/base.h"

#include <string.h>

uint64_t weft__siphash(const uint64_t key[2], const void *data,
		       size_t size_bytes);

static inline uint64_t weft__load_le64(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline uint64_t weft__load_le32(const unsigned char *p)
{
	uint32_t word;

	memcpy(&word, p, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap32(word);
#endif
	return word;
}

/* The last 0 to 7 bytes, at p, and the length in the top byte. */
static inline uint64_t weft__hash_tail(const unsigned char *p,
				       size_t size_bytes)
{
	uint64_t word = (uint64_t)size_bytes << 56;
	size_t count = size_bytes & 7, i = 0;

	if (count >= 4) {	/* two loads that overlap */
		word |= weft__load_le32(p + count - 4) << (8 * (count - 4));
		word |= weft__load_le32(p);
		i = count;
	}
	for (; i < count; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

/* The last 0 to 15 bytes, at p, and the length in the top byte. */
static inline void weft__hash_last(const unsigned char *p, size_t size_bytes,
				   uint64_t last[2])
{
	last[0] = size_bytes & 8 ? weft__load_le64(p) : 0;
	last[1] = weft__hash_tail(p + (size_bytes & 8), size_bytes);
}

#endif
