/* SPDX-License-Identifier: MIT */
/*
 * A fleet in a directory: several processes, each the child of a fork, that are
 * killed and stopped. The case's own process uses weft only after its last fork.
 */
#define _GNU_SOURCE
#include "place.h"

#include <weft/ctx.h>
#include <weft/waitgroup.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static uint32_t flushes;	/* by fsync(), of this process */

/* Which of them fails, or what its process is sent in it instead. */
static struct {
	uint32_t nth;
	int signal;
} bad_flush;

/* In place of the C library's. */
int fsync(int fd)
{
	bool bad = ++flushes == bad_flush.nth;

	if (bad && bad_flush.signal == 0) {
		errno = EIO;
		return -1;
	}
	if (bad)
		raise(bad_flush.signal);
	return (int)syscall(SYS_fsync, fd);
}

/* What the system does not do for this process; both atomic once it is told. */
typedef struct {
	int error;
	uint32_t times;
} refusal;

static refusal no_result;	/* to be opened */
static refusal no_record;	/* to be read */

static void refuse(refusal *r, int error, uint32_t times)
{
	weft_atomic_store(&r->error, error, relaxed);
	weft_atomic_store(&r->times, times, release);
}

static bool is_refused(refusal *r)
{
	if (weft_atomic_load(&r->times, acquire) == 0)
		return false;
	weft_atomic_sub(&r->times, 1, relaxed);
	errno = weft_atomic_load(&r->error, relaxed);
	return true;
}

/* In place of the C library's, too. NAME.EPOCH is a result. */
int openat(int folder, const char *name, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
	va_end(args);
	if (strlen(name) == 53 && is_refused(&no_result))
		return -1;
	return (int)syscall(SYS_openat, folder, name, flags, mode);
}

/* 4 KiB from the start are a record. */
ssize_t pread(int fd, void *to, size_t size, off_t at)
{
	if (size == 4096 && at == 0 && is_refused(&no_record))
		return -1;
	return syscall(SYS_pread64, fd, to, size, at);
}

/* What the processes of a case share; all of it atomic. */
typedef struct {
	uint32_t begun, ended;	/* functions */
	uint32_t asked, answered;	/* callers */
	uint32_t go;		/* functions may end */
	uint64_t tokens[64];	/* by begun */
	weft_time ended_at, killed_at, answered_at;
	int err, cause;
	bool held, kept, unstored;
	uint32_t flushes;	/* of who played last */
	uint64_t token, commands;
	pid_t leader, child;
} board;

/* What a process does. */
typedef struct {
	board *board;
	weft_fleet_call call;
	weft_fleet_options options;
	const char *step;	/* WEFT_FLEET_STEP */
	size_t size;		/* of what the function gives */
	bool holds;		/* it waits for go */
	bool kills;		/* its process */
	bool forks;
	bool lends;		/* the child has a copy of the lock */
	refusal no_record;	/* when it is over */
} actor;

static uint32_t value_of(uint32_t *p)
{
	return weft_atomic_load(p, acquire);
}

static void child_that_stays(void *arg)
{
	board *b = arg;

	while (value_of(&b->go) == 0)
		usleep(1000);
}

static void fork_child(actor *a, weft_fleet_run *run)
{
	int lock = a->lends ? dup(weft_fleet_run_fd(run)) : -1;

	a->board->child = process_start(child_that_stays, a->board);
	if (lock >= 0)
		close(lock);
}

static int act(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	actor *a = arg;
	board *b = a->board;
	uint32_t n;

	b->leader = getpid();
	b->tokens[value_of(&b->begun)] = weft_fleet_run_token(run);
	if (a->forks)
		fork_child(a, run);
	n = weft_atomic_add(&b->begun, 1, acq_rel);
	if (a->kills)
		kill(getpid(), SIGKILL);
	while (a->holds && value_of(&b->go) == 0 && !weft_ctx_done(ctx))
		weft_sleep(NULL, WEFT_US(200));
	b->cause = weft_ctx_cause(ctx);
	b->held = weft_fleet_run_held(run);
	for (size_t i = 0; i < a->size; i++)
		CHECK_EQ(weft_fleet_run_add(run, "x", 1), 0);
	b->ended_at = weft_now();
	weft_atomic_add(&b->ended, 1, acq_rel);
	refuse(&no_record, a->no_record.error, a->no_record.times);
	return weft_fleet_run_add(run, &n, sizeof n);
}

static void play(void *arg)
{
	actor *a = arg;
	board *b = a->board;
	weft_fleet *f;
	weft_fleet_info info;
	weft_bytes bytes;

	if (a->step != NULL)
		setenv("WEFT_FLEET_STEP", a->step, 1);
	f = place_open_with(a->options);
	a->call.fn = act;
	a->call.arg = a;
	weft_atomic_add(&b->asked, 1, acq_rel);
	b->err = weft_fleet_do(f, NULL, &a->call, &bytes, &info);
	b->answered_at = weft_now();
	b->kept = info.kept;
	b->unstored = info.unstored;
	b->token = info.token;
	CHECK(!info.answered || bytes.size == a->size + sizeof(uint32_t));
	weft_bytes_release(&bytes);
	b->flushes = flushes;
	weft_atomic_add(&b->answered, 1, acq_rel);
	weft_fleet_close(f);
}

/* A case: its place, its board, and an actor as most are. */
static actor begin(void)
{
	actor a = {
		.board = shared_bytes(sizeof(board)),
		.options = {.lease = WEFT_MS(300), .grace = WEFT_MS(100)},
	};

	place_make();
	a.call.key = weft_key_str("key");
	return a;
}

