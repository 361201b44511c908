/* SPDX-License-Identifier: MIT */
/* Built with -fno-asynchronous-unwind-tables and -fno-exceptions. */
#include "no_tables.h"

#include <weft/panic.h>

void exit_without_tables(void *unused)
{
	(void)unused;
	weft_exit();
}

void panic_without_tables(void *unused)
{
	(void)unused;
	weft_panic("without tables");
}

void call_without_tables(weft_fn fn, weft_fn deferred, void *arg)
{
	WEFT_DEFER(deferred, arg);

	fn(arg);
	__asm__ volatile("" : : : "memory");
}
