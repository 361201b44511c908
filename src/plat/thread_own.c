/* SPDX-License-Identifier: MIT */
/* What a thread has of its own, and has from the C library. */
#define _GNU_SOURCE
#include "plat/thread.h"

#include <errno.h>
#include <signal.h>

int weft__thread_at_fork(void (*function)(void))
{
	return -pthread_atfork(NULL, NULL, function);
}

void weft__thread_prepare(weft__signal_stack *stack)
{
	sigaltstack(&(stack_t){.ss_sp = stack->bytes,
			       .ss_size = sizeof stack->bytes},
		    NULL);
}

void weft__thread_unprepare(void)
{
	sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
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
