/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which descriptor, and who tells them: while the runtime runs its
 * workers, when they have nothing else to do and now and then when they have;
 * otherwise a thread, the poller.
 *
 * Every descriptor number that was ever waited for has a record with its
 * waiters. It is armed in epoll for what all of them want, ONESHOT: it is told
 * once, and the poller arms it again for those who are left. Level-triggered:
 * arming what is ready tells at once, so nothing is missed between. Tasks whose
 * workers will look soon anyway are not armed at once: F10.
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
 * F10 A task that waits alone for a descriptor is first put among the unarmed, at
 *     which whoever looks looks with one poll(2): what is answered soon needs
 *     no epoll_ctl. It is armed when some looks were in vain; when there is no
 *     room for more; and before any worker sleeps, by that worker, after its
 *     last task: it is tasks that are put there, so none is left when all have
 *     fallen asleep. A worker that blocks says so, and arms too; for one that
 *     computes, or blocks without a word, the monitor looks (F8). That may be a
 *     millisecond late: so a wait is armed at once where another one watches,
 *     and this worker has more to do first, or only long tasks.
 *     Tempting and wrong: to leave it to the one who watches to arm them. It
 *     sleeps already when another puts one there, and falls asleep elsewhere.
 * F11 An unarmed wait has a number of its own, which its record has too, until
 *     the wait is over, or armed. So who has looked without the record's lock
 *     tells the wait that it has looked for, and no later one. Until then the
 *     record has no other waiter, since the next one arms for both. Nor is it
 *     known before which file it waits for. If F3 finds that the number has got
 *     another one then it waits for that, and an event of the set, which may be
 *     the old one's, only has it armed.
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
	bool armed;		/* counted as that: it may yet be told */
	uint32_t unarmed;	/* atomic: the number of its wait, or 0: F11 */
	uint32_t long_waits;	/* so many more are armed at once */
	uint32_t tried;		/* atomic: waits that need no look first */
} record;

/* Records come in chunks, each twice as large as the one before. */
enum { FIRST_CHUNK = 64, CHUNKS = 26, TRIED = 15, LONG_WAITS = 15 };

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

	uint32_t armed;		/* atomic: records that are */
	uint32_t looks;		/* atomic: somebody does: F7 */
	weft_time looked;	/* atomic: when a worker last did */
	int count;		/* what was told to who looks */
	weft__pollset_event events[WEFT__POLLSET_MAX];
} poller;

enum {
	UNARMED_MOST = 256,
	UNARMED_LOOKS = 8,	/* take about as long as to arm it */
};

typedef struct {
	int fd;
	uint32_t events;
	uint32_t number;
	uint32_t in_vain;	/* so many looks were */
} unarmed_wait;

/* F10, F11. Some may be over, or armed. */
static struct {
	weft__lock lock;
	uint32_t count;		/* atomic, written with the lock */
	uint32_t last_number;
	unarmed_wait waits[UNARMED_MOST];

	uint32_t looks;		/* atomic: somebody does, at these */
	unarmed_wait looked_at[UNARMED_MOST];
	struct pollfd fds[UNARMED_MOST];
} unarmed;

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

static void set_unarmed(record *r, uint32_t number)
{
	weft_atomic_store(&r->unarmed, number, relaxed);
}

static void set_armed(record *r, bool armed)
{
	if (armed && !r->armed)
		weft_atomic_add(&poller.armed, 1, relaxed);
	else if (!armed && r->armed)
		weft_atomic_sub(&poller.armed, 1, relaxed);
	r->armed = armed;
}

/* F11: who is unarmed is the only one. */
static void unlink_waiter(record *r, weft__fd_waiter *w)
{
	weft__list_remove(&w->link);
	if (weft__list_empty(&r->waiters))
		set_unarmed(r, 0);
}

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
		unlink_waiter(r, w);
		w->waiter.result = (int)matching;
		weft__claim(&w->waiter, WEFT__NOTIFIED, wakeups);
	}
}

static void tell_all(record *r, int err, weft__wakeups *wakeups)
{
	weft__link *link;

	while ((link = weft__list_first(&r->waiters)) != NULL) {
		weft__fd_waiter *w =
			weft__container(link, weft__fd_waiter, link);

		unlink_waiter(r, w);
		w->waiter.result = err;
		weft__claim(&w->waiter, WEFT__NOTIFIED, wakeups);
	}
}

