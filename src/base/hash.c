/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <string.h>

typedef struct {
	uint64_t v0, v1, v2, v3;
} sip;

static inline uint64_t rotl(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

static inline uint64_t load_le64(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline uint64_t load_le32(const unsigned char *p)
{
	uint32_t word;

	memcpy(&word, p, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap32(word);
#endif
	return word;
}

/* The last 0 to 7 bytes, at p, and the length in the top byte. */
static inline uint64_t tail_word(const unsigned char *p, size_t size_bytes)
{
	uint64_t word = (uint64_t)size_bytes << 56;
	size_t count = size_bytes & 7, i = 0;

	if (count >= 4) {	/* two loads that overlap */
		word |= load_le32(p + count - 4) << (8 * (count - 4));
		word |= load_le32(p);
		i = count;
	}
	for (; i < count; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

uint64_t weft__siphash(const uint64_t key[2], const void *data,
		       size_t size_bytes)
{
	const unsigned char *p = data;
	const unsigned char *end = p + (size_bytes & ~(size_t)7);
	sip s = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};

	for (; p < end; p += 8)
		sip_word(&s, load_le64(p));
	sip_word(&s, tail_word(p, size_bytes));
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
