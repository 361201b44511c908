/* SPDX-License-Identifier: MIT */
/* The child of a fork. */
#ifndef WEFT_TEST_CHILD_H
#define WEFT_TEST_CHILD_H

#include "test.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* Its wait status, whatever signals come meanwhile. */
__attribute__((unused)) static int wait_for_child(pid_t child)
{
	pid_t ended;
	int status;

	do
		ended = waitpid(child, &status, 0);
	while (ended < 0 && errno == EINTR);
	CHECK_EQ(ended, child);
	return status;
}

/* Run fn(arg) in the child of a fork, which then ends. Its wait status. */
__attribute__((unused)) static int in_child(weft_fn fn, void *arg)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		test_limit(10);
		fn(arg);
		_exit(0);
	}
	return wait_for_child(child);
}

#endif
