/* SPDX-License-Identifier: MIT */
/*
 * The jump from one stack to another: what of it is part of the caller. The rest,
 * and why it is a jump, is in switch.S of each processor.
 */
#ifndef WEFT_SRC_PLAT_SWITCH_H
#define WEFT_SRC_PLAT_SWITCH_H

enum {
#if defined(__aarch64__)
	WEFT__SWITCH_WORDS = 4,	/* that a switch leaves on the stack: switch.S */
#else
	WEFT__SWITCH_WORDS = 3,
#endif
};

/*
 * Leave this stack, with where it goes on in *from_sp, for the one that was left
 * with to_sp; commit(a, b) is called there first. To the compiler nearly every
 * register is changed by this: so it has saved what it needs of them, in the frame
 * of the caller, which may have done that anyway.
 *
 * Two are not, as the caller may find its frame by them and by nothing else: the
 * frame pointer, and what clang uses where a frame has room of a variable size and
 * is aligned besides. Wrong: to name that one as changed. clang does not listen,
 * and with link-time optimisation the caller may be a user's.
 *
 * What lies below a stack's pointer is lost: on x86-64 the build says
 * -mno-red-zone.
 */
static inline __attribute__((always_inline)) void
weft__switch(void **from_sp, void *to_sp, void (*commit)(void *, void *),
	     void *a, void *b)
{
#if defined(__x86_64__)
	register void *fifth __asm__("r8") = b;

	__asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
			 "jmp weft__switch_stacks\n"
			 "1:"
			 : "+D"(from_sp), "+S"(to_sp), "+d"(commit), "+c"(a),
			   "+r"(fifth)
			 :
			 : "rax", "r9", "r10", "r11", "r12", "r13", "r14",
			   "r15", "xmm0", "xmm1", "xmm2", "xmm3",
			   "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
			   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			   "xmm15",
#if defined(__AVX512F__)
			   "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",
			   "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
			   "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",
			   "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6",
			   "k7",
#endif
			   "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
			   "st(6)", "st(7)", "cc", "memory");
#elif defined(__aarch64__)
	register void *first __asm__("x0") = from_sp;
	register void *second __asm__("x1") = to_sp;
	register void (*third)(void *, void *) __asm__("x2") = commit;
	register void *fourth __asm__("x3") = a;
	register void *fifth __asm__("x4") = b;

	__asm__ volatile("adr x5, 1f\n\t"
			 "b weft__switch_stacks\n"
			 "1:\n\t"
			 "hint #36"	/* bti j */
			 : "+r"(first), "+r"(second), "+r"(third), "+r"(fourth),
			   "+r"(fifth)
			 :
			 : "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
			   "x13", "x14", "x15", "x16", "x17", "x18", "x20",
			   "x21", "x22", "x23", "x24", "x25", "x26",
			   "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4",
			   "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
			   "v13", "v14", "v15", "v16", "v17", "v18", "v19",
			   "v20", "v21", "v22", "v23", "v24", "v25", "v26",
			   "v27", "v28", "v29", "v30", "v31",
#if defined(__ARM_FEATURE_SVE)
			   "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7",
			   "p8", "p9", "p10", "p11", "p12", "p13", "p14",
			   "p15",
#endif
			   "cc", "memory");
#else
#error "weft: no context switch for this processor"
#endif
}

#endif
