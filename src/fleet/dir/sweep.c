/* SPDX-License-Identifier: MIT */
/*
 * Removing what nobody needs any more: a few files with each run that ends, so
 * that no call pays for all that is there, and no process has to do only this.
 */
#include "fleet/dir/dir.h"

#include "fleet/os/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_A_CALL = 4 };

/* What was being written when its process died. */
static const weft_duration TEMP_AGE = 60 * WEFT_MINUTE;

static DIR *open_again(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

/* The next name, from the start again behind the last; false: none. */
static bool next_name(DIR **dir, int folder, char name[64])
{
	struct dirent *entry;

	if (*dir == NULL && (*dir = open_again(folder)) == NULL)
		return false;
	do
		entry = readdir(*dir);
	while (entry != NULL && entry->d_name[0] == '.');
	if (entry == NULL) {
		rewinddir(*dir);
		return false;
	}
	snprintf(name, 64, "%.63s", entry->d_name);
	return true;
}

static bool is_over(const weft__dir *d, const weft__dir_stored *s)
{
	weft_duration age = weft__dir_age(d, s);

	return s->epoch == 0 || (age >= s->stale && age >= s->linger);
}

static bool is_unused(const weft__dir *d, const weft__dir_head *h)
{
	bool lost = h->state == WEFT__DIR_LOST ||
		    (h->state == WEFT__DIR_RUN &&
		     h->flags & WEFT__DIR_AT_MOST_ONCE);

	return !lost && h->deaths == 0 &&
	       is_over(d, &h->result) &&
	       weft__fleet_walltime() - h->changed_wall >= h->retain;
}

/* With the shard locked. Nobody leads: the record can be locked. */
static void sweep_record(weft__dir *d, const char *name)
{
	int fd = weft__dir_open_at(d->keys, name, O_RDONLY);
	weft__dir_record r;

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (weft__dir_read(fd, &r) == 0 && is_unused(d, &r.head)) {
			if (r.head.result.in_file)
				unlinkat(d->results,
					 weft__dir_result_name(name, r.head.result.epoch).text,
					 0);
			unlinkat(d->keys, name, 0);
		}
		flock(fd, LOCK_UN);
	}
	weft__fleet_fd_close(fd);
}

/* With the shard locked: one that its record does not name, nor may adopt. */
static void sweep_result(weft__dir *d, const char *file)
{
	char name[33];
	uint64_t epoch = strtoull(file + 33, NULL, 10);
	weft__dir_record r;
	int err;

	memcpy(name, file, 32);
	name[32] = '\0';
	err = weft__dir_get(d, name, &r);
	if (err != 0 && err != -ENOENT)
		return;		/* no descriptor, say: it may well name it */
	if (r.head.result.epoch != epoch && r.head.epoch != epoch)
		unlinkat(d->results, file, 0);
}

static void sweep_temp(weft__dir *d, const char *file)
{
	struct stat s;

	if (fstatat(d->temps, file, &s, AT_SYMLINK_NOFOLLOW) == 0 &&
	    weft__fleet_walltime() - s.st_mtim.tv_sec * WEFT_SECOND > TEMP_AGE)
		unlinkat(d->temps, file, 0);
}

static void with_shard(weft__dir *d, const char *name,
		       void (*sweep)(weft__dir *, const char *))
{
	int shard = weft__dir_try_lock(d, name);

	if (shard < 0)
		return;		/* another time */
	sweep(d, name);
	weft__dir_unlock(shard);
}

void weft__dir_sweep(weft__dir *d)
{
	weft__dir_sweeper *s = &d->sweeper;
	char name[64];

	if (!weft_mutex_try_lock(&s->lock))
		return;		/* somebody else is at it */
	for (int i = 0; i < FILES_A_CALL; i++)
		if (next_name(&s->keys, d->keys, name) && strlen(name) == 32)
			with_shard(d, name, sweep_record);
	if (next_name(&s->results, d->results, name) && strlen(name) > 33)
		with_shard(d, name, sweep_result);
	if (next_name(&s->temps, d->temps, name))
		sweep_temp(d, name);
	weft_mutex_unlock(&s->lock);
}

void weft__dir_sweep_stop(weft__dir *d)
{
	DIR *dirs[] = {d->sweeper.keys, d->sweeper.results, d->sweeper.temps};

	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		if (dirs[i] != NULL)
			closedir(dirs[i]);
}
