/* SPDX-License-Identifier: MIT */
/*
 * Keys as names that any place can hold, whatever their length and bytes:
 * SipHash-2-4 with 128 bits of output. Every process has to come to the same
 * one, so it is not keyed by a secret, and who chooses keys may find two with one
 * name; engines keep the key with the record and refuse the second.
 */
#include "fleet/core.h"

#include <string.h>

typedef struct {
	uint64_t v[4];
} sip;

static uint64_t turn(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void rounds(sip *s, int n)
{
	uint64_t *v = s->v;

	while (n-- > 0) {
		v[0] += v[1], v[1] = turn(v[1], 13) ^ v[0], v[0] = turn(v[0], 32);
		v[2] += v[3], v[3] = turn(v[3], 16) ^ v[2];
		v[0] += v[3], v[3] = turn(v[3], 21) ^ v[0];
		v[2] += v[1], v[1] = turn(v[1], 17) ^ v[2], v[2] = turn(v[2], 32);
	}
}

static void take(sip *s, uint64_t word)
{
	s->v[3] ^= word;
	rounds(s, 2);
	s->v[0] ^= word;
}

/* Little endian, on every machine. */
static uint64_t word_at(const unsigned char *p, size_t size)
{
	uint64_t word = 0;

	for (size_t i = 0; i < size; i++)
		word |= (uint64_t)p[i] << 8 * i;
	return word;
}

static uint64_t digest(sip *s)
{
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

/* wide: the variant with 128 bits. */
static sip absorb(const void *data, size_t size, uint64_t k0, uint64_t k1,
		  uint64_t wide)
{
	const unsigned char *p = data;
	size_t whole = size & ~(size_t)7;
	sip s = {{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ wide,
		  k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}};

	for (size_t i = 0; i < whole; i += 8)
		take(&s, word_at(p + i, 8));
	take(&s, word_at(p + whole, size - whole) | (uint64_t)size << 56);
	return s;
}

static void to_hex(char hex[33], const uint64_t word[2])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 32; i++)
		hex[i] = digits[word[i / 16] >> (60 - i % 16 * 4) & 15];
	hex[32] = '\0';
}

weft__fleet_id weft__fleet_id_of(weft_key key)
{
	sip s = absorb(key.data, key.size, 0x776566742d666c65, 0x65742d6b65792d31,
		       0xee);
	weft__fleet_id id;

	s.v[2] ^= 0xee;
	rounds(&s, 4);
	id.word[0] = digest(&s);
	s.v[1] ^= 0xdd;
	rounds(&s, 4);
	id.word[1] = digest(&s);
	to_hex(id.hex, id.word);
	return id;
}

weft__fleet_attempt weft__fleet_attempt_new(void)
{
	weft__fleet_attempt a;

	weft__fleet_random(a.word, sizeof a.word);
	to_hex(a.hex, a.word);
	return a;
}

uint64_t weft__fleet_sum(const void *data, size_t size, uint64_t seed)
{
	sip s = absorb(data, size, seed, 0x776566742d73756d, 0);

	s.v[2] ^= 0xff;
	rounds(&s, 4);
	return digest(&s);
}
