/* SPDX-License-Identifier: MIT */
/* Writing, past the buffers of the C library. */
#ifndef WEFT_SRC_PLAT_FILE_H
#define WEFT_SRC_PLAT_FILE_H

#include "base/base.h"

/*
 * Create the file, or empty it. One that another process has from here is left
 * alone: then the number of this one is appended to the path, which has room
 * for size bytes. A descriptor or a negative errno value.
 */
int weft__file_create(char *path, size_t size);

/* All of it. 0 or a negative errno value, after which nobody knows how much. */
int weft__file_write(int fd, const void *bytes, size_t size_bytes);

/* Does fd take a page without blocking, within that time? An error counts as yes. */
bool weft__file_has_room(int fd, int milliseconds);

/* The file ends after so many bytes, and goes on from there, if it can be cut. */
void weft__file_cut(int fd, uint64_t size_bytes);

#endif
