/* SPDX-License-Identifier: MIT */
/*
 * A cache that all processes share, with a lock for each key: Redis, or files
 * in a directory where there is none.
 */
#ifndef EXAMPLES_COMMON_CACHE_H
#define EXAMPLES_COMMON_CACHE_H

#include <weft.h>

typedef struct cache cache;

cache *cache_open(const char *url);	/* redis://… or dir:PATH; NULL: neither */
void cache_close(cache *c);

/* The value, to be freed; NULL in it: there is none. 0, or a negative errno. */
int cache_get(cache *c, weft_ctx *ctx, const char *key, char **value);
int cache_set(cache *c, weft_ctx *ctx, const char *key, const char *value,
	      weft_duration lifetime);

/* Take the key's lock for at most that long: 1, 0 if somebody has it, or < 0. */
int cache_lock(cache *c, weft_ctx *ctx, const char *key, weft_duration at_most);
int cache_unlock(cache *c, weft_ctx *ctx, const char *key);

long cache_commands(cache *c);

#endif
