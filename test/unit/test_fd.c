/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "door.h"
#include "gate.h"
#include "proc.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/fd.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

enum { WAITERS = 30 };

typedef struct {
	int fd;
	short events;
	weft_ctx *ctx;
	int wanted;
	uint32_t *woken;	/* atomic */
} wait_for;

static void wait_here(void *arg)
{
	wait_for *w = arg;

	CHECK_EQ(weft_wait_fd(w->ctx, w->fd, w->events), w->wanted);
	if (w->woken != NULL)
		weft_atomic_add(w->woken, 1, release);
}

static uint32_t load(uint32_t *n)
{
	return weft_atomic_load(n, acquire);
}

/* Ends of a pipe, or of a pair of sockets; none blocks. */
static void open_pipe(int ends[2])
{
	CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
}

static void open_sockets(int ends[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
}

static void close_both(int ends[2])
{
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

static void put_byte(int fd)
{
	CHECK_EQ(write(fd, "x", 1), 1);
}

static void get_byte(int fd)
{
	char byte;

	CHECK_EQ(read(fd, &byte, 1), 1);
}

static void fill(int fd)
{
	char block[4096] = {0};

	while (write(fd, block, sizeof block) > 0)
		;
}

static void drain(int fd)
{
	char block[4096];

	while (read(fd, block, sizeof block) > 0)
		;
}

/* As long as nobody has waited no worker looks, and a wait is armed at once. */
static void have_workers_look(void)
{
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN};

	open_pipe(ends);
	w.fd = ends[0];
	test_start_task(wait_here, &w);
	test_until(weft__poller_has_duty());
	put_byte(ends[1]);
	test_join_all();
	close_both(ends);
}

/* ---- ready at once ---- */

TEST(wait_fd_of_a_ready_one_returns_at_once_and_starts_nothing)
{
	int before = thread_count(), ends[2];

	open_sockets(ends);
	CHECK_EQ(weft_wait_fd(NULL, ends[0], POLLOUT), POLLOUT);
	put_byte(ends[0]);
	CHECK_EQ(weft_wait_fd(NULL, ends[1], POLLIN), POLLIN);
	CHECK_EQ(weft_wait_fd(NULL, ends[1], POLLIN | POLLOUT),
		 POLLIN | POLLOUT);
	close_both(ends);
	CHECK_EQ(thread_count(), before);
}

TEST_FLAVOURS(wait_fd_prefers_readiness_to_a_context_that_is_done)
{
	weft_ctx cancelled = {0};
	int ends[2];

	weft_ctx_cancel(&cancelled, 0);
	open_pipe(ends);
	CHECK_EQ(weft_wait_fd(&cancelled, ends[1], POLLOUT), POLLOUT);
	CHECK_EQ(weft_wait_fd(&cancelled, ends[0], POLLIN), -ECANCELED);
	close_both(ends);
}

/* Ready first, cancelled then: whichever of the two wakes it, it is ready. */
static void is_ready_and_cancelled(int waiters)
{
	weft_ctx ctx = {0};
	uint32_t woken = 0;
	int ends[2];

	open_pipe(ends);
	wait_for w = {ends[0], POLLIN, &ctx, POLLIN, &woken};
	for (int i = 0; i < waiters; i++)
		test_start(wait_here, &w);
	put_byte(ends[1]);
	weft_ctx_cancel(&ctx, 0);
	test_join_all();
	CHECK_EQ(load(&woken), (uint32_t)waiters);
	weft_ctx_fini(&ctx);
	close_both(ends);
}

TEST_FLAVOURS(wait_fd_that_is_cancelled_after_it_was_ready_says_so)
{
	for (int i = 0; i < 100; i++)
		is_ready_and_cancelled(3);
}

/* A pipe that somebody has waited for: it is thought to be tried before each wait. */
static void open_tried(int ends[2])
{
	wait_for w = {.events = POLLIN, .wanted = POLLIN};

	open_pipe(ends);
	w.fd = ends[0];
	test_start(wait_here, &w);
	test_until(weft__poller_count(w.fd) == 1);
	put_byte(ends[1]);
	test_join_all();
}

TEST_FLAVOURS(wait_fd_of_what_is_always_ready_comes_to_look_first_again)
{
	int ends[2];

	open_tried(ends);
	CHECK(weft__poller_is_tried(ends[0]));
	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_wait_fd(NULL, ends[0], POLLIN), POLLIN);
	CHECK(!weft__poller_is_tried(ends[0]));
	close_both(ends);
}

