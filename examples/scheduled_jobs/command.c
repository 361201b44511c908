/* SPDX-License-Identifier: MIT */
#include "jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20 };

extern char **environ;

static int start(const char *command, int out, pid_t *child)
{
	char *arguments[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
	posix_spawn_file_actions_t actions;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	err = posix_spawn(child, "/bin/sh", &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* Until the end of the pipe. */
static int read_all(weft_ctx *ctx, int fd, char *output)
{
	size_t size = 0;

	for (;;) {
		ssize_t got = read(fd, output + size, OUTPUT_MAX - 1 - size);
		int err;

		if (got == 0 || size == OUTPUT_MAX - 1)
			return 0;
		if (got > 0) {
			size += (size_t)got;
			output[size] = '\0';
			continue;
		}
		if (weft_errno() != EAGAIN)
			return -weft_errno();
		err = weft_wait_fd(ctx, fd, POLLIN);
		if (err < 0)
			return err;
	}
}

/* Without holding up the thread: a process has a descriptor, too. */
static int reap(pid_t child)
{
	int fd = (int)syscall(SYS_pidfd_open, child, 0), status = 0;

	if (fd >= 0) {
		weft_wait_fd(NULL, fd, POLLIN);
		weft_fd_close(fd);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int command_run(weft_ctx *ctx, const char *command, char **output, int *status)
{
	int ends[2], err;
	pid_t child;

	*output = calloc(1, OUTPUT_MAX);
	if (*output == NULL)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	err = start(command, ends[1], &child);
	close(ends[1]);
	if (err == 0) {
		err = read_all(ctx, ends[0], *output);
		if (err != 0)
			kill(child, SIGKILL);
		*status = reap(child);
	}
	weft_fd_close(ends[0]);
	return err;
}
