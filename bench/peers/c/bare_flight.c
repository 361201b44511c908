/* SPDX-License-Identifier: MIT */
/*
 * What flights cost the machine. A call with a key goes through a table that
 * others use too: hashed, put into a chain under a lock, called, taken out under
 * the lock, and let go of.
 */
#include "bare.h"

/* A call, on a line of its own. */
struct flown {
	_Alignas(LINE) struct flown *next;
	uint64_t hash;
	size_t size;
	char key[16];
	int (*fn)(void **value);
	void *value;
};

/* A lock, and its part of the table: 2 chains that are its own, or more. */
struct shard {
	_Alignas(LINE) uint32_t lock;
	uint32_t linked;
	uint32_t mask;
	struct flown **chains;
	struct flown *few[2];
};

enum { SHARDS_PER_CPU = 4, SHARDS_MOST = 64, KEYS = 1024 };

struct table {
	struct shard shards[SHARDS_MOST];
	uint64_t mask;
};

/* Of at least so many shards. */
static void make_table(struct table *t, int shards)
{
	uint64_t count = 1;
	while (count < (uint64_t)shards && count < SHARDS_MOST)
		count *= 2;
	t->mask = count - 1;
	for (struct shard *s = t->shards; s < t->shards + count; s++)
		*s = (struct shard){.mask = 1, .chains = s->few};
}

static inline uint64_t hash_of(const void *key, size_t size)
{
	uint64_t word[2] = {size, 0};
	memcpy(word, key, size);
	return (word[0] * 0x9e3779b97f4a7c15U ^ word[1]) *
	       0xff51afd7ed558ccdU;
}

static inline struct shard *shard_of(struct table *t, uint64_t hash)
{
	return &t->shards[(hash >> 32) & t->mask];
}

/* With the lock. False: it flies already. */
static inline bool put(struct shard *s, struct flown *call, uint64_t hash,
		       const void *key, size_t size)
{
	struct flown **chain = &s->chains[hash & s->mask];
	for (struct flown *f = *chain; f; f = f->next)
		if (f->hash == hash && f->size == size &&
		    !memcmp(f->key, key, size))
			return false;
	call->hash = hash;
	call->size = size;
	memcpy(call->key, key, size);
	call->next = *chain;
	*chain = call;
	s->linked++;
	return true;
}

static inline void take(struct shard *s, struct flown *call)
{
	struct flown **chain = &s->chains[call->hash & s->mask];
	while (*chain != call)
		chain = &(*chain)->next;
	*chain = call->next;
	s->linked--;
}

static __attribute__((noinline)) int give(void **value)
{
	*value = give;
	return 0;
}

static struct {
	char text[16];
	size_t size;
} keys[KEYS];

static void name_keys(void)
{
	for (int i = 0; i < KEYS; i++)
		keys[i].size = (size_t)snprintf(keys[i].text,
						sizeof keys[i].text, "user:%d", i);
}

/* From key number first on, n calls. */
static void fly(struct table *t, long first, long n)
{
	struct flown calls[1] = {{.fn = give}}, *spare = calls;
	for (long i = first; i < first + n;) {
		const char *key = keys[i % KEYS].text;
		size_t size = keys[i % KEYS].size;
		uint64_t hash = hash_of(key, size);
		struct shard *s = shard_of(t, hash);
		struct flown *call = spare;
		spare = call->next;
		bare_lock(&s->lock);
		bool begun = put(s, call, hash, key, size);
		bare_unlock(&s->lock);
		if (begun) {
			call->fn = give;
			BENCH_OPAQUE(call);
			BENCH_CHECK(!call->fn(&call->value));
			bare_lock(&s->lock);
			take(s, call);
			bare_unlock(&s->lock);
			BENCH_CHECK(call->value == give);
			i++;
		}
		call->next = spare;
		spare = call;
	}
}

double bare_flight_solo(long n)
{
	static struct table t;
	name_keys();
	make_table(&t, 1);
	int64_t start = bench_now();
	fly(&t, 0, n);
	return bench_per_op(start, n);
}

/* Each of P threads is four of the callers, one after the other. */
enum { CALLERS_EACH = 4 };

struct walk {
	struct table table;
	long each;
	int started;
};

static void *walker(void *arg)
{
	struct walk *w = arg;
	int callers = CALLERS_EACH * bench_procs;
	for (int i = 0; i < CALLERS_EACH; i++) {
		int me = __atomic_fetch_add(&w->started, 1, __ATOMIC_RELAXED);
		fly(&w->table, (long)me * KEYS / callers, w->each);
	}
	return NULL;
}