static void kill_leader(board *b, int sig)
{
	b->killed_at = weft_now();
	CHECK_EQ(kill(b->leader, sig), 0);
}

static int waiters(void)
{
	weft_fleet *f = place_open();
	weft_fleet_entry e;
	int n = weft_fleet_show(f, NULL, weft_key_str("key"), &e) == 0
			? e.waiters
			: 0;

	weft_fleet_close(f);
	return n;
}

/* ---- no faults ---- */

TEST(fleet_processes_share_a_run)
{
	enum { MANY = 8 };
	actor a = begin();
	pid_t pids[MANY];

	a.holds = true;
	for (int i = 0; i < MANY; i++)
		pids[i] = process_start(play, &a);
	test_until(waiters() == MANY - 1);
	weft_atomic_store(&a.board->go, 1, release);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(process_join(pids[i]), 0);
	CHECK_EQ(a.board->begun, 1);
	CHECK_EQ(a.board->answered, MANY);
}

/* A place that its count may be asked of again and again. */
static int count_waiters(weft_fleet *f)
{
	weft_fleet_entry e;

	CHECK_EQ(weft_fleet_show(f, NULL, weft_key_str("key"), &e), 0);
	CHECK_EQ(e.state, WEFT_FLEET_RUNNING);
	return e.waiters;
}

static void play_and_leave(void *arg)
{
	actor *a = arg;
	weft_fleet *f = place_open_with(a->options);
	weft_ctx ctx;

	a->call.fn = act;
	a->call.arg = a;
	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(200));
	CHECK_EQ(weft_fleet_do(f, &ctx, &a->call, NULL, NULL), -ETIMEDOUT);
	weft_ctx_fini(&ctx);
	weft_atomic_add(&a->board->answered, 1, acq_rel);
	test_until(value_of(&a->board->go) != 0);
	weft_fleet_close(f);
}

typedef struct {
	char text[64];
} file_name;

/* A file in this folder of the place, which has one. */
static file_name file_in(const char *folder)
{
	char path[160];
	file_name name;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof path, "%s/%s", place_path(), folder);
	dir = opendir(path);
	CHECK(dir != NULL);
	while ((e = readdir(dir)) != NULL && e->d_name[0] == '.')
		;
	CHECK(e != NULL);
	snprintf(name.text, sizeof name.text, "%.63s", e->d_name);
	closedir(dir);
	return name;
}

/* The first of the bytes of "waiting" that are the only key's: see crowd.c. */
static int64_t first_seat(void)
{
	file_name name = file_in("k");

	name.text[12] = '\0';
	return (int64_t)(strtoull(name.text, NULL, 16) >> 1) << 16;
}

/* As a process that waits does. */
static void sit_down(int64_t seat)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = seat, .l_len = 1};
	char path[160];
	int fd;

	snprintf(path, sizeof path, "%s/waiting", place_path());
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &l), 0);
}

TEST(fleet_counts_a_thousand_who_wait_without_delay)
{
	enum { MANY = 1000, STEP = 7919 };	/* in no order */
	struct rlimit files = {4096, 4096};
	actor a = begin();
	clock_t start;	/* of this process's own time: others may be busy */
	weft_fleet *f;
	pid_t leader;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	a.holds = true;
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	for (int64_t i = 0, first = first_seat(); i < MANY; i++)
		sit_down(first + i * STEP % (1 << 16));
	f = place_open();
	start = clock();
	CHECK_EQ(count_waiters(f), MANY);
	CHECK_LT(clock() - start, CLOCKS_PER_SEC / 20 * test_slowdown());
	weft_atomic_store(&a.board->go, 1, release);
	CHECK_EQ(process_join(leader), 0);
	weft_fleet_close(f);
}

TEST(fleet_who_waits_is_counted_until_it_leaves_or_is_killed)
{
	enum { MANY = 5 };
	actor a = begin();
	pid_t leader, leaver, pids[MANY];
	weft_fleet *f;

	a.holds = true;
	a.options.lease = WEFT_MINUTE;
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	leaver = process_start(play_and_leave, &a);
	for (int i = 0; i < MANY; i++)
		pids[i] = process_start(play, &a);
	f = place_open();
	test_until(count_waiters(f) >= MANY &&
		   value_of(&a.board->answered) == 1);
	/* Whoever has left is not, as soon as its call knows that. */
	test_until(count_waiters(f) == MANY);
	CHECK_EQ(kill(pids[0], SIGSTOP), 0);
	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(kill(pids[i], SIGKILL), 0);
		CHECK_EQ(process_join(pids[i]), SIGKILL);
		test_until(count_waiters(f) == MANY - 1 - i);
	}
	weft_atomic_store(&a.board->go, 1, release);
	CHECK_EQ(process_join(leader), 0);
	CHECK_EQ(process_join(leaver), 0);
	CHECK_EQ(a.board->begun, 1);
	weft_fleet_close(f);
}

TEST(fleet_waiter_is_told_at_once)
{
	actor a = begin();
	weft_duration best = WEFT_MINUTE;

	/* The best of some: the machine may be busy. */
	for (int i = 0; i < 5; i++) {
		pid_t leader, waiter;

		*a.board = (board){0};
		a.holds = true;
		leader = process_start(play, &a);
		test_until(value_of(&a.board->begun) == 1);
		waiter = process_start(play, &a);
		test_until(waiters() == 1);
		weft_atomic_store(&a.board->go, 1, release);
		CHECK_EQ(process_join(leader), 0);
		CHECK_EQ(process_join(waiter), 0);
		if (best > a.board->answered_at - a.board->ended_at)
			best = a.board->answered_at - a.board->ended_at;
	}
	CHECK_LT(best, WEFT_MS(20) * test_slowdown());
}

