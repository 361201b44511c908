/* SPDX-License-Identifier: MIT */
#include "unit/once_header.h"

static int calls;

int shared_calls(void)
{
	return calls;
}

WEFT_ONCE_FUNC_DEFINE(shared_start_up)
{
	calls++;
}

WEFT_ONCE_VALUE_DEFINE(int, shared_answer)
{
	calls++;
	return 43;
}

WEFT_ONCE_VALUES_DEFINE(const char *, int, shared_pair)
{
	calls++;
	*v1 = "three";
	*v2 = 3;
}
