/* SPDX-License-Identifier: MIT */
/*
 * The table of a flight: from a key to the call that runs for it, in shards
 * with a lock and a chained hash table each. An entry is the head of a call
 * and its memory the call's; so linking one cannot fail, and a shard that
 * cannot get memory to grow becomes slower, not wrong. The hash is keyed: who
 * chooses keys cannot choose which of them share a chain.
 */
#ifndef WEFT_SRC_GROUP_FLIGHT_TABLE_H
#define WEFT_SRC_GROUP_FLIGHT_TABLE_H

#include "base/base.h"
#include "base/list.h"
#include "plat/aes.h"
#include "plat/lock.h"

#include <string.h>

typedef struct weft__flight_entry weft__flight_entry;
struct weft__flight_entry {
	weft__flight_entry *next;
	uint64_t hash;
	const void *key;
	size_t key_bytes;
};

/* A shard without many calls needs no memory but its own. */
enum { WEFT__FLIGHT_FEW = 2 };

/* Everything but the word linked is read and written under the lock. */
typedef struct weft__flight_shard {
	weft__lock lock;
	uint32_t linked;	/* entries; may be read without the lock */
	uint32_t running;	/* calls that have not ended, linked or not */
	uint32_t abandoned;	/* those of them that every caller has left */
	uint32_t fini_waits;	/* a fini waits, in the lot, for running == 0 */
	uint32_t mask;		/* the number of chains, a power of two, less 1 */
	weft__flight_entry **chains;
	weft__flight_entry *few[WEFT__FLIGHT_FEW];
	uint64_t led;		/* calls started … */
	uint64_t joined;	/* … and callers who came while they ran */

	/* Of those that are kept: flight_keep.c. */
	weft__link clock;	/* in the order of eviction */
	uint32_t kept;
	uint32_t kept_most;
	uint64_t random;
	uint64_t hits;
	uint64_t stale;		/* hits that were not fresh */
	uint64_t refreshed;
	uint64_t dropped;	/* kept ones that were let go … */
	uint64_t evicted;	/* … to make room */
} __attribute__((aligned(WEFT__CACHE_LINE))) weft__flight_shard;

typedef struct weft__flight_table {
	void *block;		/* what was allocated */
	const void *owner;	/* the flight: a copy has another address */
	uint32_t shard_mask;
	weft__flight_shard shards[];
} weft__flight_table;

/* For at most kept_most results that are kept. NULL when there is no memory. */
weft__flight_table *weft__flight_table_new(size_t kept_most);
void weft__flight_table_free(weft__flight_table *t);

/*
 * The keys of the hash, one set for the process: drawn before the first table
 * can be seen, never changed after. So is the number of CPUs, which the kernel
 * tells in files.
 */
extern struct weft__flight_secret {
	weft__aes_keys aes;
	uint64_t sip[2];	/* where the CPU has none */
	bool has_aes;
	bool drawn;
	uint32_t cpus;
	weft__lock lock;
} weft__flight_secret;

uint64_t weft__flight_siphash(const void *key, size_t key_bytes);

static inline uint64_t weft__flight_hash(const void *key, size_t key_bytes)
{
	if (likely(weft__flight_secret.has_aes))
		return weft__aes_hash(&weft__flight_secret.aes, key, key_bytes);
	return weft__flight_siphash(key, key_bytes);
}

static inline weft__flight_shard *weft__flight_shard_of(weft__flight_table *t,
							uint64_t hash)
{
	return &t->shards[(hash >> 32) & t->shard_mask];
}

/*
 * Adapt the number of chains to the number of entries, if it has come to be
 * far from it. Called without the lock.
 */
WEFT_PRIV_COLD void weft__flight_shard_resize(weft__flight_shard *s);

static inline bool weft__flight_shard_wants_resize(uint32_t linked,
						   uint32_t mask)
{
	return linked > mask + 1 ||
	       (mask + 1 > WEFT__FLIGHT_FEW && linked < (mask + 1) / 16);
}

/* Most keys are short: two words that may overlap, and no call. */
static inline void weft__flight_copy_key(char *to, const void *key,
					 size_t key_bytes)
{
	uint64_t first, last;

	if (key_bytes >= sizeof first && key_bytes <= 2 * sizeof first) {
		memcpy(&first, key, sizeof first);
		memcpy(&last, (const char *)key + key_bytes - sizeof last,
		       sizeof last);
		memcpy(to, &first, sizeof first);
		memcpy(to + key_bytes - sizeof last, &last, sizeof last);
	} else if (key_bytes != 0) {
		memcpy(to, key, key_bytes);
	}
}

static inline bool weft__flight_same_key(const void *a, const void *b, size_t bytes)
{
	uint64_t a_first, a_last, b_first, b_last;

	if (bytes < sizeof a_first || bytes > 2 * sizeof a_first)
		return bytes == 0 || memcmp(a, b, bytes) == 0;
	memcpy(&a_first, a, sizeof a_first);
	memcpy(&b_first, b, sizeof b_first);
	memcpy(&a_last, (const char *)a + bytes - sizeof a_last, sizeof a_last);
	memcpy(&b_last, (const char *)b + bytes - sizeof b_last, sizeof b_last);
	return a_first == b_first && a_last == b_last;
}

/* The rest: with the lock held. */

static inline weft__flight_entry *
weft__flight_find(weft__flight_shard *s, uint64_t hash, const void *key,
		  size_t key_bytes)
{
	weft__flight_entry *e = s->chains[hash & s->mask];

	if (likely(e == NULL))
		return NULL;	/* and nothing is compared, nor saved for that */
	while (e != NULL &&
	       (e->hash != hash || e->key_bytes != key_bytes ||
		!weft__flight_same_key(e->key, key, key_bytes)))
		e = e->next;
	return e;
}

static inline void weft__flight_link(weft__flight_shard *s,
				     weft__flight_entry *e)
{
	weft__flight_entry **chain = &s->chains[e->hash & s->mask];

	e->next = *chain;
	*chain = e;
	weft_atomic_store(&s->linked, s->linked + 1, relaxed);
}

static inline void weft__flight_unlink(weft__flight_shard *s,
				       weft__flight_entry *e)
{
	weft__flight_entry **link = &s->chains[e->hash & s->mask];

	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	weft_atomic_store(&s->linked, s->linked - 1, relaxed);
}

#endif