double bare_flight_keys(long n)
{
	static struct walk w;
	int callers = CALLERS_EACH * bench_procs;
	name_keys();
	make_table(&w.table, SHARDS_PER_CPU * bench_procs);
	w.each = n / callers;
	w.started = 0;
	int64_t start = bench_now();
	bench_threads(bench_procs, walker, &w);
	return bench_per_op(start, w.each * callers);
}

/*
 * As many as fly at once: each is led by a task of its own, which waits. The
 * table begins with a few chains, and grows to twice as many as there are calls.
 */
static struct {
	struct table table;
	struct bare_pool pool;
	struct flown *spare;
	_Alignas(LINE) uint64_t next;
	_Alignas(LINE) uint64_t leading;
} ring;

/* There are more calls than chains. Memory comes and goes without the lock. */
static __attribute__((noinline)) void grow(struct shard *s)
{
	uint32_t mask = 4 * (s->mask + 1) - 1;
	struct flown **chains = calloc(mask + 1, sizeof *chains), **old;
	BENCH_CHECK(chains);
	bare_lock(&s->lock);
	for (uint32_t i = 0; i <= s->mask; i++)
		for (struct flown *f = s->chains[i], *next; f; f = next) {
			next = f->next;
			f->next = chains[f->hash & mask];
			chains[f->hash & mask] = f;
		}
	old = s->chains;
	s->chains = chains;
	s->mask = mask;
	bare_unlock(&s->lock);
	if (old != s->few)
		free(old);
}

/* The call that this task leads is put into the table. */
static struct shard *lead(struct flown *call)
{
	uint64_t key = __atomic_fetch_add(&ring.next, 1, __ATOMIC_RELAXED);
	uint64_t hash = hash_of(&key, sizeof key);
	struct shard *s = shard_of(&ring.table, hash);
	call->fn = give;
	bare_lock(&s->lock);
	if (!put(s, call, hash, &key, sizeof key))
		bare_miss();
	bool crowded = s->linked > s->mask + 1;
	bare_unlock(&s->lock);
	if (crowded)
		grow(s);
	__atomic_fetch_sub(&ring.leading, 1, __ATOMIC_ACQ_REL);
	return s;
}

static void fly_one(struct bare_waiter *self)
{
	struct flown *call = ring.spare;
	ring.spare = call->next;
	struct shard *s = lead(call);
	bare_crowd_wait(self, 1); /* the gate's mark */
	BENCH_CHECK(!call->fn(&call->value));
	bare_lock(&s->lock);
	take(s, call);
	bare_unlock(&s->lock);
	BENCH_CHECK(call->value == give);
	call->next = ring.spare;
	ring.spare = call;
}

static void leader(void)
{
	struct bare_waiter self;
	for (;;) {
		struct bare_task *task = bare_pop(&ring.pool);
		fly_one(&self);
		bare_end(&ring.pool, task);
		bare_crowd_leave(&self);
	}
}

static void make_ring(long n)
{
	struct flown *calls = aligned_alloc(LINE, (size_t)n * sizeof *calls);
	BENCH_CHECK(calls);
	for (long i = n; i--; ring.spare = &calls[i])
		calls[i].next = ring.spare;
	bare_pool_make(&ring.pool, n);
}

static void end_table(struct table *t)
{
	for (uint64_t i = 0; i <= t->mask; i++)
		if (t->shards[i].chains != t->shards[i].few)
			free(t->shards[i].chains);
}

static int64_t fly_keys(long n)
{
	struct bare_words words = {0};
	int64_t start = bench_now();
	make_table(&ring.table, SHARDS_PER_CPU * bench_procs);
	ring.next = 0;
	ring.leading = (uint64_t)n;
	for (long i = n; i; i--)
		bare_start(&ring.pool, NULL, NULL);
	/* until all lead, and then they are let go on */
	bare_run(&words, (struct bare_op){.locks = 2, .steps = 4});
	bare_crowd_gather(n, leader);
	bare_run(&words, (struct bare_op){.steps = 1});
	bare_crowd_release();
	int64_t elapsed = bench_now() - start;
	end_table(&ring.table);
	return elapsed;
}

double bare_growth_keys(long n)
{
	int64_t total = 0;
	long rounds = bench_fan_rounds(n);
	if (!ring.spare)
		make_ring(n);
	for (long i = rounds; i; i--)
		total += fly_keys(n);
	return (double)total / (double)rounds / (double)n;
}
