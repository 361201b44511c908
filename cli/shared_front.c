/* SPDX-License-Identifier: MIT */
/*
 * Two processes, so that a run that others wait for outlives the caller here.
 * The front is what the shell has started: it copies what comes through a
 * socket to stdout and stderr, as slowly as those are read, and exits with the
 * status that comes last. It dies of every signal as any program does; the one
 * behind, in a session of its own, sees that by the end of the socket.
 */
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The status of a failure of our own, which -E may have moved. */
static int own_status(const shared_options *o, int status)
{
	return status != CLI_TROUBLE && o->own_status != 0 ? o->own_status : status;
}

static int write_status_file(const shared_options *o, int fd, int status,
			     const record_end *end)
{
	const char *quote = end->run[0] != '\0' ? "\"" : "";

	if (fd < 0 ||
	    dprintf(fd, "{\"end\": \"%s\", \"status\": %d, \"own\": %s, "
			"\"cut\": %s, \"run\": %s%s%s, \"live\": %s, \"lost\": %d}\n",
		    end->why, status, end->own ? "true" : "false",
		    end->cut ? "true" : "false", quote,
		    end->run[0] != '\0' ? end->run : "null", quote,
		    end->live ? "true" : "false", end->lost) > 0)
		return status;
	cli_trouble(o->command, "cannot write %s: %s", o->status_file,
		    strerror(errno));
	return own_status(o, CLI_IO);
}

static int finish(const shared_options *o, int status_fd, const record_end *end)
{
	int status = end->own ? own_status(o, end->status) : end->status;
	bool killed = strcmp(end->why, "killed") == 0 || record_cancelled(end);

	status = write_status_file(o, status_fd, status, end);
	if (o->same_signal && killed && status > 128)
		keeper_die(NULL, status - 128);
	return status;
}

static int cannot_begin(const shared_options *o, int err)
{
	cli_trouble(o->command, "cannot begin: %s", strerror(-err));
	return own_status(o, CLI_NO_RESOURCES);
}

static bool read_exactly(int fd, void *to, size_t size)
{
	char *at = to;

	while (size > 0) {
		ssize_t n = read(fd, at, size);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static int be_front(const shared_options *o, int socket, int status_fd)
{
	static char data[SPOOL_BLOCK_BYTES];
	unsigned char header[RECORD_HEADER_BYTES];
	record_end end = {.status = CLI_LOST, .own = true, .why = "lost"};
	enum record_kind kind;
	size_t size;
	int err;

	signal(SIGXFSZ, SIG_IGN); /* a file that is too large is an error */
	keeper_block_pipe();
	while (read_exactly(socket, header, sizeof(header)) &&
	       record_read_header(header, &kind, &size) && size <= sizeof(data) &&
	       read_exactly(socket, data, size)) {
		if (kind == RECORD_END && record_end_read(data, size, &end))
			return finish(o, status_fd, &end);
		err = cli_write((int)kind, data, size);
		if (err == 0 || kind == RECORD_STDERR)
			continue;
		if (err == -EPIPE)
			keeper_die_of_pipe();
		cli_trouble(o->command, "cannot write the output: %s",
			    strerror(-err));
		end = (record_end){.status = CLI_IO, .own = true, .why = "trouble"};
		return finish(o, status_fd, &end);
	}
	cli_trouble(o->command, "%s: the process that ran it was killed", o->key);
	return finish(o, status_fd, &end);
}

/* The caller's descriptors are the front's: who waits for their end waits for it. */
static void leave_the_caller(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

static int call(const shared_options *o, int in, int front, record_end *end,
		keeper **k)
{
	static shared_call s;
	int err;

	s.options = o;
	s.in = in;
	s.front = front;
	err = keeper_init(&s.keeper, o->grace);
	s.keeper.leaves = o->close_lock;
	s.keeper.on_continue = shared_may_continue;
	s.keeper.on_continue_arg = &s;
	if (err == 0)
		err = shared_call_make(&s);
	*end = s.end;
	*k = &s.keeper;
	return err;
}

static void tell_front(int front, enum record_kind kind, const char *text,
		       size_t size)
{
	unsigned char header[RECORD_HEADER_BYTES];

	record_header(header, kind, size);
	if (cli_write(front, header, sizeof(header)) == 0)
		cli_write(front, text, size);
}

void shared_tell_end(int front, const record_end *end)
{
	char text[RECORD_END_BYTES];

	tell_front(front, RECORD_END, text, record_end_write(text, end));
}

static void be_behind(const shared_options *o, int in, int front)
{
	char line[128];
	record_end end;
	keeper *k;
	int err;

	leave_the_caller();
	err = call(o, in, front, &end, &k);
	if (err != 0) {
		end = (record_end){.status = CLI_NO_RESOURCES, .own = true,
				   .why = "trouble"};
		snprintf(line, sizeof(line), "%s: cannot begin: %.60s\n",
			 o->command, strerror(-err));
		tell_front(front, RECORD_STDERR, line, strlen(line));
	}
	shared_tell_end(front, &end);
	_exit(0);
}

static int in_one_process(const shared_options *o, int in, int status_fd)
{
	record_end end;
	keeper *k;
	int status, err = call(o, in, -1, &end, &k);

	if (err != 0)
		return cannot_begin(o, err);
	status = finish(o, status_fd, &end);
	keeper_finish(k);
	return status;
}

/* What the command reads is read first: it is part of what is asked for. */
static int open_input(const shared_options *o)
{
	static char data[SPOOL_BLOCK_BYTES];
	ssize_t n;
	int fd;

	if (!o->use_stdin)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = memfd_create("weft", MFD_CLOEXEC);
	while (fd >= 0 && (n = read(STDIN_FILENO, data, sizeof(data))) != 0)
		if (n < 0 ? errno != EINTR
			  : write(fd, data, (size_t)n) != n)
			return -1;
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static int open_status_file(const shared_options *o, int *fd)
{
	*fd = -1;
	if (o->status_file == NULL)
		return CLI_OK;
	*fd = cli_create(o->status_file);
	if (*fd >= 0)
		return CLI_OK;
	return cli_trouble(o->command, "cannot write %s: %s", o->status_file,
			   strerror(errno));
}

int shared_main(shared_options *o)
{
	int status_fd, in, ends[2];
	int status = open_status_file(o, &status_fd);
	pid_t pid;

	if (status != CLI_OK)
		return status;
	in = open_input(o);
	if (in < 0 && !o->use_stdin)
		return cannot_begin(o, -errno);
	if (in < 0) {
		cli_trouble(o->command, "cannot read stdin: %s", strerror(errno));
		return own_status(o, CLI_IO);
	}
	if (o->no_detach)
		return in_one_process(o, in, status_fd);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return cannot_begin(o, -errno);
	pid = fork();
	if (pid < 0)
		return cannot_begin(o, -errno);
	close(ends[pid == 0 ? 0 : 1]);
	if (pid == 0) {
		close(status_fd); /* it may be the caller's pipe; or none */
		be_behind(o, in, ends[1]);
	}
	return be_front(o, ends[0], status_fd);
}
