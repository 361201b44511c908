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

/* ---- the one of AES's rounds: against a slow one that is as FIPS 197 has it ---- */

static unsigned char times(unsigned int a, unsigned int b)
{
	unsigned int product = 0;

	for (; b != 0; b >>= 1) {
		product ^= b & 1 ? a : 0;
		a = a << 1 ^ (a & 0x80 ? 0x11b : 0);
	}
	return (unsigned char)product;
}

static unsigned char substitute(unsigned char x)
{
	unsigned int inverse = 0, sum = 0x63;

	for (unsigned int i = 1; i < 256; i++)
		if (times(x, i) == 1)
			inverse = i;
	for (int i = 0; i < 5; i++)
		sum ^= inverse << i ^ inverse >> (8 - i);
	return (unsigned char)sum;
}

static void round_of(unsigned char x[16], const unsigned char k[16])
{
	static unsigned char box[256];
	unsigned char s[4], sum[16];

	if (box[0] == 0)
		for (int i = 0; i < 256; i++)
			box[i] = substitute((unsigned char)i);
	for (int c = 0; c < 4; c++) {
		for (int r = 0; r < 4; r++)
			s[r] = box[x[(c + r) % 4 * 4 + r]];
		for (int r = 0; r < 4; r++)
			sum[c * 4 + r] = times(s[r], 2) ^
					 times(s[(r + 1) % 4], 3) ^
					 s[(r + 2) % 4] ^ s[(r + 3) % 4];
	}
	for (int i = 0; i < 16; i++)
		x[i] = sum[i] ^ k[i];
}

static weft__aes_keys some_keys(void)
{
	weft__aes_keys keys;

	for (int i = 0; i < 80; i++)
		keys.bytes[i / 16][i % 16] = (unsigned char)(i * 7 + 3);
	return keys;
}

static uint64_t slow(const weft__aes_keys *keys, const unsigned char *data,
		     size_t size_bytes)
{
	unsigned char x[16];
	size_t at = 0;
	bool last;

	memcpy(x, keys->bytes[0], 16);
	do {
		size_t n = size_bytes - at < 16 ? size_bytes - at : 16;

		last = n < 16;
		for (size_t i = 0; i < n; i++)	/* the last 7 lie on the right */
			x[last && i >= n / 8 * 8 ? i % 8 + 8 : i] ^= data[at + i];
		if (last)
			x[15] ^= (unsigned char)size_bytes;
		for (int i = 1; i < 5; i++)
			round_of(x, keys->bytes[i]);
		at += n;
	} while (!last);
	return weft__load_le64(x);
}

/* Appendix B, from the start of round 1 to that of round 2. */
TEST(hash_has_a_round_of_aes_to_compare_with)
{
	unsigned char x[] = {0x19, 0x3d, 0xe3, 0xbe, 0xa0, 0xf4, 0xe2, 0x2b,
			     0x9a, 0xc6, 0x8d, 0x2a, 0xe9, 0xf8, 0x48, 0x08};
	static const unsigned char k[] = {0xa0, 0xfa, 0xfe, 0x17, 0x88, 0x54,
					  0x2c, 0xb1, 0x23, 0xa3, 0x39, 0x39,
					  0x2a, 0x6c, 0x76, 0x05};
	static const unsigned char after[] = {
		0xa4, 0x9c, 0x7f, 0xf2, 0x68, 0x9f, 0x35, 0x2b,
		0x6b, 0x5b, 0xea, 0x43, 0x02, 0x6a, 0x50, 0x49,
	};

	round_of(x, k);
	CHECK(memcmp(x, after, 16) == 0);
}

TEST(hash_of_aes_is_four_rounds_a_block)
{
	enum { MOST = 70 };
	weft__aes_keys keys = some_keys();
	unsigned char data[MOST + 8];

	if (!weft__aes_is_there())
		test_skip("this CPU has no instructions for AES");
	for (int shift = 0; shift < 8; shift++) {
		for (int i = 0; i < MOST; i++)
			data[shift + i] = (unsigned char)(i * 5 + 1);
		for (size_t n = 0; n <= MOST; n++)
			CHECK(weft__aes_hash(&keys, data + shift, n) ==
			      slow(&keys, data + shift, n));
	}
}

TEST(hash_of_aes_spreads_consecutive_keys)
{
	enum { BUCKETS = 1024, KEYS = 10000 };
	weft__aes_keys keys = some_keys();
	int count[BUCKETS] = {0}, most = 0;

	if (!weft__aes_is_there())
		test_skip("this CPU has no instructions for AES");
	for (uint64_t i = 0; i < KEYS; i++) {
		int n = ++count[weft__aes_hash(&keys, &i, sizeof i) % BUCKETS];

		most = n > most ? n : most;
	}
	CHECK_LT(most, 4 * KEYS / BUCKETS);
}

TEST(hash_of_aes_depends_on_the_length)
{
	static const unsigned char zeros[64];
	weft__aes_keys keys = some_keys();

	if (!weft__aes_is_there())
		test_skip("this CPU has no instructions for AES");
	for (size_t a = 0; a < sizeof zeros; a++)
		for (size_t b = 0; b < a; b++)
			CHECK(weft__aes_hash(&keys, zeros, a) !=
			      weft__aes_hash(&keys, zeros, b));
}