static void burn(weft_duration d)
{
	weft_time until = weft_now() + d;

	while (weft_now() < until)
		;
}

static int act_busily(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	board *b = arg;

	weft_atomic_add(&b->begun, 1, acq_rel);
	burn(WEFT_SECOND);
	b->cause = weft_ctx_cause(ctx);
	b->held = weft_fleet_run_held(run);
	return weft_fleet_run_add(run, "busy", 4);
}

static void play_busily(void *arg)
{
	actor *a = arg;
	weft_fleet *f;

	setenv("WEFT_PROCS", "1", 1);
	f = place_open_with(a->options);
	a->call.fn = act_busily;
	a->call.arg = a->board;
	CHECK_EQ(weft_fleet_do(f, NULL, &a->call, NULL, NULL), 0);
	weft_fleet_close(f);
}

TEST(fleet_lease_is_renewed_while_tasks_compute)
{
	actor a = begin();
	pid_t busy = process_start(play_busily, &a), other;

	test_until(value_of(&a.board->begun) == 1);
	other = process_start(play, &a);
	CHECK_EQ(process_join(busy), 0);
	CHECK_EQ(process_join(other), 0);
	CHECK(a.board->cause == 0 && a.board->begun == 1);
}

/* ---- a leader is killed ---- */

TEST(fleet_waiter_takes_over_when_the_leader_is_killed)
{
	actor a = begin();
	pid_t leader, waiter;

	a.holds = true;
	a.options.lease = WEFT_MINUTE;	/* no help from that */
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	waiter = process_start(play, &a);
	test_until(waiters() == 1);
	weft_atomic_store(&a.board->go, 1, release);
	a.holds = false;
	kill_leader(a.board, SIGSTOP);
	kill_leader(a.board, SIGKILL);
	CHECK_EQ(process_join(leader), SIGKILL);
	CHECK_EQ(process_join(waiter), 0);
	CHECK_EQ(a.board->err, 0);
	CHECK_LE(a.board->begun, 2);
	CHECK_LT(a.board->answered_at - a.board->killed_at,
		 WEFT_MS(500) * test_slowdown());
}

static void wait_in(weft_fleet *f, const actor *a)
{
	weft_fleet_counters n;

	a->board->err = weft_fleet_wait(f, NULL, a->call.key, NULL, NULL);
	a->board->answered_at = weft_now();
	weft_fleet_count(f, &n);
	a->board->commands = n.commands;
	weft_fleet_close(f);
}

static void wait_only(void *arg)
{
	actor *a = arg;

	wait_in(place_open_with(a->options), a);
}

/* The place by its name in a folder, which the process then leaves. */
static void wait_elsewhere(void *arg)
{
	actor *a = arg;
	char path[sizeof place];
	char *name;
	weft_fleet *f;

	snprintf(path, sizeof path, "%s", place_path());
	name = strrchr(path, '/');
	*name++ = '\0';
	CHECK_EQ(chdir(path), 0);
	snprintf(place, sizeof place, "dir:%.100s", name);
	f = place_open_with(a->options);
	CHECK_EQ(chdir("/"), 0);
	wait_in(f, a);
}

TEST(fleet_waiter_is_told_though_its_process_has_gone_elsewhere)
{
	actor a = begin();
	pid_t leader, waiter;

	a.holds = true;
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	waiter = process_start(wait_elsewhere, &a);
	test_until(waiters() == 1);
	/* Long enough for thirty questions, were it not told. */
	weft_sleep(NULL, WEFT_MS(600));
	weft_atomic_store(&a.board->go, 1, release);
	CHECK_EQ(process_join(leader), 0);
	CHECK_EQ(process_join(waiter), 0);
	CHECK_EQ(a.board->err, 0);
	CHECK_LT(a.board->commands, 15);
}

static void stop(pid_t pid)
{
	int status;

	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
}

TEST(fleet_wait_ends_though_who_is_to_take_over_is_stopped)
{
	actor a = begin();
	weft_duration took, most;
	pid_t leader, next, waiter;

	a.holds = true;
	a.options = (weft_fleet_options){.lease = WEFT_MS(900),
					 .grace = WEFT_MS(300)};
	most = a.options.lease + a.options.grace;
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	next = process_start(play, &a);
	test_until(waiters() == 1);
	waiter = process_start(wait_only, &a);
	test_until(waiters() == 2);
	stop(next);
	kill_leader(a.board, SIGKILL);
	CHECK_EQ(process_join(leader), SIGKILL);
	CHECK_EQ(process_join(waiter), 0);
	took = a.board->answered_at - a.board->killed_at;
	CHECK_EQ(a.board->err, -EOWNERDEAD);
	CHECK_LE(most, took);
	CHECK_LT(took, most + WEFT_MS(500) * test_slowdown());
	CHECK_LT(a.board->commands, 40);
	weft_atomic_store(&a.board->go, 1, release);
	CHECK_EQ(kill(next, SIGCONT), 0);
	CHECK_EQ(process_join(next), 0);
	CHECK_EQ(a.board->begun, 2);
}

