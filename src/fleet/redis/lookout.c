/* SPDX-License-Identifier: MIT */
/*
 * Whether the owners that this process waits for are alive. The server tells
 * nobody when one dies, so a thread of its own looks; it begins with the first wait.
 *
 * O1  An owner on this machine, in the same name space of processes, has a
 *     descriptor that its end makes readable. That is certain: who learns of it
 *     names the owner in its next question, and need not leave it a grace; and
 *     who knows that it lives says so, whatever has become of its inbox. That it
 *     is on this machine is certain because its badge can be seen when the
 *     descriptor is opened; and that it is an owner still because it can be seen
 *     when its being alive is told, since a process may have become another
 *     program meanwhile. Wrong: to be content with the same boot and a process
 *     with its pid and start, or to take it for ended where there is none. A copy
 *     of a virtual machine has the same boot, and other processes.
 * O2  All others are asked for together, every LOOK_EVERY: has the inbox a
 *     subscriber? One that has none only seems to be gone: its waiters ask, and
 *     the script begins the grace.
 * O3  Owners are freed by the thread alone, and only those without waiters. So
 *     what it polls and asks for stays there without the lock, and what a waiter
 *     points to as long as it waits.
 */
#include "fleet/redis/redis.h"

#include "fleet/os/fd.h"
#include "fleet/os/net.h"
#include "fleet/os/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With the 200 ms that are left beside a renewal half a second is not reached. */
static const weft_duration LOOK_EVERY = WEFT_MS(125);

/*
 * Who ends may just have told its result: that is on its way, and better than
 * asking.
 */
static const weft_duration NEWS_TAKES = WEFT_MS(10);

enum {
	PROCESSES_MOST = 64,	/* with a descriptor; the rest has O2 */
	INBOXES = WEFT__REDIS_WORDS - 2,	/* in one question */
};

struct weft__redis_owner {
	weft__redis_owner *next;
	size_t waiters;
	int process;		/* its descriptor; -1: see O2 */
	bool gone;		/* O1 */
	bool silent;		/* O2; its waiters have been told */
	weft_time looked;
	const char *inbox;	/* in who, behind its end; may be "" */
	char who[];
};

/* ---- owners, with the lock held ---- */

static bool is_asked_for(const weft__redis_owner *o)
{
	return o->waiters > 0 && !o->gone && o->process < 0 && *o->inbox != '\0';
}

static void tell_waiters(weft__redis *e, const weft__redis_owner *o)
{
	for (int i = 0; i < WEFT__REDIS_CHAINS; i++)
		for (weft__redis_waiter *w = e->waiters[i]; w != NULL; w = w->next)
			if (w->owner == o && w->result == NULL)
				weft__fleet_news(e->setup.core, w->id);
}

static void close_process(weft__redis *e, weft__redis_owner *o)
{
	if (o->process < 0)
		return;
	weft__fleet_fd_close(o->process);
	o->process = -1;
	e->lookout.processes--;
}

static void set_gone(weft__redis *e, weft__redis_owner *o)
{
	close_process(e, o);
	o->gone = true;
	tell_waiters(e, o);
}

/* Two are one only if both words are the same: a process may get a new inbox. */
static weft__redis_owner *find(weft__redis *e, const char *who, const char *inbox)
{
	weft__redis_owner *o = e->lookout.owners;

	while (o != NULL &&
	       (strcmp(o->who, who) != 0 || strcmp(o->inbox, inbox) != 0))
		o = o->next;
	return o;
}

/* A descriptor for who, which is written by sign(): see there. */
static int open_process(weft__redis *e, const char *who)
{
	weft__fleet_self them = {0};
	long long pid, start;
	unsigned long long space;
	char boot[33], badge[33];

	if (sscanf(who, "%*s %lld %lld %llu %32s %32s", &pid, &start, &space, boot,
		   badge) != 5 ||
	    strcmp(boot, e->lookout.boot) != 0 || weft__process_wears(badge) <= 0)
		return -EXDEV;
	them.pid = pid;
	them.start = start;
	them.space = space;
	return weft__process_open(&e->lookout.self, &them);
}

