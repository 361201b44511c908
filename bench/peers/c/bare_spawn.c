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
	void *arg;
};

enum { QUEUE = 256 };

static __attribute__((noinline)) void end_item(struct item *item)
{
	__atomic_fetch_sub(item->count, 1, __ATOMIC_ACQ_REL);
}

double bare_spawn_join(long n)
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
			item->fn = end_item;
			item->count = &count;
			item->arg = NULL;
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
