/* SPDX-License-Identifier: MIT */
#include "group/flight_table.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "plat/cpu.h"
#include "plat/random.h"

_Static_assert(offsetof(weft__flight_shard, clock) == WEFT__CACHE_LINE,
	       "what every call needs of a shard is a cache line");

/* So many that two CPUs seldom want the same one. */
enum { SHARDS_PER_CPU = 4, SHARDS_MAX = 256 };

/* Each keeps its share, so it should be one that evens out. */
enum { KEPT_PER_SHARD = 16 };

struct weft__flight_secret weft__flight_secret
	__attribute__((aligned(WEFT__CACHE_LINE)));

static void draw_secret(void)
{
	weft__lock_take(&weft__flight_secret.lock);
	if (!weft__flight_secret.drawn) {
		weft__flight_secret.has_aes = weft__aes_is_there();
		weft__random_bytes(&weft__flight_secret.aes, sizeof weft__flight_secret.aes);
		weft__random_bytes(weft__flight_secret.sip, sizeof weft__flight_secret.sip);
		weft__flight_secret.cpus = (uint32_t)weft__cpu_count();
	}
	weft__flight_secret.drawn = true;
	weft__lock_drop(&weft__flight_secret.lock);
}

uint64_t weft__flight_siphash(const void *key, size_t key_bytes)
{
	return weft__siphash(weft__flight_secret.sip, key, key_bytes);
}

/* After the keys are drawn. */
static uint32_t shard_count(size_t kept_most)
{
	uint32_t wanted = weft__flight_secret.cpus * SHARDS_PER_CPU;
	uint32_t count = SHARDS_PER_CPU;

	while (count < wanted && count < SHARDS_MAX)
		count *= 2;
	while (count > 1 && kept_most > 0 && kept_most / count < KEPT_PER_SHARD)
		count /= 2;
	return count;
}

static void shard_init(weft__flight_shard *s, size_t kept_most)
{
	s->chains = s->few;
	s->mask = WEFT__FLIGHT_FEW - 1;
	s->kept_most = kept_most < UINT32_MAX ? (uint32_t)kept_most : UINT32_MAX;
	if (kept_most > 0)
		weft__random_bytes(&s->random, sizeof s->random);
}

weft__flight_table *weft__flight_table_new(size_t kept_most)
{
	uint32_t count;
	size_t size;
	uintptr_t aligned;
	weft__flight_table *t;
	void *block;

	draw_secret();
	count = shard_count(kept_most);
	size = sizeof(weft__flight_table) + count * sizeof(weft__flight_shard);
	block = weft__alloc_zeroed(1, size + WEFT__CACHE_LINE - 1);
	if (block == NULL)
		return NULL;
	aligned = ((uintptr_t)block + WEFT__CACHE_LINE - 1) &
		  ~(uintptr_t)(WEFT__CACHE_LINE - 1);
	t = (weft__flight_table *)aligned;
	t->block = block;
	t->shard_mask = count - 1;
	for (uint32_t i = 0; i < count; i++)
		shard_init(&t->shards[i], kept_most / count);
	return t;
}

static void free_chains(weft__flight_shard *s, weft__flight_entry **chains)
{
	if (chains != s->few)
		weft__free(chains);
}

void weft__flight_table_free(weft__flight_table *t)
{
	for (uint32_t i = 0; i <= t->shard_mask; i++)
		free_chains(&t->shards[i], t->shards[i].chains);
	weft__free(t->block);
}

/* Twice what there is, so that growing by one at a time costs O(1) each. */
static uint32_t ideal_chains(uint32_t linked)
{
	uint32_t count = WEFT__FLIGHT_FEW;

	while (count < linked && count < UINT32_C(1) << 30)
		count *= 2;
	return linked > WEFT__FLIGHT_FEW ? count * 2 : WEFT__FLIGHT_FEW;
}

static void rehash(weft__flight_shard *s, weft__flight_entry **chains,
		   uint32_t mask)
{
	for (uint32_t i = 0; i <= s->mask; i++) {
		weft__flight_entry *e = s->chains[i], *next;

		for (; e != NULL; e = next) {
			next = e->next;
			e->next = chains[e->hash & mask];
			chains[e->hash & mask] = e;
		}
	}
	s->chains = chains;
	s->mask = mask;
}

/*
 * Memory comes and goes outside the lock. So another may have resized by the
 * time the lock is held: look again. few still has the entries that it had
 * when it was last in use.
 */
void weft__flight_shard_resize(weft__flight_shard *s)
{
	uint32_t count = ideal_chains(weft_atomic_load(&s->linked, relaxed));
	weft__flight_entry **fresh = s->few, **spare;

	if (count != WEFT__FLIGHT_FEW)
		fresh = weft__alloc_zeroed(count, sizeof *fresh);
	if (fresh == NULL)
		return;
	spare = fresh;
	weft__lock_take(&s->lock);
	if (s->chains != fresh && s->mask + 1 != count &&
	    weft__flight_shard_wants_resize(s->linked, s->mask)) {
		spare = s->chains;
		if (fresh == s->few)
			memset(s->few, 0, sizeof s->few);
		rehash(s, fresh, count - 1);
	}
	weft__lock_drop(&s->lock);
	free_chains(s, spare);
}
