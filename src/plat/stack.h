/* SPDX-License-Identifier: MIT */
/*
 * Memory for stacks: one reserved region, cut into equal stacks, so that an
 * address tells whether it is on one of them, and on which.
 *
 *	low                                             low + STACK_BYTES
 *	| guard, 64 KiB | stack, grows down ........... |
 *
 * Only touched pages cost memory. A guard has 64 KiB because a large frame
 * jumps over a small one. Where the kernel has MADV_GUARD_INSTALL (Linux
 * 6.13) a guard splits no mapping and the region is one; elsewhere mprotect()
 * does it, each stack is a mapping of its own, and vm.max_map_count is the
 * limit: about 32,000 stacks as distributions set it.
 *
 * Stacks are an odd number of the largest pages apart: those of 4 KiB that x86-64
 * has, or of 64 KiB. Many a TLB is indexed by the last bits of a page's number: an
 * EPYC's keeps 32 of pages that are 64 apart, and who goes through a crowd that
 * waits has each looked up again. Each stack begins at a multiple of STACK_BYTES,
 * and an address alone tells where: a load of where the region begins would have
 * to wait for locks before it.
 */
#ifndef WEFT_SRC_PLAT_STACK_H
#define WEFT_SRC_PLAT_STACK_H

#include "base/base.h"
#include "plat/context.h"

/* The address sanitizer's redzones make frames several times larger. */
enum {
#if defined(__x86_64__) && WEFT__ASAN
	WEFT__STACK_USABLE_BYTES = 956 * 1024,
#elif defined(__x86_64__)
	WEFT__STACK_USABLE_BYTES = 188 * 1024,
#elif WEFT__ASAN
	WEFT__STACK_USABLE_BYTES = 1024 * 1024,
#else
	WEFT__STACK_USABLE_BYTES = 256 * 1024,
#endif
	WEFT__GUARD_BYTES = 64 * 1024,
	WEFT__STACK_BYTES = WEFT__GUARD_BYTES + WEFT__STACK_USABLE_BYTES,
	WEFT__STACK_BATCH = 64,	/* the most that one call carves */
};

/*
 * Base and size are written once, before the first stack exists; size_bytes is
 * 0 before that. All atomic: a plain thread may look meanwhile, and must be told no.
 */
typedef struct {
	uintptr_t base;
	uintptr_t size_bytes;
	size_t carved;		/* atomic: stacks in use or once in use */
} weft__stack_region;

extern WEFT__OURS weft__stack_region weft__stacks;

/*
 * Carve up to count (at most WEFT__STACK_BATCH) new stacks and put their low
 * ends, guards included, into low. Their topmost page is in memory. Returns
 * how many there are: 0 when memory or address space is used up.
 */
int weft__stack_carve(char *low[], int count);

/*
 * Give the memory of up to WEFT__STACK_BATCH stacks that nobody uses back to the
 * system, all bytes of it; they are carved again before new ones. False: there
 * is no memory to note them in, and nothing has happened.
 */
bool weft__stack_give_back(char *low[], int count);

/* How many stacks were ever carved; the i-th begins at base + i * STACK_BYTES. */
size_t weft__stack_count(void);

/* Where the stack that holds address begins. */
static inline uintptr_t weft__stack_low(uintptr_t address)
{
	return address / WEFT__STACK_BYTES * WEFT__STACK_BYTES;
}

static inline bool weft__stack_holds(uintptr_t address)
{
	/* The size first: with a size that is not 0 the base is right. */
	uintptr_t size = weft_atomic_load(&weft__stacks.size_bytes, acquire);

	return address - weft_atomic_load(&weft__stacks.base, relaxed) < size;
}

#endif
