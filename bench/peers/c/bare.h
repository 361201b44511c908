/* SPDX-License-Identifier: MIT */
/*
 * What the files of the subject "bare" share: its rows, and what those are made
 * of. A lock is an exchange and a store, a step a compare-and-swap.
 */
#ifndef BARE_H
#define BARE_H

#include "bench.h"

enum { LINE = 64 };

bench_fn bare_spawn_join, bare_group_ctx_fan10, bare_growth_spawn;
bench_fn bare_flight_solo, bare_flight_keys, bare_growth_keys;
bench_fn bare_spawn_tree, bare_skynet, bare_group_limit16, bare_flight_hot,
	bare_cond_pingpong, bare_cond_barrier, bare_chan_pingpong,
	bare_chan_buffered, bare_select_pingpong;
bench_fn bare_ctx_cancel_fan, bare_flight_stampede, bare_growth_waiters;
bench_fn bare_sleepers;
bench_fn bare_growth_ctx_deep, bare_growth_ctx_wide;
bench_fn bare_fd_pingpong, bare_fd_echo100, bare_fd_serve100,
	bare_growth_descriptors;
bench_fn bare_thread_sema, bare_thread_sema_pingpong, bare_thread_cond_pingpong;

/* What cannot be is: the bench has failed. Out of the way. */
__attribute__((noinline, cold)) void bare_miss(void);

/* Until the lock is free: somebody else has it. */
__attribute__((noinline, cold)) void bare_meet(uint32_t *lock);

static inline void bare_lock(uint32_t *lock)
{
	while (__builtin_expect(__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE),
				0))
		bare_meet(lock);
}

static inline void bare_unlock(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* From one value, which it has, to another. */
static inline void bare_step(uint32_t *word, uint32_t from, uint32_t to)
{
	if (!__atomic_compare_exchange_n(word, &from, to, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		bare_miss();
}

/* What an operation has of them, and of switches between stacks. */
struct bare_op {
	int locks;
	int steps;
	int switches;
};

enum { BARE_WORDS = 8 };

/* As many words as an operation may have locks, and steps. */
struct bare_words {
	struct {
		_Alignas(LINE) uint32_t word;
	} locks[BARE_WORDS], steps[BARE_WORDS];
};

static inline __attribute__((always_inline)) void
bare_run(struct bare_words *words, struct bare_op op)
{
#pragma GCC unroll 8
	for (int i = 0; i < op.locks; i++) {
		bare_lock(&words->locks[i].word);
		bare_unlock(&words->locks[i].word);
	}
#pragma GCC unroll 8
	for (int i = 0; i < op.steps; i++) {
		uint32_t *word = &words->steps[i].word;
		uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
		bare_step(word, old, old + 1);
	}
}

/* Leave this stack, whose pointer goes to *from, for that at to. */
void bare_switch(void **from, void *to);

/* Where to switch to, to have fn called on the stack that ends at top. */
void *bare_begin(void *top, void (*fn)(void));

/*
 * Room for n stacks, as far apart as weft's, and coloured: no two neighbours
 * share their sets of the cache. Each takes the pages that are touched.
 */
char *bare_stacks(long n);
void *bare_stack_top(char *stacks, long i);

/*
 * A task from a free list goes through a queue of one owner and many thieves,
 * with the atomic steps that any queue that can be stolen from needs, and ends
 * on the free list.
 */
struct bare_task {
	struct bare_task *next;
	void (*fn)(struct bare_task *);
	void *object;
	void *arg;
};

struct bare_pool {
	struct bare_task *spare;
	struct bare_task **queue; /* with room for all */
	unsigned mask;
	unsigned top;
	unsigned bottom;
};

/* Of count tasks, which lie so many bytes apart. */
void bare_pool_init(struct bare_pool *p, void *tasks, size_t bytes_apart,
		    struct bare_task **queue, long count);

/* The same in memory of its own, with a line for each. */
void bare_pool_make(struct bare_pool *p, long count);

static inline void bare_start(struct bare_pool *p, void (*fn)(struct bare_task *),
			      void *object)
{
	struct bare_task *task = p->spare;
	p->spare = task->next;
	task->fn = fn;
	task->object = object;
	task->arg = NULL;
	__atomic_store_n(&p->queue[p->bottom & p->mask], task, __ATOMIC_RELAXED);
	__atomic_store_n(&p->bottom, p->bottom + 1, __ATOMIC_RELEASE);
}

/* The youngest, or NULL. */
static inline struct bare_task *bare_pop(struct bare_pool *p)
{
	if (p->bottom == __atomic_load_n(&p->top, __ATOMIC_ACQUIRE))
		return NULL;
	__atomic_exchange_n(&p->bottom, p->bottom - 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&p->queue[p->bottom & p->mask], __ATOMIC_RELAXED);
}

static inline void bare_end(struct bare_pool *p, struct bare_task *task)
{
	task->next = p->spare;
	p->spare = task;
}

/*
 * A crowd: tasks that wait all at once, each on a stack, and so a page, of its
 * own, with the record of its wait. One crowd in a process, always of the same
 * size.
 */
struct bare_waiter {
	struct bare_waiter *next;
	void *sp;
	uint32_t state;
};

/* Have fn called on n stacks, or go on there, until all wait. */
void bare_crowd_gather(long n, void (*fn)(void));

/* Of fn: wait, with so many steps besides. Returns when all are woken. */
void bare_crowd_wait(struct bare_waiter *self, int steps);

/* Of fn, when it was woken: count down, and leave until the next gathering. */
void bare_crowd_leave(struct bare_waiter *self);

/* Wake all, and wait until they have left. */
void bare_crowd_release(void);

#endif
