/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/stack.h"

#include "plat/lock.h"
#include "plat/thread.h"
#include "plat/watch.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Newer than the C library of Debian 12. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define MADV_THAT_NEVER_WAS (-1)

/*
 * Address space is asked for in this size first, and then in halves. The
 * thread sanitizer leaves programs little of it.
 */
#if WEFT__TSAN
#define REGION_BYTES ((size_t)16 << 30)
#else
#define REGION_BYTES ((size_t)512 << 30)
#endif
#define REGION_BYTES_MIN ((size_t)64 << 20)

#if defined(__x86_64__)
#define PAGE_BYTES_MAX 4096
#else
#define PAGE_BYTES_MAX (64 * 1024)
#endif
_Static_assert(WEFT__STACK_BYTES / PAGE_BYTES_MAX % 2 == 1 &&
		       WEFT__STACK_BYTES % PAGE_BYTES_MAX == 0 &&
		       WEFT__GUARD_BYTES % PAGE_BYTES_MAX == 0,
	       "an odd number of pages");

weft__stack_region weft__stacks;

static struct {
	weft__lock lock;
	uint32_t *given_back;	/* their indices; room for all, of which only
				   what was used once costs memory */
	size_t given_back_count;
	size_t opened;		/* stacks that are readable and writable */
	int self;		/* pidfd of this process; 0 untried, -1 none */
	bool no_guard_advice;	/* the kernel is older than 6.13, or none */
} state;

/* Where the process is limited, its own memory comes out of the same limit. */
static bool is_too_much(size_t size)
{
	struct rlimit limit;

	return size > REGION_BYTES_MIN &&
	       getrlimit(RLIMIT_AS, &limit) == 0 && size > limit.rlim_cur / 2;
}

