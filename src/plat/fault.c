/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/fault.h"

#include "plat/stack.h"
#include "plat/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static weft__fault_describe *describe_address;
static struct sigaction old_segv, old_bus;

/* Of a stack that there is: no other can be asked whose it is. */
static bool in_guard(uintptr_t address)
{
	uintptr_t offset;

	if (!weft__stack_holds(address))
		return false;
	offset = address - weft__stacks.base;
	return offset / WEFT__STACK_BYTES < weft__stack_count() &&
	       offset % WEFT__STACK_BYTES < WEFT__GUARD_BYTES;
}

static void report(uintptr_t address)
{
	char who[160], line[256];
	int n;

	if (!describe_address(address, who, sizeof who))
		return;
	n = snprintf(line, sizeof line, "fatal error: stack overflow in %s: "
		     "%d KiB are used up\n", who,
		     WEFT__STACK_USABLE_BYTES / 1024);
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;	/* nobody left to tell */
}

/*
 * Put back what was there and return: the access is made again, and the
 * process dies of it, or its own handler runs, with a true core.
 */
static void handle(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code > 0 && in_guard((uintptr_t)info->si_addr))
		report((uintptr_t)info->si_addr);
	sigaction(number, number == SIGSEGV ? &old_segv : &old_bus, NULL);
	if (info->si_code <= 0)
		raise(number);	/* it was sent: there is no access to repeat */
}

static void install(int number, struct sigaction *old)
{
	struct sigaction action = {
		.sa_sigaction = handle,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, old);
}

void weft__fault_install(weft__fault_describe *describe)
{
	if (describe_address != NULL)
		return;
	describe_address = describe;
	install(SIGSEGV, &old_segv);
	install(SIGBUS, &old_bus);
}
