/* SPDX-License-Identifier: MIT */
/* What a thread has of its own, and has from the C library. */
#define _GNU_SOURCE
#include "plat/thread.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

int weft__thread_at_fork(void (*function)(void))
{
	return -pthread_atfork(NULL, NULL, function);
}

/* Room for a frame with the largest register sets, and for what handlers do. */
enum { SIGNAL_STACK_BYTES = 64 * 1024 };

void weft__thread_prepare(void)
{
	stack_t stack = {.ss_size = SIGNAL_STACK_BYTES};

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED)
		return;	/* an overflow then dies without a message */
	sigaltstack(&stack, NULL);
}

void weft__thread_unprepare(void)
{
	stack_t off = {.ss_flags = SS_DISABLE}, stack;

	if (sigaltstack(&off, &stack) == 0 && !(stack.ss_flags & SS_DISABLE))
		munmap(stack.ss_sp, stack.ss_size);
}

int weft__thread_no_cancel(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

void weft__thread_cancel_as(const int *before)
{
	pthread_setcancelstate(*before, NULL);
}

__attribute__((noinline)) int weft__errno_get(void)
{
	return errno;
}

__attribute__((noinline)) void weft__errno_set(int value)
{
	errno = value;
}

__attribute__((noinline)) int *weft__errno_address(void)
{
	return &errno;
}

__attribute__((weak)) weft__exceptions *__cxa_get_globals(void);

weft__exceptions *weft__exceptions_self(void)
{
	return __cxa_get_globals != NULL ? __cxa_get_globals() : NULL;
}
