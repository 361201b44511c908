/* SPDX-License-Identifier: MIT */
#include "plat/aes.h"

#include "base/hash.h"

#include <cpuid.h>
#include <emmintrin.h>
#include <wmmintrin.h>

#define AES __attribute__((target("aes")))

/* Not by __builtin_cpu_supports(), which brings a constructor. */
bool weft__aes_is_there(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_AES) != 0;
}

static inline __m128i key_at(const weft__aes_keys *keys, int i)
{
	return _mm_loadu_si128((const __m128i *)keys->bytes[i]);
}

static inline AES __m128i mix(const weft__aes_keys *keys, __m128i x)
{
	x = _mm_aesenc_si128(x, key_at(keys, 1));
	x = _mm_aesenc_si128(x, key_at(keys, 2));
	x = _mm_aesenc_si128(x, key_at(keys, 3));
	return _mm_aesenc_si128(x, key_at(keys, 4));
}

AES uint64_t weft__aes_hash(const weft__aes_keys *keys, const void *data,
			    size_t size_bytes)
{
	const unsigned char *p = data;
	const unsigned char *end = p + (size_bytes & ~(size_t)15);
	__m128i x = key_at(keys, 0);
	uint64_t last[2];

	for (; p < end; p += 16)
		x = mix(keys, _mm_xor_si128(x, _mm_loadu_si128((const __m128i *)p)));
	weft__hash_last(p, size_bytes, last);
	x = _mm_xor_si128(x, _mm_set_epi64x((long long)last[1],
					    (long long)last[0]));
	return (uint64_t)_mm_cvtsi128_si64(mix(keys, x));
}
