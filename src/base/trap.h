/* SPDX-License-Identifier: MIT */
/*
 * Misuse that leaves no safe state ends the process with one line on stderr,
 * where Go has a "fatal error"; other misuse panics, as in Go: see
 * <weft/panic.h>. Both use Go's wording where Go has one, so that people can
 * search for it.
 *
 * The format is printf's, without a newline. Nothing is allocated.
 */
#ifndef WEFT_SRC_BASE_TRAP_H
#define WEFT_SRC_BASE_TRAP_H

#include "base/base.h"

_Noreturn __attribute__((format(printf, 1, 2))) WEFT_PRIV_COLD void
weft__fatal(const char *format, ...);

/* What is to be called before the end, NULL: nothing. */
extern void (*weft__fatal_hook)(void);

#endif
