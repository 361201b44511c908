/* SPDX-License-Identifier: MIT */
/* Small things that everything in the library uses. */
#ifndef WEFT_SRC_BASE_BASE_H
#define WEFT_SRC_BASE_BASE_H

#include <weft/atomic.h>
#include <weft/base.h>

#define likely(x) WEFT_PRIV_LIKELY(x)
#define unlikely(x) WEFT_PRIV_UNLIKELY(x)

#define WEFT__CACHE_LINE 64

#define weft__container(ptr, type, member)                                     \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
