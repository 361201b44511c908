/* SPDX-License-Identifier: MIT */
/* Records and results, in memory and in their files. */
#include "fleet/dir/dir.h"

#include <weft/task.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "weftkey1";

_Static_assert(sizeof(weft__dir_head) < 1024, "leaves room for small results");

/* ---- reading and writing all of something ---- */

/* 0; -ENOENT: there is less than that; or what the system says. */
static int read_all(int fd, void *to, size_t size, off_t at)
{
	unsigned char *p = to;

	while (size > 0) {
		ssize_t n = pread(fd, p, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -ENOENT : weft__dir_trouble(errno);
		p += n;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* A descriptor; -ENOENT: there is no such file; or what the system says. */
static int open_to_read(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? -ENOENT : weft__dir_trouble(errno);
}

static int write_all(int fd, const void *from, size_t size, off_t at)
{
	const unsigned char *p = from;

	while (size > 0) {
		ssize_t n = pwrite(fd, p, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return weft__dir_trouble(errno);
		p += n;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* ---- records ---- */

static uint64_t sum_of(const weft__dir_head *h)
{
	size_t from = offsetof(weft__dir_head, epoch);

	return weft__fleet_sum((const unsigned char *)h + from,
			       offsetof(weft__dir_head, data) - from, 1);
}

int weft__dir_read(int fd, weft__dir_record *r)
{
	int err = read_all(fd, r, sizeof *r, 0);

	if (err == 0 && (memcmp(r->head.magic, magic, sizeof magic) != 0 ||
			 r->head.sum != sum_of(&r->head)))
		err = -ENOENT;
	if (err != 0)
		memset(r, 0, sizeof *r);
	return err;
}

int weft__dir_get(const weft__dir *d, const char *name, weft__dir_record *r)
{
	int fd = open_to_read(d->keys, name);
	int err;

	if (fd < 0) {
		memset(r, 0, sizeof *r);
		return fd;
	}
	err = weft__dir_read(fd, r);
	close(fd);
	return err;
}

int weft__dir_write(int fd, weft__dir_record *r, bool data)
{
	memcpy(r->head.magic, magic, sizeof magic);
	r->head.sum = sum_of(&r->head);
	return write_all(fd, r, data ? sizeof *r : sizeof r->head, 0);
}

/* ---- results ---- */

weft__dir_name weft__dir_result_name(const char *name, uint64_t epoch)
{
	weft__dir_name n;

	snprintf(n.text, sizeof n.text, "%.32s.%020llu", name,
		 (unsigned long long)epoch);
	return n;
}

bool weft__dir_same_boot(const weft__dir *d, const unsigned char boot[16])
{
	return memcmp(d->self.boot, boot, sizeof d->self.boot) == 0;
}

weft_duration weft__dir_age(const weft__dir *d, const weft__dir_stored *s)
{
	weft_duration age = weft__dir_same_boot(d, s->boot)
				    ? weft__fleet_boottime() - s->ended_boot
				    : weft__fleet_walltime() - s->ended_wall;

	return age > 0 ? age : 0;
}

static weft_duration left_of(weft_duration length, weft_duration age)
{
	return length == WEFT_FLEET_FOREVER ? length : length - age;
}

static weft__fleet_result *result_of(const weft__dir *d,
				     const weft__dir_stored *s)
{
	weft__fleet_result *r = weft__fleet_result_new(s->size);

	if (r == NULL)
		return NULL;
	r->epoch = s->epoch;
	r->ending = (enum weft__fleet_ending)s->ending;
	r->err = s->err;
	r->takeovers = (int)s->takeovers;
	r->age = weft__dir_age(d, s);
	r->took = s->took;
	r->fresh = left_of(s->fresh, r->age);
	return r;
}

static int read_data(weft__dir *d, const char *name, const weft__dir_record *r,
		      weft__fleet_result *to)
{
	const weft__dir_stored *s = &r->head.result;
	int fd, err;

	if (!s->in_file) {
		memcpy(to->data, r->head.data, s->size);
		return 0;
	}
	fd = open_to_read(d->results,
			  weft__dir_result_name(name, s->epoch).text);
	if (fd < 0)
		return fd;
	err = read_all(fd, to->data, s->size, sizeof *s);
	close(fd);
	return err;
}

int weft__dir_load(weft__dir *d, const char *name, const weft__dir_record *r,
		   weft__fleet_result **out)
{
	const weft__dir_stored *s = &r->head.result;
	weft__fleet_result *result;
	int err;

	*out = NULL;
	if (s->epoch == 0 || (!s->in_file && s->size > WEFT__DIR_ROOM))
		return -ENOENT;
	result = result_of(d, s);
	if (result == NULL)
		return -ENOMEM;
	err = read_data(d, name, r, result);
	if (err == 0 &&
	    s->data_sum != weft__fleet_sum(result->data, s->size, s->epoch))
		err = -ENOENT;
	if (err == 0)
		*out = result;
	else
		free(result);
	return err;
}

static uint64_t stored_sum(const weft__dir_stored *s)
{
	return weft__fleet_sum(s, offsetof(weft__dir_stored, sum), 2);
}

int weft__dir_flush(int fd)
{
	int err = 0;

	weft_blocking_begin();
	if (fsync(fd) != 0)
		err = weft__dir_trouble(errno);
	weft_blocking_end();
	return err;
}

int weft__dir_store(weft__dir *d, const char *attempt, weft__dir_stored *s,
		    const void *data, bool durable)
{
	int fd = openat(d->temps, attempt,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0600);
	int err;

	if (fd < 0)
		return weft__dir_trouble(errno);
	s->in_file = 1;
	s->sum = stored_sum(s);
	err = write_all(fd, s, sizeof *s, 0);
	if (err == 0)
		err = write_all(fd, data, s->size, sizeof *s);
	if (err == 0 && durable)
		err = weft__dir_flush(fd);
	close(fd);
	if (err != 0)
		unlinkat(d->temps, attempt, 0);
	return err;
}

int weft__dir_find(weft__dir *d, const char *name, uint64_t epoch,
		   weft__dir_stored *s)
{
	int fd = open_to_read(d->results,
			      weft__dir_result_name(name, epoch).text);
	int err;

	if (fd < 0)
		return fd;
	err = read_all(fd, s, sizeof *s, 0);
	close(fd);
	if (err == 0 && (s->sum != stored_sum(s) || s->epoch != epoch))
		err = -ENOENT;
	return err;
}