/* Nor has the number's next file been tried. */
TEST_FLAVOURS(wait_fd_of_a_file_in_the_place_of_a_pipe_is_ready_at_once)
{
	int ends[2], fd;

	open_tried(ends);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(dup2(fd, ends[0]), ends[0]);
	CHECK_EQ(weft_wait_fd(NULL, ends[0], POLLIN), POLLIN);
	CHECK_EQ(weft_fd_close(fd), 0);
	close_both(ends);
}

TEST_FLAVOURS(wait_fd_of_a_file_is_ready_at_once)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK_EQ(weft_wait_fd(NULL, fd, POLLIN), POLLIN);
	CHECK_EQ(weft_wait_fd(NULL, fd, POLLPRI), -EPERM);
	CHECK_EQ(weft_fd_close(fd), 0);
}

TEST_FLAVOURS(wait_fd_of_what_is_not_open_is_an_error)
{
	int ends[2], gone;

	open_pipe(ends);
	gone = fcntl(ends[0], F_DUPFD, 500);	/* what nobody opens meanwhile */
	CHECK_LE(500, gone);
	CHECK_EQ(close(gone), 0);
	close_both(ends);
	CHECK_EQ(weft_wait_fd(NULL, -1, POLLIN), -EBADF);
	CHECK_EQ(weft_wait_fd(NULL, gone, POLLIN), -EBADF);
	CHECK_EQ(weft_fd_close(gone), -EBADF);
	CHECK_EQ(weft_fd_close(-1), -EBADF);
}

/* ---- waiting ---- */

TEST_FLAVOURS(wait_fd_returns_when_there_is_something_to_read)
{
	uint32_t woken = 0;
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN, .woken = &woken};

	open_pipe(ends);
	w.fd = ends[0];
	for (uint32_t i = 1; i <= 20; i++) {
		test_start(wait_here, &w);
		test_until(weft__poller_count(w.fd) == 1);
		CHECK_EQ(load(&woken), i - 1);
		put_byte(ends[1]);
		test_join_all();
		get_byte(ends[0]);
	}
	close_both(ends);
}

TEST_FLAVOURS(wait_fd_returns_when_there_is_room_to_write)
{
	int ends[2];
	wait_for w = {.events = POLLOUT, .wanted = POLLOUT};

	open_sockets(ends);
	fill(ends[0]);
	w.fd = ends[0];
	test_start(wait_here, &w);
	test_until(weft__poller_count(w.fd) == 1);
	drain(ends[1]);
	test_join_all();
	close_both(ends);
}

TEST_FLAVOURS(wait_fd_tells_that_the_other_end_has_closed)
{
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLHUP};
	wait_for unasked = {.wanted = POLLHUP};

	open_pipe(ends);
	w.fd = unasked.fd = ends[0];
	test_start(wait_here, &w);
	test_start(wait_here, &unasked);
	test_until(weft__poller_count(w.fd) == 2);
	CHECK_EQ(close(ends[1]), 0);
	test_join_all();
	CHECK_EQ(weft_fd_close(ends[0]), 0);
}

TEST_FLAVOURS(wait_fd_takes_an_eventfd)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	wait_for w = {.fd = fd, .events = POLLIN, .wanted = POLLIN};

	test_start(wait_here, &w);
	test_until(weft__poller_count(fd) == 1);
	CHECK_EQ(eventfd_write(fd, 1), 0);
	test_join_all();
	CHECK_EQ(weft_fd_close(fd), 0);
}

TEST_FLAVOURS(wait_fd_takes_a_timerfd)
{
	struct itimerspec soon = {.it_value.tv_nsec = WEFT_MS(5)};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	CHECK_EQ(timerfd_settime(fd, 0, &soon, NULL), 0);
	CHECK_EQ(weft_wait_fd(NULL, fd, POLLIN), POLLIN);
	CHECK_EQ(weft_fd_close(fd), 0);
}

