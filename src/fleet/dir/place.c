/* SPDX-License-Identifier: MIT */
/* The directory: found, made, examined; and the locks of its shards. */
#include "fleet/dir/dir.h"

#include "fleet/os/fd.h"

#include <weft/task.h>

#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A shard is held for some microseconds; that long only by one that is stopped. */
static const weft_duration SHARD_PATIENCE = 2 * WEFT_SECOND;

int weft__dir_trouble(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EIO:
	case EFBIG:
	case EROFS:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return -error;
	default:
		return -EHOSTDOWN;
	}
}

__attribute__((format(printf, 2, 3)))
static void tell(const weft__fleet_setup *setup, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	setup->warn(setup->warn_arg, line);
}

/* ---- opening ---- */

static char *copy_of(const char *path)
{
	size_t size = strlen(path) + 1;
	char *copy = malloc(size);

	return copy != NULL ? memcpy(copy, path, size) : NULL;
}

static char *default_path(void)
{
	char path[64];

	if (geteuid() == 0)
		return copy_of("/var/lib/weft");
	snprintf(path, sizeof path, "/var/tmp/weft-%u", geteuid());
	return copy_of(path);
}

/* NFS and the like: flock there is another thing, or none. */
static bool is_remote(int fd)
{
	static const long kinds[] = {
		NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xff534d42 /* cifs */,
		0xfe534d42 /* smb2 */, CODA_SUPER_MAGIC, AFS_SUPER_MAGIC,
		0x5346414f /* afs */, V9FS_MAGIC, 0x00c36400 /* ceph */,
		FUSE_SUPER_MAGIC, 0x01161970 /* gfs2 */, OCFS2_SUPER_MAGIC,
		0x0bd00bd0 /* lustre */,
	};
	struct statfs s;

	if (fstatfs(fd, &s) != 0)
		return false;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if ((long)s.f_type == kinds[i])
			return true;
	return false;
}

/* A folder of ours that nobody else may write to; made if it is not there. */
static int open_folder(int at, const char *path)
{
	int fd;

	if (mkdirat(at, path, 0700) != 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : -errno;
}

static int examine(const weft__fleet_setup *setup, const char *path, int fd)
{
	struct stat s;

	if (fstat(fd, &s) != 0)
		return -errno;
	if (s.st_uid != geteuid()) {
		tell(setup, "%s belongs to user %u, not to %u", path, s.st_uid,
		     geteuid());
		return -EPERM;
	}
	if ((s.st_mode & 077) != 0) {
		tell(setup, "%s is open to others (mode %03o): chmod 700 it",
		     path, s.st_mode & 0777);
		return -EPERM;
	}
	if (is_remote(fd)) {
		tell(setup, "%s is on a network: its locks do not hold", path);
		return -ENOTSUP;
	}
	return 0;
}

static int open_all(weft__dir *d, const weft__fleet_setup *setup)
{
	struct {
		const char *name;
		int *fd;
	} folders[] = {
		{"s", &d->shards}, {"k", &d->keys}, {"r", &d->results},
		{"t", &d->temps},
	};
	int err;

	d->root = open_folder(AT_FDCWD, d->path);
	if (d->root < 0) {
		err = d->root;
		tell(setup, "%s: %s", d->path,
		     err == -ELOOP || err == -ENOTDIR ? "not a directory"
						      : strerror(-err));
		return err == -ELOOP ? -ENOTDIR : err;
	}
	err = examine(setup, d->path, d->root);
	for (size_t i = 0; err == 0 && i < sizeof folders / sizeof *folders; i++) {
		*folders[i].fd = open_folder(d->root, folders[i].name);
		err = *folders[i].fd < 0 ? *folders[i].fd : 0;
		if (err != 0)
			tell(setup, "%s/%s: %s", d->path, folders[i].name,
			     strerror(-err));
	}
	if (err != 0)
		return err;
	d->waiting = weft__dir_open_at(d->root, "waiting", O_RDWR | O_CREAT);
	if (d->waiting >= 0)
		return 0;
	err = -errno;
	tell(setup, "%s/waiting: %s", d->path, strerror(-err));
	return err;
}

int weft__dir_open(weft__dir *d, const weft__fleet_setup *setup)
{
	int err;

	d->root = d->shards = d->keys = d->results = d->waiting = d->temps = -1;
	weft__fleet_random(&d->seats, sizeof d->seats);
	d->path = setup->rest[0] != '\0' ? copy_of(setup->rest) : default_path();
	if (d->path == NULL)
		return -ENOMEM;
	err = open_all(d, setup);
	if (err != 0)
		weft__dir_close(d);
	return err;
}

void weft__dir_close(weft__dir *d)
{
	int fds[] = {d->shards, d->keys, d->results, d->temps, d->root};

	weft__fleet_fd_close(d->waiting);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(d->path);
}

int weft__dir_open_at(int folder, const char *name, int flags)
{
	int fd;

	weft__fleet_fd_begin();
	fd = openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	weft__fleet_fd_end(fd);
	return fd;
}

/* ---- shards ---- */

static bool try_lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Some tries at once, then ever rarer ones: D1. */
static int lock_patiently(int fd, weft_time until)
{
	weft_duration pause = WEFT_US(20);

	for (int i = 0; !try_lock(fd); i++) {
		if (weft_now() >= until)
			return -EHOSTDOWN;
		if (i < 4)
			continue;
		(void)!weft_sleep(NULL, pause);
		if (pause < WEFT_MS(1))
			pause += pause / 2;
	}
	return 0;
}

int weft__dir_lock_until(weft__dir *d, const char *name, weft_time until)
{
	char shard[] = {name[0], name[1], '\0'};
	int fd = weft__dir_open_at(d->shards, shard, O_RDWR | O_CREAT);

	if (fd < 0)
		return weft__dir_trouble(errno);
	if (lock_patiently(fd, until) == 0)
		return fd;
	weft__fleet_fd_close(fd);
	return -EHOSTDOWN;
}

int weft__dir_lock(weft__dir *d, const char *name)
{
	return weft__dir_lock_until(d, name, weft_now() + SHARD_PATIENCE);
}

int weft__dir_try_lock(weft__dir *d, const char *name)
{
	return weft__dir_lock_until(d, name, 0);
}

/* By name, since a process that was forked meanwhile may have it open. */
void weft__dir_unlock(int shard)
{
	flock(shard, LOCK_UN);
	weft__fleet_fd_close(shard);
}
