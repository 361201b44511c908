/* SPDX-License-Identifier: MIT */
#include "plat/aes.h"

#include "base/hash.h"

#include <arm_neon.h>
#include <sys/auxv.h>

#define AES __attribute__((target("+crypto")))

enum { HAS_AES = 1 << 3 };	/* HWCAP_AES */

bool weft__aes_is_there(void)
{
	return (getauxval(AT_HWCAP) & HAS_AES) != 0;
}

/* The instruction adds its key before the round, x86's after it. */
static inline AES uint8x16_t mix(const weft__aes_keys *keys, uint8x16_t x)
{
	for (int i = 1; i < 5; i++)
		x = veorq_u8(vaesmcq_u8(vaeseq_u8(x, vdupq_n_u8(0))),
			     vld1q_u8(keys->bytes[i]));
	return x;
}

AES uint64_t weft__aes_hash(const weft__aes_keys *keys, const void *data,
			    size_t size_bytes)
{
	const unsigned char *p = data;
	const unsigned char *end = p + (size_bytes & ~(size_t)15);
	uint8x16_t x = vld1q_u8(keys->bytes[0]);
	uint64_t last[2];

	for (; p < end; p += 16)
		x = mix(keys, veorq_u8(x, vld1q_u8(p)));
	weft__hash_last(p, size_bytes, last);
	x = mix(keys, veorq_u8(x, vreinterpretq_u8_u64(vld1q_u64(last))));
	return vgetq_lane_u64(vreinterpretq_u64_u8(x), 0);
}
