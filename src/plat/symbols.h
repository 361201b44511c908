/* SPDX-License-Identifier: MIT */
/* The names of functions, those that are not exported included. */
#ifndef WEFT_SRC_PLAT_SYMBOLS_H
#define WEFT_SRC_PLAT_SYMBOLS_H

#include "base/base.h"

/* The file that was looked into last; all bytes zero: none. */
typedef struct {
	char path[256];
	const unsigned char *bytes;
	size_t size_bytes;
} weft__symbols;

/*
 * Describe the code at a return address as weft__unwind_describe() does, by the
 * symbol table of the file it came from if that has one: too slow for what is
 * not about to be printed. Allocates nothing.
 */
void weft__symbols_describe(weft__symbols *s, void *address, char *text,
			    size_t size);

/* Only the name of the function at that address; the address, if it has none. */
void weft__symbols_name(weft__symbols *s, const void *function, char *text,
			size_t size);

void weft__symbols_close(weft__symbols *s);

#endif
