/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/random.h"

#include "base/hash.h"
#include "plat/thread.h"

#include <weft/time.h>

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

static void fill_from_start_of_process(unsigned char *p, size_t size_bytes)
{
	const void *kernels = (const void *)getauxval(AT_RANDOM);
	uint64_t key[2] = {(uint64_t)weft_now(), (uint64_t)(uintptr_t)&key};

	if (kernels != NULL)
		memcpy(key, kernels, sizeof key);
	for (size_t i = 0; i < size_bytes; i += 8) {
		weft_time salt[2] = {weft_now(), (weft_time)i};
		uint64_t word = weft__siphash(key, salt, sizeof salt);

		memcpy(p + i, &word, size_bytes - i < 8 ? size_bytes - i : 8);
	}
}

void weft__random_bytes(void *buffer, size_t size_bytes)
{
	WEFT__UNCANCELLED();
	int saved = errno;

	if (getrandom(buffer, size_bytes, GRND_NONBLOCK) != (ssize_t)size_bytes)
		fill_from_start_of_process(buffer, size_bytes);
	errno = saved;
}

/* Steele et al., "SplitMix", 2014. */
uint32_t weft__random_below(uint32_t n)
{
	static uint64_t state;
	uint64_t x = weft_atomic_add(&state, 0x9e3779b97f4a7c15u, relaxed);

	x += (uintptr_t)&n;	/* differs from process to process */
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	return (uint32_t)((x >> 32) * n >> 32);
}
