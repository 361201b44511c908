/* SPDX-License-Identifier: MIT */
/* The switch between two stacks. */
#include "bare.h"

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