TEST_FLAVOURS(wait_fd_keeps_errno)
{
	struct itimerspec soon = {.it_value.tv_nsec = WEFT_MS(1)};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	CHECK_EQ(timerfd_settime(fd, 0, &soon, NULL), 0);
	weft__errno_set(42);
	CHECK_EQ(weft_wait_fd(NULL, -1, POLLIN), -EBADF);
	CHECK_EQ(weft_wait_fd(NULL, fd, POLLIN), POLLIN);
	CHECK_EQ(weft__errno_get(), 42);
	CHECK_EQ(weft_fd_close(fd), 0);
	CHECK_EQ(weft__errno_get(), 42);
}

/* ---- giving up ---- */

TEST_FLAVOURS(wait_fd_ends_when_the_context_is_cancelled)
{
	weft_ctx ctx = {0};
	int ends[2];
	wait_for w = {.events = POLLIN, .ctx = &ctx, .wanted = -ECANCELED};

	open_pipe(ends);
	w.fd = ends[0];
	for (int i = 0; i < WAITERS; i++)
		test_start(wait_here, &w);
	test_until(weft__poller_count(w.fd) == WAITERS);
	weft_ctx_cancel(&ctx, 0);
	test_join_all();
	CHECK_EQ(weft__poller_count(w.fd), 0);
	/* What was armed for them is told to nobody, and lost for nobody. */
	put_byte(ends[1]);
	CHECK_EQ(weft_wait_fd(NULL, ends[0], POLLIN), POLLIN);
	close_both(ends);
}

TEST_FLAVOURS(wait_fd_ends_at_the_deadline)
{
	weft_ctx ctx;
	int ends[2];

	open_pipe(ends);
	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(20));
	CHECK_EQ(weft_wait_fd(&ctx, ends[0], POLLIN), -ETIMEDOUT);
	CHECK_EQ(weft_wait_fd(&ctx, ends[0], POLLIN), -ETIMEDOUT);
	weft_ctx_fini(&ctx);
	close_both(ends);
}

/* ---- many on one descriptor ---- */

TEST_FLAVOURS(wait_fd_wakes_all_who_wait_for_what_happens_and_nobody_else)
{
	uint32_t readers = 0, writers = 0;
	int ends[2];
	wait_for r = {.events = POLLIN, .wanted = POLLIN, .woken = &readers};
	wait_for w = {.events = POLLOUT, .wanted = POLLOUT, .woken = &writers};

	open_sockets(ends);
	fill(ends[0]);
	r.fd = w.fd = ends[0];
	for (int i = 0; i < WAITERS; i++) {
		test_start(wait_here, &r);
		test_start(wait_here, &w);
	}
	test_until(weft__poller_count(ends[0]) == 2 * WAITERS);
	drain(ends[1]);
	test_until(load(&writers) == WAITERS);
	CHECK_EQ(load(&readers), 0);
	CHECK_EQ(weft__poller_count(ends[0]), WAITERS);
	put_byte(ends[1]);
	test_join_all();
	close_both(ends);
}

enum { ROUNDS = 300 };

typedef struct {
	int in, out;
	uint32_t rounds;
} echo;

static void echo_bytes(void *arg)
{
	echo *e = arg;

	for (uint32_t i = 0; i < e->rounds; i++) {
		CHECK_EQ(weft_wait_fd(NULL, e->in, POLLIN), POLLIN);
		get_byte(e->in);
		put_byte(e->out);
	}
}

TEST_FLAVOURS(wait_fd_loses_no_wake_in_many_rounds_over_many_pairs)
{
	echo all[2 * WAITERS];
	int ends[2];

	test_limit(40);
	for (int i = 0; i < WAITERS; i++) {
		open_sockets(ends);
		all[2 * i] = (echo){ends[0], ends[0], ROUNDS};
		all[2 * i + 1] = (echo){ends[1], ends[1], ROUNDS};
	}
	for (int i = 0; i < 2 * WAITERS; i++)
		test_start(echo_bytes, &all[i]);
	for (int i = 0; i < WAITERS; i++)
		put_byte(all[2 * i].out);
	test_join_all();
	for (int i = 0; i < 2 * WAITERS; i++)
		CHECK_EQ(weft_fd_close(all[i].in), 0);
}

/* Who reads what is there, of many, and who waits on, is up to them. */
static void take_one(void *arg)
{
	int fd = *(int *)arg;
	char byte;

	while (read(fd, &byte, 1) != 1)
		CHECK_EQ(weft_wait_fd(NULL, fd, POLLIN), POLLIN);
}