/* The number has another file now, or none: F4. */
static void lose(record *r)
{
	r->generation++;
	r->known = false;
	set_armed(r, false);
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

/* What the set knows by this number: F3. */
static int change(record *r, int fd, uint32_t events, weft__wakeups *wakeups)
{
	int err = weft__pollset_change(&poller.set, fd, events | wanted(r),
				       tag_of(r, fd));

	if (err == -ENOENT || err == -EBADF) {
		if (r->unarmed == 0)	/* F11 */
			tell_all(r, -EBADF, wakeups);
		lose(r);
	}
	return err;
}

/* Arm for those who wait and for events besides. */
static int arm(record *r, int fd, uint32_t events, weft__wakeups *wakeups)
{
	int err = r->known ? change(r, fd, events, wakeups) : -ENOENT;

	if (err == -ENOENT) {
		events |= wanted(r);
		err = weft__pollset_add(&poller.set, fd, events, tag_of(r, fd));
		if (err == -EEXIST)
			err = weft__pollset_change(&poller.set, fd, events,
						   tag_of(r, fd));
		r->known = err == 0;
	}
	if (err == 0) {
		set_armed(r, true);
		set_unarmed(r, 0);
	}
	return err;
}

/* For those who wait still. */
static int arm_the_rest(record *r, int fd, weft__wakeups *wakeups)
{
	int err;

	if (r->unarmed != 0)
		return arm(r, fd, 0, wakeups);
	err = change(r, fd, 0, wakeups);
	if (err == 0)
		set_armed(r, true);
	return err;
}

/* ---- waits that are not armed: F10 ---- */

/* Tasks of w are long; or it has more to do, and another one watches. */
static bool others_are_sooner(weft__worker *w)
{
	return weft_atomic_load(&w->eager, relaxed) > 0 ||
	       (weft_atomic_load(&poller.looks, relaxed) > 0 &&
		weft__worker_has_work(w));
}

static bool may_stay_unarmed(record *r)
{
	weft__stack *self = weft__stack_self();

	if (self == NULL || !weft__poller_has_duty() ||
	    !weft__list_empty(&r->waiters) || others_are_sooner(self->worker))
		return false;
	if (r->long_waits == 0)
		return true;
	r->long_waits--;
	return false;
}

/* With the record locked. False: there is no room. */
static bool put_unarmed(record *r, int fd, uint32_t events)
{
	bool room;

	weft__lock_take(&unarmed.lock);
	room = unarmed.count < UNARMED_MOST;
	if (room) {
		unarmed.last_number += unarmed.last_number + 1 == 0 ? 2 : 1;
		unarmed.waits[unarmed.count] = (unarmed_wait){
			.fd = fd,
			.events = events,
			.number = unarmed.last_number,
		};
		set_unarmed(r, unarmed.last_number);
		weft_atomic_store(&unarmed.count, unarmed.count + 1, relaxed);
	}
	weft__lock_drop(&unarmed.lock);
	return room;
}

/* The last: those before it have been looked at more often. */
static bool take_unarmed(unarmed_wait *w)
{
	bool taken;

	weft__lock_take(&unarmed.lock);
	taken = unarmed.count > 0;
	if (taken) {
		weft_atomic_store(&unarmed.count, unarmed.count - 1, relaxed);
		*w = unarmed.waits[unarmed.count];
	}
	weft__lock_drop(&unarmed.lock);
	return taken;
}

/* Locked, if w is still that: F11. NULL: not any more. */
static record *lock_unarmed(const unarmed_wait *w)
{
	int chunk;
	record *r = find(w->fd, &chunk);

	weft__lock_take(&r->lock);
	if (r->unarmed == w->number)
		return r;
	weft__lock_drop(&r->lock);
	return NULL;
}

static void arm_unarmed(const unarmed_wait *w, weft__wakeups *wakeups)
{
	record *r = lock_unarmed(w);
	int err;

	if (r == NULL)
		return;
	if (w->in_vain > 0)
		r->long_waits = LONG_WAITS;
	err = arm(r, w->fd, 0, wakeups);
	if (err != 0)
		tell_all(r, err, wakeups);
	weft__lock_drop(&r->lock);
}

static void tell_unarmed(const unarmed_wait *w, uint32_t revents,
			 weft__wakeups *wakeups)
{
	record *r = lock_unarmed(w);

	if (r == NULL)
		return;
	/* That it is closed is told when it is armed. */
	tell(r, revents & ~(uint32_t)POLLNVAL, wakeups);
	weft__lock_drop(&r->lock);
}

/* Drop those that are over or armed; the others are looked at once more. */
static int choose_unarmed(void)
{
	uint32_t kept = 0;
	int chunk;

	weft__lock_take(&unarmed.lock);
	for (uint32_t i = 0; i < unarmed.count; i++) {
		unarmed_wait *w = &unarmed.waits[i];

		if (weft_atomic_load(&find(w->fd, &chunk)->unarmed, relaxed) !=
		    w->number)
			continue;
		w->in_vain++;
		unarmed.fds[kept] = (struct pollfd){
			.fd = w->fd,
			.events = (short)w->events,
		};
		unarmed.looked_at[kept] = *w;
		unarmed.waits[kept++] = *w;
	}
	weft_atomic_store(&unarmed.count, kept, relaxed);
	weft__lock_drop(&unarmed.lock);
	return (int)kept;
}

static bool look_at_unarmed(void)
{
	weft__wakeups wakeups = {0};
	uint32_t nobody = 0;
	int count, found = 0;

	if (weft_atomic_load(&unarmed.count, relaxed) == 0 ||
	    !weft_atomic_cas(&unarmed.looks, &nobody, 1, acquire, relaxed))
		return false;
	count = choose_unarmed();
	if (count > 0)
		found = weft__poll_several(unarmed.fds, count);
	for (int i = 0; i < count; i++) {
		unarmed_wait *w = &unarmed.looked_at[i];

		if (found > 0 && unarmed.fds[i].revents != 0)
			tell_unarmed(w, (uint16_t)unarmed.fds[i].revents,
				     &wakeups);
		if (w->in_vain >= UNARMED_LOOKS)
			arm_unarmed(w, &wakeups);
	}
	weft_atomic_store(&unarmed.looks, 0, release);
	weft__wake(&wakeups);
	return found > 0;
}

void weft__poller_arm_all(void)
{
	uint32_t count = weft_atomic_load(&unarmed.count, relaxed);
	weft__wakeups wakeups = {0};
	unarmed_wait w;

	if (count == 0 || weft__forked())
		return;
	for (; count > 0 && take_unarmed(&w); count--)
		arm_unarmed(&w, &wakeups);
	weft__wake(&wakeups);
}

/* ---- what the set tells ---- */

static void deliver(const weft__pollset_event *event, weft__wakeups *wakeups)
{
	int fd = (int)(uint32_t)event->tag, chunk, err;
	record *r = find(fd, &chunk);

	weft__lock_take(&r->lock);
	if (event->tag == tag_of(r, fd)) {	/* F4 */
		set_armed(r, false);
		if (r->unarmed == 0)	/* else it may be for another file: F11 */
			tell(r, event->revents, wakeups);
		if (!weft__list_empty(&r->waiters)) {
			err = arm_the_rest(r, fd, wakeups);
			if (err != 0)
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

/* ---- the thread ---- */

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

	if (!weft__poller_wanted())
		return false;
	found = look_at_unarmed();
	if (weft_atomic_load(&poller.armed, relaxed) > 0 && look_begin()) {
		poller.count = weft__pollset_wait(&poller.set, poller.events,
						  WEFT__POLLSET_MAX, 0);
		found |= poller.count > 0;
		look_end();
	}
	weft_atomic_store(&poller.looked, weft_now(), relaxed);
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
	if (weft__pollset_owns(&poller.set, w->fd))
		err = -EBADF;
	else if (!may_stay_unarmed(r) || !put_unarmed(r, w->fd, w->events))
		err = arm(r, w->fd, w->events, &wakeups);
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
		unlink_waiter(r, w);
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

bool weft__poller_is_unarmed(int fd)
{
	int chunk;
	record *r = find(fd, &chunk);

	return r != NULL && weft_atomic_load(&r->unarmed, relaxed) != 0;
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
	tell_all(r, -EBADF, &wakeups);
	if (r->known) {
		weft__pollset_remove(&poller.set, fd);
		lose(r);
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
