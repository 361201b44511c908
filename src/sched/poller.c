/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which descriptor, and who tells them: while the runtime runs its
 * workers, when they have nothing else to do and now and then when they have;
 * otherwise a thread, the poller.
 *
 * Every descriptor number that was ever waited for has a record with its
 * waiters. It is armed in epoll for what all of them want, ONESHOT: it is told
 * once, and the poller arms it again for those who are left. Level-triggered:
 * arming what is ready tells at once, so nothing is missed between.
 *
 * F1  Whatever arms a descriptor does so under the lock of its record, with
 *     all its waiters linked; whatever unlinks one holds it too. So an event
 *     finds every waiter that it was armed for, or one that has left.
 * F2  A waiter that leaves disarms nothing: the event that comes for nobody
 *     changes nothing, and comes once.
 * F3  epoll knows files, not numbers. A number that was closed and given out
 *     again is not in the set (ENOENT) even if a duplicate keeps the old file
 *     there. So every wait arms with change first: ENOENT tells that whoever
 *     waits here waits for a file that has lost its number, and they are told.
 *     To trust that it is armed because others wait is the tempting wrong
 *     version: close(2) by hand takes the old file out of the set silently,
 *     and nobody who waits on the new one is ever woken.
 * F4  A tag holds the record's generation, which changes whenever its number
 *     has got another file. An old file's event, still on its way or brought
 *     by a duplicate, is not for those who wait now.
 * F5  The thread ends only with nobody between begin and end, and begin starts
 *     it; both under the lock life.
 * F6  The set's own descriptors are nobody else's, although a wait that
 *     overlaps with the close of its descriptor may meet them under its number.
 *
 * F7  One looks at a time, and has the word looks; the one who sleeps at it is
 *     said to watch. The thread never looks while it is the workers' duty: it
 *     is asked for it, and hands it over itself when it is out of the set. So
 *     a ring for the watcher, which is told once, is told to the watcher, or
 *     if that has left already to nobody it matters to.
 *     Tempting and wrong: to have the thread stay in epoll_wait for when all
 *     workers are busy. It takes the ring, and the watcher sleeps on.
 * F8  While it is the workers' duty, one of them is awake, or one watches, or
 *     somebody is about to wake one for it. A worker that falls asleep has said
 *     so before it tries to watch. It fails if another one looks, which is a
 *     worker that is awake, or the monitor, who sees to it afterwards that one
 *     watches (weft__runtime_want_watcher()); and so does the thread, after it
 *     has handed over. Should all who are awake be busy for long, the monitor
 *     looks, and has one of those who sleep watch.
 * F9  Who stops the runtime joins the thread, and nobody may start it meanwhile.
 *     The thread may want to, if it wakes a task: S6. So while it tells it is
 *     counted, and is not joined. It is counted before it takes the lock of a
 *     record, and so before whoever it tells is counted out; where it is found
 *     not to be, nobody waits, and it has nobody to wake.
 *
 * Explored as C11 allows it: test/model/c11/watch.c.
 *
 * To the scheduler the poller is a plain thread, and so is the monitor: what it
 * wakes goes to the global queue (S4, S6), and who is woken may start the runtime
 * anew.
 */
#include "sched/poller.h"

#include "plat/futex.h"
#include "plat/lock.h"
#include "plat/pages.h"
#include "plat/pollset.h"
#include "plat/thread.h"
#include "sched/fork.h"
#include "sched/sched.h"

#include <errno.h>

typedef struct {
	weft__link waiters;
	weft__lock lock;
	uint32_t generation;
	bool known;		/* probably in the set: try change first */
	uint32_t tried;		/* atomic: waits that need no look first */
} record;

/* Records come in chunks, each twice as large as the one before. */
enum { FIRST_CHUNK = 64, CHUNKS = 26, TRIED = 15 };

/* Whose it is to look: the thread's, or the workers'. F7 */
enum { OURS, ASKED, THEIRS };

static struct {
	weft__lock life;
	bool running;
	size_t users;		/* atomic: between begin and end, or F9 */
	weft__thread thread;
	uint32_t duty;		/* futex: OURS to THEIRS */
	uint32_t stop;		/* atomic */
	weft__pollset set;
	record *chunks[CHUNKS];	/* atomic */

	uint32_t looks;		/* atomic: somebody does: F7 */
	weft_time looked;	/* atomic: when a worker last did */
	int count;		/* what was told to who looks */
	weft__pollset_event events[WEFT__POLLSET_MAX];
} poller;

/* ---- records ---- */