enum { MANY = 400 };

static wait_for many[MANY];

static void start_many(void *unused)
{
	(void)unused;
	for (int i = 0; i < MANY; i++)
		test_start_task(wait_here, &many[i]);
}

/* More than there is room for before they are armed. */
TEST(wait_fd_has_room_for_many_that_begin_at_once)
{
	int ends[MANY][2];
	uint32_t woken = 0;

	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	have_workers_look();
	for (int i = 0; i < MANY; i++) {
		open_pipe(ends[i]);
		many[i] = (wait_for){ends[i][0], POLLIN, NULL, POLLIN, &woken};
	}
	test_start_task(start_many, NULL);
	test_until(weft__poller_count(ends[MANY - 1][0]) == 1);
	for (int i = 0; i < MANY; i++)
		put_byte(ends[i][1]);
	test_join_all();
	CHECK_EQ(load(&woken), MANY);
	for (int i = 0; i < MANY; i++)
		close_both(ends[i]);
}

TEST_FLAVOURS(wait_fd_gives_each_of_many_readers_its_turn)
{
	int ends[2];

	open_pipe(ends);
	for (int i = 0; i < WAITERS; i++)
		test_start(take_one, &ends[0]);
	for (int i = 0; i < WAITERS; i++) {
		weft_yield();
		put_byte(ends[1]);
	}
	test_join_all();
	close_both(ends);
}

/* ---- closing ---- */

TEST_FLAVOURS(fd_close_wakes_everybody_who_waits)
{
	int ends[2];
	wait_for r = {.events = POLLIN, .wanted = -EBADF};
	wait_for w = {.events = POLLOUT, .wanted = -EBADF};
	struct stat before, now;

	open_sockets(ends);
	CHECK_EQ(fstat(ends[0], &before), 0);
	fill(ends[0]);
	r.fd = w.fd = ends[0];
	for (int i = 0; i < WAITERS; i++)
		test_start(wait_here, i % 2 ? &r : &w);
	test_until(weft__poller_count(ends[0]) == WAITERS);
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	test_join_all();
	/* The runtime may have opened something, under that number. */
	CHECK(fstat(ends[0], &now) != 0 || now.st_ino != before.st_ino);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

static int move_away(int fd, int than)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, than + 1);

	CHECK_LT(than, moved);
	close(fd);
	return moved;
}

/* With another file under the number fd: the reading end of a pipe. */
typedef int replace(int fd, int reader);

static int close_and_reopen(int fd, int reader)
{
	weft_time end = weft_now() + WEFT_SECOND / 10;
	int got;

	CHECK_EQ(weft_fd_close(fd), 0);
	while ((got = fcntl(reader, F_DUPFD_CLOEXEC, fd)) != fd &&
	       weft_now() < end) {
		close(got);
		weft_yield();
	}
	return got;
}

/* As close(2) by hand does it, and whoever opens something next. */
static int close_by_reopening(int fd, int reader)
{
	return dup2(reader, fd);
}

/*
 * Returns the writing end; -1: somebody else has the number now. The monitor has a
 * file open now and then, for a moment, but what the runtime opens for good it
 * opens when it needs that, under the lowest number that is free.
 */
static int replace_file(replace *how, int fd)
{
	int ends[2], got;

	open_pipe(ends);
	ends[0] = move_away(ends[0], fd);
	ends[1] = move_away(ends[1], fd);
	got = how(fd, ends[0]);
	close(ends[0]);
	if (got == fd)
		return ends[1];
	close(got);
	close(ends[1]);
	return -1;
}

/* Before that it would wait for the file that comes in its place: F11. */
static bool waits_and_is_armed(int fd)
{
	return weft__poller_count(fd) == 1 && !weft__poller_is_unarmed(fd);
}

/*
 * fd has another file; kept is a duplicate of what it was, or -1. Whoever waits for
 * the new one is woken for that alone; then all who waited for the old one know.
 */
