/* SPDX-License-Identifier: MIT */
#include "cache.h"

#include "redis.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 16, VALUE_BYTES = 256, PATH_BYTES = 512 };

struct cache {
	redis *redis;	/* NULL: files */
	int dir;
	long files;	/* atomic: touched so far */
};

cache *cache_open(const char *url)
{
	cache *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->dir = -1;
	if (strncmp(url, "dir:", 4) == 0)
		c->dir = open(url + 4, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		c->redis = redis_new(url, CONNECTIONS);
	if (c->redis != NULL || c->dir >= 0)
		return c;
	free(c);
	return NULL;
}

void cache_close(cache *c)
{
	redis_free(c->redis);
	if (c->dir >= 0)
		close(c->dir);
	free(c);
}

long cache_commands(cache *c)
{
	return c->redis != NULL ? redis_count(c->redis)
				: weft_atomic_load(&c->files, relaxed);
}

/* ---- files: NAME has the value, its time of change is when it expires ---- */

static void file_name(char *path, const char *key, const char *kind)
{
	snprintf(path, PATH_BYTES, "%s.%s", key, kind);
	for (char *at = path; *at != '\0'; at++)
		if (*at == '/')
			*at = '_';
}

static void temporary_name(char *path, const char *key)
{
	static int serial;
	char kind[64];

	snprintf(kind, sizeof kind, "%d.%d", (int)getpid(),
		 weft_atomic_add(&serial, 1, relaxed));
	file_name(path, key, kind);
}

static bool has_expired(const struct stat *status)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > status->st_mtim.tv_sec ||
	       (now.tv_sec == status->st_mtim.tv_sec &&
		now.tv_nsec >= status->st_mtim.tv_nsec);
}

static void expire_at(struct timespec *times, weft_duration from_now)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += from_now / WEFT_SECOND;
	now.tv_nsec += from_now % WEFT_SECOND;
	if (now.tv_nsec >= WEFT_SECOND) {
		now.tv_sec++;
		now.tv_nsec -= WEFT_SECOND;
	}
	times[0] = times[1] = now;
}

static int file_get(cache *c, const char *key, char **value)
{
	char path[PATH_BYTES];
	struct stat status;
	ssize_t size;
	int fd;

	file_name(path, key, "value");
	fd = openat(c->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	*value = calloc(1, VALUE_BYTES);
	size = fstat(fd, &status) == 0 && !has_expired(&status)
		       ? read(fd, *value, VALUE_BYTES - 1)
		       : 0;
	close(fd);
	if (size <= 0) {
		free(*value);
		*value = NULL;
	}
	return 0;
}

static int file_set(cache *c, const char *key, const char *value,
		    weft_duration lifetime)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];
	struct timespec times[2];
	int fd, err = 0;

	file_name(path, key, "value");
	temporary_name(temporary, key);
	fd = openat(c->dir, temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	expire_at(times, lifetime);
	if (write(fd, value, strlen(value)) < 0 || futimens(fd, times) != 0 ||
	    renameat(c->dir, temporary, c->dir, path) != 0)
		err = -errno;
	close(fd);
	return err;
}

/* A lock appears with the time at which it ends, or somebody takes it for old. */
static int file_lock(cache *c, const char *key, weft_duration at_most)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];
	struct timespec times[2];
	struct stat status;
	int fd, err = 1;

	file_name(path, key, "lock");
	if (fstatat(c->dir, path, &status, 0) == 0) {
		if (!has_expired(&status))
			return 0;
		unlinkat(c->dir, path, 0);
	}
	temporary_name(temporary, key);
	fd = openat(c->dir, temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	expire_at(times, at_most);
	if (futimens(fd, times) != 0 ||
	    linkat(c->dir, temporary, c->dir, path, 0) != 0)
		err = errno == EEXIST ? 0 : -errno;
	close(fd);
	unlinkat(c->dir, temporary, 0);
	return err;
}

/* ---- Redis ---- */

/* 1: OK or a value, 0: nil, or a negative errno. *text, if not NULL: a copy. */
static int redis_outcome(int err, redisReply *reply, char **text)
{
	if (err == 0 && reply->type == REDIS_REPLY_ERROR)
		err = -EIO;
	if (err == 0 && reply->type != REDIS_REPLY_NIL) {
		err = 1;
		if (text != NULL && (*text = strdup(reply->str)) == NULL)
			err = -ENOMEM;
	}
	freeReplyObject(reply);
	return err;
}

/* ---- either ---- */

int cache_get(cache *c, weft_ctx *ctx, const char *key, char **value)
{
	redisReply *reply;
	int err;

	*value = NULL;
	if (c->redis == NULL) {
		weft_atomic_add(&c->files, 1, relaxed);
		return file_get(c, key, value);
	}
	err = redis_command(c->redis, ctx, &reply, "GET cache:%s", key);
	err = redis_outcome(err, reply, value);
	return err < 0 ? err : 0;
}

int cache_set(cache *c, weft_ctx *ctx, const char *key, const char *value,
	      weft_duration lifetime)
{
	redisReply *reply;
	int err;

	if (c->redis == NULL) {
		weft_atomic_add(&c->files, 1, relaxed);
		return file_set(c, key, value, lifetime);
	}
	err = redis_command(c->redis, ctx, &reply, "SET cache:%s %s PX %lld", key,
			    value, (long long)(lifetime / WEFT_MS(1)));
	err = redis_outcome(err, reply, NULL);
	return err < 0 ? err : 0;
}

int cache_lock(cache *c, weft_ctx *ctx, const char *key, weft_duration at_most)
{
	redisReply *reply;
	int err;

	if (c->redis == NULL) {
		weft_atomic_add(&c->files, 1, relaxed);
		return file_lock(c, key, at_most);
	}
	err = redis_command(c->redis, ctx, &reply, "SET lock:%s 1 NX PX %lld",
			    key, (long long)(at_most / WEFT_MS(1)));
	return redis_outcome(err, reply, NULL);
}

int cache_unlock(cache *c, weft_ctx *ctx, const char *key)
{
	char path[PATH_BYTES];
	redisReply *reply;
	int err;

	if (c->redis == NULL) {
		weft_atomic_add(&c->files, 1, relaxed);
		file_name(path, key, "lock");
		return unlinkat(c->dir, path, 0) == 0 ? 0 : -errno;
	}
	err = redis_command(c->redis, ctx, &reply, "DEL lock:%s", key);
	err = redis_outcome(err, reply, NULL);
	return err < 0 ? err : 0;
}
