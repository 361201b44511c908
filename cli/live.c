/* SPDX-License-Identifier: MIT */
#include "live.h"

#include "entry.h"
#include "spool.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Who has no descriptor left for another follower tries again then. */
#define PAUSE WEFT_MS(100)
/* So often one who is sent nothing is looked at: are they there still? */
#define LOOK WEFT_SECOND
/* Between tries to connect: the run may be known before its socket is. */
#define SHORTEST WEFT_MS(2)
#define LONGEST WEFT_MS(250)

typedef struct name {
	struct sockaddr_un address;
	socklen_t size;
} name;

static name name_of(long long pid, uint64_t token)
{
	name n = {.address = {.sun_family = AF_UNIX}};
	char *text = n.address.sun_path + 1;
	int length = snprintf(text, sizeof(n.address.sun_path) - 1,
			      "weft/%lld/%llu", pid, (unsigned long long)token);

	n.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
		 (socklen_t)length;
	return n;
}

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Names of this kind can be taken by anybody. */
static bool is_our_users(int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	       who.uid == geteuid();
}

/* ---- the run's side ---- */

typedef struct listener {
	live_feed *feed;
	int fd;
	size_t at; /* sent so far of the record */
	char block[SPOOL_BLOCK_BYTES];
} listener;

static bool has_left(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLRDHUP}, 1, 0) > 0;
}

/* Returns how much there is now behind what was sent; with the lock held. */
static size_t wait_for_more(listener *l, const char **data)
{
	live_feed *f = l->feed;
	size_t size;

	for (;;) {
		weft_ctx look;

		*data = weft_fleet_run_data(f->run, &size);
		if (size > l->at || weft_ctx_done(&f->ctx) || has_left(l->fd))
			return size - l->at;
		weft_ctx_init_timeout(&look, &f->ctx, LOOK);
		(void)!weft_cond_wait_ctx(&f->grown, &look);
		weft_ctx_fini(&look);
	}
}

/* The next block of the record; 0: no more of it. */
static size_t take_block(listener *l)
{
	const char *data;
	size_t size;

	weft_mutex_lock(l->feed->lock);
	size = wait_for_more(l, &data);
	if (size > sizeof(l->block))
		size = sizeof(l->block);
	memcpy(l->block, data + l->at, size);
	weft_mutex_unlock(l->feed->lock);
	l->at += size;
	return weft_ctx_done(&l->feed->ctx) ? 0 : size;
}