static void check_reused(int fd, int writer, int kept, int old_writer,
			 uint32_t *old_woken)
{
	uint32_t woken = 0;
	wait_for w = {.fd = fd, .events = POLLIN, .wanted = POLLIN,
		      .woken = &woken};

	test_start(wait_here, &w);
	test_until(load(old_woken) == 1 && weft__poller_count(fd) == 1);
	if (kept >= 0) {
		put_byte(old_writer);
		for (int i = 0; i < 100; i++)
			weft_yield();
		CHECK_EQ(weft_wait_fd(NULL, kept, POLLIN), POLLIN);
		CHECK_EQ(load(&woken), 0);
	}
	put_byte(writer);
	test_join_all();
	CHECK_EQ(load(&woken), 1);
	close(kept);
	close(writer);
	close(old_writer);
	CHECK_EQ(weft_fd_close(fd), 0);
}

/* False: somebody else has got the number. */
static bool reuse_once(replace *how, bool keep)
{
	int ends[2], kept, writer;
	uint32_t woken = 0;
	wait_for w = {.events = POLLIN, .wanted = -EBADF, .woken = &woken};

	open_pipe(ends);
	kept = keep ? dup(ends[0]) : -1;
	w.fd = ends[0];
	test_start(wait_here, &w);
	test_until(waits_and_is_armed(w.fd));
	writer = replace_file(how, w.fd);
	if (writer >= 0) {
		check_reused(w.fd, writer, kept, ends[1], &woken);
	} else {
		close(kept);
		close(ends[1]);
	}
	test_join_all();
	return writer >= 0;
}

static void reuse_after(replace *how, bool keep)
{
	while (!reuse_once(how, keep))
		;
}

TEST_FLAVOURS(a_number_used_again_after_fd_close_is_a_new_descriptor)
{
	reuse_after(close_and_reopen, false);
}

TEST_FLAVOURS(a_number_used_again_after_fd_close_knows_no_duplicate_of_the_old)
{
	reuse_after(close_and_reopen, true);
}

/* Such a number is nobody's soon. */
enum { HIGH_NUMBER = 500 };

static uint32_t closed;

static void wait_for_close(void *arg)
{
	wait_for *w = arg;
	weft_ctx until;
	int err;

	weft_ctx_init_timeout(&until, NULL, WEFT_SECOND / 10);
	err = weft_wait_fd(&until, w->fd, w->events);
	closed += err == w->wanted;
	CHECK(err == w->wanted || err == -ETIMEDOUT);
	weft_ctx_fini(&until);
}

static wait_for timed = {.events = POLLIN, .wanted = -ETIMEDOUT};

static void wait_and_close(void *arg)
{
	wait_for *w = arg;

	test_start_task(wait_for_close, w);
	while (weft__poller_count(w->fd) == 0)
		weft_yield();
	CHECK_EQ(close(w->fd), 0);
}

static void wait_and_put_another_there(void *arg)
{
	wait_for *w = arg;
	int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	CHECK_LT(0, file);
	test_start_task(wait_for_close, w);
	while (weft__poller_count(w->fd) == 0)
		weft_yield();
	CHECK_EQ(weft_fd_close(w->fd), 0);
	CHECK_EQ(dup2(file, w->fd), w->fd);
	close(file);
}

/* One worker runs both; but where tasks seem to be long the wait is armed at once. */
static void close_unarmed(weft_fn how)
{
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = -EBADF};

	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	have_workers_look();
	while (closed == 0) {
		open_pipe(ends);
		w.fd = fcntl(ends[0], F_DUPFD_CLOEXEC, HIGH_NUMBER);
		CHECK_LT(0, w.fd);
		CHECK_EQ(close(ends[0]), 0);
		test_start_task(how, &w);
		test_join_all();
		CHECK_EQ(close(ends[1]), 0);
	}
}

TEST(a_number_closed_when_a_task_has_just_begun_to_wait_wakes_it)
{
	close_unarmed(wait_and_close);
}

