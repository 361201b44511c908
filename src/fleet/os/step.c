/* SPDX-License-Identifier: MIT */
#include "fleet/os/step.h"

#include <weft/atomic.h>

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void weft__fleet_step(const char *name)
{
	static uint32_t times;
	const char *wanted = getenv("WEFT_FLEET_STEP");
	char step[64], action[16] = "kill";
	unsigned nth = 1;

	if (wanted == NULL ||
	    sscanf(wanted, "%63[^:]:%15[^:]:%u", step, action, &nth) < 1 ||
	    strcmp(step, name) != 0 || weft_atomic_add(&times, 1, relaxed) + 1 != nth)
		return;
	raise(strcmp(action, "stop") == 0 ? SIGSTOP : SIGKILL);
}