/* What becomes of the run whose process dies at this step. */
static void die_at(const char *step, size_t size, bool survives)
{
	actor a = begin();
	uint32_t before;

	a.call.mode = WEFT_FLEET_CACHE;
	a.call.keep = WEFT_MINUTE;
	a.step = step;
	a.size = size;
	CHECK_EQ(process_join(process_start(play, &a)), SIGKILL);
	before = a.board->begun;
	a.step = NULL;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->err, 0);
	CHECK_EQ(a.board->begun, before + !survives);
	CHECK_EQ(a.board->kept, survives);
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK(a.board->kept);
}

TEST(fleet_survives_a_kill_with_the_lock_and_no_record)
{
	die_at("dir-locked:kill", 0, false);
}

TEST(fleet_survives_a_kill_before_the_function)
{
	die_at("dir-claimed:kill", 0, false);
}

TEST(fleet_survives_a_kill_after_the_function)
{
	die_at("dir-stored:kill", 0, false);
	die_at("dir-stored:kill", 10000, false);
}

TEST(fleet_adopts_a_result_whose_record_is_not_done)
{
	die_at("dir-renamed:kill", 10000, true);
}

TEST(fleet_keeps_a_result_whose_process_was_killed_right_after)
{
	die_at("dir-done:kill", 0, true);
	die_at("dir-done:kill", 10000, true);
	die_at("dir-unlocked:kill", 10000, true);
	die_at("dir-ended:kill", 10000, true);
}

TEST(fleet_waiter_of_a_killed_publisher_is_given_its_result)
{
	actor a = begin();
	pid_t leader, waiter;

	a.holds = true;
	a.size = 10000;
	a.step = "dir-renamed:kill";
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	a.step = NULL;
	waiter = process_start(play, &a);
	test_until(waiters() == 1);
	weft_atomic_store(&a.board->go, 1, release);
	CHECK_EQ(process_join(leader), SIGKILL);
	CHECK_EQ(process_join(waiter), 0);
	CHECK_EQ(a.board->begun, 1);
	CHECK_EQ(a.board->token, a.board->tokens[0]);
}

TEST(fleet_fingerprint_of_a_dead_run_binds_nobody)
{
	actor a = begin();

	a.kills = true;
	a.call.fingerprint = 1;
	CHECK_EQ(process_join(process_start(play, &a)), SIGKILL);
	a.kills = false;
	a.call.fingerprint = 2;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->err, 0);
}

TEST(fleet_at_most_once_is_not_taken_over)
{
	actor a = begin();
	pid_t leader, waiter;
	weft_fleet *f;

	a.holds = true;
	a.call.at_most_once = true;
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	waiter = process_start(play, &a);
	test_until(waiters() == 1);
	kill_leader(a.board, SIGKILL);
	CHECK_EQ(process_join(leader), SIGKILL);
	CHECK_EQ(process_join(waiter), 0);
	CHECK_EQ(a.board->err, -EOWNERDEAD);
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->err, -EOWNERDEAD);
	CHECK_EQ(a.board->begun, 1);
	f = place_open();
	CHECK_EQ(weft_fleet_forget(f, NULL, a.call.key), 0);
	weft_fleet_close(f);
	a.holds = false;
	a.board->err = 1;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->err, 0);
}

TEST(fleet_gives_a_key_up_that_kills_its_processes)
{
	actor a = begin();
	weft_fleet_entry e;
	weft_fleet *f;

	a.kills = true;
	a.call.max_takeovers = 2;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(process_join(process_start(play, &a)), SIGKILL);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(process_join(process_start(play, &a)), 0);
		CHECK_EQ(a.board->err, -ELOOP);
	}
	CHECK_EQ(a.board->begun, 2);
	a.kills = false;
	f = place_open();
	CHECK_EQ(weft_fleet_show(f, NULL, a.call.key, &e), 0);
	CHECK_EQ(e.takeovers, 2);
	CHECK_EQ(weft_fleet_forget(f, NULL, a.call.key), 0);
	weft_fleet_close(f);
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->err, 0);
}

TEST(fleet_forgets_deaths_when_a_run_ends)
{
	actor a = begin();

	a.call.max_takeovers = 2;
	for (int i = 0; i < 3; i++) {
		a.kills = true;
		CHECK_EQ(process_join(process_start(play, &a)), SIGKILL);
		a.kills = false;
		CHECK_EQ(process_join(process_start(play, &a)), 0);
		CHECK_EQ(a.board->err, 0);
	}
}

/* ---- forks ---- */

static void kill_a_forker(bool lends)
{
	actor a = begin();
	pid_t leader, next;

	a.forks = a.holds = true;
	a.lends = lends;
	leader = process_start(play, &a);
	test_until(value_of(&a.board->begun) == 1);
	kill_leader(a.board, SIGKILL);
	CHECK_EQ(process_join(leader), SIGKILL);
	a.forks = a.holds = false;
	next = process_start(play, &a);
	if (lends) {
		/* Longer than the lease and its grace: the child works on. */
		test_until(waiters() == 1);
		weft_sleep(NULL, WEFT_MS(600));
		CHECK_EQ(value_of(&a.board->begun), 1);
		weft_atomic_store(&a.board->go, 1, release);
	}
	CHECK_EQ(process_join(next), 0);
	weft_atomic_store(&a.board->go, 1, release);
	CHECK_EQ(a.board->err, 0);
	CHECK_EQ(a.board->begun, 2);
}

TEST(fleet_child_of_a_fork_does_not_keep_the_lock)
{
	kill_a_forker(false);
}

TEST(fleet_child_with_a_copy_of_the_lock_keeps_it)
{
	kill_a_forker(true);
}

/* ---- a leader is stopped ---- */

