/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client for tasks, over libcurl's multi interface: any number of
 * requests at a time, none of which holds up a thread.
 *
 * One task owns the multi handle and all of its sockets; those are in an epoll
 * descriptor, which is a descriptor like any other to weft_wait_fd(). Requests
 * are handed to that task and waited for, each with a context of its own.
 */
#ifndef EXAMPLES_COMMON_HTTP_H
#define EXAMPLES_COMMON_HTTP_H

#include <weft.h>

typedef struct http_client http_client;

typedef struct {
	long status;	/* 200, 404 … */
	size_t size;
	char data[];	/* size bytes, and a NUL */
} http_response;

/*
 * A client with at most connections connections to one host; requests beyond
 * that wait for one. NULL: no memory, or no descriptors.
 */
http_client *http_client_new(long connections);

/* Nobody may be in http_get(), nor call it any more. */
void http_client_free(http_client *c);

/*
 * Get url. Whoever is given a response frees it with free().
 *
 * Returns   0            *response is what the server answered, whatever its
 *                        status
 *           -ECANCELED, -ETIMEDOUT   ctx was done first; the connection is
 *                        closed if the request was on its way
 *           -ECONNREFUSED, -EHOSTUNREACH, -EINVAL (no such URL), -ENOMEM,
 *           -EIO (anything else)
 */
int http_get(http_client *c, weft_ctx *ctx, const char *url,
	     http_response **response);

#endif
