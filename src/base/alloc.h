/* SPDX-License-Identifier: MIT */
/* The library's one door to the heap. */
#ifndef WEFT_SRC_BASE_ALLOC_H
#define WEFT_SRC_BASE_ALLOC_H

#include "base/base.h"

#include <stdlib.h>

/* NULL when there is no memory. */
static inline void *weft__alloc(size_t size_bytes)
{
	return malloc(size_bytes);
}

static inline void *weft__alloc_zeroed(size_t count, size_t size_bytes)
{
	return calloc(count, size_bytes);
}

/* Aligned to cache lines; size_bytes is a multiple of one. */
static inline void *weft__alloc_lines(size_t size_bytes)
{
	return aligned_alloc(WEFT__CACHE_LINE, size_bytes);
}

static inline void weft__free(void *block)
{
	free(block);
}

#endif
