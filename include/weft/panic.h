/* SPDX-License-Identifier: MIT */
/* How a function that the library called can end. */
#ifndef WEFT_PANIC_H
#define WEFT_PANIC_H

#include <weft/base.h>

WEFT_BEGIN

enum weft_outcome {
	WEFT_RETURNED, /* it returned */
	WEFT_PANICKED, /* it left by a panic */
	WEFT_EXITED,   /* it ended its task, or its thread */
};

WEFT_END

#endif
