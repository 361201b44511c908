/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UNTOUCHED = 3, N_EACH = 20, N_MAX = 1000 };

static int64_t fail_at;		/* the n-th */
static bool fail_all_after;
static bool stacks_only;
static bool armed;		/* atomic */
static int64_t calls;		/* atomic: while armed */
static long blocks;		/* atomic */
static int64_t epoll_ctls;	/* atomic */

void (*fault_on_failure)(void);
bool (*fault_on_thread)(bool started);

static bool fails(void)
{
	int64_t n;
	bool failed;

	if (!weft_atomic_load(&armed, relaxed))
		return false;
	n = weft_atomic_add(&calls, 1, relaxed) + 1;
	failed = n == fail_at || (fail_all_after && n > fail_at);
	if (failed && fault_on_failure != NULL)
		fault_on_failure();
	return failed;
}

static bool fails_for_stack(void)
{
	bool failed = fails();

	if (failed)
		errno = ENOMEM;
	return failed;
}

static bool fails_for_memory(void)
{
	return !stacks_only && fails_for_stack();
}

void fault_stacks_only(void)
{
	stacks_only = true;
}

void fault_begin(void)
{
	weft_atomic_store(&armed, true, seq_cst);
}

bool fault_end(void)
{
	weft_atomic_store(&armed, false, seq_cst);
	return weft_atomic_load(&calls, seq_cst) >= fail_at;
}

int64_t fault_calls(void)
{
	return weft_atomic_load(&calls, seq_cst);
}

int64_t fault_epoll_ctls(void)
{
	return weft_atomic_load(&epoll_ctls, seq_cst);
}

long fault_blocks(void)
{
	return weft_atomic_load(&blocks, seq_cst);
}

/* ---- between the library and the C library ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off);
int __real_mprotect(void *at, size_t size, int prot);
int __real_madvise(void *at, size_t size, int advice);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg);
long __real_syscall(long number, ...);
int __real_epoll_create1(int flags);
int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *e);
int __real_eventfd(unsigned int count, int flags);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off);
/* What mmap() is called where file offsets have 64 bits by name. */
void *__wrap_mmap64(void *at, size_t size, int prot, int flags, int fd,
		    off_t off)
{
	return __wrap_mmap(at, size, prot, flags, fd, off);
}

int __wrap_mprotect(void *at, size_t size, int prot);
int __wrap_madvise(void *at, size_t size, int advice);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg);
long __wrap_syscall(long number, ...);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *e);
int __wrap_eventfd(unsigned int count, int flags);

static void *counted(void *block)
{
	if (block != NULL)
		weft_atomic_add(&blocks, 1, relaxed);
	return block;
}

void *__wrap_malloc(size_t size)
{
	return fails_for_memory() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_for_memory() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
	if (fails_for_memory())
		return NULL;
	return block == NULL ? counted(__real_malloc(size))
			     : __real_realloc(block, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	if (fails_for_memory())
		return NULL;
	return counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *block)
{
	if (block != NULL)
		weft_atomic_sub(&blocks, 1, relaxed);
	__real_free(block);
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off)
{
	if (fails_for_memory())
		return MAP_FAILED;
	return __real_mmap(at, size, prot, flags, fd, off);
}

int __wrap_mprotect(void *at, size_t size, int prot)
{
	return fails_for_stack() ? -1 : __real_mprotect(at, size, prot);
}

int __wrap_madvise(void *at, size_t size, int advice)
{
	return fails_for_stack() ? -1 : __real_madvise(at, size, advice);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg)
{
	int error;

	if (!stacks_only && fails())
		return EAGAIN;
	if (fault_on_thread == NULL)
		return __real_pthread_create(thread, attr, run, arg);
	if (fault_on_thread(false))
		return EAGAIN;
	error = __real_pthread_create(thread, attr, run, arg);
	fault_on_thread(true);
	return error;
}

int __wrap_epoll_create1(int flags)
{
	return fails_for_memory() ? -1 : __real_epoll_create1(flags);
}

/* What needs memory; to change or remove what is there needs none. */
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *e)
{
	weft_atomic_add(&epoll_ctls, 1, relaxed);
	if (operation == EPOLL_CTL_ADD && fails_for_memory())
		return -1;
	return __real_epoll_ctl(epoll, operation, fd, e);
}

int __wrap_eventfd(unsigned int count, int flags)
{
	return fails_for_memory() ? -1 : __real_eventfd(count, flags);
}

long (*fault_on_syscall)(long number, const long a[6]);

long fault_syscall(long number, const long a[6])
{
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * Of the calls that go through it only the advice for many ranges counts. Six
 * arguments are read, however many there are, as the C library does.
 */
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_process_madvise && fails_for_stack())
		return -1;
	return fault_on_syscall != NULL ? fault_on_syscall(number, a)
					: fault_syscall(number, a);
}

/* ---- once for each n ---- */

static _Noreturn void run_child(void (*scenario)(void), int64_t n, bool all_after)
{
	fail_at = n;
	fail_all_after = all_after;
	test_limit(20);
	scenario();
	exit(weft_atomic_load(&calls, seq_cst) >= n ? 0 : UNTOUCHED);
}

/* Returns whether a call has failed. */
static bool run_with(void (*scenario)(void), int64_t n, bool all_after)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0)
		run_child(scenario, n, all_after);
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == UNTOUCHED)
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "where call %jd%s failed: status %#x\n",
			(intmax_t)n, all_after ? " and all after it" : "",
			(unsigned)status);
		abort();
	}
	return true;
}

static void each_n(void (*scenario)(void), bool all_after)
{
	int64_t n = 1;

	/* Sanitizers are slow: of many calls they try every tenth. */
	while (run_with(scenario, n, all_after)) {
		CHECK_LT(n, N_MAX);
		n += n < N_EACH ? 1 : test_slowdown();
	}
	CHECK_LT(1, n);
}

void fault_each_single(void (*scenario)(void))
{
	test_limit(100);
	each_n(scenario, false);
}

void fault_each(void (*scenario)(void))
{
	fault_each_single(scenario);
	each_n(scenario, true);
}