TEST(fleet_stopped_leader_is_superseded_and_finds_out)
{
	actor a = begin();
	board *b = a.board;
	pid_t leader, next;

	a.holds = true;
	leader = process_start(play, &a);
	test_until(value_of(&b->begun) == 1);
	kill_leader(b, SIGSTOP);
	a.holds = false;
	next = process_start(play, &a);
	CHECK_EQ(process_join(next), 0);
	CHECK_EQ(b->begun, 2);
	CHECK_LT(b->tokens[0], b->tokens[1]);
	/* Not before its lease was over, and not much later. */
	CHECK_LE(WEFT_MS(100), b->answered_at - b->killed_at);
	CHECK_LT(b->answered_at - b->killed_at,
		 WEFT_MS(400 + 600) * test_slowdown());
	b->cause = 0;
	CHECK_EQ(kill(leader, SIGCONT), 0);
	CHECK_EQ(process_join(leader), 0);
	CHECK_EQ(b->cause, -EOWNERDEAD);
	CHECK(!b->held);
	CHECK_EQ(b->err, 0);
	CHECK_EQ(b->token, b->tokens[1]);	/* it gives the new result */
	CHECK_EQ(b->begun, 2);
}

TEST(fleet_leader_stopped_for_less_than_its_lease_goes_on)
{
	actor a = begin();
	board *b = a.board;
	pid_t leader, next;

	a.holds = true;
	a.options.lease = a.options.grace = WEFT_SECOND;
	leader = process_start(play, &a);
	test_until(value_of(&b->begun) == 1);
	kill_leader(b, SIGSTOP);
	next = process_start(play, &a);
	test_until(waiters() == 1);
	weft_sleep(NULL, WEFT_MS(300));
	CHECK_EQ(kill(leader, SIGCONT), 0);
	weft_atomic_store(&b->go, 1, release);
	CHECK_EQ(process_join(leader), 0);
	CHECK_EQ(process_join(next), 0);
	CHECK_EQ(b->begun, 1);
	CHECK(b->held);
}

TEST(fleet_process_stopped_with_a_shard_locked_holds_nobody_up)
{
	actor a = begin();
	board *b = a.board;
	pid_t stopped;
	weft_duration best = WEFT_MINUTE;
	int status;

	a.step = "dir-claimed:stop";
	stopped = process_start(play, &a);
	CHECK_EQ(waitpid(stopped, &status, WUNTRACED), stopped);
	CHECK(WIFSTOPPED(status));
	a.step = NULL;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(b->err, -EHOSTDOWN);
	/* Other keys are as ever, though what is over is looked for everywhere. */
	a.call.key = weft_key_str("other");
	for (int i = 0; i < 5; i++) {
		weft_time start = weft_now();

		CHECK_EQ(process_join(process_start(play, &a)), 0);
		CHECK_EQ(b->err, 0);
		if (best > weft_now() - start)
			best = weft_now() - start;
	}
	CHECK_LT(best, WEFT_SECOND);
	CHECK_EQ(kill(stopped, SIGCONT), 0);
	CHECK_EQ(process_join(stopped), 0);
	CHECK_EQ(b->err, 0);
	CHECK_EQ(b->begun, 6);
}

/* The shard of the only key locked, as by a process that is stopped there. */
static int lock_shard(void)
{
	char path[200];
	int fd;

	snprintf(path, sizeof path, "%s/s/%s", place_path(), file_in("s").text);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

/* A task that asks. */
typedef struct {
	weft_fleet *fleet;
	actor actor;
} asker;

static void ask(void *arg)
{
	asker *s = arg;

	CHECK_EQ(weft_fleet_do(s->fleet, NULL, &s->actor.call, NULL, NULL), 0);
}

TEST(fleet_leases_live_though_the_shard_of_another_one_is_held)
{
	asker held = {.actor = begin()}, other;
	weft_waitgroup wg = {0};
	weft_time start;
	int shard;

	held.actor.holds = true;
	held.actor.options.lease = WEFT_MS(600);
	held.actor.call.fn = act;
	held.fleet = place_open_with(held.actor.options);
	other = held;
	other.actor.board = shared_bytes(sizeof(board));
	other.actor.call.key = weft_key_str("other");
	held.actor.call.arg = &held.actor;
	other.actor.call.arg = &other.actor;
	CHECK_EQ(weft_waitgroup_go(&wg, ask, &held), 0);
	test_until(value_of(&held.actor.board->begun) == 1);
	shard = lock_shard();
	start = weft_now();
	CHECK_EQ(weft_waitgroup_go(&wg, ask, &other), 0);
	test_until(value_of(&held.actor.board->ended) == 1);
	CHECK_EQ(held.actor.board->cause, -EOWNERDEAD);
	CHECK_LT(held.actor.board->ended_at - start, WEFT_SECOND * test_slowdown());
	/* Longer than the other one's lease. */
	weft_sleep(NULL, WEFT_MS(700));
	close(shard);
	weft_atomic_store(&other.actor.board->go, 1, release);
	weft_waitgroup_wait(&wg);
	CHECK_EQ(other.actor.board->cause, 0);
	CHECK(other.actor.board->held);
	weft_fleet_close(held.fleet);
}

static int act_slowly(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	board *b = arg;

	(void)ctx;
	(void)run;
	weft_atomic_add(&b->begun, 1, acq_rel);
	weft_sleep(NULL, WEFT_MS(100));
	weft_atomic_add(&b->ended, 1, acq_rel);
	return 0;
}

/* Long after the close has begun, if nobody is slow. */
static void unlock_later(void *arg)
{
	weft_sleep(NULL, WEFT_MS(100));
	close(*(int *)arg);
}

TEST(fleet_close_waits_for_what_a_call_begins_that_all_have_left)
{
	actor a = begin();
	board *b = a.board;
	weft_fleet *f = place_open();
	weft_ctx ctx;
	int shard;

	a.call.fn = act_slowly;
	a.call.arg = b;
	a.call.mode = WEFT_FLEET_CACHE;
	a.call.keep = 1;
	a.call.stale = WEFT_MINUTE;
	CHECK_EQ(weft_fleet_do(f, NULL, &a.call, NULL, NULL), 0);
	shard = lock_shard();
	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(20));
	CHECK_EQ(weft_fleet_do(f, &ctx, &a.call, NULL, NULL), -ETIMEDOUT);
	weft_ctx_fini(&ctx);
	CHECK_EQ(weft_go(unlock_later, &shard), 0);
	weft_fleet_close(f);
	CHECK_EQ(value_of(&b->begun), 2);
	CHECK_EQ(value_of(&b->ended), 2);
}

