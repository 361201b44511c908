/* SPDX-License-Identifier: MIT */
/* Stacks, and the switch between two of them. */
#include "bare.h"

#include <sys/mman.h>

/*
 * It leaves by a jump: the return predictor remembers the stack that was left,
 * so that each ret would cost more than all else here.
 */
#if defined(__x86_64__)
__asm__(".text\n"
	".globl bare_switch\n"
	".type bare_switch, @function\n"
	"bare_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	popq %rcx\n"
	"	jmpq *%rcx\n"
	".size bare_switch, . - bare_switch\n");
enum { SAVED = 6 };
#else
void bare_switch(void **from, void *to)
{
	(void)from;
	(void)to;
	bench_skip("no bare switch for this machine");
}
enum { SAVED = 0 };
#endif

void *bare_begin(void *top, void (*fn)(void))
{
	memcpy(top, &fn, sizeof fn);
	return (void **)top - SAVED;
}

enum { STRIDE = 252 * 1024, COLOURS = 8, COLOUR_BYTES = 2 * LINE };

char *bare_stacks(long n)
{
	size_t bytes = (size_t)n * STRIDE;
	char *stacks = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stacks == MAP_FAILED)
		bench_skip("so much address space is not to be had here");
	madvise(stacks, bytes, MADV_NOHUGEPAGE);
	return stacks;
}

void *bare_stack_top(char *stacks, long i)
{
	return stacks + (size_t)(i + 1) * STRIDE - i % COLOURS * COLOUR_BYTES -
	       LINE;
}
