/* SPDX-License-Identifier: MIT */
#include "env.h"
#include "inside.h"
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a place keeps of a run: the library's limit, and room for the end. */
#define RECORD_MOST ((size_t)64 * 1024 * 1024 - 4096)
/* What a pipe can hold at most, unless somebody has made it larger. */
#define PIPE_MOST ((size_t)1024 * 1024)

typedef struct run run;

typedef struct run_stream {
	run *run;
	enum record_kind kind;
	int fd;
} run_stream;

struct run {
	shared_call *call;
	weft_fleet_run *fleet_run;
	weft_ctx *ctx; /* the fleet's: done when the run has to stop */
	weft_ctx reading;
	keeper_child child;
	run_stream streams[2];
	int stream_count; /* with --raw one */
	int lease[2]; /* a pipe that is closed when the lease is lost */

	weft_mutex one_reads;
	weft_mutex lock; /* of what is recorded */
	live_feed feed;
	size_t size, pieces;
	bool cut;
};

/* All of a piece or nothing: half of one would take what follows for its rest. */
static int add_piece(run *r, enum record_kind kind, const char *data, size_t size)
{
	unsigned char *piece = malloc(RECORD_HEADER_BYTES + size);
	int err = -ENOMEM;

	if (piece != NULL) {
		record_header(piece, kind, size);
		memcpy(piece + RECORD_HEADER_BYTES, data, size);
		err = weft_fleet_run_add(r->fleet_run, piece,
					 RECORD_HEADER_BYTES + size);
	}
	free(piece);
	return err;
}

static void record(run *r, enum record_kind kind, const char *data, size_t size)
{
	int err = r->cut ? 0 : add_piece(r, kind, data, size);

	r->size += RECORD_HEADER_BYTES + size;
	if (err == 0)
		return;
	r->cut = true;
	shared_trouble(r->call, CLI_NO_RESOURCES, "cannot keep the output: %s",
		       strerror(-err));
}

/* For those on this machine as it comes, for the others when it has ended. */
static void take_in(run_stream *s, const char *data, size_t size)
{
	run *r = s->run;

	weft_mutex_lock(&r->lock);
	if (shared_is_live(r->call))
		shown_piece(&r->call->shown, weft_fleet_run_token(r->fleet_run),
			    r->pieces, s->kind, data, size);
	r->pieces++;
	if (r->size + RECORD_HEADER_BYTES + size > RECORD_MOST)
		r->cut = true;
	record(r, s->kind, data, size);
	live_feed_grown(&r->feed);
	weft_mutex_unlock(&r->lock);
}

/*
 * Two pipes do not say what was written first. What is read at once is taken
 * in the order in which it is noticed; but where much has piled up in the
 * other one it is older, since its writer had to wait for us.
 */
static void read_older(run_stream *other, char *data)
{
	int left = 0;

	if (other->fd < 0 || ioctl(other->fd, FIONREAD, &left) != 0 || left < PIPE_BUF)
		return;
	while (left > 0) {
		ssize_t n = read(other->fd, data, left < (int)SPOOL_BLOCK_BYTES
							  ? (size_t)left
							  : SPOOL_BLOCK_BYTES);

		if (n <= 0)
			return;
		take_in(other, data, (size_t)n);
		left -= (int)n;
	}
}

static ssize_t read_some(run_stream *s, char *data)
{
	run *r = s->run;
	ssize_t n;

	weft_mutex_lock(&r->one_reads);
	read_older(&r->streams[s == &r->streams[0]], data);
	n = read(s->fd, data, SPOOL_BLOCK_BYTES);
	if (n > 0)
		take_in(s, data, (size_t)n);
	else if (n < 0)
		n = -weft_errno();
	weft_mutex_unlock(&r->one_reads);
	return n;
}

/* As long as the command lives, and then what is in the pipe still. */
static void read_all(run_stream *s, char *data)
{
	weft_ctx *ctx = &s->run->reading;
	size_t late = 0;

	while (late < PIPE_MOST) {
		bool last = weft_ctx_done(ctx);
		ssize_t n = read_some(s, data);

		if (n == 0 || (n < 0 && (last || n != -EAGAIN)))
			break;
		if (n < 0)
			weft_wait_fd(ctx, s->fd, POLLIN);
		if (n > 0 && last)
			late += (size_t)n;
	}
}

static void read_stream(void *arg)
{
	run_stream *s = arg;
	char *data = malloc(SPOOL_BLOCK_BYTES);

	weft_task_name("reader");
	if (data != NULL)
		read_all(s, data);
	else
		shared_trouble(s->run->call, CLI_NO_RESOURCES,
			       "no memory for output");
	free(data);
}

