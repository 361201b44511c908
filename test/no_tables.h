/* SPDX-License-Identifier: MIT */
/* Functions without unwind tables: the unwinder goes no further than they. */
#ifndef WEFT_TEST_NO_TABLES_H
#define WEFT_TEST_NO_TABLES_H

#include <weft/base.h>

void exit_without_tables(void *unused);
void panic_without_tables(void *unused);
/* fn(arg), with deferred(arg) deferred. */
void call_without_tables(weft_fn fn, weft_fn deferred, void *arg);

#endif
