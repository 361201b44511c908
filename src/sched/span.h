/* SPDX-License-Identifier: MIT */
/* What the layers above may add to a trace: trace.h. */
#ifndef WEFT_SRC_SCHED_SPAN_H
#define WEFT_SRC_SCHED_SPAN_H

#include "base/base.h"

extern bool weft__spans;	/* there is a trace */

/* Something of that kind, with that id, begins or ends here; only if so. */
WEFT_PRIV_COLD void weft__trace_span(const char *kind, const void *id,
				     const char *name, bool begins);

#endif