/* ---- the machine's part ---- */

static pid_t start_with_bad_flush(actor *a, uint32_t nth, int signal)
{
	pid_t pid;

	bad_flush.nth = nth;
	bad_flush.signal = signal;
	pid = process_start(play, a);
	bad_flush.nth = 0;
	return pid;
}

static actor begin_once(size_t size)
{
	actor a = begin();

	a.call.mode = WEFT_FLEET_ONCE;
	a.options.lease = WEFT_MINUTE;	/* for as long it tries */
	a.size = size;
	return a;
}

TEST(fleet_once_is_kept_though_a_flush_fails_for_a_while)
{
	uint32_t nth = 0, tried;

	do {
		actor a = begin_once(10000);

		CHECK_EQ(process_join(start_with_bad_flush(&a, ++nth, 0)), 0);
		CHECK(a.board->err == 0 && !a.board->unstored);
		tried = a.board->flushes;
		CHECK_EQ(process_join(process_start(play, &a)), 0);
		CHECK(a.board->err == 0 && a.board->kept);
		CHECK_EQ(a.board->begun, 1);
		place_remove();
	} while (tried > nth);
	CHECK_LE(4, nth);
}

TEST(fleet_once_is_on_the_disk_before_anybody_is_told)
{
	actor a = begin_once(0);
	board *b = a.board;
	pid_t leader = start_with_bad_flush(&a, 1, SIGSTOP);
	int status;

	CHECK_EQ(waitpid(leader, &status, WUNTRACED), leader);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(b->err, -EHOSTDOWN);
	CHECK_EQ(kill(leader, SIGCONT), 0);
	CHECK_EQ(process_join(leader), 0);
	CHECK(b->err == 0 && !b->unstored);
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK(b->err == 0 && b->kept);
	CHECK_EQ(b->begun, 1);
}

/* The disk takes longer than the lease and the grace: the leader is well. */
TEST(fleet_once_is_not_taken_over_while_its_disk_is_slow)
{
	actor a = begin_once(10000);
	board *b = a.board;
	pid_t leader, other;
	int status;

	a.options.lease = WEFT_MS(100);
	a.options.grace = WEFT_MS(100);
	leader = start_with_bad_flush(&a, 1, SIGSTOP);
	CHECK_EQ(waitpid(leader, &status, WUNTRACED), leader);
	CHECK(WIFSTOPPED(status));
	other = process_start(play, &a);
	test_until(value_of(&b->asked) == 2);
	weft_sleep(NULL, WEFT_MS(600));
	CHECK_EQ(kill(leader, SIGCONT), 0);
	CHECK_EQ(process_join(leader), 0);
	CHECK_EQ(process_join(other), 0);
	CHECK(b->err == 0 && !b->unstored);
	CHECK_EQ(value_of(&b->begun), 1);
}

/* What becomes of a once whose process is killed while it is flushed. */
static void die_in_flush(size_t size, uint32_t nth, bool survives)
{
	actor a = begin_once(size);
	uint32_t flushed = size == 0 ? 2 : 3;

	CHECK_EQ(process_join(start_with_bad_flush(&a, nth, SIGKILL)), SIGKILL);
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->err, 0);
	CHECK_EQ(a.board->kept, survives);
	CHECK_EQ(a.board->flushes, survives ? flushed : flushed + 1);
	CHECK_EQ(a.board->begun, 2 - survives);
	place_remove();
}

TEST(fleet_once_that_is_adopted_is_on_the_disk_before_anybody_is_told)
{
	die_in_flush(0, 1, true);
	die_in_flush(0, 2, true);
	die_in_flush(10000, 1, false);
	for (uint32_t nth = 2; nth <= 4; nth++)
		die_in_flush(10000, nth, true);
}

/* Play where the system refuses that, every time. */
static void play_refused(actor *a, refusal *r, int error)
{
	refuse(r, error, UINT32_MAX);
	CHECK_EQ(process_join(process_start(play, a)), 0);
	refuse(r, 0, 0);
}

/* It ran, and all others are given its result. */
static void expect_one_run(actor *a)
{
	CHECK_EQ(process_join(process_start(play, a)), 0);
	CHECK(a->board->err == 0 && a->board->kept);
	CHECK_EQ(a->board->begun, 1);
}

TEST(fleet_once_is_not_repeated_since_its_result_cannot_be_opened)
{
	static const int errors[] = {EMFILE, ENFILE, ENOMEM, EIO};
	actor a = begin_once(10000);

	CHECK_EQ(process_join(process_start(play, &a)), 0);
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		play_refused(&a, &no_result, errors[i]);
		CHECK_EQ(a.board->err, -errors[i]);
	}
	expect_one_run(&a);
}

