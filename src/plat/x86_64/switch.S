/* SPDX-License-Identifier: MIT */
/*
 * What weft__switch() jumps to, with
 *
 *	rdi from_sp, rsi to_sp, rdx commit, rcx a, r8 b, rax where to go on
 *
 * Push rax, rbp and rbx on this stack, and put its pointer into *from_sp; change
 * to the stack at to_sp; call commit(a, b) there, above the frame that waits; take
 * that one's rbx and rbp, and go on where it does.
 *
 * Here by a jump, and away by a jump. A processor predicts where a ret goes by
 * the calls that it has seen. A ret to the other stack it would predict wrongly;
 * and after a call without its ret, which this was once, it does all that follow
 * up to the task's first: two to five, at some 20 cycles each. Tasks that wait in
 * the same function have the same calls behind them.
 *
 * mxcsr and the x87 control word are not saved: a task that changes them changes
 * its worker's.
 *
 * The frame, from low to high: rbx, rbp, where to go on.
 */
	.text
	.globl	weft__switch_stacks
	.hidden	weft__switch_stacks
	.type	weft__switch_stacks, @function
	.p2align 4
weft__switch_stacks:
	.cfi_startproc
	.cfi_def_cfa %rsp, 0
	.cfi_register %rip, %rax
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rip, 0
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	movq	%rsp, (%rdi)
	movq	%rsi, %r12
	.cfi_def_cfa_register %r12
	movq	%rsi, %rsp
	movq	%rcx, %rdi
	movq	%r8, %rsi
	andq	$-16, %rsp	/* which a function without a call may not be */
	callq	*%rdx
	movq	%r12, %rsp
	.cfi_def_cfa_register %rsp
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	notrack jmpq *%rcx
	.cfi_endproc
	.size	weft__switch_stacks, .-weft__switch_stacks

/*
 * Where a fresh stack begins: weft__context_init() makes a frame that goes on
 * here, with the function and its argument above it. The function never returns.
 * The undefined rip is the end of the stack for unwinders, the zero rbp for those
 * that follow frame pointers.
 */
	.globl	weft__switch_entry
	.hidden	weft__switch_entry
	.type	weft__switch_entry, @function
	.p2align 4
	.cfi_startproc
	.cfi_undefined %rip
	nop			/* unwinders look up the place before */
weft__switch_entry:
	endbr64
	popq	%rax
	popq	%rdi
	xorl	%ebp, %ebp
	callq	*%rax
	ud2
	.cfi_endproc
	.size	weft__switch_entry, .-weft__switch_entry

	.section .note.GNU-stack, "", @progbits
