/* SPDX-License-Identifier: MIT */
/* The child of a fork. */
#ifndef WEFT_TEST_CHILD_H
#define WEFT_TEST_CHILD_H

#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

/* Run fn(arg) in the child of a fork, which then ends. Its wait status. */
__attribute__((unused)) static int in_child(weft_fn fn, void *arg)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		test_limit(10);
		fn(arg);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

#endif
