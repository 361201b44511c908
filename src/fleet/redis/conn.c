/* SPDX-License-Identifier: MIT */
#include "fleet/redis/conn.h"

#include "fleet/os/fd.h"
#include "fleet/os/net.h"

#include <weft/atomic.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long one step of connecting may take. */
#define STEP WEFT_SECOND
/* After so long without any reply the connection is given up. */
#define STALLED (5 * WEFT_SECOND)
#define FIRST_PAUSE WEFT_MS(10)
/* How often it is looked for a reply while one is owed. */
#define LOOK WEFT_MS(250)

enum { READ_BYTES = 64 * 1024 };

/* ---- errors ---- */

int weft__redis_error(const char *text)
{
	static const struct {
		const char *word;
		int err;
	} meanings[] = {
		{"NOSCRIPT", WEFT__REDIS_NOSCRIPT},
		{"OOM", -ENOSPC},	/* maxmemory */
		{"MISCONF", -EIO},	/* it cannot save, and takes no writes */
		{"READONLY", -EROFS},	/* a replica, by now */
		{"ERR string exceeds", -EFBIG},	/* proto-max-bulk-len */
	};

	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
		if (strncmp(text, meanings[i].word,
			    strlen(meanings[i].word)) == 0)
			return meanings[i].err;
	/* LOADING, MASTERDOWN, BUSY, NOREPLICAS, CLUSTERDOWN, NOAUTH, NOPERM,
	 * and whatever else keeps a script from being executed */
	return -EHOSTDOWN;
}

/* Is this another server than the one to speak to, or will it be? */
static bool is_wrong_server(const char *text)
{
	return strncmp(text, "READONLY", 8) == 0 ||
	       strncmp(text, "MASTERDOWN", 10) == 0;
}

