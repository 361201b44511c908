/* SPDX-License-Identifier: MIT */
/* What differs between processors, and which of them we may use. */
#ifndef WEFT_SRC_PLAT_CPU_H
#define WEFT_SRC_PLAT_CPU_H

#include "base/base.h"

static inline void weft__cpu_pause(void)
{
	WEFT_PRIV_YIELD();
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

/* Where the caller's stack is now: good for telling one stack from another. */
static inline uintptr_t weft__cpu_stack_pointer(void)
{
	uintptr_t sp;

#if defined(__x86_64__)
	__asm__("movq %%rsp, %0" : "=r"(sp));
#elif defined(__aarch64__)
	__asm__("mov %0, sp" : "=r"(sp));
#endif
	return sp;
}

/*
 * The number of CPUs this process may use: its affinity mask, cut down to the
 * CPU quota of its cgroup. At least 1.
 */
int weft__cpu_count(void);

#endif
