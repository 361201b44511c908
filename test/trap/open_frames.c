/* SPDX-License-Identifier: MIT */
/* Functions with names that a report can find: the program exports them. */
#include <weft/panic.h>
#include <weft/task.h>

#include "trap/open_frames.h"

void panic_in_the_open(void *unused)
{
	(void)unused;
	weft_panic("in the open");
}

int start_in_the_open(weft_fn fn)
{
	int err = weft_go(fn, NULL);

	__asm__ volatile("");	/* no tail call */
	return err;
}
