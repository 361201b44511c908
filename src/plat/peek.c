/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/peek.h"

#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The kernel copies, and says so if there is nothing: no fault. */
static size_t copy(char *to, const char *from, size_t size_bytes)
{
	struct iovec here = {to, size_bytes};
	struct iovec there = {(void *)(uintptr_t)from, size_bytes};
	ssize_t n = process_vm_readv(getpid(), &here, 1, &there, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

void weft__peek_string(char *text, size_t size, const char *address)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), used = 0, n;

	memset(text, 0, size);
	/* Page by page: the end of a string may be the end of a mapping. */
	while (address != NULL && used < size - 1 &&
	       memchr(text, 0, used) == NULL) {
		n = page - ((uintptr_t)address + used) % page;
		if (n > size - 1 - used)
			n = size - 1 - used;
		if (copy(text + used, address + used, n) != n)
			break;
		used += n;
	}
}

void weft__peek_barrier(void)
{
	static const unsigned long expedited =
		MEMBARRIER_CMD_PRIVATE_EXPEDITED;

#if defined(__x86_64__)
	/* Neither stores among themselves nor loads change places. */
	__asm__ volatile("" ::: "memory");
	(void)expedited;
#else
	if (syscall(SYS_membarrier, expedited, 0, 0) != 0) {
		syscall(SYS_membarrier,
			MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
		(void)!syscall(SYS_membarrier, expedited, 0, 0);
	}
#endif
}
