/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/unwind.h"

#include "base/trap.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static _Unwind_Reason_Code step(int version, _Unwind_Action actions,
				_Unwind_Exception_Class kind,
				struct _Unwind_Exception *exception,
				struct _Unwind_Context *context, void *unwind)
{
	weft__unwind *u = unwind;

	(void)version;
	(void)kind;
	(void)exception;
	u->step(u->arg, _Unwind_GetCFA(context),
		(void *)_Unwind_GetIP(context),
		(actions & _UA_END_OF_STACK) != 0);
	return _URC_NO_REASON;
}

/* Somebody else has caught it, as catch (...) does, and did not go on. */
static void swallowed(_Unwind_Reason_Code reason,
		      struct _Unwind_Exception *exception)
{
	(void)reason;
	(void)exception;
	weft__fatal("a panic or exit was caught by catch (...) and not rethrown");
}

void weft__unwind_start(weft__unwind *u, weft__unwind_step *each, void *arg)
{
	static const char kind[8] = "WEFTUNWD";

	memset(&u->exception, 0, sizeof u->exception);
	memcpy(&u->exception.exception_class, kind, sizeof kind);
	u->exception.exception_cleanup = swallowed;
	u->step = each;
	u->arg = arg;
	_Unwind_ForcedUnwind(&u->exception, step, u);
	weft__fatal("the stack cannot be unwound");
}

/* ---- looking ---- */

struct trace {
	void **addresses;
	size_t most;
	size_t count;
	void *site;	/* until it is found: others raise there as well */
};

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *trace)
{
	struct trace *t = trace;
	void *address = (void *)_Unwind_GetIP(context);

	if (address == NULL || t->count == t->most)
		return _URC_END_OF_STACK;
	if (address == t->site) {
		t->count = 0;
		t->site = NULL;
	}
	t->addresses[t->count++] = address;
	return _URC_NO_REASON;
}

size_t weft__unwind_trace(void **addresses, size_t most, void *site)
{
	struct trace t = {addresses, most, 0, site};

	_Unwind_Backtrace(look, &t);
	return t.count;
}

void weft__unwind_describe(void *address, char *text, size_t size)
{
	Dl_info info;
	const char *file;

	if (address == NULL ||
	    !dladdr((char *)address - 1, &info) || info.dli_fname == NULL) {
		snprintf(text, size, "%p", address);
		return;
	}
	file = strrchr(info.dli_fname, '/');
	file = file != NULL ? file + 1 : info.dli_fname;
	if (info.dli_sname != NULL)
		snprintf(text, size, "%p %s+0x%zx (%s)", address,
			 info.dli_sname,
			 (size_t)((char *)address - (char *)info.dli_saddr),
			 file);
	else
		snprintf(text, size, "%p (%s+0x%zx)", address, file,
			 (size_t)((char *)address - (char *)info.dli_fbase));
}
