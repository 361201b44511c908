/* SPDX-License-Identifier: MIT */
/*
 * Objects that end while somebody may still be on his way out of them. Each
 * gets a page of its own; grave_close() takes the page away, so that any later
 * access, a read too, ends the test with SIGSEGV.
 */
#ifndef WEFT_TEST_GRAVE_H
#define WEFT_TEST_GRAVE_H

#include "test.h"

#include <sys/mman.h>

enum { GRAVE_BYTES = 4096 };

/* A page of zero bytes. */
static inline void *grave_open(void)
{
	void *page = mmap(NULL, GRAVE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	return page;
}

static inline void grave_close(void *page)
{
	CHECK_EQ(munmap(page, GRAVE_BYTES), 0);
}

/*
 * How many rounds a lifetime test makes: with a sanitizer the hundred thousand
 * are those of its three flavours together.
 */
static inline int grave_rounds(void)
{
	int many = test_slowdown() == 1 ? 100000 : 34000;

	if (test_long())
		test_limit(300);
	return test_emulated() ? 200 : test_long() ? many : 2000;
}

#endif
