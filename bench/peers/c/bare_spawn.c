/* SPDX-License-Identifier: MIT */
/* What starting tasks costs the machine. */
#include "bare.h"

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

double bare_spawn_join(long n)
{
	return spawn(n, NULL);
}

double bare_group_go(long n)
{
	uint64_t of_group = 0;
	double ns = spawn(n, &of_group);
	BENCH_CHECK(of_group == 0);
	return ns;
}
