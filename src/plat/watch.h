/* SPDX-License-Identifier: MIT */
/* What is told to a checker of memory that runs the whole program: valgrind. */
#ifndef WEFT_SRC_PLAT_WATCH_H
#define WEFT_SRC_PLAT_WATCH_H

#include "base/base.h"

/*
 * Memory from low to high is a stack from now on. Without that a switch to it
 * looks like a very large frame, whose memory may not be read. Costs a few
 * instructions where nobody checks.
 */
void weft__watch_stack(char *low, char *high);

/*
 * Nothing is reported of what the calling thread does between the two: with
 * memory that others use meanwhile, as a stack whose task runs.
 */
void weft__watch_pause(void);
void weft__watch_resume(void);

/* Memory counts as written: what was copied from such, for one. */
void weft__watch_written(const void *memory, size_t size_bytes);

/* Does one run this program? It does not know the newest system calls. */
bool weft__watched(void);

#endif