static int open_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno;
}

static void close_both(int ends[2])
{
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			weft_fd_close(ends[i]);
		ends[i] = -1;
	}
}

/*
 * A shell can name descriptors of one digit: the lowest that is nobody's yet.
 * Those that we have opened ourselves are closed in the command.
 */
static int lease_number(const run *r)
{
	int lock = weft_fleet_run_fd(r->fleet_run);

	for (int fd = STDERR_FILENO + 1; fd < 10; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (fd != lock && (flags < 0 || (flags & FD_CLOEXEC) != 0))
			return fd;
	}
	return r->lease[0];
}

static int start_with(run *r, int out, int err_end)
{
	shared_call *s = r->call;
	uint64_t token = weft_fleet_run_token(r->fleet_run);
	char epoch[48], lease[40], key[8192];
	char *inside = inside_with(weft_key_str(s->key), token);
	char *more[] = {key, epoch, lease, inside};
	keeper_command command = {
		.argv = s->options->argv, .in = s->in, .out = out,
		.err = err_end,
		.keep = {r->lease[0], s->options->close_lock
				? -1 : weft_fleet_run_fd(r->fleet_run)},
		.keep_as = lease_number(r)};
	int err = -ENOMEM;

	snprintf(key, sizeof(key), "WEFT_KEY=%s", s->key);
	snprintf(epoch, sizeof(epoch), "WEFT_EPOCH=%llu",
		 (unsigned long long)token);
	snprintf(lease, sizeof(lease), "WEFT_LEASE_FD=%d", command.keep_as);
	command.env = inside != NULL ? env_with(more, 4) : NULL;
	if (command.env != NULL)
		err = keeper_start(&s->keeper, &r->child, &command);
	free(command.env);
	free(inside);
	return err;
}

