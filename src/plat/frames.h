/* SPDX-License-Identifier: MIT */
/*
 * The frames of a stack that somebody else is on.
 *
 * The unwinder of the C compiler walks the caller's own stack, and believes
 * what it finds there. This one walks a copy, by the same tables (.eh_frame):
 * it reads nothing but those and the copy, so that a copy that was taken while
 * the stack changed gives frames that are wrong, and nothing worse. It
 * allocates nothing; the dynamic linker's lock is taken for each frame, so not
 * in a signal handler.
 */
#ifndef WEFT_SRC_PLAT_FRAMES_H
#define WEFT_SRC_PLAT_FRAMES_H

#include "base/base.h"

/* What was at address, of a stack that was left by weft__switch() there. */
typedef struct {
	uintptr_t address;
	const unsigned char *bytes;
	size_t size_bytes;
} weft__frames_copy;

/*
 * Copy memory that may change meanwhile, and that is there. No order, no
 * complaint of a sanitizer.
 */
void weft__frames_read(void *to, uintptr_t from, size_t size_bytes);

/* One such word, acquire: what others write meanwhile, and not as atomic. */
uintptr_t weft__frames_load(const void *word);

/*
 * The return addresses of the frames in c, innermost first; the first is in the
 * function that has called weft__switch(). Returns how many of at most most
 * there are.
 */
size_t weft__frames_of(const weft__frames_copy *c, void **addresses, size_t most);

#endif