static weft__redis_owner *add(weft__redis *e, const char *who, const char *inbox)
{
	size_t who_size = strlen(who) + 1, inbox_size = strlen(inbox) + 1;
	weft__redis_owner *o = calloc(1, sizeof *o + who_size + inbox_size);
	int process;

	if (o == NULL)
		return NULL;
	memcpy(o->who, who, who_size);
	memcpy(o->who + who_size, inbox, inbox_size);
	o->inbox = o->who + who_size;
	process = e->lookout.processes < PROCESSES_MOST ? open_process(e, who)
							 : -EMFILE;
	o->gone = process == -ESRCH;
	o->process = process >= 0 ? process : -1;
	e->lookout.processes += process >= 0;
	o->next = e->lookout.owners;
	e->lookout.owners = o;
	return o;
}

/* O3 */
static void sweep(weft__redis *e)
{
	weft__redis_owner **p = &e->lookout.owners, *o;

	while ((o = *p) != NULL) {
		if (o->waiters > 0) {
			p = &o->next;
			continue;
		}
		*p = o->next;
		close_process(e, o);
		free(o);
	}
}

/* ---- the thread ---- */

typedef struct {
	int count;
	int process[PROCESSES_MOST];
	weft__redis_owner *owner[PROCESSES_MOST];
} watched;

/* With the lock held. When to look at inboxes next. */
static weft_time collect(weft__redis *e, watched *w)
{
	weft_time next = WEFT_NEVER;

	sweep(e);
	w->count = 0;
	for (weft__redis_owner *o = e->lookout.owners; o != NULL; o = o->next) {
		if (o->process >= 0) {
			w->process[w->count] = o->process;
			w->owner[w->count++] = o;
		} else if (is_asked_for(o) && o->looked + LOOK_EVERY < next) {
			next = o->looked + LOOK_EVERY;
		}
	}
	return next;
}

/* With the lock held: up to INBOXES of those that are to be asked for by now. */
static int choose(weft__redis *e, weft_time now, weft__redis_owner **chosen)
{
	int n = 0;

	for (weft__redis_owner *o = e->lookout.owners; o != NULL && n < INBOXES;
	     o = o->next) {
		if (!is_asked_for(o) || o->looked == now)
			continue;
		o->looked = now;
		chosen[n++] = o;
	}
	return n;
}

static void hear(weft__redis *e, weft__redis_owner *o, const redisReply *count)
{
	bool silent = count->type == REDIS_REPLY_INTEGER && count->integer == 0;

	if (silent && !o->silent)
		tell_waiters(e, o);
	o->silent = silent;
}

static void ask_for(weft__redis *e, weft__redis_owner *const *chosen, int n)
{
	weft__redis_words w = {0};
	weft__redis_request *r;
	redisReply *reply;

	weft__redis_text(&w, "PUBSUB");
	weft__redis_text(&w, "NUMSUB");
	for (int i = 0; i < n; i++)
		weft__redis_text(&w, chosen[i]->inbox);
	if (weft__redis_post(e, &w, &r) != 0 ||
	    weft__redis_await(e, r, NULL, &w, NULL, weft_now() + LOOK_EVERY,
			      &reply) != 0)
		return;
	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < (size_t)n && 2 * i + 1 < reply->elements; i++)
		hear(e, chosen[i], reply->element[2 * i + 1]);
	pthread_mutex_unlock(&e->lock);
	freeReplyObject(reply);
}

static void look_at_inboxes(weft__redis *e)
{
	weft__redis_owner *chosen[INBOXES];
	weft_time now = weft_now();
	int n;

	do {
		pthread_mutex_lock(&e->lock);
		n = choose(e, now, chosen);
		pthread_mutex_unlock(&e->lock);
		if (n > 0)
			ask_for(e, chosen, n);
	} while (n == INBOXES);
}

