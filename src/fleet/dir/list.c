/* SPDX-License-Identifier: MIT */
/* What is there, told to people: lists, one key, the doctor's findings. */
#include "fleet/dir/dir.h"

#include "fleet/os/fd.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- entries ---- */

static bool is_kept(const weft__dir *d, const weft__dir_stored *s)
{
	return s->epoch != 0 && weft__dir_age(d, s) < s->stale &&
	       (s->ending == WEFT__FLEET_RETURNED ||
		s->ending == WEFT__FLEET_UNSTORED);
}

/* Has somebody the record locked, if it is not its leader? */
static bool is_locked(weft__dir *d, const char *name)
{
	int shard = weft__dir_lock(d, name), fd;
	bool locked;

	if (shard < 0)
		return true;
	fd = weft__dir_open_at(d->keys, name, O_RDONLY);
	locked = fd < 0 ? errno != ENOENT : flock(fd, LOCK_EX | LOCK_NB) != 0;
	weft__fleet_fd_close(fd);
	weft__dir_unlock(shard);
	return locked;
}

/* A leader that lives has its record locked; one that died may have lent it. */
static enum weft_fleet_state state_of(weft__dir *d, const char *name,
				      const weft__dir_head *h)
{
	if (h->state == WEFT__DIR_RUN && weft__dir_same_boot(d, h->boot) &&
	    (!weft__fleet_is_gone(&d->self, h->pid, h->pid_start, h->pid_space) ||
	     is_locked(d, name)))
		return WEFT_FLEET_RUNNING;
	if (h->state == WEFT__DIR_LOST ||
	    (h->state == WEFT__DIR_RUN && h->flags & WEFT__DIR_AT_MOST_ONCE))
		return WEFT_FLEET_LOST;
	return is_kept(d, &h->result) ? WEFT_FLEET_KEPT : WEFT_FLEET_IDLE;
}

static void tell_kept(const weft__dir *d, const weft__dir_stored *s,
		      weft_fleet_entry *e)
{
	e->age = weft__dir_age(d, s);
	e->took = s->took;
	e->left = s->stale == WEFT_FLEET_FOREVER ? s->stale : s->stale - e->age;
	e->err = s->err;
	e->size = s->size;
	e->stale = e->age >= s->fresh;
	e->unstored = s->ending == WEFT__FLEET_UNSTORED;
}

static void tell(weft__dir *d, const char *name, const weft__dir_head *h,
		 weft_fleet_entry *e)
{
	weft_time now = weft__fleet_boottime();

	memset(e, 0, sizeof *e);
	memcpy(e->key, h->key, sizeof e->key);
	e->key_size = h->key_size;
	e->state = state_of(d, name, h);
	e->token = h->epoch;
	e->takeovers = (int)h->deaths;
	memcpy(e->host, h->host, sizeof e->host);
	e->host[sizeof e->host - 1] = '\0';
	e->pid = h->pid;
	e->age = weft__dir_same_boot(d, h->boot)
			 ? now - h->started_boot
			 : weft__fleet_walltime() - h->started_wall;
	if (e->state == WEFT_FLEET_RUNNING) {
		e->waiters = weft__dir_waiters(d, name);
		e->left = h->lease_end - now;
		e->dead = weft__fleet_is_gone(&d->self, h->pid, h->pid_start,
					      h->pid_space);
	} else if (e->state == WEFT_FLEET_KEPT) {
		tell_kept(d, &h->result, e);
	}
}

/*
 * 0, -ENOENT or what the system says. With the lock of the shard, where half a
 * change was read without.
 */
static int read_record(weft__dir *d, const char *name, weft__dir_record *r)
{
	int err = weft__dir_get(d, name, r), shard;

	if (err == -ENOENT) {
		shard = weft__dir_lock(d, name);
		if (shard < 0)
			return shard;
		err = weft__dir_get(d, name, r);
		weft__dir_unlock(shard);
	}
	return err == 0 && r->head.epoch == 0 ? -ENOENT : err;
}

int weft__dir_show(weft__fleet_engine *e, weft_ctx *ctx,
		   const weft__fleet_id *id, weft_fleet_entry *entry)
{
	weft__dir *d = (weft__dir *)e;
	weft__dir_record r;
	int err = read_record(d, id->hex, &r);

	(void)ctx;
	if (err == 0)
		tell(d, id->hex, &r.head, entry);
	return err;
}

