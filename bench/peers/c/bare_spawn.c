/* SPDX-License-Identifier: MIT */
/*
 * What starting tasks costs the machine: each goes through a queue, is called,
 * and counts itself down.
 */
#include "bare.h"

#include <sys/mman.h>

void bare_pool_init(struct bare_pool *p, void *tasks, size_t bytes_apart,
		    struct bare_task **queue, long count)
{
	char *at = tasks;
	*p = (struct bare_pool){.queue = queue, .mask = 1};
	while (p->mask < (unsigned long)count)
		p->mask *= 2;
	p->mask--;
	for (; count; count--, at += bytes_apart)
		bare_end(p, (struct bare_task *)(void *)at);
}

static void *huge_pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	BENCH_CHECK(p != MAP_FAILED);
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void bare_pool_make(struct bare_pool *p, long count)
{
	size_t slots = 2 * (size_t)count;
	bare_pool_init(p, huge_pages((size_t)count * LINE), LINE,
		       huge_pages(slots * sizeof(struct bare_task *)), count);
}

static __attribute__((noinline)) void count_down(struct bare_task *task)
{
	__atomic_fetch_sub((uint64_t *)task->object, 1, __ATOMIC_ACQ_REL);
}

static inline void run_all(struct bare_pool *p)
{
	struct bare_task *task;
	while ((task = bare_pop(p))) {
		BENCH_OPAQUE(task);
		task->fn(task);
		bare_end(p, task);
	}
}

enum { FEW = 256 };

static void make_few(struct bare_pool *p)
{
	static struct bare_task tasks[FEW], *queue[FEW];
	bare_pool_init(p, tasks, sizeof *tasks, queue, FEW);
}

/* Never many at once, and each is counted up when it is started. */
double bare_spawn_join(long n)
{
	struct bare_pool p;
	uint64_t count = 0;
	make_few(&p);
	int64_t start = bench_now();
	for (long left = n; left;) {
		for (int i = 0; i < FEW && left; i++, left--) {
			__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
			bare_start(&p, count_down, &count);
		}
		run_all(&p);
	}
	double ns = bench_per_op(start, n);
	BENCH_CHECK(count == 0);
	return ns;
}

/* All at once, and counted up together. */
double bare_growth_spawn(long n)
{
	static struct bare_pool p;
	uint64_t count = 0;
	long rounds = bench_fan_rounds(n);
	if (!p.queue)
		bare_pool_make(&p, n);
	int64_t start = bench_now();
	for (long round = rounds; round; round--) {
		__atomic_fetch_add(&count, (uint64_t)n, __ATOMIC_RELAXED);
		for (long i = n; i; i--)
			bare_start(&p, count_down, &count);
		run_all(&p);
	}
	double ns = bench_per_op(start, n * rounds);
	BENCH_CHECK(count == 0);
	return ns;
}

/* A group of ten tasks, which run where the one who waits for them is not. */
enum { TASKS = 10, GROUP_BYTES = 192, STACK_BYTES = 16384 };

static struct bare_pool few;
static void *waiting, *running;

static void run_group(void)
{
	for (;;) {
		run_all(&few);
		bare_switch(&running, waiting);
	}
}

/*
 * Its context is put below another: a lock. Who waits is queued, marked, off
 * its stack, taken out of the queue, claimed, taken out of what is ready. Then
 * the context is cancelled, and taken out of the other: two locks.
 */
double bare_group_ctx_fan10(long n)
{
	static _Alignas(LINE) unsigned char stack[STACK_BYTES];
	static _Alignas(LINE) unsigned char bytes[GROUP_BYTES];
	unsigned char *group = bytes;
	struct bare_words words = {0};
	uint64_t count = 0;
	make_few(&few);
	running = bare_begin(stack + sizeof stack - LINE, run_group);
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		memset(group, 0, GROUP_BYTES);
		BENCH_OPAQUE(group);
		bare_run(&words, (struct bare_op){.locks = 1});
		for (int j = 0; j < TASKS; j++) {
			__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
			bare_start(&few, count_down, &count);
		}
		bare_run(&words, (struct bare_op){.locks = 4, .steps = 4});
		bare_switch(&waiting, running);
	}
	double ns = bench_per_op(start, n);
	BENCH_CHECK(count == 0);
	return ns;
}
