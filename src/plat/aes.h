/* SPDX-License-Identifier: MIT */
/*
 * A keyed hash out of the CPU's instructions for AES: one file per CPU, for
 * those that have them. What it takes is a fifth of what SipHash does.
 *
 *	x = key 0
 *	for each block of 16 bytes, the rest and the length being the last:
 *		x = x xor block, then four rounds with the keys 1 to 4
 *	the hash is the low half of x
 *
 * Who does not know the keys cannot choose inputs that collide: under random
 * round keys a difference of two blocks becomes a given one after four rounds
 * with a probability of 2^-113 at most (Keliher and Sui, "Exact maximum expected
 * differential and linear probability for two-round AES", 2007, squared), so
 * one of two inputs seldom undoes that of the other. Go's maps rest on three
 * rounds. It is no MAC: whoever is shown hashes may learn the keys. A table
 * shows none, but by the time that it takes.
 */
#ifndef WEFT_SRC_PLAT_AES_H
#define WEFT_SRC_PLAT_AES_H

#include "base/base.h"

typedef struct {
	unsigned char bytes[5][16];
} weft__aes_keys;

/* Has this CPU got them? */
bool weft__aes_is_there(void);

uint64_t weft__aes_hash(const weft__aes_keys *keys, const void *data,
			size_t size_bytes);

#endif
