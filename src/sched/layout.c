/* SPDX-License-Identifier: MIT */
/*
 * Where a debugger finds things, for tools/weft-gdb.py: with this it needs the
 * symbol table of the library, not its debug information, and can tell when it
 * is not made for the library that it meets.
 */
#include "sched/sched.h"

/* The script has the same names in the same order; change both, and VERSION. */
enum { VERSION = 4 };

const uint32_t weft__layout[] = {
	VERSION,
	WEFT__STACK_BYTES,
	sizeof(weft__stack),
	WEFT__COLOURS,
	WEFT__COLOUR_BYTES,
	offsetof(weft__stack, context.sp),
	offsetof(weft__stack, task),
	offsetof(weft__stack, name),
	offsetof(weft__stack, waiter),
	offsetof(weft__stack, since),
	offsetof(weft__task, site),
	offsetof(weft__waiter, state),
	offsetof(weft__waiter, data),
	offsetof(weft__waiter, why),
	offsetof(weft__waiter, address),
	offsetof(weft__why, text),
	offsetof(weft__why, object),
	offsetof(weft__runtime, now),
};