/* ready has something to read. The child has a file of its own under the number. */
static void fork_and_block(void *ready_)
{
	const int *ready = ready_;
	pid_t child;
	int status;

	test_start_task(wait_for_close, &timed);
	while (weft__poller_count(timed.fd) == 0)
		weft_yield();
	child = fork();
	if (child == 0) {
		dup2(*ready, timed.fd);
		weft_blocking_begin();
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* What is there to read is not in the file that has the number now. */
static void write_to_the_old(void *writer)
{
	test_start_task(wait_for_close, &timed);
	while (weft__poller_count(timed.fd) == 0)
		weft_yield();
	put_byte(*(int *)writer);
}

TEST(a_child_that_blocks_does_not_arm_what_its_parent_waits_for)
{
	int ends[2], ready[2];

	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	have_workers_look();
	open_pipe(ends);
	open_pipe(ready);
	put_byte(ready[1]);
	timed.fd = dup2(ends[0], HIGH_NUMBER);
	test_start_task(fork_and_block, ready);
	test_join_all();
	CHECK_EQ(closed, 1);
}

TEST(a_number_used_again_after_a_wait_knows_no_duplicate_of_the_old)
{
	int old[2], new[2];
	weft_ctx until;

	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	have_workers_look();
	open_pipe(old);
	open_pipe(new);
	timed.fd = dup2(old[0], HIGH_NUMBER);
	weft_ctx_init_timeout(&until, NULL, WEFT_MS(10));
	CHECK_EQ(weft_wait_fd(&until, timed.fd, POLLIN), -ETIMEDOUT);
	weft_ctx_fini(&until);
	CHECK_EQ(dup2(new[0], HIGH_NUMBER), HIGH_NUMBER);
	test_start_task(write_to_the_old, &old[1]);
	test_join_all();
	CHECK_EQ(closed, 1);
}

TEST(fd_close_when_a_task_has_just_begun_to_wait_tells_it_of_no_other_file)
{
	close_unarmed(wait_and_put_another_there);
}

/* The first is told when the second begins to wait. */
TEST_FLAVOURS(a_number_used_again_after_close_wakes_who_waited_for_the_old)
{
	int ends[2], writer;
	uint32_t woken = 0;
	wait_for w = {.events = POLLIN, .wanted = -EBADF, .woken = &woken};
	wait_for new = {.events = POLLIN, .wanted = POLLIN};

	open_pipe(ends);
	w.fd = new.fd = ends[0];
	test_start(wait_here, &w);
	test_until(waits_and_is_armed(w.fd));
	writer = replace_file(close_by_reopening, ends[0]);
	test_start(wait_here, &new);
	test_until(load(&woken) == 1);
	put_byte(writer);
	test_join_all();
	close(writer);
	close(ends[1]);
	CHECK_EQ(weft_fd_close(ends[0]), 0);
}

TEST_FLAVOURS(a_number_used_again_after_close_knows_no_duplicate_of_the_old)
{
	reuse_after(close_by_reopening, true);
}

enum { CLOSE_ROUNDS = 200 };

/*
 * A wait that begins after the close may meet anything under that number, even
 * what the runtime has opened itself, and would wait for that for ever.
 */
static void wait_or_come_late(void *arg)
{
	wait_for *w = arg;
	weft_ctx until;

	weft_ctx_init_timeout(&until, NULL, WEFT_SECOND);
	if (weft_wait_fd(&until, w->fd, w->events) == -EBADF)
		weft_atomic_add(w->woken, 1, relaxed);
	weft_ctx_fini(&until);
}

/* Close races with the wait: it is before, in, or after it. */
TEST_FLAVOURS(fd_close_at_any_moment_of_a_wait_ends_it)
{
	uint32_t told = 0;

	for (int i = 0; i < CLOSE_ROUNDS; i++) {
		int ends[2];
		wait_for w = {.events = POLLIN, .woken = &told};

		open_pipe(ends);
		w.fd = ends[0];
		test_start(wait_or_come_late, &w);
		for (uint64_t n = test_random() % 16; n > 0; n--)
			weft_yield();
		CHECK_EQ(weft_fd_close(ends[0]), 0);
		test_join_all();
		close(ends[1]);
	}
	CHECK_LT(CLOSE_ROUNDS / 2, told);
}

/* ---- among others ---- */

static bool over;

static void keep_busy(void *arg)
{
	bool yields = arg != NULL;

	while (!weft_atomic_load(&over, relaxed))
		if (yields)
			weft_yield();
}

static void check_among(void *yields)
{
	int ends[2];
	echo e;

	for (int i = 0; i < 4; i++)
		test_start_task(keep_busy, yields);
	open_sockets(ends);
	e = (echo){ends[1], ends[1], 20};
	test_start_task(echo_bytes, &e);
	for (int i = 0; i < 20; i++) {
		put_byte(ends[0]);
		CHECK_EQ(weft_wait_fd(NULL, ends[0], POLLIN), POLLIN);
		get_byte(ends[0]);
	}
	weft_atomic_store(&over, true, relaxed);
	test_join_all();
	close_both(ends);
}

TEST(tasks_that_yield_all_the_time_do_not_hold_up_who_waits_for_a_descriptor)
{
	check_among(&over);
}

TEST(tasks_that_compute_do_not_hold_up_who_waits_for_a_descriptor)
{
	check_among(NULL);
}

static int wait_and_return(void *arg)
{
	uint32_t woken = 0;
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN, .woken = &woken};

	(void)arg;
	open_pipe(ends);
	w.fd = ends[0];
	CHECK_EQ(weft_go_copy(wait_here, &w, sizeof w), 0);
	test_until(weft__poller_count(ends[0]) == 1);
	put_byte(ends[1]);
	test_until(load(&woken) == 1);
	close_both(ends);
	return 0;
}

TEST(run_ends_the_thread_that_waited_for_descriptors)
{
	int before = thread_count();

	for (int i = 0; i < 20; i++) {
		CHECK_EQ(weft_run(wait_and_return, NULL), 0);
		CHECK_EQ(weft_task_count(), 0);
		/* Who has been joined may still be on its way out. */
		test_until(thread_count() == before);
	}
}

/* ---- who looks ---- */

static void count_one(void *count)
{
	weft_atomic_add((uint32_t *)count, 1, release);
}

static void doze(void)
{
	usleep(2000);	/* no wait of ours, so that all workers sleep */
}

/* Its sleep is one for descriptors, and has to end for everything else. */
TEST(a_worker_that_watches_descriptors_is_woken_for_tasks)
{
	uint32_t ran = 0, woken = 0;
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN, .woken = &woken};

	one_worker();
	open_pipe(ends);
	w.fd = ends[0];
	test_start_task(wait_here, &w);
	test_until(weft__poller_count(w.fd) == 1);
	for (uint32_t i = 1; i <= 50; i++) {
		if (i % 2 == 0)
			doze();
		test_start_task(count_one, &ran);
		test_until(load(&ran) == i);
	}
	CHECK_EQ(load(&woken), 0);
	put_byte(ends[1]);
	test_join_all();
	close_both(ends);
}