/* The record of fd, NULL if there is none yet. */
static record *find(int fd, int *chunk)
{
	uint32_t n = (uint32_t)fd / FIRST_CHUNK + 1;
	uint32_t first;
	record *records;

	*chunk = 31 - __builtin_clz(n);
	first = ((1u << *chunk) - 1) * FIRST_CHUNK;
	records = weft_atomic_load(&poller.chunks[*chunk], acquire);
	return records != NULL ? &records[(uint32_t)fd - first] : NULL;
}

/* The same, making it; NULL: no memory. With life locked. */
static record *make(int fd)
{
	int chunk;
	record *r = find(fd, &chunk);

	if (r != NULL)
		return r;
	r = weft__pages_map(sizeof *r * ((size_t)FIRST_CHUNK << chunk));
	if (r == NULL)
		return NULL;
	weft_atomic_store(&poller.chunks[chunk], r, release);
	return find(fd, &chunk);
}

static uint64_t tag_of(const record *r, int fd)
{
	return (uint64_t)r->generation << 32 | (uint32_t)fd;
}

/* ---- with a record locked ---- */

/* Claim those who wait for any of revents, tell them, and unlink them. */
static void tell(record *r, uint32_t revents, weft__wakeups *wakeups)
{
	weft__link *link = weft__list_first(&r->waiters), *next;

	for (; link != NULL; link = next) {
		weft__fd_waiter *w =
			weft__container(link, weft__fd_waiter, link);
		uint32_t matching = revents & (w->events | weft__poll_always);

		next = link->next != &r->waiters ? link->next : NULL;
		if (matching == 0)
			continue;
		weft__list_remove(link);
		w->waiter.result = (int)matching;
		weft__claim(&w->waiter, WEFT__NOTIFIED, wakeups);
	}
}

static void tell_all(record *r, int err, weft__wakeups *wakeups)
{
	weft__link *link;

	while ((link = weft__list_pop(&r->waiters)) != NULL) {
		weft__fd_waiter *w =
			weft__container(link, weft__fd_waiter, link);

		w->waiter.result = err;
		weft__claim(&w->waiter, WEFT__NOTIFIED, wakeups);
	}
}

/* The number has another file now, or none: F4. */
static void lose(record *r, weft__wakeups *wakeups)
{
	tell_all(r, -EBADF, wakeups);
	r->generation++;
	r->known = false;
}

static uint32_t wanted(const record *r)
{
	uint32_t events = 0;

	if (weft__list_empty(&r->waiters))
		return 0;
	for (weft__link *link = r->waiters.next; link != &r->waiters;
	     link = link->next)
		events |= weft__container(link, weft__fd_waiter, link)->events;
	return events;
}

/* Arm for those who wait and for events besides. */
static int arm(record *r, int fd, uint32_t events, weft__wakeups *wakeups)
{
	int err = -ENOENT;

	if (r->known)
		err = weft__pollset_change(&poller.set, fd, events | wanted(r),
					   tag_of(r, fd));
	if (err == 0)
		return 0;
	if (r->known && (err == -ENOENT || err == -EBADF))
		lose(r, wakeups);	/* F3 */
	if (err != -ENOENT)
		return err;
	err = weft__pollset_add(&poller.set, fd, events, tag_of(r, fd));
	if (err == -EEXIST)
		err = weft__pollset_change(&poller.set, fd, events,
					   tag_of(r, fd));
	r->known = err == 0;
	return err;
}

/* ---- the thread ---- */

static void deliver(const weft__pollset_event *event, weft__wakeups *wakeups)
{
	int fd = (int)(uint32_t)event->tag, chunk, err;
	record *r = find(fd, &chunk);

	weft__lock_take(&r->lock);
	if (event->tag == tag_of(r, fd)) {	/* F4 */
		tell(r, event->revents, wakeups);
		if (!weft__list_empty(&r->waiters)) {
			err = weft__pollset_change(&poller.set, fd, wanted(r),
						   tag_of(r, fd));
			if (err == -ENOENT || err == -EBADF)
				lose(r, wakeups);
			else if (err != 0)
				tell_all(r, err, wakeups);
		}
	}
	weft__lock_drop(&r->lock);
}

static void deliver_all(const weft__pollset_event *events, int n,
			weft__wakeups *wakeups)
{
	for (int i = 0; i < n; i++)
		if (events[i].tag != WEFT__POLLSET_BELL)
			deliver(&events[i], wakeups);
}

