/* SPDX-License-Identifier: MIT */
/* Memory in whole pages, for what is large and stays. */
#ifndef WEFT_SRC_PLAT_PAGES_H
#define WEFT_SRC_PLAT_PAGES_H

#include "base/base.h"

/*
 * size_bytes of zeros, aligned to a page; from 2 MiB on in huge pages, where
 * the system gives them to who asks: one fault instead of 512. NULL: no memory.
 */
void *weft__pages_map(size_t size_bytes);
/* What memory comes in, a power of two. */
size_t weft__pages_unit(void);
/* Of size_bytes that were mapped keep so many; the rest is zeros, and takes none. */
void weft__pages_discard(void *pages, size_t size_bytes, size_t keep_bytes);
void weft__pages_unmap(void *pages, size_t size_bytes);

#endif