static void nap_ten_times(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_sleep(NULL, WEFT_MS(1)), 0);
}

TEST(a_worker_that_watches_descriptors_is_woken_by_its_timers)
{
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN};

	one_worker();
	open_pipe(ends);
	w.fd = ends[0];
	test_start_task(wait_here, &w);
	test_until(weft__poller_count(w.fd) == 1);
	test_start_task(nap_ten_times, NULL);
	test_until(weft_task_count() == 1);
	put_byte(ends[1]);
	test_join_all();
	close_both(ends);
}

/* From now on, for this thread and those that it starts. */
static void refuse_call(uint32_t number, uint32_t error)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {4, steps};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		test_skip("system calls cannot be filtered here");
}

/* By a filter that does not know it, say, and not as by a kernel that has none. */
TEST(a_worker_that_watches_until_a_timer_needs_no_call_that_is_refused)
{
	int ends[2];
	weft_ctx until;
	wait_for w = {.events = POLLIN, .ctx = &until, .wanted = POLLIN};
	weft_time start;

	one_worker();
	refuse_call(SYS_epoll_pwait2, EPERM);
	open_pipe(ends);
	w.fd = ends[0];
	weft_ctx_init_timeout(&until, NULL, 8 * WEFT_SECOND);
	test_start_task(wait_here, &w);
	test_until(weft__poller_count(w.fd) == 1);
	doze();
	start = weft_now();
	put_byte(ends[1]);
	test_join_all();
	CHECK_LT(weft_now() - start, 4 * WEFT_SECOND);
	weft_ctx_fini(&until);
	close_both(ends);
}

/* Nobody is awake who would look, nor has any of them slept for descriptors. */
TEST(a_thread_that_waits_while_all_workers_sleep_is_told)
{
	uint32_t ran = 0;
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN};

	one_worker();
	open_pipe(ends);
	w.fd = ends[0];
	test_start_task(count_one, &ran);
	test_join_all();
	for (int i = 0; i < 20; i++) {
		usleep(i == 0 ? 50000 : 2000);	/* the monitor sleeps, too */
		test_start_thread(wait_here, &w);
		test_until(weft__poller_count(w.fd) == 1);
		doze();
		put_byte(ends[1]);
		test_join_all();
		get_byte(ends[0]);
	}
	close_both(ends);
}