static DIR *open_keys(const weft__dir *d)
{
	int fd = openat(d->keys, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

int weft__dir_list(weft__fleet_engine *e, weft_ctx *ctx, weft_fleet_list_fn fn,
		   void *arg)
{
	weft__dir *d = (weft__dir *)e;
	DIR *dir = open_keys(d);
	struct dirent *file;
	weft__dir_record r;
	weft_fleet_entry entry;
	bool more = true;
	int err = 0, unread = 0;

	if (dir == NULL)
		return weft__dir_trouble(errno);
	while (more && !weft_ctx_done(ctx) && (file = readdir(dir)) != NULL) {
		if (strlen(file->d_name) != 32)
			continue;
		err = read_record(d, file->d_name, &r);
		if (err == 0) {
			tell(d, file->d_name, &r.head, &entry);
			more = fn(arg, &entry);
		} else if (err != -ENOENT) {
			unread = err;	/* those that can be read are told */
		}
	}
	closedir(dir);
	if (!more)
		return 0;
	err = weft_ctx_err(ctx);
	return err != 0 ? err : unread;
}

/* ---- the doctor ---- */

typedef struct {
	weft_fleet_doctor_fn fn;
	void *arg;
	bool broken;
} report;

__attribute__((format(printf, 4, 5)))
static void say(report *r, enum weft_fleet_verdict verdict, const char *what,
		const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	r->broken |= verdict == WEFT_FLEET_BROKEN;
	r->fn(r->arg, verdict, what, line);
}

/* In a file of this call's own: another doctor may be at work. */
static void examine_locks(weft__dir *d, report *r)
{
	weft__fleet_attempt own = weft__fleet_attempt_new();
	int first = weft__dir_open_at(d->temps, own.hex, O_RDWR | O_CREAT);
	int second = weft__dir_open_at(d->temps, own.hex, O_RDWR);

	if (first < 0 || second < 0)
		say(r, WEFT_FLEET_BROKEN, "writing", "%s", strerror(errno));
	else if (flock(first, LOCK_EX | LOCK_NB) != 0 && errno != EWOULDBLOCK)
		say(r, WEFT_FLEET_BROKEN, "locks", "%s", strerror(errno));
	else if (flock(second, LOCK_EX | LOCK_NB) == 0)
		say(r, WEFT_FLEET_BROKEN, "locks", "do not exclude each other");
	else
		say(r, WEFT_FLEET_FINE, "locks", "exclude each other");
	unlinkat(d->temps, own.hex, 0);
	weft__fleet_fd_close(second);
	weft__fleet_fd_close(first);
}

static void examine_space(weft__dir *d, report *r)
{
	struct statvfs s;
	unsigned long long free_bytes;

	if (fstatvfs(d->root, &s) != 0)
		return;
	free_bytes = (unsigned long long)s.f_bavail * s.f_frsize;
	say(r, free_bytes < 64 << 20 || (s.f_files != 0 && s.f_favail < 1000)
		       ? WEFT_FLEET_WARNING
		       : WEFT_FLEET_FINE,
	    "free space", "%llu MiB, %llu files", free_bytes >> 20,
	    (unsigned long long)s.f_favail);
}

static void examine_events(report *r)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd >= 0) {
		say(r, WEFT_FLEET_FINE, "events", "inotify works");
		close(fd);
	} else {
		say(r, WEFT_FLEET_WARNING, "events",
		    "no inotify (%s): who waits asks every 20 ms", strerror(errno));
	}
}

static void examine_boot(const weft__dir *d, report *r)
{
	static const unsigned char none[16];

	if (memcmp(d->self.boot, none, sizeof none) != 0)
		say(r, WEFT_FLEET_FINE, "boot id", "known");
	else
		say(r, WEFT_FLEET_WARNING, "boot id",
		    "unknown (no /proc): a restart of the machine is not noticed");
}

static bool count_entry(void *arg, const weft_fleet_entry *entry)
{
	(void)entry;
	++*(unsigned long *)arg;
	return true;
}

int weft__dir_doctor(weft__fleet_engine *e, weft_ctx *ctx,
		     weft_fleet_doctor_fn fn, void *arg)
{
	weft__dir *d = (weft__dir *)e;
	report r = {fn, arg, false};
	unsigned long keys = 0;
	int err;

	say(&r, WEFT_FLEET_FINE, "place", "directory %s, yours, mode 0700", d->path);
	examine_locks(d, &r);
	examine_events(&r);
	examine_space(d, &r);
	examine_boot(d, &r);
	err = weft__dir_list(e, ctx, count_entry, &keys);
	if (err == -ECANCELED || err == -ETIMEDOUT)
		return err;
	if (err == 0)
		say(&r, WEFT_FLEET_FINE, "keys", "%lu", keys);
	else
		say(&r, WEFT_FLEET_BROKEN, "keys", "%s", strerror(-err));
	return r.broken ? -EHOSTDOWN : 0;
}
