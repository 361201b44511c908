/* SPDX-License-Identifier: MIT */
/* Small things that everything in the library uses. */
#ifndef WEFT_SRC_BASE_BASE_H
#define WEFT_SRC_BASE_BASE_H

#include <weft/atomic.h>
#include <weft/base.h>

/* Points in the library's own text, and in no caller's: see X3 of sim.c. */
#ifdef WEFT_SIM
#undef WEFT_PRIV_POINT_WHERE
#define WEFT_PRIV_POINT_WHERE 4
#endif

#define likely(x) WEFT_PRIV_LIKELY(x)
#define unlikely(x) WEFT_PRIV_UNLIKELY(x)

#define WEFT__CACHE_LINE 64

/*
 * For variables that hot paths read: a declaration alone does not say that the
 * library itself defines them, and they would be reached through a table.
 */
#define WEFT__OURS __attribute__((visibility("hidden")))

/* Where an object was initialised, as a number: a copy has another's. Never 0. */
static inline uint32_t weft__stamp(const void *object)
{
	uint64_t address = (uintptr_t)object;

	return (uint32_t)(address >> 2 ^ address >> 34) | 1;
}

#define weft__container(ptr, type, member)                                     \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