static bool reserve(void)
{
	size_t size = REGION_BYTES;

	while (is_too_much(size))
		size /= 2;
	for (; size >= REGION_BYTES_MIN; size /= 2) {
		/* Room for the first to begin at a multiple of STACK_BYTES. */
		char *p = mmap(NULL, size + WEFT__STACK_BYTES, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		/* One huge page for a stack's first byte would cost 2 MiB. */
		madvise(p, size + WEFT__STACK_BYTES, MADV_NOHUGEPAGE);
		/* Nor should a core file hold what is not even open. */
		madvise(p, size + WEFT__STACK_BYTES, MADV_DONTDUMP);
		/* qemu agrees to any advice, and heeds few. */
		state.no_guard_advice =
			madvise(p, WEFT__GUARD_BYTES, MADV_THAT_NEVER_WAS) == 0;
		weft_atomic_store(&weft__stacks.base,
				  weft__stack_low((uintptr_t)p +
						  WEFT__STACK_BYTES - 1),
				  relaxed);
		weft_atomic_store(&weft__stacks.size_bytes, size, release);
		return true;
	}
	return false;
}

static char *stack_low(size_t index)
{
	return (char *)weft__stacks.base + index * WEFT__STACK_BYTES;
}

/*
 * Give the same advice on ranges of the same length, in one call where the
 * kernel lets a process do that to itself.
 */
static bool advise(char *start[], int count, size_t length, int advice)
{
	struct iovec ranges[WEFT__STACK_BATCH];
	int done = 0;

	if (count > 1 && state.self == 0) {
		state.self = weft__watched()
				     ? -1
				     : (int)syscall(SYS_pidfd_open, getpid(), 0);
		if (state.self == 0)
			state.self = -1;
	}
	for (int i = 0; i < count; i++)
		ranges[i] = (struct iovec){start[i], length};
	if (count > 1 && state.self > 0 &&
	    syscall(SYS_process_madvise, state.self, ranges, count, advice, 0) ==
		    (long)((size_t)count * length))
		return true;
	while (done < count && madvise(start[done], length, advice) == 0)
		done++;
	return done == count;
}

/* Guards by advice: the stacks stay one mapping. */
static bool open_with_advice(char *low[], size_t first, int count)
{
	size_t opened = state.opened;

	if (state.no_guard_advice)
		return false;
	if (first + (size_t)count > opened) {
		size_t stacks = first + WEFT__STACK_BATCH - opened;
		size_t room = weft__stacks.size_bytes / WEFT__STACK_BYTES - opened;

		if (stacks > room)
			stacks = room;
		if (mprotect(stack_low(opened), stacks * WEFT__STACK_BYTES,
			     PROT_READ | PROT_WRITE) != 0)
			return false;
		madvise(stack_low(opened), stacks * WEFT__STACK_BYTES,
			MADV_DODUMP);
		state.opened += stacks;
	}
	if (advise(low, count, WEFT__GUARD_BYTES, MADV_GUARD_INSTALL))
		return true;
	if (errno == EINVAL)
		state.no_guard_advice = true;
	return false;
}

/* Guards by protection: two mappings a stack. Returns how many it opened. */
static int open_with_protection(char *low[], int count)
{
	int opened = 0;

	while (opened < count &&
	       mprotect(low[opened], WEFT__GUARD_BYTES, PROT_NONE) == 0 &&
	       mprotect(low[opened] + WEFT__GUARD_BYTES, WEFT__STACK_USABLE_BYTES,
			PROT_READ | PROT_WRITE) == 0) {
		madvise(low[opened], WEFT__STACK_BYTES, MADV_DODUMP);
		opened++;
	}
	return opened;
}

/* Their guards are still there. */
static int carve_given_back(char *low[], int count)
{
	int got = 0;

	while (got < count && state.given_back_count > 0)
		low[got++] = stack_low(
			state.given_back[--state.given_back_count]);
	return got;
}

static int carve_new(char *low[], int count)
{
	size_t first = weft__stacks.carved;
	size_t room;

	if (weft__stacks.size_bytes == 0 && !reserve())
		return 0;
	room = weft__stacks.size_bytes / WEFT__STACK_BYTES - first;
	if ((size_t)count > room)
		count = (int)room;
	for (int i = 0; i < count; i++)
		low[i] = stack_low(first + (size_t)i);
	if (count > 0 && !open_with_advice(low, first, count)) {
		count = open_with_protection(low, count);
		/* Opening the next by advice must not open these guards. */
		if (state.opened < first + (size_t)count)
			state.opened = first + (size_t)count;
	}
	weft_atomic_store(&weft__stacks.carved, first + (size_t)count, release);
	return count;
}

int weft__stack_carve(char *low[], int count)
{
	char *top_page[WEFT__STACK_BATCH];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int saved_errno = weft__errno_get();
	int got;

	weft__lock_take(&state.lock);
	got = carve_given_back(low, count);
	count = got > 0 ? got : carve_new(low, count);
	for (int i = 0; i < count; i++) {
		top_page[i] = low[i] + WEFT__STACK_BYTES - page;
		weft__watch_stack(low[i] + WEFT__GUARD_BYTES,
				  low[i] + WEFT__STACK_BYTES);
	}
	/* In one call, because a fault for each costs ten times as much. */
	if (count > 1)
		advise(top_page, count, page, MADV_POPULATE_WRITE);
	weft__lock_drop(&state.lock);
	weft__errno_set(saved_errno);
	return count;
}

bool weft__stack_give_back(char *low[], int count)
{
	char *start[WEFT__STACK_BATCH];
	bool noted;

	weft__lock_take(&state.lock);
	if (state.given_back == NULL) {
		size_t most = weft__stacks.size_bytes / WEFT__STACK_BYTES;
		void *p = mmap(NULL, most * sizeof *state.given_back,
			       PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		state.given_back = p != MAP_FAILED ? p : NULL;
	}
	noted = state.given_back != NULL;
	for (int i = 0; noted && i < count; i++) {
		start[i] = low[i] + WEFT__GUARD_BYTES;
		state.given_back[state.given_back_count++] =
			(uint32_t)(((uintptr_t)low[i] - weft__stacks.base) /
				   WEFT__STACK_BYTES);
	}
	if (noted)
		advise(start, count, WEFT__STACK_USABLE_BYTES, MADV_DONTNEED);
	weft__lock_drop(&state.lock);
	return noted;
}

size_t weft__stack_count(void)
{
	return weft_atomic_load(&weft__stacks.carved, acquire);
}
