/* SPDX-License-Identifier: MIT */
/* The environment of a command that we run. */
#ifndef WEFT_CLI_ENV_H
#define WEFT_CLI_ENV_H

#include <stddef.h>

/*
 * Our own environment with count more, each "NAME=value", in place of those of
 * the same name. Only the array is new: free() it. NULL: no memory.
 */
char **env_with(char *const *more, size_t count);

#endif
