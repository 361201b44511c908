/* SPDX-License-Identifier: MIT */
#include "redis.h"

#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	int fd;
	redisReader *reader;
} connection;

struct redis {
	struct sockaddr_in address;
	int database;
	long sent;	/* atomic */
	weft_sema free;
	weft_mutex mutex;
	connection *idle;
	long idle_count;
};

/* ---- connections ---- */

static void disconnect(connection *c)
{
	if (c->fd >= 0)
		weft_fd_close(c->fd);
	if (c->reader != NULL)
		redisReaderFree(c->reader);
}

/* The next reply of c. */
static int receive(connection *c, weft_ctx *ctx, redisReply **reply)
{
	char bytes[16384];
	void *got = NULL;
	ssize_t size;

	for (;;) {
		if (redisReaderGetReply(c->reader, &got) != REDIS_OK)
			return -EPROTO;
		if (got != NULL)
			break;
		size = net_read(ctx, c->fd, bytes, sizeof bytes);
		if (size <= 0)
			return size == 0 ? -ECONNRESET : (int)size;
		if (redisReaderFeed(c->reader, bytes, (size_t)size) != REDIS_OK)
			return -ENOMEM;
	}
	*reply = got;
	return 0;
}

static int exchange(connection *c, weft_ctx *ctx, const char *command,
		    size_t size, redisReply **reply)
{
	int err = net_write(ctx, c->fd, command, size);

	return err != 0 ? err : receive(c, ctx, reply);
}

static int select_database(connection *c, weft_ctx *ctx, int database)
{
	redisReply *reply = NULL;
	char command[64];
	int size, err;

	if (database == 0)
		return 0;
	size = snprintf(command, sizeof command, "SELECT %d\r\n", database);
	err = exchange(c, ctx, command, (size_t)size, &reply);
	if (err == 0 && reply->type == REDIS_REPLY_ERROR)
		err = -EINVAL;
	freeReplyObject(reply);
	return err;
}

static int connect_to(redis *r, weft_ctx *ctx, connection *c)
{
	int err;

	c->reader = redisReaderCreate();
	c->fd = net_connect(ctx, &r->address);
	if (c->reader == NULL || c->fd < 0)
		err = c->fd < 0 ? c->fd : -ENOMEM;
	else
		err = select_database(c, ctx, r->database);
	if (err != 0)
		disconnect(c);
	return err;
}

static int take(redis *r, weft_ctx *ctx, connection *c)
{
	int err = weft_sema_acquire_ctx(&r->free, ctx, 1);
	bool found;

	if (err != 0)
		return err;
	weft_mutex_lock(&r->mutex);
	found = r->idle_count > 0;
	if (found)
		*c = r->idle[--r->idle_count];
	weft_mutex_unlock(&r->mutex);
	if (!found)
		err = connect_to(r, ctx, c);
	if (err != 0)
		weft_sema_release(&r->free, 1);
	return err;
}

static void give(redis *r, connection *c, bool broken)
{
	if (broken) {
		disconnect(c);
	} else {
		weft_mutex_lock(&r->mutex);
		r->idle[r->idle_count++] = *c;
		weft_mutex_unlock(&r->mutex);
	}
	weft_sema_release(&r->free, 1);
}

/* ---- for everybody ---- */

redis *redis_new(const char *url, long connections)
{
	redis *r = calloc(1, sizeof *r);
	char host[64];
	int port = 6379;

	if (r == NULL)
		return NULL;
	r->address.sin_family = AF_INET;
	r->idle = calloc((size_t)connections, sizeof *r->idle);
	if (r->idle == NULL ||
	    sscanf(url, "redis://%63[0-9.]:%d/%d", host, &port, &r->database) < 1 ||
	    inet_pton(AF_INET, host, &r->address.sin_addr) != 1) {
		free(r->idle);
		free(r);
		return NULL;
	}
	r->address.sin_port = htons((uint16_t)port);
	weft_sema_init(&r->free, connections);
	return r;
}

void redis_free(redis *r)
{
	if (r == NULL)
		return;
	while (r->idle_count > 0)
		disconnect(&r->idle[--r->idle_count]);
	free(r->idle);
	free(r);
}

int redis_command(redis *r, weft_ctx *ctx, redisReply **reply,
		  const char *format, ...)
{
	connection c = {.fd = -1};
	char *command = NULL;
	va_list arguments;
	int size, err;

	*reply = NULL;
	va_start(arguments, format);
	size = redisvFormatCommand(&command, format, arguments);
	va_end(arguments);
	if (size < 0)
		return -ENOMEM;
	err = take(r, ctx, &c);
	if (err == 0) {
		weft_atomic_add(&r->sent, 1, relaxed);
		err = exchange(&c, ctx, command, (size_t)size, reply);
		give(r, &c, err != 0);
	}
	redisFreeCommand(command);
	return err;
}

long redis_count(redis *r)
{
	return weft_atomic_load(&r->sent, relaxed);
}
