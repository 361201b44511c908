/* SPDX-License-Identifier: MIT */
/* JSON for programs to read: text that is built in memory. */
#ifndef WEFT_CLI_JSON_H
#define WEFT_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef struct json {
	char *text;
	size_t size, room;
	bool failed; /* there was no memory: text is not whole */
} json;

__attribute__((format(printf, 2, 3))) void json_add(json *j, const char *fmt, ...);

/* A string in quotes; what is no UTF-8 becomes U+FFFD, byte by byte. */
void json_add_string(json *j, const char *text, size_t size_bytes);
void json_add_base64(json *j, const char *bytes, size_t size_bytes);

/*
 * How many bytes from the start are whole characters of UTF-8. If what follows
 * them could be the beginning of one, *rest is its length, else 0.
 */
size_t json_utf8_prefix(const char *text, size_t size_bytes, size_t *rest);

void json_fini(json *j);

#endif
