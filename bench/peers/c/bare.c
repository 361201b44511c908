/* SPDX-License-Identifier: MIT */
/* The subject "bare": the fewest instructions that could do the work. */
#include "bare_wait.h"
#include "bench.h"

#include <sys/mman.h>

const char *bench_version(void)
{
	return "the machine";
}

void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	if (bench->threads)
		bench_pin();
	fn(arg);
}

static __attribute__((noinline, cold)) void miss(void)
{
	bench_fail("the word was set");
}

/* One acquire load and a branch that is never taken. */
static double once_hit(long n)
{
	unsigned done = 1, *word = &done;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(word);
		if (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
			miss();
	}
	return bench_per_op(start, n);
}

/* Two atomic additions, each with a branch on its result. */
static double waitgroup_add_done(long n)
{
	uint64_t count = 0, *word = &count;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(word);
		if (__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST) != 0)
			miss();
		if (__atomic_fetch_sub(word, 1, __ATOMIC_SEQ_CST) != 1)
			miss();
	}
	return bench_per_op(start, n);
}

/* A compare-and-swap and an exchange, each with a branch on its result. */
static double mutex_uncontended(long n)
{
	unsigned state = 0, *word = &state;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		unsigned unlocked = 0;
		BENCH_OPAQUE(word);
		if (!__atomic_compare_exchange_n(word, &unlocked, 1, false,
						 __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			miss();
		if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) != 1)
			miss();
	}
	return bench_per_op(start, n);
}

/*
 * A task from a free list goes through a queue of one owner and many thieves,
 * is called, and ends on the free list: with the atomic steps that any queue
 * that can be stolen from needs, and one counter that all tasks bring down.
 */
struct item {
	struct item *next;
	void (*fn)(struct item *);
	uint64_t *count;
	uint64_t *of_group;
};

enum { QUEUE = 256 };

static __attribute__((noinline)) void end_item(struct item *item)
{
	__atomic_fetch_sub(item->count, 1, __ATOMIC_ACQ_REL);
}

/* A group counts its own besides. */
static __attribute__((noinline)) void end_in_group(struct item *item)
{
	__atomic_fetch_sub(item->of_group, 1, __ATOMIC_ACQ_REL);
	end_item(item);
}

static double spawn(long n, uint64_t *of_group)
{
	static struct item items[QUEUE], *queue[QUEUE], *spare;
	uint64_t count = 0;
	unsigned top = 0, bottom = 0;
	spare = NULL;
	for (int i = 0; i < QUEUE; i++) {
		items[i].next = spare;
		spare = &items[i];
	}
	int64_t start = bench_now();
	for (long left = n; left;) {
		for (int i = 0; i < QUEUE && left; i++, left--) {
			struct item *item = spare;
			spare = item->next;
			item->fn = of_group ? end_in_group : end_item;
			item->count = &count;
			item->of_group = of_group;
			if (of_group)
				__atomic_fetch_add(of_group, 1,
						   __ATOMIC_RELAXED);
			__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
			__atomic_store_n(&queue[bottom % QUEUE], item,
					 __ATOMIC_RELAXED);
			__atomic_store_n(&bottom, bottom + 1,
					 __ATOMIC_RELEASE);
		}
		while (bottom != __atomic_load_n(&top, __ATOMIC_ACQUIRE)) {
			__atomic_exchange_n(&bottom, bottom - 1,
					    __ATOMIC_SEQ_CST);
			struct item *item = __atomic_load_n(
				&queue[bottom % QUEUE], __ATOMIC_RELAXED);
			BENCH_OPAQUE(item);
			item->fn(item);
			item->next = spare;
			spare = item;
		}
	}
	double ns = bench_per_op(start, n);
	BENCH_CHECK(count == 0);
	return ns;
}

static double spawn_join(long n)
{
	return spawn(n, NULL);
}

static double group_go(long n)
{
	uint64_t of_group = 0;
	double ns = spawn(n, &of_group);
	BENCH_CHECK(of_group == 0);
	return ns;
}

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
		miss();
}

static double flight_solo(long n)
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
				miss();
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

/*
 * What a crowd of n tasks with stacks of their own costs the machine, when all
 * are woken: their records lie at the tops of stacks, in a page each, and point
 * to each other. Whoever wakes them follows the pointers, and each that goes on
 * touches some lines of its page.
 */
enum { STRIDE = 256 * 1024, LINES = 8, LINE = 64 };

/* Coloured, so that no two neighbours share their sets of the cache. */
enum { COLOURS = 8, COLOUR_BYTES = 2 * LINE };

struct record {
	struct record *next;
};

static double wake_crowd(long n)
{
	size_t bytes = (size_t)n * STRIDE;
	char *stacks = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stacks == MAP_FAILED)
		bench_skip("so much address space is not to be had here");
	madvise(stacks, bytes, MADV_NOHUGEPAGE);
	struct record *first = NULL;
	for (long i = n; i--;) {
		char *top = stacks + (size_t)(i + 1) * STRIDE -
			    i % COLOURS * COLOUR_BYTES;
		struct record *r =
			(struct record *)(void *)(top - LINES * LINE);
		r->next = first;
		first = r;
	}
	long rounds = bench_fan_rounds(n), touched = 0;
	int64_t start = bench_now();
	for (long round = rounds; round; round--) {
		for (struct record *r = first; r; r = r->next)
			touched++;
		for (struct record *r = first; r; r = r->next)
			for (int line = 1; line < LINES; line++)
				((volatile char *)r)[line * LINE]++;
	}
	double ns = bench_per_op(start, n * rounds);
	BENCH_CHECK(touched == n * rounds);
	munmap(stacks, bytes);
	return ns;
}

const struct bench benches[] = {
	{"ctx_cancel_fan", wake_crowd, .cold = false},
	{"flight_stampede", wake_crowd, .cold = false},
	{"growth_waiters", wake_crowd, .cold = false},
	{"spawn_join", spawn_join, .cold = false},
	{"group_go", group_go, .cold = false},
	{"flight_solo", flight_solo, .cold = false},
	{"once_hit", once_hit, .brief = true},
	{"waitgroup_add_done", waitgroup_add_done, .brief = true},
	{"mutex_uncontended", mutex_uncontended, .brief = true},
	{"spawn_tree", bare_spawn_tree, .cold = false},
	{"group_limit16", bare_group_limit16, .cold = false},
	{"flight_hot", bare_flight_hot, .cold = false},
	{"cond_pingpong", bare_cond_pingpong, .cold = false},
	{"cond_barrier32", bare_cond_barrier, .cold = false},
	{"cond_barrier1000", bare_cond_barrier, .cold = false},
	{"chan_pingpong", bare_chan_pingpong, .cold = false},
	{"chan_buffered128", bare_chan_buffered, .cold = false},
	{"select_pingpong", bare_select_pingpong, .cold = false},
	{"fd_pingpong", bare_fd_pingpong, .cold = false},
	{"fd_echo100", bare_fd_echo100, .cold = false},
	{"fd_serve100", bare_fd_serve100, .cold = false},
	{"thread_sema", bare_thread_sema, .threads = true},
	{"thread_sema_pingpong", bare_thread_sema_pingpong, .threads = true},
	{NULL, NULL, .cold = false},
};