static int start(run *r)
{
	bool raw = r->call->options->raw;
	int out[2] = {-1, -1}, errs[2] = {-1, -1};
	int err = open_pipe(r->lease);

	if (err == 0)
		err = open_pipe(out);
	if (err == 0 && !raw)
		err = open_pipe(errs);
	if (err == 0)
		err = start_with(r, out[1], raw ? out[1] : errs[1]);
	if (err != 0) {
		close_both(out);
		close_both(errs);
		return err;
	}
	close(out[1]);
	if (!raw)
		close(errs[1]);
	r->streams[0] = (run_stream){r, RECORD_STDOUT, out[0]};
	r->streams[1] = (run_stream){r, RECORD_STDERR, errs[0]};
	r->stream_count = raw ? 1 : 2;
	for (int i = 0; i < r->stream_count; i++)
		fcntl(r->streams[i].fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static record_end end_of(const char *why, int status, bool own)
{
	record_end end = {.status = status, .own = own};

	snprintf(end.why, sizeof(end.why), "%s", why);
	return end;
}

static record_end not_started(run *r, int err)
{
	char note[256];
	bool missing = err == -ENOENT || err == -ENOTDIR;
	run_stream s = {r, RECORD_STDERR, -1};

	if (err == -EAGAIN || err == -ENOMEM || err == -EMFILE || err == -ENFILE) {
		shared_trouble(r->call, CLI_NO_RESOURCES, "cannot start '%s': %s",
			       r->call->options->argv[0], strerror(-err));
		return end_of("trouble", CLI_NO_RESOURCES, true);
	}
	snprintf(note, sizeof(note), "%s: %.150s: %s\n", r->call->options->command,
		 r->call->options->argv[0], strerror(-err));
	take_in(&s, note, strlen(note));
	return end_of("not-run", missing ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE,
		      false);
}

/*
 * Somebody else may take over soon: there is less time than usual between
 * SIGTERM and SIGKILL.
 */
static void stop_after_loss(run *r)
{
	shared_call *s = r->call;
	weft_duration lease = s->options->call.lease;
	weft_duration grace = (lease > 0 ? lease : 3 * WEFT_SECOND) / 4;

	weft_mutex_lock(&s->lock);
	s->lost = true;
	weft_mutex_unlock(&s->lock);
	weft_fd_close(r->lease[1]);
	r->lease[1] = -1;
	keeper_end_child(&s->keeper, &r->child,
			 s->options->grace < grace ? s->options->grace : grace);
}

/* Returns whether its time was over. */
static bool wait_for_child(run *r)
{
	shared_call *s = r->call;
	bool timed_out = false;
	weft_ctx time;

	if (s->options->max_run > 0)
		weft_ctx_init_timeout(&time, r->ctx, s->options->max_run);
	else
		weft_ctx_init(&time, r->ctx);
	if (weft_waitgroup_wait_ctx(&r->child.running, &time) != 0) {
		timed_out = !weft_ctx_done(r->ctx);
		if (weft_ctx_cause(r->ctx) == -EOWNERDEAD)
			stop_after_loss(r);
		else if (!weft_ctx_done(&s->keeper.stop))
			keeper_end_child(&s->keeper, &r->child, s->options->grace);
		weft_waitgroup_wait(&r->child.running);
	}
	weft_ctx_fini(&time);
	return timed_out;
}

static bool is_cancelled(const run *r)
{
	return weft_ctx_cause(r->ctx) == -EINTR;
}

static record_end judge(const run *r, bool timed_out)
{
	int status = r->child.status, n = WEXITSTATUS(status);
	const char *why = n == 0 ? "done" : "exited";

	if (timed_out)
		return end_of("timed-out", CLI_TIMEOUT, true);
	if (WIFSIGNALED(status)) {
		n = 128 + WTERMSIG(status);
		why = "killed";
	}
	return end_of(is_cancelled(r) && n != 0 ? "cancelled" : why, n, false);
}

static void tell_of_leftovers(run *r)
{
	if (keeper_has_descendants(&r->call->keeper))
		shared_note(r->call, "what the command has left in the background "
				     "goes on, and does not have the key");
}

static record_end run_child(run *r)
{
	weft_waitgroup readers = {0};
	record_end end;
	int err = 0;

	weft_ctx_init(&r->reading, NULL);
	for (int i = 0; i < r->stream_count && err == 0; i++)
		err = weft_waitgroup_go(&readers, read_stream, &r->streams[i]);
	if (err != 0)
		shared_trouble(r->call, CLI_NO_RESOURCES, "no memory for a task");
	end = judge(r, wait_for_child(r));
	if (r->call->options->close_lock && !weft_ctx_done(r->ctx))
		tell_of_leftovers(r);
	else
		keeper_end_leftovers(&r->call->keeper, &r->child);
	weft_ctx_cancel(&r->reading, -ECANCELED);
	weft_waitgroup_wait(&readers);
	weft_ctx_fini(&r->reading);
	for (int i = 0; i < r->stream_count; i++)
		weft_fd_close(r->streams[i].fd);
	return end;
}

/* The command has stopped with us, for as long as nobody knows. */
bool shared_may_continue(void *arg)
{
	shared_call *s = arg;

	weft_mutex_lock(&s->lock);
	if (s->run != NULL && !weft_fleet_run_held(s->run))
		s->lost = true;
	weft_mutex_unlock(&s->lock);
	return !s->lost;
}

/*
 * What the fleet is told. Only what ended by itself, or by weft kill, is anybody's
 * result; and what was killed is not the once, unless it may not be repeated.
 */
static int outcome(run *r, record_end end)
{
	shared_call *s = r->call;
	bool killed = record_cancelled(&end);
	bool stopped = weft_ctx_done(r->ctx) && end.status != 0 && !killed;
	char text[RECORD_END_BYTES];
	size_t size;

	if (s->lost || (stopped && !s->options->call.at_most_once)) {
		weft_ctx_cancel(&s->ctx, -ECANCELED);
		return -ECANCELED;
	}
	end.cut = r->cut;
	size = record_end_write(text, &end);
	r->cut = false;
	record(r, RECORD_END, text, size);
	if (end.status == 0 ||
	    (s->options->fail_is_final &&
	     (!killed || s->options->call.at_most_once)))
		return end.own && s->trouble[0] != '\0' ? -EIO : 0;
	return end.status;
}

int shared_run(weft_ctx *ctx, void *arg, weft_fleet_run *fleet_run)
{
	shared_call *s = arg;
	run r = {.call = s, .fleet_run = fleet_run, .ctx = ctx,
		 .lease = {-1, -1},
		 .feed = {.lock = &r.lock, .run = fleet_run}};
	record_end end;
	int err;

	weft_task_name("run");
	weft_mutex_lock(&s->lock);
	s->leading = !s->late;
	s->run = fleet_run;
	weft_mutex_unlock(&s->lock);
	if (!s->leading)
		return -ECANCELED;
	shared_tell_warning(s);
	live_feed_start(&r.feed);
	err = start(&r);
	if (err == -ECANCELED) {
		live_feed_stop(&r.feed);
		close_both(r.lease);
		return err;
	}
	end = err == 0 ? run_child(&r) : not_started(&r, err);
	live_feed_stop(&r.feed);
	weft_mutex_lock(&s->lock);
	s->run = NULL;
	weft_mutex_unlock(&s->lock);
	err = outcome(&r, end);
	close_both(r.lease);
	return err;
}
