/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Signals that a thread raises by what it does, and the profiler's. */
static void unblock_synchronous(sigset_t *set)
{
	static const int numbers[] = {SIGSEGV, SIGBUS,	SIGFPE, SIGILL,
				      SIGTRAP, SIGABRT, SIGSYS, SIGPROF};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigdelset(set, numbers[i]);
}

/* Tasks run on stacks of their own: a thread's own stack can be small. */
enum { THREAD_STACK_BYTES = 256 * 1024 };

int weft__thread_start(pthread_t *thread, const char *name,
		       void *(*run)(void *), void *arg)
{
	sigset_t blocked, before;
	pthread_attr_t attr;
	int saved_errno = errno;
	int err;

	err = pthread_attr_init(&attr);
	if (err != 0)
		return -err;
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	sigfillset(&blocked);
	unblock_synchronous(&blocked);
	/* The new thread inherits the mask of its creator. */
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	err = pthread_create(thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (err == 0)
		pthread_setname_np(*thread, name);
	errno = saved_errno;
	return -err;
}

void weft__thread_join(pthread_t thread)
{
	pthread_join(thread, NULL);
}

void weft__thread_exit(void)
{
	pthread_exit(NULL);
}

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

int weft__thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

bool weft__thread_sleeps(int thread_id)
{
	char path[64], text[128];
	const char *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	/* "number (name) state …"; the name may hold anything, ')' included. */
	state = strrchr(text, ')');
	return state != NULL && (state[2] == 'S' || state[2] == 'D');
}

void weft__thread_yield(void)
{
	sched_yield();
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
