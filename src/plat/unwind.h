/* SPDX-License-Identifier: MIT */
/* Leaving frames one by one, and looking at them. */
#ifndef WEFT_SRC_PLAT_UNWIND_H
#define WEFT_SRC_PLAT_UNWIND_H

#include "base/base.h"

#include <unwind.h>

/*
 * Called before each frame is left, innermost first: sp is its stack pointer at
 * the call of the frame that was left before, and address where it called that.
 * last: the unwinder knows no more frames, nor this one. It may leave by
 * longjmp().
 */
typedef void weft__unwind_step(void *arg, uintptr_t sp, void *address,
			       bool last);

/* What an unwinding needs while it lasts, above all frames that it leaves. */
typedef struct {
	struct _Unwind_Exception exception;
	weft__unwind_step *step;
	void *arg;
} weft__unwind;

/* Leave frame after frame, running what their cleanups are, for ever. */
_Noreturn void weft__unwind_start(weft__unwind *u, weft__unwind_step *step,
				  void *arg);

/*
 * The return addresses of the frames that are active, innermost first, from
 * the first that is site on, if one is. Returns how many of at most most there
 * are.
 */
size_t weft__unwind_trace(void **addresses, size_t most, void *site);

/* Describe the code at address: no allocation. */
void weft__unwind_describe(void *address, char *text, size_t size);

#endif
