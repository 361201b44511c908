/* SPDX-License-Identifier: MIT */
/* Waiting for descriptors without memory, threads, or descriptors for it. */
#define _GNU_SOURCE
#include "door.h"
#include "fault.h"

#include <weft/fd.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

typedef struct {
	int fd;
	bool faults;
	int result;
	uint32_t ended;	/* atomic */
} waiting;

static void wait_here(void *arg)
{
	waiting *w = arg;

	if (w->faults)
		fault_begin();
	w->result = weft_wait_fd(NULL, w->fd, POLLIN);
	weft_atomic_store(&w->ended, 1, release);
}

static bool waits_or_has_ended(waiting *w)
{
	return weft_atomic_load(&w->ended, acquire) == 1 ||
	       weft__poller_count(w->fd) == 1;
}

/* Wait, and be woken unless the wait fails. Returns what it returned. */
static int wait_once(int ends[2], bool faults)
{
	waiting w = {.fd = ends[0], .faults = faults};
	char byte;

	test_start(wait_here, &w);
	test_until(waits_or_has_ended(&w));
	CHECK_EQ(write(ends[1], "x", 1), 1);
	test_join_all();
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ(weft__poller_count(ends[0]), 0);
	return w.result;
}

static int count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void wait_with_faults(void)
{
	int before = count_descriptors();
	int ends[2], result;

	CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	result = wait_once(ends, true);
	CHECK(fault_end() || result == POLLIN);
	CHECK(result == POLLIN || result == -ENOMEM);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(wait_once(ends, false), POLLIN);
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
	/* It stays while it may still be telling: F9. */
	test_until((weft__poller_stop(), count_descriptors() == before));
}

TEST(wait_fd_without_memory_says_so_and_keeps_nothing)
{
	fault_each(wait_with_faults);
}
