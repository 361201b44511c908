/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors without memory, threads, or descriptors for it; and when
 * it is that epoll is told of a wait.
 */
#define _GNU_SOURCE
#include "door.h"
#include "fault.h"

#include <weft/fd.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
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

/* ---- what is armed, and when: F10 ---- */

enum { ANSWERS = 1000 };

static void read_byte(int fd)
{
	char byte;

	CHECK_EQ(weft_wait_fd(NULL, fd, POLLIN), POLLIN);
	CHECK_EQ(read(fd, &byte, 1), 1);
}

static void answer(void *fd)
{
	for (int i = 0; i < ANSWERS; i++) {
		read_byte(*(int *)fd);
		CHECK_EQ(write(*(int *)fd, "x", 1), 1);
	}
}

static void ask(void *fd)
{
	for (int i = 0; i < ANSWERS; i++) {
		CHECK_EQ(write(*(int *)fd, "x", 1), 1);
		read_byte(*(int *)fd);
	}
}

static void read_task(void *fd)
{
	read_byte(*(int *)fd);
}

static void open_sockets(int ends[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
}

/*
 * As long as nobody has waited no worker looks, and a wait is armed at once. Not
 * under a number that is waited for later: it may have to wait for long.
 */
static void have_workers_look(void)
{
	int ends[2];

	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	open_sockets(ends);
	test_start_task(read_task, &ends[0]);
	test_until(weft__poller_has_duty());
	CHECK_EQ(write(ends[1], "x", 1), 1);
	test_join_all();
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

/* Not once, but for a machine that lets the worker stand for milliseconds. */
TEST(a_wait_that_is_answered_soon_is_not_armed)
{
	int ends[2];

	open_sockets(ends);
	have_workers_look();
	test_start_task(answer, &ends[1]);
	test_start_task(ask, &ends[0]);
	test_join_all();
	CHECK_LT(fault_epoll_ctls(), ANSWERS / 2);
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

static int64_t armed_at_once;
static bool over;

static void read_late(void *fd)
{
	read_byte(*(int *)fd);
	armed_at_once = fault_epoll_ctls();
	read_byte(*(int *)fd);
}

/* Goes on until the first wait is armed; the second is when it has begun. */
static void let_wait(void *ends_)
{
	const int *ends = ends_;
	int64_t before = fault_epoll_ctls();

	while (weft__poller_count(ends[0]) == 0 || fault_epoll_ctls() == before)
		weft_yield();
	CHECK_EQ(write(ends[1], "x", 1), 1);
	while (armed_at_once == 0 || weft__poller_count(ends[0]) == 0)
		weft_yield();
	CHECK_EQ(fault_epoll_ctls(), armed_at_once + 1);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	over = true;
}

/* With a second one that yields no task here is long. */
static void yield_too(void *unused)
{
	(void)unused;
	while (!over)
		weft_yield();
}

TEST(a_wait_that_lasts_is_armed_and_the_next_one_at_once)
{
	int ends[2];

	open_sockets(ends);
	have_workers_look();
	test_start_task(let_wait, ends);
	test_start_task(yield_too, NULL);
	test_start_task(read_late, &ends[0]);
	test_join_all();
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

static void block_beside(void *ends_)
{
	const int *ends = ends_;

	test_start_task(read_task, ends_);
	while (weft__poller_count(ends[0]) == 0)
		weft_yield();
	weft_blocking_begin();
	CHECK(!weft__poller_is_unarmed(ends[0]));
	weft_blocking_end();
	CHECK_EQ(write(ends[1], "x", 1), 1);
}

TEST(who_blocks_arms_the_waits_of_others_first)
{
	int ends[2];

	open_sockets(ends);
	have_workers_look();
	test_start_task(block_beside, ends);
	test_join_all();
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}
