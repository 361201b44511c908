/* SPDX-License-Identifier: MIT */
/* What flights cost the machine. */
#include "bare.h"

/*
 * A call with a key, in a table that others use too: hashed, put into a chain
 * under a lock, called, taken out under the lock, and let go of.
 */
struct flown {
	struct flown *next;
	uint64_t hash;
	size_t size;
	char key[16];
	int (*fn)(void **value);
	void *value;
};

enum { KEYS = 1024, CHAINS = 16 };

static __attribute__((noinline)) int give(void **value)
{
	*value = give;
	return 0;
}

static uint64_t hash_of(const char *key, size_t size)
{
	uint64_t word[2] = {size, 0};
	memcpy(word, key, size);
	return (word[0] * 0x9e3779b97f4a7c15U ^ word[1]) *
	       0xff51afd7ed558ccdU;
}

static void lock(unsigned *word)
{
	unsigned unlocked = 0;
	if (!__atomic_compare_exchange_n(word, &unlocked, 1, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		bare_miss();
}

double bare_flight_solo(long n)
{
	static char names[KEYS][16];
	static size_t sizes[KEYS];
	static struct flown *chains[CHAINS];
	struct flown calls[1], *spare = calls;
	unsigned word = 0;
	calls[0].next = NULL;
	for (int i = 0; i < KEYS; i++)
		sizes[i] = (size_t)snprintf(names[i], sizeof names[i],
					    "user:%d", i);
	int64_t start = bench_now();
	for (long i = 0; i < n; i++) {
		const char *key = names[i % KEYS];
		size_t size = sizes[i % KEYS];
		uint64_t hash = hash_of(key, size);
		struct flown **chain = &chains[(hash >> 32) % CHAINS];
		lock(&word);
		for (struct flown *f = *chain; f; f = f->next)
			if (f->hash == hash && f->size == size &&
			    !memcmp(f->key, key, size))
				bare_miss();
		struct flown *call = spare;
		spare = call->next;
		call->hash = hash;
		call->size = size;
		memcpy(call->key, key, size);
		call->fn = give;
		call->next = *chain;
		*chain = call;
		__atomic_store_n(&word, 0, __ATOMIC_RELEASE);
		BENCH_OPAQUE(call);
		BENCH_CHECK(!call->fn(&call->value));
		lock(&word);
		while (*chain != call)
			chain = &(*chain)->next;
		*chain = call->next;
		__atomic_store_n(&word, 0, __ATOMIC_RELEASE);
		BENCH_CHECK(call->value == give);
		call->next = spare;
		spare = call;
	}
	return bench_per_op(start, n);
}
