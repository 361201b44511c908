/* SPDX-License-Identifier: MIT */
/*
 * A place for a fleet, and what the processes of a case share: a directory, or in
 * WEFT_TEST_PLACE a server, on which every case has a name space of its own.
 */
#ifndef WEFT_TEST_PLACE_H
#define WEFT_TEST_PLACE_H

#include "test.h"

#include <weft/fleet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char place[128];	/* the url */

static const char *place_path(void)
{
	return place + 4;
}

static void place_remove(void)
{
	char command[160];

	snprintf(command, sizeof command, "rm -rf '%s'", place_path());
	if (place[0] != '\0' && system(command) != 0)
		abort();
}

/* A new directory, removed when the case's process exits. */
static void place_make(void)
{
	const char *tmp = getenv("TMPDIR");

	if (getenv("WEFT_TEST_PLACE") != NULL)
		test_skip("only in directories");

	snprintf(place, sizeof place, "dir:%s/weft-test-XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	CHECK(mkdtemp(place + 4) != NULL);
	atexit(place_remove);
}

__attribute__((unused)) static void place_choose(void)
{
	const char *server = getenv("WEFT_TEST_PLACE");

	if (place[0] != '\0')
		return;
	if (server == NULL)
		place_make();
	else
		snprintf(place, sizeof place, "%.100s?ns=test%d", server,
			 (int)getpid());
}

static void warn(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "# %s\n", line);
}

static weft_fleet *place_open_with(weft_fleet_options o)
{
	weft_fleet *f;

	o.warn = warn;
	CHECK_EQ(weft_fleet_open(&f, place, &o), 0);
	return f;
}

__attribute__((unused)) static weft_fleet *place_open(void)
{
	place_choose();
	return place_open_with((weft_fleet_options){0});
}

/* Zero bytes that all processes of the case see. */
__attribute__((unused)) static void *shared_bytes(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Run fn(arg) in a process of its own, which must not have used weft before. */
__attribute__((unused)) static pid_t process_start(weft_fn fn, void *arg)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child != 0)
		return child;
	test_limit(30);
	fn(arg);
	_exit(0);
}

__attribute__((unused)) static int process_join(pid_t child)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

#endif
