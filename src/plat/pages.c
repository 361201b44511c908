/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/pages.h"

#include "plat/thread.h"

#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20)

static void *map(size_t size_bytes)
{
	void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* As map(), at a multiple of a huge page: the surplus is given back. */
static void *map_huge(size_t size_bytes)
{
	char *p = map(size_bytes + HUGE_BYTES);
	size_t head;

	if (p == NULL)
		return NULL;
	head = -(uintptr_t)p & (HUGE_BYTES - 1);
	if (head > 0)
		munmap(p, head);
	if (head < HUGE_BYTES)
		munmap(p + head + size_bytes, HUGE_BYTES - head);
	madvise(p + head, size_bytes, MADV_HUGEPAGE);
	return p + head;
}

static size_t rounded(size_t size_bytes)
{
	size_t unit = size_bytes < HUGE_BYTES ? 4096 : HUGE_BYTES;

	return (size_bytes + unit - 1) & ~(unit - 1);
}

void weft__pages_unmap(void *pages, size_t size_bytes)
{
	munmap(pages, rounded(size_bytes));
}

size_t weft__pages_unit(void)
{
	static uint32_t unit;	/* atomic */

	if (weft_atomic_load(&unit, relaxed) == 0)
		weft_atomic_store(&unit, (uint32_t)sysconf(_SC_PAGESIZE), relaxed);
	return weft_atomic_load(&unit, relaxed);
}

void weft__pages_discard(void *pages, size_t size_bytes, size_t keep_bytes)
{
	int saved_errno = weft__errno_get();

	madvise((char *)pages + keep_bytes, rounded(size_bytes) - keep_bytes,
		MADV_DONTNEED);
	weft__errno_set(saved_errno);
}

void *weft__pages_map(size_t size_bytes)
{
	int saved_errno = weft__errno_get();
	void *p;

	if (size_bytes < HUGE_BYTES)
		p = map(rounded(size_bytes));
	else
		p = map_huge(rounded(size_bytes));
	weft__errno_set(saved_errno);
	return p;
}
