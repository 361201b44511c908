/* SPDX-License-Identifier: MIT */
/*
 * A Redis client for tasks: hiredis writes and reads the protocol, over
 * descriptors that tasks wait for.
 */
#ifndef EXAMPLES_COMMON_REDIS_H
#define EXAMPLES_COMMON_REDIS_H

#include <hiredis/hiredis.h>
#include <weft.h>

typedef struct redis redis;

/*
 * At most connections connections to redis://HOST:PORT/DATABASE, HOST a number.
 * NULL: that is no such URL, or no memory. Nothing is sent yet.
 */
redis *redis_new(const char *url, long connections);
void redis_free(redis *r);

/*
 * Send one command and wait for its reply, which the caller frees with
 * freeReplyObject(); an error of the server is a reply as well. format is
 * hiredis's: "GET %s", "SET %b", …
 *
 * Returns 0, or a negative errno: of the connection, -EPROTO, -ENOMEM, or ctx's.
 */
int redis_command(redis *r, weft_ctx *ctx, redisReply **reply,
		  const char *format, ...);

/* Commands sent so far. */
long redis_count(redis *r);

#endif
