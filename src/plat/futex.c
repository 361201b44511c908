/* SPDX-License-Identifier: MIT */
#include "plat/futex.h"

#include "plat/watch.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool weft__futex_wait(const uint32_t *word, uint32_t value, weft_time deadline)
{
	int saved_errno = errno;
	struct timespec when, *until = NULL;
	bool in_time;
	long err;

	if (deadline != WEFT_NEVER) {
		/* A time before the clock began is as good as its beginning. */
		when.tv_sec = deadline > 0 ? deadline / WEFT_SECOND : 0;
		when.tv_nsec = deadline > 0 ? deadline % WEFT_SECOND : 0;
		until = &when;
	}
	/* The BITSET form takes an absolute time, on CLOCK_MONOTONIC. */
	err = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
		      value, until, NULL, FUTEX_BITSET_MATCH_ANY);
	in_time = !(err < 0 && errno == ETIMEDOUT);
	errno = saved_errno;
	return in_time;
}

void weft__futex_wake(const uint32_t *word, int count)
{
	int saved_errno = errno;

	/*
	 * Who was to be woken may have seen the word meanwhile and gone on, and
	 * the word with it. Its address is all that the kernel looks at.
	 */
	weft__watch_written(word, sizeof *word);
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL,
		NULL, 0);
	errno = saved_errno;
}
