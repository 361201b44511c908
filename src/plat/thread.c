/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

/* Tasks run on stacks of their own: a thread's own stack can be small … */
enum { THREAD_STACK_BYTES = 256 * 1024 + sizeof(weft__signal_stack) };

static int add_tls(struct dl_phdr_info *object, size_t size, void *sum)
{
	(void)size;
	for (size_t i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_TLS)
			*(size_t *)sum += object->dlpi_phdr[i].p_memsz +
					  object->dlpi_phdr[i].p_align;
	return 0;
}

/*
 * … but glibc puts the thread's variables on it, those that were there at the
 * start of the program. Asked for once, and not where the loader may be locked.
 */
static size_t stack_bytes(void)
{
	static size_t bytes; /* atomic */
	size_t sum = weft_atomic_load(&bytes, relaxed);

	if (sum == 0) {
		sum = THREAD_STACK_BYTES;
		dl_iterate_phdr(add_tls, &sum);
		weft_atomic_store(&bytes, sum, relaxed);
	}
	return sum;
}

/* It names itself: to name another takes three calls of the system. */
static void *begin(void *arg)
{
	const weft__thread *thread = arg;

	prctl(PR_SET_NAME, thread->name);
	return thread->run(thread->arg);
}

int weft__thread_start(weft__thread *thread, const char *name,
		       void *(*run)(void *), void *arg)
{
	sigset_t blocked, before;
	pthread_attr_t attr;
	int saved_errno = errno;
	int err;

	err = pthread_attr_init(&attr);
	if (err != 0)
		return -err;
	thread->name = name;
	thread->run = run;
	thread->arg = arg;
	pthread_attr_setstacksize(&attr, stack_bytes());
	sigfillset(&blocked);
	unblock_synchronous(&blocked);
	/* The new thread inherits the mask of its creator. */
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	err = pthread_create(&thread->handle, &attr, begin, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	errno = saved_errno;
	return -err;
}

static sigset_t noted;

void weft__thread_note_signals(void)
{
	pthread_sigmask(SIG_BLOCK, NULL, &noted);
}

void weft__thread_take_signals(void)
{
	pthread_sigmask(SIG_SETMASK, &noted, NULL);
}

void weft__thread_join(const weft__thread *thread)
{
	pthread_join(thread->handle, NULL);
}

void weft__thread_exit(void)
{
	pthread_exit(NULL);
}

void weft__thread_stack(void **low, size_t *size_bytes)
{
	pthread_attr_t attr;

	*low = NULL;
	*size_bytes = 0;
	if (pthread_getattr_np(pthread_self(), &attr) == 0) {
		pthread_attr_getstack(&attr, low, size_bytes);
		pthread_attr_destroy(&attr);
	}
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

/* The folder has a link for each of its subfolders, a thread each, and two. */
size_t weft__thread_count(void)
{
	struct stat folder;

	if (stat("/proc/self/task", &folder) != 0 || folder.st_nlink < 3)
		return 0;
	return folder.st_nlink - 2;
}

void weft__thread_yield(void)
{
	sched_yield();
}

__attribute__((noinline)) void *weft__thread_data(void)
{
	static __thread _Alignas(16) unsigned char
		data[WEFT__THREAD_DATA_BYTES];

	__asm__ volatile("");
	return data;
}