static bool one_has_ended(const watched *w)
{
	int i = 0;

	while (i < w->count && w->process[i] >= 0)
		i++;
	return i < w->count;
}

static void *look_out(void *arg)
{
	weft__redis *e = arg;
	watched w;

	pthread_mutex_lock(&e->lock);
	while (!e->lookout.stop) {
		weft_time next = collect(e, &w);

		pthread_mutex_unlock(&e->lock);
		weft__process_wait(w.process, w.count, e->lookout.bell, next);
		if (weft_now() >= next)
			look_at_inboxes(e);
		if (one_has_ended(&w))
			weft__net_wait(-1, 0, -1, weft_now() + NEWS_TAKES);
		pthread_mutex_lock(&e->lock);
		for (int i = 0; i < w.count; i++)
			if (w.process[i] < 0)
				set_gone(e, w.owner[i]);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* ---- who waits ---- */

/* With the lock held. Without it waiting takes longer: see POLL_MOST in ask.c. */
static bool is_manned(weft__redis *e)
{
	weft__redis_lookout *l = &e->lookout;

	if (l->manned)
		return true;
	l->bell = weft__net_bell();
	if (l->bell < 0)
		return false;
	l->manned = weft__fleet_thread_start(&l->thread, "weft-lookout", look_out,
					     e) == 0;
	if (!l->manned)
		weft__fleet_fd_close(l->bell);
	return l->manned;
}

/* With the lock held. */
static void let_go(weft__redis_waiter *w)
{
	if (w->owner != NULL)
		w->owner->waiters--;
	w->owner = NULL;
}

bool weft__redis_look_after(weft__redis *e, weft__redis_waiter *w, const char *who,
			    const char *inbox)
{
	weft__redis_owner *o;
	bool is_first, is_gone;

	pthread_mutex_lock(&e->lock);
	o = find(e, who, inbox);
	if (o == NULL && is_manned(e))
		o = add(e, who, inbox);
	is_first = o != NULL && o->waiters == 0;
	is_gone = o != NULL && o->gone;
	if (is_first)
		o->looked = weft_now();
	if (o != NULL)
		o->waiters++;
	let_go(w);
	w->owner = o;
	pthread_mutex_unlock(&e->lock);
	if (is_first)
		weft__net_ring(e->lookout.bell);
	return is_gone;
}

void weft__redis_look_away(weft__redis_waiter *w)
{
	let_go(w);
}

const char *weft__redis_gone(weft__redis *e, const weft__redis_waiter *w)
{
	bool gone;

	pthread_mutex_lock(&e->lock);
	gone = w->owner != NULL && w->owner->gone;
	pthread_mutex_unlock(&e->lock);
	return gone ? w->owner->who : "";
}

/* Of who, its last word. */
static const char *badge_of(const char *who)
{
	const char *blank = strrchr(who, ' ');

	return blank != NULL ? blank + 1 : who;
}

const char *weft__redis_alive(weft__redis *e, const weft__redis_waiter *w)
{
	bool alive;

	pthread_mutex_lock(&e->lock);
	alive = w->owner != NULL && w->owner->process >= 0;
	pthread_mutex_unlock(&e->lock);
	/* Not to be able to look says nothing: its process is there. */
	alive = alive && weft__process_wears(badge_of(w->owner->who)) != 0;
	return alive ? w->owner->who : "";
}

void weft__redis_lookout_fini(weft__redis *e)
{
	weft__redis_lookout *l = &e->lookout;

	if (!l->manned)
		return;
	pthread_mutex_lock(&e->lock);
	l->stop = true;
	pthread_mutex_unlock(&e->lock);
	weft__net_ring(l->bell);
	weft__fleet_thread_join(l->thread);
	sweep(e);
	weft__fleet_fd_close(l->bell);
}
