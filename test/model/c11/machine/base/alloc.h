/* SPDX-License-Identifier: MIT */
/* In place of src/base/alloc.h: memory whose end the explorer knows. */
#ifndef WEFT_TEST_MODEL_ALLOC_H
#define WEFT_TEST_MODEL_ALLOC_H

#include "../../explore.h"

enum { MODEL_HEAD = 64 };	/* before each block: its size */

static inline void *weft__alloc(size_t size_bytes)
{
	size_t *block = model_new(MODEL_HEAD + size_bytes);

	*block = MODEL_HEAD + size_bytes;
	return (char *)block + MODEL_HEAD;
}

static inline void *weft__alloc_zeroed(size_t count, size_t size_bytes)
{
	return weft__alloc(count * size_bytes);
}

static inline void *weft__alloc_lines(size_t size_bytes)
{
	return weft__alloc(size_bytes);
}

static inline void weft__free(void *memory)
{
	size_t *block = (void *)((char *)memory - MODEL_HEAD);

	if (memory != NULL)
		model_free(block, *block);
}

#endif