/* Sleep until the workers are gone. F7, F8 */
static void leave_it_to_workers(void)
{
	uint32_t asked = ASKED;

	if (weft_atomic_cas(&poller.duty, &asked, (uint32_t)THEIRS, acq_rel,
			    relaxed))
		weft__runtime_want_watcher();
	weft__futex_wait(&poller.duty, THEIRS, WEFT_NEVER);
}

static void *poller_main(void *unused)
{
	weft__pollset_event events[WEFT__POLLSET_MAX];
	weft__wakeups wakeups = {0};
	int n;

	(void)unused;
	while (!weft_atomic_load(&poller.stop, acquire)) {
		if (weft_atomic_load(&poller.duty, acquire) != OURS) {
			leave_it_to_workers();
			continue;
		}
		n = weft__pollset_wait(&poller.set, events, WEFT__POLLSET_MAX,
				       WEFT_NEVER);
		weft_atomic_add(&poller.users, 1, relaxed);	/* F9 */
		deliver_all(events, n, &wakeups);
		weft__wake(&wakeups);
		weft_atomic_sub(&poller.users, 1, relaxed);
	}
	return NULL;
}

/* With life locked. */
static int start(void)
{
	int err = weft__fork_watch();

	if (err == 0)
		err = weft__pollset_open(&poller.set);
	if (err != 0)
		return err;
	weft_atomic_store(&poller.stop, 0, relaxed);
	weft_atomic_store(&poller.duty,
			  weft_atomic_load(&weft__rt.running, seq_cst) ? ASKED
								       : OURS,
			  relaxed);
	err = weft__thread_start(&poller.thread, "weft poller", poller_main,
				 NULL);
	if (err != 0) {
		weft__pollset_close(&poller.set);
		return -ENOMEM;
	}
	poller.running = true;
	return 0;
}

void weft__poller_stop(void)
{
	weft__lock_take(&poller.life);
	weft_atomic_store(&poller.duty, OURS, release);
	weft__futex_wake(&poller.duty, 1);
	if (poller.running &&
	    weft_atomic_load(&poller.users, relaxed) == 0) {	/* F5, F9 */
		weft_atomic_store(&poller.stop, 1, release);
		weft__pollset_ring(&poller.set);
		weft__thread_join(&poller.thread);
		weft__pollset_close(&poller.set);
		poller.running = false;
	}
	weft__lock_drop(&poller.life);
}

/* ---- workers ---- */

void weft__poller_hand_over(void)
{
	weft__lock_take(&poller.life);
	if (poller.running &&
	    weft_atomic_load(&poller.duty, relaxed) == OURS) {
		weft_atomic_store(&poller.duty, ASKED, release);
		weft__pollset_ring(&poller.set);
	}
	weft__lock_drop(&poller.life);
}

bool weft__poller_has_duty(void)
{
	return weft_atomic_load(&poller.duty, acquire) == THEIRS;
}

bool weft__poller_wanted(void)
{
	return weft__poller_has_duty() &&
	       weft_atomic_load(&poller.users, relaxed) > 0;
}

static bool look_begin(void)
{
	uint32_t nobody = 0;

	return weft_atomic_load(&poller.looks, relaxed) == 0 &&
	       weft_atomic_cas(&poller.looks, &nobody, 1, acquire, relaxed);
}

static void look_end(void)
{
	weft__wakeups wakeups = {0};

	deliver_all(poller.events, poller.count, &wakeups);
	weft_atomic_store(&poller.looks, 0, release);
	weft__wake(&wakeups);
}

bool weft__poller_look(void)
{
	bool found;

	if (!weft__poller_wanted() || !look_begin())
		return false;
	poller.count = weft__pollset_wait(&poller.set, poller.events,
					  WEFT__POLLSET_MAX, 0);
	weft_atomic_store(&poller.looked, weft_now(), relaxed);
	found = poller.count > 0;
	look_end();
	return found;
}

bool weft__poller_neglected(weft_duration age, weft_time now)
{
	return weft__poller_wanted() &&
	       now - weft_atomic_load(&poller.looked, relaxed) >= age;
}

bool weft__poller_watch_begin(void)
{
	if (!weft__poller_has_duty() || !look_begin())
		return false;
	poller.count = 0;
	return true;
}

bool weft__poller_watch_wait(weft_time deadline)
{
	int n = weft__pollset_wait(&poller.set, poller.events,
				   WEFT__POLLSET_MAX, deadline);

	if (n > 1 || (n == 1 && poller.events[0].tag != WEFT__POLLSET_BELL))
		poller.count = n;
	return poller.count == 0 && (n > 0 || weft_now() < deadline);
}

