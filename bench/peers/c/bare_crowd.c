/* SPDX-License-Identifier: MIT */
/* What many that wait cost the machine. */
#include "bare.h"

#include <sys/mman.h>

/*
 * What a crowd of n tasks with stacks of their own costs the machine, when all
 * are woken: their records lie at the tops of stacks, in a page each, and point
 * to each other. Whoever wakes them follows the pointers, and each that goes on
 * touches some lines of its page.
 */
enum { STRIDE = 256 * 1024, LINES = 8 };

/* Coloured, so that no two neighbours share their sets of the cache. */
enum { COLOURS = 8, COLOUR_BYTES = 2 * LINE };

struct record {
	struct record *next;
};

double bare_wake_crowd(long n)
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
