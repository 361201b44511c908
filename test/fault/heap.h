/* SPDX-License-Identifier: MIT */
/*
 * A heap that runs dry: malloc() and calloc() of this program, which fail when
 * told to. Sanitizers have heaps of their own: there a test that needs this is
 * skipped.
 */
#ifndef WEFT_TEST_FAULT_HEAP_H
#define WEFT_TEST_FAULT_HEAP_H

#include "test.h"

#include <errno.h>
#include <stdlib.h>

#define HEAP_NEVER 0
#define HEAP_ALWAYS (-1)

static int heap_fails;		/* atomic: the n-th from now, none, or all */
static int heap_failed;		/* atomic: how many did */
static bool heap_has_no_arrays;	/* atomic: calloc() of several fails */

static inline void heap_fail(int nth)
{
	if (test_slowdown() > 1)
		test_skip("a sanitizer has its own heap");
	weft_atomic_store(&heap_fails, nth, relaxed);
}

/* Those that fail are anybody's, a worker's that is being started as well. */
static inline int heap_failures(void)
{
	return weft_atomic_load(&heap_failed, relaxed);
}

static inline void heap_fail_arrays(bool fail)
{
	weft_atomic_store(&heap_has_no_arrays, fail, relaxed);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_IS_NOT_OURS
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_NOT_OURS
#endif

#ifndef HEAP_IS_NOT_OURS

void *__libc_malloc(size_t size_bytes);
void *__libc_calloc(size_t count, size_t size_bytes);

static void *heap_refuse(void)
{
	weft_atomic_add(&heap_failed, 1, relaxed);
	errno = ENOMEM;
	return NULL;
}

static bool heap_is_dry(void)
{
	int n = weft_atomic_load(&heap_fails, relaxed);

	while (n > 0 && !weft_atomic_cas(&heap_fails, &n, n - 1, relaxed,
					 relaxed))
		;
	return n == 1 || n == HEAP_ALWAYS;
}

void *malloc(size_t size_bytes)
{
	return heap_is_dry() ? heap_refuse() : __libc_malloc(size_bytes);
}

void *calloc(size_t count, size_t size_bytes)
{
	bool array = weft_atomic_load(&heap_has_no_arrays, relaxed) && count > 1;

	return array || heap_is_dry() ? heap_refuse()
				      : __libc_calloc(count, size_bytes);
}

#endif

#endif