void weft__poller_watch_end(void)
{
	weft_atomic_store(&poller.looked, weft_now(), relaxed);
	look_end();
}

void weft__poller_ring(void)
{
	weft__pollset_ring(&poller.set);
}

/* ---- waiting ---- */

/* F5: the set, if there is one, stays until leave(). */
static bool enter_running(void)
{
	bool running;

	weft__lock_take(&poller.life);
	running = poller.running;
	if (running)
		weft_atomic_add(&poller.users, 1, relaxed);
	weft__lock_drop(&poller.life);
	return running;
}

/* F5. The record of fd; NULL and *err: the caller is no user. */
static record *enter(int fd, int *err)
{
	record *r = NULL;

	weft__fork_check();
	weft__lock_take(&poller.life);
	*err = poller.running ? 0 : start();
	if (*err == 0) {
		r = make(fd);
		*err = r != NULL ? 0 : -ENOMEM;
		if (r != NULL)
			weft_atomic_add(&poller.users, 1, relaxed);
	}
	weft__lock_drop(&poller.life);
	return r;
}

static void leave(void)
{
	weft__lock_take(&poller.life);
	weft_atomic_sub(&poller.users, 1, relaxed);
	weft__lock_drop(&poller.life);
}

bool weft__poller_is_tried(int fd)
{
	int chunk;
	record *r;
	uint32_t tried;

	if (fd < 0 || weft__forked() || (r = find(fd, &chunk)) == NULL)
		return false;
	tried = weft_atomic_load(&r->tried, relaxed);
	if (tried > 0)
		weft_atomic_store(&r->tried, tried - 1, relaxed);
	return tried > 0;
}

int weft__poller_begin(weft__fd_waiter *w)
{
	weft__wakeups wakeups = {0};
	int err;
	record *r = enter(w->fd, &err);

	if (r == NULL)
		return err;
	if (w->looked)
		weft_atomic_store(&r->tried, TRIED, relaxed);
	weft__lock_take(&r->lock);
	/* A number that was closed by mistake may be ours now: F6. */
	err = weft__pollset_owns(&poller.set, w->fd)
		      ? -EBADF
		      : arm(r, w->fd, w->events, &wakeups);
	if (err == 0)
		weft__list_push(&r->waiters, &w->link);	/* F1 */
	weft__lock_drop(&r->lock);
	weft__wake(&wakeups);
	if (err != 0)
		leave();
	return err;
}

void weft__poller_end(weft__fd_waiter *w)
{
	int chunk;
	record *r = find(w->fd, &chunk);

	weft__lock_take(&r->lock);
	if (weft__list_linked(&w->link))
		weft__list_remove(&w->link);
	weft__lock_drop(&r->lock);
	leave();
}

size_t weft__poller_count(int fd)
{
	size_t count = 0;
	int chunk;
	record *r = find(fd, &chunk);
	weft__link *link;

	if (r == NULL)
		return 0;
	weft__lock_take(&r->lock);
	if (!weft__list_empty(&r->waiters))
		for (link = r->waiters.next; link != &r->waiters;
		     link = link->next)
			count++;
	weft__lock_drop(&r->lock);
	return count;
}

bool weft__poller_waits(size_t *threads)
{
	size_t users;

	weft__lock_take(&poller.life);
	users = weft_atomic_load(&poller.users, relaxed);
	*threads = poller.running;
	weft__lock_drop(&poller.life);
	return users > 0;
}

/*
 * The number goes under the lock: who waits for it next finds none, or another
 * file, but not this one on its way out.
 */
static int close_watched(record *r, int fd)
{
	weft__wakeups wakeups = {0};
	int err, rest;

	weft__lock_take(&r->lock);
	if (r->known) {
		weft__pollset_remove(&poller.set, fd);
		lose(r, &wakeups);
	}
	err = weft__close(fd, &rest);
	weft__lock_drop(&r->lock);
	weft__wake(&wakeups);
	weft__close_rest(rest);
	return err;
}

/* Without a thread, or in the child of a fork, nobody waits. */
int weft__poller_close(int fd)
{
	record *r = NULL;
	int chunk, err;

	if (fd < 0 || weft__forked() || !enter_running())
		return weft__close(fd, NULL);
	r = find(fd, &chunk);
	if (weft__pollset_owns(&poller.set, fd))
		err = -EBADF;	/* F6 */
	else if (r != NULL)
		err = close_watched(r, fd);
	else
		err = weft__close(fd, NULL);
	leave();
	return err;
}