TEST(fleet_once_is_adopted_though_its_result_could_not_be_opened_at_first)
{
	actor a = begin_once(10000);

	a.step = "dir-renamed:kill";
	CHECK_EQ(process_join(process_start(play, &a)), SIGKILL);
	a.step = NULL;
	play_refused(&a, &no_result, EMFILE);
	CHECK_EQ(a.board->err, -EMFILE);
	expect_one_run(&a);
}

TEST(fleet_once_is_not_repeated_since_its_record_cannot_be_read)
{
	actor a = begin_once(0);
	weft_fleet *f;

	CHECK_EQ(process_join(process_start(play, &a)), 0);
	play_refused(&a, &no_record, EIO);
	CHECK_EQ(a.board->err, -EIO);
	expect_one_run(&a);
	f = place_open();
	refuse(&no_record, EIO, 2);
	CHECK_EQ(weft_fleet_forget(f, NULL, a.call.key), -EIO);
	CHECK_EQ(weft_fleet_cancel(f, NULL, a.call.key, 0), -EIO);
	weft_fleet_close(f);
}

TEST(fleet_leader_that_cannot_read_its_record_is_not_superseded)
{
	actor a = begin_once(0);

	/* Neither as its lease is made longer, nor as its result is noted. */
	a.no_record = (refusal){EIO, 2};
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK(a.board->err == 0 && !a.board->kept);
	a.no_record = (refusal){0};
	expect_one_run(&a);
}

/* Exactly so many, of this process. */
static void leave_descriptors(int count)
{
	struct rlimit files = {256, 256};
	int fd, last = -1;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	while ((fd = dup(STDERR_FILENO)) >= 0)
		last = fd;
	while (count-- > 0)
		CHECK_EQ(close(last--), 0);
}

typedef struct {
	actor *actor;
	int descriptors;
} poor;

static void play_poorly(void *arg)
{
	poor *p = arg;
	weft_fleet *f = place_open_with(p->actor->options);

	p->actor->call.fn = act;
	p->actor->call.arg = p->actor;
	leave_descriptors(p->descriptors);
	(void)!weft_fleet_do(f, NULL, &p->actor->call, NULL, NULL);
	weft_fleet_close(f);
}

TEST(fleet_sweeps_no_result_whose_record_it_cannot_open)
{
	actor once = begin(), other = once;

	once.call.mode = WEFT_FLEET_ONCE;
	once.size = 10000;
	other.board = shared_bytes(sizeof(board));
	other.call.key = weft_key_str("other");
	CHECK_EQ(process_join(process_start(play, &once)), 0);
	for (int n = 0; n < 10; n++) {
		poor p = {&other, n};

		CHECK_EQ(process_join(process_start(play_poorly, &p)), 0);
		expect_one_run(&once);
	}
	CHECK_LE(1, other.board->begun);
}

static bool count_entry(void *arg, const weft_fleet_entry *entry)
{
	(void)entry;
	++*(int *)arg;
	return true;
}

TEST(fleet_show_and_list_tell_what_cannot_be_read_from_what_is_not_there)
{
	actor a = begin();
	weft_fleet_entry e;
	weft_fleet *f;
	int count = 0;

	a.call.mode = WEFT_FLEET_ONCE;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	a.call.key = weft_key_str("other");
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	f = place_open();
	CHECK_EQ(weft_fleet_show(f, NULL, weft_key_str("none"), &e), -ENOENT);
	refuse(&no_record, EIO, 1);
	CHECK_EQ(weft_fleet_show(f, NULL, a.call.key, &e), -EIO);
	refuse(&no_record, EIO, 1);
	CHECK_EQ(weft_fleet_list(f, NULL, count_entry, &count), -EIO);
	CHECK_EQ(count, 1);
	leave_descriptors(0);
	CHECK_EQ(weft_fleet_show(f, NULL, a.call.key, &e), -EMFILE);
	weft_fleet_close(f);
}

static void note_broken(void *arg, enum weft_fleet_verdict verdict,
			const char *what, const char *found)
{
	if (verdict != WEFT_FLEET_BROKEN)
		return;
	fprintf(stderr, "# %s: %s\n", what, found);
	*(bool *)arg = true;
}

static void examine_often(void *arg)
{
	weft_fleet *f = place_open();
	bool broken = false;

	(void)arg;
	for (int i = 0; i < 1000 && !broken; i++)
		weft_fleet_doctor(f, NULL, note_broken, &broken);
	CHECK(!broken);
	weft_fleet_close(f);
}

TEST(fleet_doctors_do_not_disturb_each_other)
{
	pid_t doctors[2];

	place_make();
	for (int i = 0; i < 2; i++)
		doctors[i] = process_start(examine_often, NULL);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(process_join(doctors[i]), 0);
}

/* A mount name space, where a place can be made small; or skip. */
static void private_mounts(void)
{
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		test_skip("needs root, to mount");
}

