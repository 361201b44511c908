/* SPDX-License-Identifier: MIT */
/*
 * A connection to the server, with a thread of its own that connects, reads,
 * and connects again. hiredis formats what is sent and takes apart what comes;
 * the descriptor is ours.
 *
 * There are two kinds. One is for commands: any number of tasks and threads send
 * theirs, without waiting for each other's replies. Who sends writes to the
 * descriptor itself, so that a reply costs one hop between threads. The other
 * kind has a channel and is told what is published there.
 *
 *   - A command that has no reply when the connection breaks is sent again on
 *     the next one. All that this library sends may be executed twice, and late.
 *   - Waiting is bounded by the caller; while the server has not answered for
 *     some time, to anybody, sending fails at once (the breaker). What has to be
 *     executed for others to go on, who cannot know, is entrusted to the connection
 *     and kept, for no longer than it matters.
 *   - The lock is a pthread's, not a weft_mutex: that could be handed to a task
 *     for which no worker has time, and renewals must not wait for one.
 */
#ifndef WEFT_SRC_FLEET_REDIS_CONN_H
#define WEFT_SRC_FLEET_REDIS_CONN_H

#include "fleet/os/os.h"
#include "fleet/os/tls.h"
#include "fleet/redis/url.h"

#include <weft/ctx.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <hiredis/hiredis.h>

/*
 * How long a command waits for its reply. Where others have waited that long
 * already, or the connection has been down, it fails at once.
 */
#define WEFT__REDIS_PATIENCE (2 * WEFT_SECOND)

/*
 * Between two tries to connect, at most. Well below a grace: an owner that lives
 * comes back before it is replaced.
 */
#define WEFT__REDIS_LONGEST_PAUSE WEFT_MS(250)
/* … and after so long all who are to come back have. */
#define WEFT__REDIS_SETTLED (2 * WEFT_SECOND)

typedef struct weft__redis_conn weft__redis_conn;

/* A command on its way. From malloc(); its sender has it until it waits. */
typedef struct weft__redis_request weft__redis_request;
struct weft__redis_request {
	weft__redis_request *next;
	char *bytes;		/* hiredis's */
	size_t size;
	weft_time sent;
	weft_time asked_at;	/* CLOCK_BOOTTIME: it was executed later than that */
	bool left;		/* nobody waits for the reply … */
	weft_time until;	/* … but it is to be executed all the same; or 0 */
	redisReply *reply;
	int err;
	weft_sema done;
};

/* Called on the connection's thread. */
typedef struct weft__redis_events weft__redis_events;
struct weft__redis_events {
	void *arg;
	/*
	 * Connected: say what the server is to be told first; may be NULL. What it
	 * replies, behind its replies to the connection's own words, is for up.
	 */
	void (*greet)(void *arg, weft__redis_conn *c);
	/*
	 * Connected, logged in, subscribed; commands wait for the return. False:
	 * it does not work like that, connect again.
	 */
	bool (*up)(void *arg, weft__redis_conn *c);
	void (*down)(void *arg);	/* after up; may be NULL */
	void (*message)(void *arg, const char *text, size_t size);
	/* It does not work, for another reason than before. */
	void (*trouble)(void *arg, const char *reason);
};

struct weft__redis_conn {
	const weft__redis_url *url;
	const weft__tls_setup *secure;	/* NULL: in the clear */
	const char *channel;	/* or NULL */
	weft__redis_events events;
	weft_waitgroup tried;	/* done when it was tried to connect once */
	pthread_t thread;
	int bell;
	redisReader *reader;	/* the thread's */
	char reason[160];	/* the thread's */
	bool was_tried;		/* the thread's */
	bool mute;		/* the thread's: what was said did not get through */

	pthread_mutex_t lock;	/* of what follows */
	weft__redis_request *oldest, **end;	/* without a reply, as they are sent */
	weft__redis_request *unsent;	/* the first of those not sent entirely */
	size_t unsent_offset;
	int fd;			/* -1: none */
	weft__tls *tls;		/* over fd; the thread alone changes it */
	bool up;
	bool stop;
	bool suspect;		/* what answers is not the server to speak to */
	weft_time down_since, up_since;
	weft_time looked;	/* until then for a reply, or a way to connect, in vain */
};

/*
 * Start the thread. url, channel and secure, which may be NULL, must live as
 * long as *c. 0 or an errno.
 */
int weft__redis_conn_init(weft__redis_conn *c, const weft__redis_url *url,
			  const weft__tls_setup *secure, const char *channel,
			  weft__redis_events events);

/* End the thread. Nobody waits for a reply any more. */
void weft__redis_conn_fini(weft__redis_conn *c);

bool weft__redis_conn_is_up(weft__redis_conn *c);

/*
 * Has it been up for so long that others, whose connections broke when this one
 * did, have had the time to come back, too?
 */
bool weft__redis_conn_has_settled(weft__redis_conn *c);

/*
 * Send a command.
 *
 * Returns 0 and *out, which has to be waited for; -EHOSTDOWN, -ENOMEM.
 */
int weft__redis_send(weft__redis_conn *c, int argc, const char *const *argv,
		     const size_t *sizes, weft__redis_request **out);

/*
 * Instead of a time: WEFT__REDIS_PATIENCE from now; and where this process stood still
 * meanwhile, until it has looked again.
 */
#define WEFT__REDIS_PATIENTLY 0

/*
 * Wait for the reply of r, and free r.
 *
 * Returns 0 and *reply, to be freed with freeReplyObject(), which is not an
 * error of the server; ctx's error; -EHOSTDOWN: none until then; or what
 * weft__redis_error() says of an error of the server. *asked_at: just before that
 * was sent which has the reply, CLOCK_BOOTTIME.
 */
int weft__redis_wait(weft__redis_request *r, weft__redis_conn *c, weft_ctx *ctx,
		     weft_time until, redisReply **reply, weft_time *asked_at);

/* Do not wait for the reply of r; nobody will see it. */
void weft__redis_leave(weft__redis_request *r, weft__redis_conn *c);
/*
 * Send a command whose reply nobody waits for, but which is to be executed: also
 * where others fail at once, and again should the connection break, or the server
 * say that it cannot execute it yet, as long as weft_now() is not until.
 *
 * Returns 0; -EHOSTDOWN: c is being finished; -ENOMEM.
 */
int weft__redis_entrust(weft__redis_conn *c, int argc, const char *const *argv,
			const size_t *sizes, weft_time until);

/* Only in events.greet: send words, up to NULL, behind those before. */
void weft__redis_conn_say(weft__redis_conn *c, const char *const *words);
/* Only in events.up: the next reply, or NULL: none. */
redisReply *weft__redis_conn_hear(weft__redis_conn *c);
/* The same; whether there is one, and no error if needed. Else that is told. */
bool weft__redis_conn_heard(weft__redis_conn *c, bool needed);

/*
 * What an error of the server means to a fleet: "it does not work now"
 * (-EHOSTDOWN, -ENOSPC, -EROFS, -EIO), or WEFT__REDIS_NOSCRIPT.
 */
enum { WEFT__REDIS_NOSCRIPT = 1 };
int weft__redis_error(const char *text);

#endif
