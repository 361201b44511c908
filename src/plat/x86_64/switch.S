/* SPDX-License-Identifier: MIT */
/*
 * void weft__switch(void **from_sp, void *to_sp,
 *                   void (*commit)(void *, void *), void *a, void *b)
 *
 * Save the callee-saved registers on this stack and its pointer in *from_sp;
 * change to the stack at to_sp; call commit(a, b) there, above the frame that
 * waits; then restore that frame and go on where it had called.
 *
 * It leaves by an indirect jump, not by ret: the return predictor remembers
 * the stack that was left, so that a ret would always be mispredicted, at
 * three times the cost of everything else here. mxcsr and the x87 control
 * word are not saved: a task that changes them changes its worker's.
 *
 * The frame, from low to high: r15 r14 r13 r12 rbx rbp, return address.
 */
	.text
	.globl	weft__switch
	.hidden	weft__switch
	.type	weft__switch, @function
	.p2align 4
weft__switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	movq	%rcx, %rdi
	movq	%r8, %rsi
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	callq	*%rdx
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
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
	.size	weft__switch, .-weft__switch

/*
 * Where a fresh stack begins: weft__context_init() makes a frame that
 * "returns" here with the function in rbx and its argument in r12. The
 * function never returns. The undefined rip is the end of the stack for
 * unwinders, the zero rbp for those that follow frame pointers.
 */
	.globl	weft__switch_entry
	.hidden	weft__switch_entry
	.type	weft__switch_entry, @function
	.p2align 4
weft__switch_entry:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	xorl	%ebp, %ebp
	movq	%r12, %rdi
	callq	*%rbx
	ud2
	.cfi_endproc
	.size	weft__switch_entry, .-weft__switch_entry

	.section .note.GNU-stack, "", @progbits
