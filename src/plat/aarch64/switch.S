/* SPDX-License-Identifier: MIT */
/*
 * void weft__switch(void **from_sp, void *to_sp,
 *                   void (*commit)(void *, void *), void *a, void *b)
 *
 * As described in ../x86_64/switch.S. It leaves by ret: on pages guarded by
 * BTI a br to a return address faults, since no landing pad follows a call.
 * FPCR is not saved.
 *
 * The frame, from low to high: d8-d15, x19-x28, x29, x30.
 */
#define FRAME 0xa0

	.text
	.globl	weft__switch
	.hidden	weft__switch
	.type	weft__switch, %function
	.p2align 4
weft__switch:
	.cfi_startproc
	hint	#34			/* bti c */
	sub	sp, sp, #FRAME
	.cfi_adjust_cfa_offset FRAME
	stp	d8, d9, [sp, #0x00]
	stp	d10, d11, [sp, #0x10]
	stp	d12, d13, [sp, #0x20]
	stp	d14, d15, [sp, #0x30]
	stp	x19, x20, [sp, #0x40]
	.cfi_rel_offset x19, 0x40
	.cfi_rel_offset x20, 0x48
	stp	x21, x22, [sp, #0x50]
	.cfi_rel_offset x21, 0x50
	.cfi_rel_offset x22, 0x58
	stp	x23, x24, [sp, #0x60]
	.cfi_rel_offset x23, 0x60
	.cfi_rel_offset x24, 0x68
	stp	x25, x26, [sp, #0x70]
	.cfi_rel_offset x25, 0x70
	.cfi_rel_offset x26, 0x78
	stp	x27, x28, [sp, #0x80]
	.cfi_rel_offset x27, 0x80
	.cfi_rel_offset x28, 0x88
	stp	x29, x30, [sp, #0x90]
	.cfi_rel_offset x29, 0x90
	.cfi_rel_offset x30, 0x98
	mov	x5, sp
	str	x5, [x0]
	mov	sp, x1
	mov	x0, x3
	mov	x1, x4
	blr	x2
	ldp	d8, d9, [sp, #0x00]
	ldp	d10, d11, [sp, #0x10]
	ldp	d12, d13, [sp, #0x20]
	ldp	d14, d15, [sp, #0x30]
	ldp	x19, x20, [sp, #0x40]
	ldp	x21, x22, [sp, #0x50]
	ldp	x23, x24, [sp, #0x60]
	ldp	x25, x26, [sp, #0x70]
	ldp	x27, x28, [sp, #0x80]
	ldp	x29, x30, [sp, #0x90]
	add	sp, sp, #FRAME
	.cfi_adjust_cfa_offset -FRAME
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	.cfi_restore x29
	.cfi_restore x30
	ret	x30
	.cfi_endproc
	.size	weft__switch, .-weft__switch

/* Where a fresh stack begins: the function is in x19, its argument in x20. */
	.globl	weft__switch_entry
	.hidden	weft__switch_entry
	.type	weft__switch_entry, %function
	.p2align 4
weft__switch_entry:
	.cfi_startproc
	.cfi_undefined x30
	hint	#36			/* bti j */
	mov	x29, #0
	mov	x30, #0
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	weft__switch_entry, .-weft__switch_entry

	.section .note.GNU-stack, "", %progbits
