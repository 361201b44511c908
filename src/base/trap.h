/* SPDX-License-Identifier: MIT */
/*
 * Misuse ends the process with one line on stderr.
 *
 * weft__panic() is for misuse that leaves every object in a safe state (Go
 * panics there), weft__fatal() for misuse that does not (Go's "fatal error").
 * Both take a printf format without a newline; both use Go's wording where Go
 * has one, so that people can search for it. Neither allocates.
 */
#ifndef WEFT_SRC_BASE_TRAP_H
#define WEFT_SRC_BASE_TRAP_H

#include "base/base.h"

_Noreturn __attribute__((format(printf, 1, 2))) WEFT_PRIV_COLD void
weft__panic(const char *format, ...);
_Noreturn __attribute__((format(printf, 1, 2))) WEFT_PRIV_COLD void
weft__fatal(const char *format, ...);

#endif