typedef struct {
	uint32_t *woken;
	int out;
	bool sleeps;	/* while it is told */
} teller;

static int tell_in_a_run(void *arg)
{
	teller *t = arg;
	uint32_t before = load(t->woken);

	put_byte(t->out);
	while (load(t->woken) == before)
		if (t->sleeps)
			weft_sleep(NULL, WEFT_MS(1));
		else
			weft_yield();
	return 0;
}

static int wait_for_one_who_waits(void *fd)
{
	while (weft__poller_count(*(int *)fd) == 0)
		weft_yield();
	return 0;
}

/* It begins to wait and is told before, in and after a run, in all ways. */
TEST(a_thread_waits_for_a_descriptor_whether_a_runtime_comes_or_goes)
{
	uint32_t woken = 0;
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN, .woken = &woken};
	teller t = {.woken = &woken};

	open_pipe(ends);
	w.fd = ends[0];
	t.out = ends[1];
	for (uint32_t i = 0; i < 40; i++) {
		t.sleeps = i % 4 == 1;
		test_start_thread(wait_here, &w);
		if (i % 8 != 7)
			CHECK_EQ(weft_run(wait_for_one_who_waits, &ends[0]), 0);
		test_until(weft__poller_count(w.fd) == 1);
		if (i % 2 == 0)
			put_byte(ends[1]);
		else
			CHECK_EQ(weft_run(tell_in_a_run, &t), 0);
		test_join_all();
		CHECK_EQ(load(&woken), i + 1);
		get_byte(ends[0]);
	}
	close_both(ends);
}

static int ends_of_leaked[2];

static int leak(void *arg)
{
	wait_for w = {.events = POLLIN, .wanted = POLLIN, .woken = arg};

	open_pipe(ends_of_leaked);
	w.fd = ends_of_leaked[0];
	CHECK_EQ(weft_go_copy(wait_here, &w, sizeof w), 0);
	test_until(weft__poller_count(w.fd) == 1);
	return 0;
}

/* It is a leak, as others are: reported, and as it was. */
TEST(run_ends_while_a_task_waits_for_a_descriptor_which_may_yet_come)
{
	static uint32_t woken;

	CHECK_EQ(weft_run(leak, &woken), 0);
	CHECK_EQ(weft_task_count(), 1);
	CHECK_EQ(load(&woken), 0);
	put_byte(ends_of_leaked[1]);
	test_until(load(&woken) == 1 && weft_task_count() == 0);
}

TEST(waiting_for_a_descriptor_costs_no_time)
{
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN};
	weft_time start;
	int64_t cpu;

	if (test_slowdown() > 1)
		test_skip("the sanitizer uses time of its own");
	open_pipe(ends);
	w.fd = ends[0];
	for (int i = 0; i < WAITERS; i++)
		test_start_task(wait_here, &w);
	test_until(weft__poller_count(w.fd) == WAITERS);
	cpu = cpu_time_ns();
	start = weft_now();
	CHECK_EQ(weft_sleep(NULL, WEFT_MS(200)), 0);
	CHECK_LT(cpu_time_ns() - cpu, (weft_now() - start) / 4);
	put_byte(ends[1]);
	test_join_all();
	close_both(ends);
}

/* The byte stays where it is: it has been told, and nobody asks any more. */
TEST(what_was_told_and_not_read_costs_no_time)
{
	int ends[2];
	wait_for w = {.events = POLLIN, .wanted = POLLIN};
	weft_time start;
	int64_t cpu;

	if (test_slowdown() > 1)
		test_skip("the sanitizer uses time of its own");
	open_pipe(ends);
	w.fd = ends[0];
	test_start_task(wait_here, &w);
	test_until(weft__poller_count(w.fd) == 1);
	put_byte(ends[1]);
	test_join_all();
	cpu = cpu_time_ns();
	start = weft_now();
	CHECK_EQ(weft_sleep(NULL, WEFT_MS(200)), 0);
	CHECK_LT(cpu_time_ns() - cpu, (weft_now() - start) / 4);
	close_both(ends);
}