static bool send_all(listener *l, size_t size)
{
	const char *at = l->block;

	while (size > 0) {
		ssize_t n = send(l->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		int err = n < 0 ? weft_errno() : 0;

		if (err == EAGAIN &&
		    weft_wait_fd(&l->feed->ctx, l->fd, POLLOUT) < 0)
			return false;
		if (err != 0 && err != EAGAIN && err != EINTR)
			return false;
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void serve(void *arg)
{
	listener *l = arg;
	size_t size;

	weft_task_name("live");
	while ((size = take_block(l)) > 0 && send_all(l, size))
		;
	weft_fd_close(l->fd);
	free(l);
}

static void welcome(live_feed *f, int fd)
{
	listener *l = is_our_users(fd) ? malloc(sizeof(*l)) : NULL;

	if (l != NULL) {
		l->feed = f;
		l->fd = fd;
		l->at = 0;
		if (weft_waitgroup_go(&f->tasks, serve, l) == 0)
			return;
	}
	free(l);
	close(fd);
}

static void accept_all(void *arg)
{
	live_feed *f = arg;

	weft_task_name("live");
	while (weft_wait_fd(&f->ctx, f->fd, POLLIN) >= 0) {
		int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			welcome(f, fd);
		else if (weft_errno() != EAGAIN)
			weft_sleep(&f->ctx, PAUSE);
	}
}

void live_feed_start(live_feed *f)
{
	name n = name_of(getpid(), weft_fleet_run_token(f->run));

	weft_cond_init(&f->grown, f->lock);
	weft_ctx_init(&f->ctx, NULL);
	f->fd = open_socket();
	if (f->fd < 0)
		return;
	if (bind(f->fd, (struct sockaddr *)&n.address, n.size) != 0 ||
	    listen(f->fd, SOMAXCONN) != 0 ||
	    weft_waitgroup_go(&f->tasks, accept_all, f) != 0) {
		close(f->fd);
		f->fd = -1;
	}
}

void live_feed_grown(live_feed *f)
{
	weft_cond_broadcast(&f->grown);
}

void live_feed_stop(live_feed *f)
{
	weft_ctx_cancel(&f->ctx, -ECANCELED);
	weft_waitgroup_wait(&f->tasks);
	weft_ctx_fini(&f->ctx);
	if (f->fd >= 0)
		weft_fd_close(f->fd);
}

/* ---- the side of who waits ---- */

static int connect_to(const name *n)
{
	int fd = open_socket();

	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&n->address, n->size) == 0 &&
	    is_our_users(fd))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Returns false at the end, and when ctx is done. */
static bool receive(weft_ctx *ctx, int fd, void *to, size_t size)
{
	char *at = to;

	while (size > 0) {
		ssize_t n = recv(fd, at, size, MSG_DONTWAIT);
		int err = n < 0 ? weft_errno() : 0;

		if (n == 0 || (err != 0 && err != EAGAIN && err != EINTR))
			return false;
		if (err == EAGAIN && weft_wait_fd(ctx, fd, POLLIN) < 0)
			return false;
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void show_all(live_follower *f, weft_ctx *ctx, uint64_t token, int fd)
{
	unsigned char header[RECORD_HEADER_BYTES];
	char *data = malloc(SPOOL_BLOCK_BYTES);
	enum record_kind kind;
	size_t size, number = 0;

	while (data != NULL && receive(ctx, fd, header, sizeof(header)) &&
	       record_read_header(header, &kind, &size) &&
	       size <= SPOOL_BLOCK_BYTES && receive(ctx, fd, data, size))
		shown_piece(f->shown, token, number++, kind, data, size);
	free(data);
}

static void follow(live_follower *f, weft_ctx *ctx, uint64_t token)
{
	weft_duration pause = SHORTEST;
	weft_fleet_entry e;
	name n;

	if (weft_fleet_show(f->fleet, ctx, weft_key_str(f->key), &e) != 0 ||
	    e.token != token || !entry_is_here(&e))
		return;
	n = name_of((long long)e.pid, token);
	for (;;) {
		int fd = connect_to(&n);

		if (fd >= 0) {
			show_all(f, ctx, token, fd);
			weft_fd_close(fd);
		}
		if (weft_sleep(ctx, pause) != 0)
			return;
		pause = 2 * pause < LONGEST ? 2 * pause : LONGEST;
	}
}

void live_follower_init(live_follower *f, weft_fleet *fleet, shown *s)
{
	f->fleet = fleet;
	f->shown = s;
	weft_cond_init(&f->changed, &f->lock);
}

void live_follower_tell(live_follower *f, uint64_t token)
{
	weft_mutex_lock(&f->lock);
	f->token = token;
	if (f->following != NULL)
		weft_ctx_cancel(f->following, -ECANCELED);
	weft_mutex_unlock(&f->lock);
	weft_cond_signal(&f->changed);
}

/* 0 when there is another run than the one of token. With the lock held. */
static int wait_for_run(live_follower *f, weft_ctx *ctx, uint64_t token)
{
	int err = 0;

	while (err == 0 && f->token == token)
		err = weft_cond_wait_ctx(&f->changed, ctx);
	return err;
}

void live_follow(live_follower *f, weft_ctx *ctx)
{
	uint64_t token = 0;

	weft_mutex_lock(&f->lock);
	while (wait_for_run(f, ctx, token) == 0) {
		weft_ctx run;

		token = f->token;
		weft_ctx_init(&run, ctx);
		f->following = &run;
		weft_mutex_unlock(&f->lock);
		follow(f, &run, token);
		weft_mutex_lock(&f->lock);
		f->following = NULL;
		weft_ctx_fini(&run);
	}
	weft_mutex_unlock(&f->lock);
}
