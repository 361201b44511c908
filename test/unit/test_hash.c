/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "test.h"

#include <string.h>

/*
 * SipHash-1-3 of the bytes 0, 1, 2, … of each length under the key 0, 1, …,
 * 15: from a second implementation, which was held against the one published
 * vector of SipHash-2-4.
 */
static const uint64_t expected[] = {
	0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d,
	0x8bf80ab8e7ddf7fb, 0xcf75576088d38328, 0xdef9d52f49533b67,
	0xc50d2b50c59f22a7, 0xd3927d989bb11140, 0x369095118d299a8e,
	0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
	0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34,
	0xd320d86d2a519956, 0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c,
};
enum { LENGTHS = sizeof expected / sizeof *expected };

static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

TEST(hash_is_siphash_1_3)
{
	unsigned char data[LENGTHS];

	for (int i = 0; i < LENGTHS; i++)
		data[i] = (unsigned char)i;
	for (int i = 0; i < LENGTHS; i++)
		CHECK(weft__siphash(key, data, (size_t)i) == expected[i]);
}

TEST(hash_reads_data_at_any_alignment)
{
	unsigned char data[LENGTHS + 8];

	for (int shift = 0; shift < 8; shift++) {
		for (int i = 0; i < LENGTHS; i++)
			data[shift + i] = (unsigned char)i;
		CHECK(weft__siphash(key, data + shift, LENGTHS - 1) ==
		      expected[LENGTHS - 1]);
	}
}

TEST(hash_depends_on_both_halves_of_the_key)
{
	uint64_t low[2] = {key[0] ^ 1, key[1]}, high[2] = {key[0], key[1] ^ 1};
	uint64_t hash = weft__siphash(key, "weft", 4);

	CHECK(weft__siphash(low, "weft", 4) != hash);
	CHECK(weft__siphash(high, "weft", 4) != hash);
	CHECK(weft__siphash(low, "weft", 4) != weft__siphash(high, "weft", 4));
}

TEST(hash_depends_on_the_length)
{
	static const char zeros[32];

	for (size_t a = 0; a < sizeof zeros; a++)
		for (size_t b = 0; b < a; b++)
			CHECK(weft__siphash(key, zeros, a) !=
			      weft__siphash(key, zeros, b));
}

/* Chained in 1024 buckets, 10,000 small integers lie even. */
TEST(hash_spreads_consecutive_keys)
{
	enum { BUCKETS = 1024, KEYS = 10000 };
	int count[BUCKETS] = {0}, most = 0;

	for (uint64_t i = 0; i < KEYS; i++) {
		int n = ++count[weft__siphash(key, &i, sizeof i) % BUCKETS];

		most = n > most ? n : most;
	}
	CHECK_LT(most, 4 * KEYS / BUCKETS);
}