TEST(fleet_full_disk_is_an_error_for_who_waits)
{
	actor a = begin();
	board *b = a.board;
	pid_t leader, waiter;

	private_mounts();
	if (mount("none", place_path(), "tmpfs", 0, "size=128k,mode=700") != 0)
		test_skip("needs tmpfs");
	a.holds = true;
	a.size = 200000;
	leader = process_start(play, &a);
	test_until(value_of(&b->begun) == 1);
	waiter = process_start(play, &a);
	test_until(waiters() == 1);
	weft_atomic_store(&b->go, 1, release);
	CHECK_EQ(process_join(waiter), 0);
	CHECK_EQ(process_join(leader), 0);
	CHECK_EQ(b->begun, 1);
	/* One has the bytes, the other the reason why it has none. */
	CHECK(b->err == 0 ? b->unstored : b->err == -ENOSPC);
	CHECK_EQ(b->answered, 2);
	/* What fits is stored again. */
	a.size = 100;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK(b->err == 0 && !b->unstored);
	CHECK_EQ(umount(place_path()), 0);
}

/* One that runs in a place too small for its result; then others ask. */
static actor run_without_room(enum weft_fleet_mode mode, bool at_most_once)
{
	actor a = begin();
	board *b = a.board;

	private_mounts();
	if (mount("none", place_path(), "tmpfs", 0, "size=128k,mode=700") != 0)
		test_skip("needs tmpfs");
	a.size = 200000;
	a.call.mode = mode;
	a.call.at_most_once = at_most_once;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK(b->err == 0 && b->unstored && !b->kept);
	CHECK_EQ(mount("none", place_path(), "tmpfs", MS_REMOUNT, "size=1m"), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(process_join(process_start(play, &a)), 0);
	return a;
}

/* It was not made again, until it is forgotten. */
static void expect_runs_when_forgotten(actor *a)
{
	weft_fleet *f;

	CHECK_EQ(a->board->begun, 1);
	f = place_open();
	CHECK_EQ(weft_fleet_forget(f, NULL, a->call.key), 0);
	weft_fleet_close(f);
	CHECK_EQ(process_join(process_start(play, a)), 0);
	CHECK(a->board->err == 0 && !a->board->unstored);
	CHECK_EQ(a->board->begun, 2);
	CHECK_EQ(umount(place_path()), 0);
}

static weft_fleet_entry entry_of(weft_key key)
{
	weft_fleet *f = place_open();
	weft_fleet_entry e;

	CHECK_EQ(weft_fleet_show(f, NULL, key, &e), 0);
	weft_fleet_close(f);
	return e;
}

TEST(fleet_call_whose_result_finds_no_room_is_made_again)
{
	actor a = run_without_room(WEFT_FLEET_CALL, false);

	CHECK(a.board->err == 0 && !a.board->unstored);
	CHECK_EQ(a.board->begun, 3);
	CHECK_EQ(umount(place_path()), 0);
}

TEST(fleet_at_most_once_whose_result_finds_no_room_is_lost)
{
	actor a = run_without_room(WEFT_FLEET_CALL, true);

	CHECK_EQ(a.board->err, -EOWNERDEAD);
	CHECK_EQ(entry_of(a.call.key).state, WEFT_FLEET_LOST);
	expect_runs_when_forgotten(&a);
}

TEST(fleet_once_whose_result_finds_no_room_has_run)
{
	actor a = run_without_room(WEFT_FLEET_ONCE, false);
	weft_fleet_entry e = entry_of(a.call.key);

	CHECK_EQ(a.board->err, -ENOSPC);
	CHECK(a.board->kept && a.board->unstored);
	CHECK(e.state == WEFT_FLEET_KEPT && e.unstored && e.err == -ENOSPC);
	CHECK_EQ(e.left, WEFT_FLEET_FOREVER);
	expect_runs_when_forgotten(&a);
}

static void set_boot(const char *text)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	char file[160];
	FILE *out;

	snprintf(file, sizeof file, "%s/boot", place_path());
	out = fopen(file, "w");
	CHECK(out != NULL);
	fprintf(out, "%s\n", text);
	fclose(out);
	if (mount(file, path, NULL, MS_BIND, NULL) != 0)
		test_skip("cannot pretend a restart of the machine");
}

TEST(fleet_restart_of_the_machine_frees_runs_and_keeps_results)
{
	actor a = begin();
	board *b = a.board;
	actor once;

	private_mounts();
	a.kills = true;
	a.call.max_takeovers = 1;
	CHECK_EQ(process_join(process_start(play, &a)), SIGKILL);
	once = a;
	once.kills = false;
	once.call.key = weft_key_str("once");
	once.call.mode = WEFT_FLEET_ONCE;
	CHECK_EQ(process_join(process_start(play, &once)), 0);
	set_boot("01234567-89ab-cdef-0123-456789abcdef");
	a.kills = false;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(b->err, 0);	/* no death of the process's own doing */
	CHECK_EQ(b->begun, 3);
	CHECK_EQ(process_join(process_start(play, &once)), 0);
	CHECK(b->err == 0 && b->kept);
	CHECK_EQ(b->begun, 3);
	CHECK_EQ(umount("/proc/sys/kernel/random/boot_id"), 0);
}

TEST(fleet_records_that_make_no_sense_are_none)
{
	actor a = begin();
	char command[400];

	a.call.mode = WEFT_FLEET_ONCE;
	a.size = 10000;
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	snprintf(command, sizeof command,
		 "printf y | dd of=%s/r/$(ls %s/r) bs=1 seek=5000 conv=notrunc 2>/dev/null",
		 place_path(), place_path());
	CHECK_EQ(system(command), 0);
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->begun, 2);	/* half a result is no result */
	snprintf(command, sizeof command, "truncate -s 77 %s/k/*", place_path());
	CHECK_EQ(system(command), 0);
	CHECK_EQ(process_join(process_start(play, &a)), 0);
	CHECK_EQ(a.board->begun, 3);
	CHECK_EQ(a.board->err, 0);
}
