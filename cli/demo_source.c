/* SPDX-License-Identifier: MIT */
#include "demo_data.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define APT_CACHE "/usr/bin/apt-cache"
#define APT_LISTS "/var/lib/apt/lists"
#define DPKG_STATUS "/var/lib/dpkg/status"

extern char **environ;

static int64_t mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int find_file(demo_source *s, const char *path, demo_failure *f)
{
	struct stat st;

	if (realpath(path, s->name) == NULL || stat(s->name, &st) != 0)
		return demo_fail(f, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return demo_fail(f, "%s: %s", path, strerror(EISDIR));
	if (!S_ISREG(st.st_mode))
		return demo_fail(f, "%s: not a regular file", path);
	s->size_bytes = st.st_size;
	snprintf(s->stamp, sizeof(s->stamp), "%" PRId64 " %" PRId64,
		 mtime_ns(&st), s->size_bytes);
	return 0;
}

/*
 * apt's lists are files of several forms; their number, sizes and newest time
 * stand for what apt-cache makes of them. Returns whether there are any.
 */
static bool find_apt(demo_source *s)
{
	int64_t newest = 0, sum = 0, count = 0;
	struct dirent *entry;
	struct stat st;
	DIR *lists;

	if (access(APT_CACHE, X_OK) != 0 || (lists = opendir(APT_LISTS)) == NULL)
		return false;
	while ((entry = readdir(lists)) != NULL) {
		if (strstr(entry->d_name, "_Packages") == NULL ||
		    fstatat(dirfd(lists), entry->d_name, &st, 0) != 0)
			continue;
		newest = mtime_ns(&st) > newest ? mtime_ns(&st) : newest;
		sum += st.st_size;
		count++;
	}
	closedir(lists);
	s->command = true;
	snprintf(s->name, sizeof(s->name), "apt-cache dumpavail");
	snprintf(s->stamp, sizeof(s->stamp),
		 "%" PRId64 " %" PRId64 " %" PRId64, newest, sum, count);
	return count > 0;
}

int demo_source_find(demo_source *s, const char *data, demo_failure *f)
{
	*s = (demo_source){.fd = -1};
	if (data != NULL)
		return find_file(s, data, f);
	if (find_apt(s))
		return 0;
	*s = (demo_source){.fd = -1};
	if (access(DPKG_STATUS, F_OK) != 0)
		return demo_fail(f, "this machine has no package index; give one with "
				 "--data FILE (from 'apt-cache dumpavail' on Debian)");
	return find_file(s, DPKG_STATUS, f);
}

/* The signals that stop us are blocked here and must not be in the child. */
static int spawn(demo_source *s, int out)
{
	char *argv[] = {"apt-cache", "dumpavail", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int err;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	err = posix_spawn(&s->child, APT_CACHE, &actions, &attributes, argv,
			  environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return err;
}

int demo_source_open(demo_source *s, demo_failure *f)
{
	int ends[2], err;

	if (!s->command) {
		s->fd = open(s->name, O_RDONLY | O_CLOEXEC);
		if (s->fd < 0)
			return demo_fail(f, "%s: %s", s->name, strerror(errno));
		return 0;
	}
	if (pipe2(ends, O_CLOEXEC) != 0)
		return demo_fail(f, "cannot make a pipe: %s", strerror(errno));
	err = spawn(s, ends[1]);
	close(ends[1]);
	s->fd = ends[0];
	if (err == 0)
		return 0;
	close(s->fd);
	return demo_fail(f, "cannot run " APT_CACHE ": %s", strerror(err));
}

/* Looks at ctx often enough for somebody who pressed Ctrl-C. */
ssize_t demo_source_read(demo_source *s, weft_ctx *ctx, void *to, size_t size)
{
	for (;;) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		ssize_t n;

		if (weft_ctx_done(ctx))
			return -ECANCELED;
		if (poll(&p, 1, 50) == 0)
			continue;
		n = read(s->fd, to, size);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

int demo_source_close(demo_source *s, bool complete, demo_failure *f)
{
	int status = 0;

	close(s->fd);
	s->fd = -1;
	if (!s->command)
		return 0;
	if (!complete)
		kill(s->child, SIGTERM);
	while (waitpid(s->child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!complete || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return 0;
	return demo_fail(f, "%s failed (%s %d)", s->name,
			 WIFEXITED(status) ? "exit status" : "signal",
			 WIFEXITED(status) ? WEXITSTATUS(status)
					   : WTERMSIG(status));
}