/* What is refused with this is executed after connecting again, sooner or later. */
static bool is_passing(const char *text)
{
	static const char *const words[] = {
		"NOSCRIPT ",	/* events.up sends the scripts */
		"LOADING ", "READONLY ", "MASTERDOWN ", "BUSY ", "MISCONF ",
		"NOREPLICAS ",
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strncmp(text, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

static bool stopping(weft__redis_conn *c)
{
	bool stop;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

/* What fails since it is hung up is none. */
static void trouble(weft__redis_conn *c, const char *reason)
{
	if (stopping(c) ||
	    strncmp(c->reason, reason, sizeof c->reason - 1) == 0)
		return;
	snprintf(c->reason, sizeof c->reason, "%s", reason);
	c->events.trouble(c->events.arg, c->reason);
}

/* ---- the wire ---- */

static ptrdiff_t send_some(weft__redis_conn *c, const char *data, size_t size)
{
	return c->tls != NULL ? weft__tls_send(c->tls, data, size)
			      : weft__net_send(c->fd, data, size);
}

static ptrdiff_t recv_some(weft__redis_conn *c, char *data, size_t size)
{
	return c->tls != NULL ? weft__tls_recv(c->tls, data, size)
			      : weft__net_recv(c->fd, data, size);
}

/* ---- requests ---- */

static void free_request(weft__redis_request *r)
{
	if (r->reply != NULL)
		freeReplyObject(r->reply);
	redisFreeCommand(r->bytes);
	free(r);
}

/* With the lock held: r has its reply, or err. Frees it if nobody waits. */
static void finish(weft__redis_request *r, redisReply *reply, int err)
{
	r->reply = reply;
	r->err = err;
	if (r->left)
		free_request(r);
	else
		weft_sema_release(&r->done, 1);
}

/* With the lock held: send what can be sent. */
static void flush(weft__redis_conn *c)
{
	while (c->unsent != NULL && c->up) {
		weft__redis_request *r = c->unsent;
		weft_time now = weft__fleet_boottime();
		ptrdiff_t n = send_some(c, r->bytes + c->unsent_offset,
					r->size - c->unsent_offset);

		if (n < 0)
			return;	/* later; the thread notices a broken one */
		c->unsent_offset += (size_t)n;
		if (c->unsent_offset < r->size)
			continue;
		r->sent = weft_now();
		r->asked_at = now;
		c->unsent_offset = 0;
		c->unsent = r->next;
	}
}

static weft__redis_request *take_oldest(weft__redis_conn *c)
{
	weft__redis_request *r = c->oldest;

	if (r == NULL)
		return NULL;
	c->oldest = r->next;
	if (c->oldest == NULL)
		c->end = &c->oldest;
	return r;
}

/* With the lock held: since when has the server owed us something? */
static weft_time waiting_since(const weft__redis_conn *c)
{
	if (!c->up)
		return c->down_since;
	return c->oldest == NULL || c->oldest->sent == 0 ? WEFT_NEVER
							  : c->oldest->sent;
}

/*
 * With the lock held: has it been looked for so long in vain? Time that merely
 * passed is no sign: this process may have been stopped.
 */
static bool has_looked_for(const weft__redis_conn *c, weft_duration d)
{
	weft_time since = waiting_since(c);

	return since != WEFT_NEVER && c->looked - since > d;
}

static bool has_broken(const weft__redis_conn *c)
{
	return c->stop || has_looked_for(c, WEFT__REDIS_PATIENCE);
}

/*
 * Until when has it been looked for by connecting since start? What ended at its
 * time was in vain to its end; else this process may have been stopped meanwhile.
 */
static weft_time tried_until(weft_time start)
{
	weft_time now = weft_now();

	return now - start < STEP + LOOK ? now : start;
}

/* Until then there was nothing. */
static void note_looked(weft__redis_conn *c, weft_time until)
{
	pthread_mutex_lock(&c->lock);
	c->looked = until;
	pthread_mutex_unlock(&c->lock);
}

static bool enqueue(weft__redis_conn *c, weft__redis_request *r)
{
	bool stuck;

	pthread_mutex_lock(&c->lock);
	if (c->stop || (r->until == 0 && has_broken(c))) {
		pthread_mutex_unlock(&c->lock);
		return false;
	}
	*c->end = r;
	c->end = &r->next;
	if (c->unsent == NULL)
		c->unsent = r;
	flush(c);
	stuck = c->up && c->unsent != NULL;
	pthread_mutex_unlock(&c->lock);
	if (stuck)
		weft__net_ring(c->bell);
	return true;
}

static weft__redis_request *new_request(int argc, const char *const *argv,
					const size_t *sizes)
{
	weft__redis_request *r = calloc(1, sizeof *r);
	int size;

	if (r == NULL)
		return NULL;
	size = redisFormatCommandArgv(&r->bytes, argc, (const char **)argv,
				      sizes);
	if (size < 0) {
		free(r);
		return NULL;
	}
	r->size = (size_t)size;
	weft_sema_init(&r->done, 0);
	return r;
}

int weft__redis_send(weft__redis_conn *c, int argc, const char *const *argv,
		     const size_t *sizes, weft__redis_request **out)
{
	weft__redis_request *r = new_request(argc, argv, sizes);

	if (r == NULL)
		return -ENOMEM;
	if (!enqueue(c, r)) {
		free_request(r);
		return -EHOSTDOWN;
	}
	*out = r;
	return 0;
}

int weft__redis_entrust(weft__redis_conn *c, int argc, const char *const *argv,
			const size_t *sizes, weft_time until)
{
	weft__redis_request *r = new_request(argc, argv, sizes);

	if (r == NULL)
		return -ENOMEM;
	r->left = true;
	r->until = until;
	if (enqueue(c, r))
		return 0;
	free_request(r);
	return -EHOSTDOWN;
}

void weft__redis_leave(weft__redis_request *r, weft__redis_conn *c)
{
	bool finished;

	pthread_mutex_lock(&c->lock);
	finished = r->reply != NULL || r->err != 0;
	r->left = true;
	pthread_mutex_unlock(&c->lock);
	if (finished)
		free_request(r);
}

static int sleep_until(weft__redis_request *r, weft_ctx *ctx, weft_time until)
{
	weft_ctx limit;
	int err;

	weft_ctx_init_deadline(&limit, ctx, until);
	err = weft_sema_acquire_ctx(&r->done, &limit, 1);
	weft_ctx_fini(&limit);
	return err;
}

/* Who has waited until then: has it, and has somebody looked for its reply? */
static bool was_awake(weft__redis_conn *c, weft_time until)
{
	weft_time now = weft_now();
	bool awake;

	pthread_mutex_lock(&c->lock);
	awake = now - until < LOOK && now - c->looked < 4 * LOOK;
	pthread_mutex_unlock(&c->lock);
	return awake;
}

static int be_patient(weft__redis_request *r, weft__redis_conn *c, weft_ctx *ctx)
{
	weft_time until = weft_now() + WEFT__REDIS_PATIENCE;
	int err = sleep_until(r, ctx, until);

	if (err != 0 && !weft_ctx_done(ctx) && !was_awake(c, until))
		err = sleep_until(r, ctx, weft_now() + STEP);
	return err;
}

int weft__redis_wait(weft__redis_request *r, weft__redis_conn *c, weft_ctx *ctx,
		     weft_time until, redisReply **reply, weft_time *asked_at)
{
	int err = until == WEFT__REDIS_PATIENTLY ? be_patient(r, c, ctx)
						 : sleep_until(r, ctx, until);

	if (err != 0) {
		weft__redis_leave(r, c);
		return weft_ctx_done(ctx) ? weft_ctx_err(ctx) : -EHOSTDOWN;
	}
	*reply = r->reply;
	*asked_at = r->asked_at;
	r->reply = NULL;
	err = r->err;
	free_request(r);
	if (err != 0)
		return err;
	if ((*reply)->type == REDIS_REPLY_ERROR) {
		err = weft__redis_error((*reply)->str);
		freeReplyObject(*reply);
	}
	return err;
}

/* ---- what comes in ---- */

/* 1 and a reply, 0: not all of it is there yet, or a negative errno value. */
static int next_reply(weft__redis_conn *c, redisReply **reply)
{
	void *got = NULL;

	if (redisReaderGetReply(c->reader, &got) != REDIS_OK)
		return -EPROTO;
	*reply = got;
	return got != NULL;
}

static int feed(weft__redis_conn *c)
{
	char block[READ_BYTES];
	ptrdiff_t n = recv_some(c, block, sizeof block);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n == 0 ? -ECONNRESET : (int)n;
	return redisReaderFeed(c->reader, block, (size_t)n) == REDIS_OK
		       ? 0
		       : -ENOMEM;
}

static void take_message(weft__redis_conn *c, redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
	    reply->element[2]->type == REDIS_REPLY_STRING)
		c->events.message(c->events.arg, reply->element[2]->str,
				  reply->element[2]->len);
	freeReplyObject(reply);
}

/* r, or NULL, is the oldest request, and was entrusted to us. */
static bool is_to_be_sent_again(const weft__redis_request *r,
				const redisReply *reply)
{
	return r != NULL && r->until != 0 &&
	       reply->type == REDIS_REPLY_ERROR && is_passing(reply->str);
}

/*
 * The reply to the oldest request. -EPROTO: to none. -EAGAIN: that is to be sent
 * again, and so is all behind it, by the next connection.
 */
static int take_reply(weft__redis_conn *c, redisReply *reply)
{
	weft__redis_request *r;
	bool again;

	if (reply->type == REDIS_REPLY_ERROR && is_wrong_server(reply->str))
		c->suspect = true;
	pthread_mutex_lock(&c->lock);
	r = c->oldest != c->unsent ? c->oldest : NULL;
	again = is_to_be_sent_again(r, reply);
	if (again)
		c->suspect = true;
	else if (r != NULL)
		finish(take_oldest(c), reply, 0);
	pthread_mutex_unlock(&c->lock);
	if (again || r == NULL)
		freeReplyObject(reply);
	return again ? -EAGAIN : r != NULL ? 0 : -EPROTO;
}

static int take_all(weft__redis_conn *c)
{
	redisReply *reply;
	int n, err = feed(c);

	while (err == 0 && (n = next_reply(c, &reply)) != 0) {
		if (n < 0)
			err = n;
		else if (c->channel != NULL)
			take_message(c, reply);
		else
			err = take_reply(c, reply);
	}
	return err == -EAGAIN ? 0 : err;
}

/* ---- connecting ---- */

static redisReply *await_reply(weft__redis_conn *c, weft_time until)
{
	redisReply *reply;
	int n;

	while ((n = next_reply(c, &reply)) == 0) {
		if (weft__net_wait(c->fd, WEFT__NET_IN, -1, until) == 0 ||
		    feed(c) != 0)
			return NULL;
	}
	return n > 0 ? reply : NULL;
}

static bool send_all(weft__redis_conn *c, const char *bytes, size_t size,
		     weft_time until)
{
	while (size > 0) {
		ptrdiff_t n = send_some(c, bytes, size);

		if (n == -EAGAIN) {
			if (weft__net_wait(c->fd, WEFT__NET_OUT, -1, until) == 0)
				return false;
			continue;
		}
		if (n < 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* What cannot be sent has no reply, nor has what would have followed. */
void weft__redis_conn_say(weft__redis_conn *c, const char *const *words)
{
	int argc = 0, size;
	char *bytes;

	while (words[argc] != NULL)
		argc++;
	size = redisFormatCommandArgv(&bytes, argc, (const char **)words, NULL);
	if (size < 0) {
		c->mute = true;
		return;
	}
	if (!c->mute)
		c->mute = !send_all(c, bytes, (size_t)size, weft_now() + STEP);
	redisFreeCommand(bytes);
}

redisReply *weft__redis_conn_hear(weft__redis_conn *c)
{
	return await_reply(c, weft_now() + STEP);
}

/* An error, without the words of the command: there may be a password among them. */
static void trouble_with(weft__redis_conn *c, const redisReply *reply)
{
	const char *words = strstr(reply->str, ", with args");
	size_t size = words != NULL ? (size_t)(words - reply->str) : reply->len;
	char reason[sizeof c->reason];

	snprintf(reason, sizeof reason, "%.*s", (int)size, reply->str);
	trouble(c, reason);
}

bool weft__redis_conn_heard(weft__redis_conn *c, bool needed)
{
	redisReply *reply = weft__redis_conn_hear(c);
	bool good = reply != NULL &&
		    (!needed || reply->type != REDIS_REPLY_ERROR);

	if (!good && reply != NULL)
		trouble_with(c, reply);
	else if (!good)
		trouble(c, "no answer");
	if (reply != NULL)
		freeReplyObject(reply);
	return good;
}

#define SAY(c, ...)                                                            \
	weft__redis_conn_say(c, (const char *const[]){__VA_ARGS__, NULL})

/*
 * All of the greeting at once, since each reply may be far away. What follows a
 * refusal is refused as well, or does no harm.
 */
static void say_hello(weft__redis_conn *c)
{
	const weft__redis_url *u = c->url;
	char database[12];

	snprintf(database, sizeof database, "%d", u->database);
	if (u->user != NULL)
		SAY(c, "AUTH", u->user, u->password);
	else if (u->password != NULL)
		SAY(c, "AUTH", u->password);
	if (c->channel != NULL) {
		SAY(c, "SUBSCRIBE", c->channel);
	} else {
		SAY(c, "SELECT", database);
		SAY(c, "CLIENT", "SETNAME", "weft");
	}
	if (c->events.greet != NULL)
		c->events.greet(c->events.arg, c);
}

/* False: it does not work like that. */
static bool log_in(weft__redis_conn *c)
{
	say_hello(c);
	if (c->url->password != NULL && !weft__redis_conn_heard(c, true))
		return false;
	return weft__redis_conn_heard(c, true) &&
	       (c->channel != NULL || weft__redis_conn_heard(c, false));
}

static bool secure(weft__redis_conn *c)
{
	weft__tls_reason why;

	if (c->secure == NULL || weft__tls_begin(&c->tls, c->secure, c->fd,
						 c->url->host, weft_now() + STEP,
						 &why) == 0)
		return true;
	trouble(c, why.text);
	return false;
}

static bool establish(weft__redis_conn *c)
{
	const weft__redis_url *u = c->url;
	int fd = weft__net_connect(u->host, u->port, u->path,
				   weft_now() + STEP);

	if (fd < 0) {
		trouble(c, fd == -ENXIO ? "no such host" : strerror(-fd));
		return false;
	}
	pthread_mutex_lock(&c->lock);
	c->fd = fd;	/* from now on it can be hung up */
	pthread_mutex_unlock(&c->lock);
	c->suspect = c->mute = false;
	c->reader = redisReaderCreate();
	if (c->reader == NULL || !secure(c) || !log_in(c) ||
	    !c->events.up(c->events.arg, c))
		return false;
	c->reason[0] = '\0';
	pthread_mutex_lock(&c->lock);
	c->up = !c->stop;
	c->up_since = weft_now();
	c->unsent = c->oldest;
	c->unsent_offset = 0;
	flush(c);
	pthread_mutex_unlock(&c->lock);
	return true;
}

/* ---- the thread ---- */

static void serve(weft__redis_conn *c)
{
	int err = 0;

	while (err == 0 && !c->suspect) {
		weft_time start = weft_now();
		weft_duration most = WEFT_SECOND;
		int events = WEFT__NET_IN, happened;

		pthread_mutex_lock(&c->lock);
		flush(c);
		if (waiting_since(c) != WEFT_NEVER)
			most = LOOK;
		if (c->unsent != NULL)
			events |= WEFT__NET_OUT;
		if (c->stop || has_looked_for(c, STALLED))
			err = -ETIMEDOUT;
		pthread_mutex_unlock(&c->lock);
		if (err != 0)
			break;
		happened = weft__net_wait(c->fd, events, c->bell, start + most);
		if (happened & WEFT__NET_IN)
			err = take_all(c);
		else
			note_looked(c, start);
	}
	if (err != 0)
		trouble(c, err == -ETIMEDOUT ? "no answer" : strerror(-err));
}

/* With the lock held: those who left are not asked for again, but for what matters. */
static void drop_left(weft__redis_conn *c)
{
	weft__redis_request **p = &c->oldest, *r;
	weft_time now = weft_now();

	while ((r = *p) != NULL) {
		r->sent = 0;
		if (!r->left || r->until > now) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		free_request(r);
	}
	c->end = p;
}

/* With the lock held: all but those that are kept until they do not matter. */
static void fail_all(weft__redis_conn *c)
{
	weft__redis_request **p = &c->oldest, *r;

	while ((r = *p) != NULL) {
		if (r->until != 0 && !c->stop) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		finish(r, NULL, -EHOSTDOWN);
	}
	c->end = p;
}

static void hang_up(weft__redis_conn *c)
{
	bool was_up;

	pthread_mutex_lock(&c->lock);
	was_up = c->up;
	if (was_up)
		c->down_since = weft_now();
	c->up = false;
	c->unsent = NULL;
	drop_left(c);
	if (has_broken(c))
		fail_all(c);
	weft__tls_end(c->tls);
	c->tls = NULL;
	if (c->fd >= 0)
		weft__fleet_fd_close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&c->lock);
	if (c->reader != NULL)
		redisReaderFree(c->reader);
	c->reader = NULL;
	if (was_up && c->events.down != NULL)
		c->events.down(c->events.arg);
}

/* A different time for every process: they all lost the server at once. */
static weft_duration take_pause(weft__redis_conn *c, weft_duration pause)
{
	weft_duration now = pause / 2 +
			    (weft_duration)(weft__fleet_dice() * pause / 2);

	weft__net_wait(-1, 0, c->bell, weft_now() + now);
	return pause * 2 < WEFT__REDIS_LONGEST_PAUSE ? pause * 2 : WEFT__REDIS_LONGEST_PAUSE;
}

static void *run(void *arg)
{
	weft__redis_conn *c = arg;
	weft_duration pause = FIRST_PAUSE;

	while (!stopping(c)) {
		weft_time start = weft_now();
		bool up = establish(c);

		if (!up)
			note_looked(c, tried_until(start));
		if (!c->was_tried)
			weft_waitgroup_done(&c->tried);
		c->was_tried = true;
		if (up) {
			start = weft_now();
			serve(c);
			if (weft_now() - start > WEFT__REDIS_LONGEST_PAUSE)
				pause = FIRST_PAUSE;
		}
		hang_up(c);
		if (!stopping(c))
			pause = take_pause(c, pause);
	}
	return NULL;
}

int weft__redis_conn_init(weft__redis_conn *c, const weft__redis_url *url,
			  const weft__tls_setup *secure, const char *channel,
			  weft__redis_events events)
{
	int err;

	memset(c, 0, sizeof *c);
	c->url = url;
	c->secure = secure;
	c->channel = channel;
	c->events = events;
	c->fd = -1;
	c->end = &c->oldest;
	c->down_since = c->looked = weft_now();
	c->bell = weft__net_bell();
	if (c->bell < 0)
		return c->bell;
	pthread_mutex_init(&c->lock, NULL);
	weft_waitgroup_add(&c->tried, 1);
	err = weft__fleet_thread_start(&c->thread,
				       channel ? "weft-inbox" : "weft-redis",
				       run, c);
	if (err != 0) {
		weft__fleet_fd_close(c->bell);
		pthread_mutex_destroy(&c->lock);
	}
	return err;
}

void weft__redis_conn_fini(weft__redis_conn *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	if (c->fd >= 0)
		weft__net_hang_up(c->fd);
	pthread_mutex_unlock(&c->lock);
	weft__net_ring(c->bell);
	weft__fleet_thread_join(c->thread);
	fail_all(c);
	weft__fleet_fd_close(c->bell);
	pthread_mutex_destroy(&c->lock);
}

bool weft__redis_conn_has_settled(weft__redis_conn *c)
{
	bool settled;

	pthread_mutex_lock(&c->lock);
	settled = c->up && weft_now() - c->up_since > WEFT__REDIS_SETTLED;
	pthread_mutex_unlock(&c->lock);
	return settled;
}

bool weft__redis_conn_is_up(weft__redis_conn *c)
{
	bool up;

	pthread_mutex_lock(&c->lock);
	up = c->up;
	pthread_mutex_unlock(&c->lock);
	return up;
}
