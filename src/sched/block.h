/* SPDX-License-Identifier: MIT */
/*
 * Memory for what comes and goes with each call of something: blocks of one
 * size, of which a worker keeps a few until it sleeps. They are the heap's, so
 * that one may be let go where it was not got.
 */
#ifndef WEFT_SRC_SCHED_BLOCK_H
#define WEFT_SRC_SCHED_BLOCK_H

#include "base/base.h"

enum { WEFT__BLOCK_BYTES = 256 };

typedef struct weft__block weft__block;
typedef struct weft__worker weft__worker;

/* size_bytes are for any block; those that are small enough cost little. */
void *weft__block_alloc(size_t size_bytes);
void weft__block_free(void *block, size_t size_bytes);

/* Give back those that w keeps. */
void weft__block_flush(weft__worker *w);

#endif
