/* SPDX-License-Identifier: MIT */
/*
 * What weft__switch() jumps to, as described in ../x86_64/switch.S, with
 *
 *	x0 from_sp, x1 to_sp, x2 commit, x3 a, x4 b, x5 where to go on
 *
 * FPCR is not saved.
 *
 * The frame, from low to high: x19, x29, where to go on, and a word for the
 * alignment.
 */
	.text
	.globl	weft__switch_stacks
	.hidden	weft__switch_stacks
	.type	weft__switch_stacks, %function
	.p2align 4
weft__switch_stacks:
	.cfi_startproc
	.cfi_register x30, x5
	stp	x19, x29, [sp, #-32]!
	.cfi_adjust_cfa_offset 32
	.cfi_rel_offset x19, 0
	.cfi_rel_offset x29, 8
	str	x5, [sp, #16]
	.cfi_rel_offset x30, 16
	mov	x6, sp
	str	x6, [x0]
	mov	sp, x1
	mov	x0, x3
	mov	x1, x4
	blr	x2
	ldr	x5, [sp, #16]
	.cfi_register x30, x5
	ldp	x19, x29, [sp], #32
	.cfi_adjust_cfa_offset -32
	.cfi_restore x19
	.cfi_restore x29
	br	x5		/* to a bti j */
	.cfi_endproc
	.size	weft__switch_stacks, .-weft__switch_stacks

/* Where a fresh stack begins, with the function and its argument above it. */
	.globl	weft__switch_entry
	.hidden	weft__switch_entry
	.type	weft__switch_entry, %function
	.p2align 4
	.cfi_startproc
	.cfi_undefined x30
	nop				/* unwinders look up the place before */
weft__switch_entry:
	hint	#36			/* bti j */
	ldp	x1, x0, [sp], #16
	mov	x29, #0
	mov	x30, #0
	blr	x1
	brk	#1
	.cfi_endproc
	.size	weft__switch_entry, .-weft__switch_entry

	.section .note.GNU-stack, "", %progbits
