/* SPDX-License-Identifier: MIT */
/* The operations of the engine: see dir.h for the proof. */
#include "fleet/dir/dir.h"

#include "fleet/os/fd.h"
#include "fleet/os/step.h"

#include <weft/task.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* How soon who was told that a leader closed its record looks again: D6. */
static const weft_duration SOON = WEFT_MS(1);
enum { SOON_TRIES = 6 };
/* What the keeper waits for shards, each time: others may be due by then. */
static const weft_duration RENEW_PATIENCE = WEFT_MS(5);
static const weft_duration STORING = WEFT_MINUTE;	/* that a disk may take */
/* How often without inotify, and while a dead leader's child has its lock. */
static const weft_duration SLOW = WEFT_MS(20);
static const weft_duration POLL = WEFT_MS(500);
/* A record is kept for this long at least, since its epoch is. */
static const weft_duration RETAIN = 10 * WEFT_MINUTE;

typedef weft__dir_record record;
typedef weft__dir_stored stored;

/* What the engine has of a lease. */
typedef struct {
	int fd;		/* of the record: locked */
	bool once;
	stored before;	/* the result that was there */
	record record;	/* as this leader wrote it last */
} dir_lease;

/* ---- opening ---- */

static weft__dir *dir_of(weft__fleet_engine *e)
{
	return (weft__dir *)e;
}

static void note_command(weft__dir *d)
{
	weft_atomic_add(&d->engine.commands, 1, relaxed);
}

static int note_result(weft__dir *d, int err)
{
	if (weft__fleet_is_down(err))
		weft_atomic_add(&d->engine.down, 1, relaxed);
	return err;
}

static int dir_open(weft__fleet_engine **out, const weft__fleet_setup *setup)
{
	weft__dir *d = calloc(1, sizeof *d);
	int err;

	if (d == NULL)
		return -ENOMEM;
	d->engine.ops = &weft__fleet_dir_ops;
	d->core = setup->core;
	d->max_bytes = setup->max_bytes;
	weft__fleet_self_get(&d->self);
	err = weft__dir_open(d, setup);
	if (err != 0)
		free(d);
	else
		*out = &d->engine;
	return err;
}

static void dir_close(weft__fleet_engine *e)
{
	weft__dir *d = dir_of(e);

	weft__dir_watch_stop(d);
	weft__dir_sweep_stop(d);
	weft__dir_close(d);
	free(d);
}

/* ---- what a record is good for ---- */

enum use { NONE, GIVE, GIVE_AND_LEAD };

/* Its result is in the record, but may not be on the disk: D7. */
static bool is_being_stored(const weft__dir_head *h)
{
	return h->state == WEFT__DIR_RUN && h->result.epoch == h->epoch;
}

/* held: a run goes on. See "usable" in engine.h. */
static enum use use_of(const weft__dir *d, const weft__fleet_ask *ask,
		       const record *r, bool held)
{
	const stored *s = &r->head.result;
	weft_duration age;

	if (s->epoch == 0 || ask->gate || is_being_stored(&r->head))
		return NONE;
	if (ask->known_epoch != 0)
		return s->epoch >= ask->known_epoch ? GIVE : NONE;
	age = weft__dir_age(d, s);
	if (s->ending == WEFT__FLEET_UNSTORED)
		return age < s->fresh && ask->mode != WEFT_FLEET_CALL ? GIVE
								      : NONE;
	if (s->ending != WEFT__FLEET_RETURNED)
		return NONE;
	if (ask->passive)
		return age < s->stale ? GIVE : NONE;
	if (ask->mode == WEFT_FLEET_CALL)
		return age <= ask->max_age && ask->max_age > 0 ? GIVE : NONE;
	if (age >= s->stale)
		return NONE;
	return held || (age < s->fresh && !ask->refresh) ? GIVE : GIVE_AND_LEAD;
}

static bool is_other_key(const weft__fleet_ask *ask, const weft__dir_head *h)
{
	size_t n = ask->key.size < sizeof h->key ? ask->key.size : sizeof h->key;

	return h->key_size != ask->key.size ||
	       (n != 0 && memcmp(h->key, ask->key.data, n) != 0);
}

/* Of a run that goes on, or of a result that is kept. */
static bool is_other_work(const weft__dir *d, const weft__fleet_ask *ask,
			  const weft__dir_head *h, bool held)
{
	return ask->fingerprint != 0 && h->fingerprint != 0 &&
	       ask->fingerprint != h->fingerprint &&
	       (held || (h->result.epoch != 0 &&
			 weft__dir_age(d, &h->result) < h->result.stale));
}

/* ---- joining ---- */

/* A record that is looked at, with its shard locked. */
typedef struct {
	weft__dir *d;
	weft__fleet_ask *ask;
	weft__fleet_answer *a;
	int fd;		/* -1: there is none */
	bool locked;	/* by this look; else by its leader */
	record record;
} look;

/* There is a result that will do. 1: HIT; 0: it turns out to be gone; or why not. */
static int give(look *l)
{
	int err;

	if (l->record.head.result.size > l->d->max_bytes)
		return -EFBIG;
	err = weft__dir_load(l->d, l->ask->id.hex, &l->record, &l->a->result);
	l->a->verdict = WEFT__FLEET_HIT;
	return err == -ENOENT ? 0 : err == 0 ? 1 : err;
}

/* Without the shard's lock: what is wrong or half changed is looked at again. */
static bool peek(weft__dir *d, weft__fleet_ask *ask, weft__fleet_answer *a)
{
	look l = {.d = d, .ask = ask, .a = a};

	return weft__dir_get(d, ask->id.hex, &l.record) == 0 &&
	       !is_other_key(ask, &l.record.head) &&
	       !is_other_work(d, ask, &l.record.head, true) &&
	       use_of(d, ask, &l.record, false) == GIVE &&
	       give(&l) > 0;
}

/*
 * To read only: closing what was opened to be written is news to those who
 * watch the record, and each who is told would make news in turn.
 */
static int open_record(look *l)
{
	int err;

	l->fd = weft__dir_open_at(l->d->keys, l->ask->id.hex, O_RDONLY);
	if (l->fd < 0)
		return errno == ENOENT ? 0 : weft__dir_trouble(errno);
	l->locked = flock(l->fd, LOCK_EX | LOCK_NB) == 0;
	err = weft__dir_read(l->fd, &l->record);
	return err == -ENOENT ? 0 : err;
}

static void close_record(look *l)
{
	if (l->locked)
		flock(l->fd, LOCK_UN);
	weft__fleet_fd_close(l->fd);
	l->fd = -1;
	l->locked = false;
}

static bool is_lapsed(const look *l)
{
	const weft__dir_head *h = &l->record.head;

	return !weft__dir_same_boot(l->d, h->boot) ||
	       weft__fleet_boottime() > h->lease_end + l->ask->grace;
}

/* The leader has died, and a child that inherited the lock works on. */
static bool is_orphaned(const look *l)
{
	const weft__dir_head *h = &l->record.head;

	return weft__fleet_is_gone(&l->d->self, h->pid, h->pid_start,
				   h->pid_space);
}

static weft_duration hint_of(const look *l, bool watched)
{
	weft_duration left = l->record.head.lease_end + l->ask->grace -
			     weft__fleet_boottime();

	if (l->ask->news != 0 && l->ask->news <= SOON_TRIES)
		return SOON << (l->ask->news - 1);
	if (!watched || left <= 0)
		return SLOW;
	return left < POLL ? left : POLL;
}

/* What the engine has of an asker that waits. */
typedef struct {
	weft__dir_watched *watched;
	int64_t seat;
} ticket;

/* Who leads waits no more. */
static void stop_waiting(weft__dir *d, weft__fleet_ask *ask)
{
	ticket *t = ask->priv;

	if (t == NULL)
		return;
	weft__dir_stand_up(d, t->seat);
	weft__dir_unwatch(d, t->watched);
	free(t);
	ask->priv = NULL;
}

/* Since it was looked at, but before it was watched: D6. */
static bool has_died(look *l)
{
	l->locked = flock(l->fd, LOCK_EX | LOCK_NB) == 0;
	return l->locked;
}

static int be_told(look *l)
{
	weft__dir *d = l->d;
	ticket *t = l->ask->priv;
	weft__dir_watched *before;

	if (t == NULL) {
		t = calloc(1, sizeof *t);
		if (t == NULL)
			return -ENOMEM;
		t->seat = -1;
		l->ask->priv = t;
	}
	before = t->watched;
	t->watched = weft__dir_watch(d, &l->ask->id);
	weft__dir_unwatch(d, before);
	if (t->seat < 0)
		t->seat = weft__dir_sit_down(d, l->ask->id.hex,
					     !l->ask->passive);
	l->a->verdict = WEFT__FLEET_WAIT;
	l->a->epoch = l->record.head.epoch;
	return 0;
}

static int wait_for(look *l)
{
	int err = be_told(l);
	const ticket *t = l->ask->priv;

	if (err == 0)
		l->a->hint = has_died(l) ? SOON
					 : hint_of(l, t->watched != NULL);
	return err;
}

/* Nobody runs; for who does not lead. Who will is another one that waits. */
static int wait_for_leader(look *l)
{
	l->a->hint = SLOW;
	l->a->vacant = !l->ask->doubts &&
		       weft__dir_one_will_lead(l->d, l->ask->id.hex);
	if (l->a->vacant)
		return be_told(l);
	return l->a->took_over && l->ask->known_epoch != 0 ? -EOWNERDEAD
							   : -ENOENT;
}

/* ---- leading ---- */

static uint64_t next_epoch(uint64_t last)
{
	uint64_t now = (uint64_t)weft__fleet_walltime() / 1000;

	return now > last ? now : last + 1;
}

/* Of the record. The sweep leaves it while its result may be given besides. */
static weft_duration retention(const weft__fleet_ask *ask)
{
	return 20 * ask->lease > RETAIN ? 20 * ask->lease : RETAIN;
}

static void write_claim(const look *l, record *r)
{
	const weft__fleet_ask *ask = l->ask;
	weft__dir_head *h = &r->head;
	weft_time now = weft__fleet_boottime();

	h->epoch = next_epoch(h->epoch);
	memcpy(h->attempt, ask->attempt.word, sizeof h->attempt);
	h->state = WEFT__DIR_RUN;
	h->flags = (ask->at_most_once ? WEFT__DIR_AT_MOST_ONCE : 0) |
		   (ask->gate ? WEFT__DIR_GATE : 0) |
		   (ask->mode == WEFT_FLEET_ONCE ? WEFT__DIR_ONCE : 0);
	h->fingerprint = ask->fingerprint;
	h->lease = ask->lease;
	h->lease_end = now + ask->lease;
	h->started_boot = now;
	h->started_wall = h->changed_wall = weft__fleet_walltime();
	h->retain = retention(ask);
	memcpy(h->boot, l->d->self.boot, sizeof h->boot);
	h->pid = l->d->self.pid;
	h->pid_start = l->d->self.start;
	h->pid_space = l->d->self.space;
	memcpy(h->host, l->d->self.host, sizeof h->host);
	h->key_size = ask->key.size;
	if (ask->key.size != 0)
		memcpy(h->key, ask->key.data,
		       ask->key.size < sizeof h->key ? ask->key.size
						     : sizeof h->key);
}

/* Write the claim and lock it. What was made for it is removed where that fails. */
static int claim(dir_lease *lease, int folder, const char *name, bool made)
{
	int err = lease->fd < 0 ? weft__dir_trouble(errno) : 0;

	if (err == 0 && flock(lease->fd, LOCK_EX | LOCK_NB) != 0)
		err = -EHOSTDOWN;	/* a network's, after all */
	weft__fleet_step("dir-locked");
	if (err == 0)
		err = weft__dir_write(lease->fd, &lease->record, true);
	weft__fleet_step("dir-claimed");
	if (err != 0 && made)
		unlinkat(folder, name, 0);
	return err;
}

/* In the file that is there, which nobody has locked, or in a first one. */
static int claim_here(look *l, dir_lease *lease)
{
	bool made = l->fd < 0;

	lease->fd = weft__dir_open_at(l->d->keys, l->ask->id.hex,
				      O_RDWR | (made ? O_CREAT : 0));
	close_record(l);	/* its lock would keep the leader's out */
	return claim(lease, l->d->keys, l->ask->id.hex, made);
}

/* In a new file, since the lock on the old one is somebody's still: D3. */
static int claim_anew(look *l, dir_lease *lease)
{
	weft__dir *d = l->d;
	const char *name = l->ask->attempt.hex;
	int err;

	lease->fd = weft__dir_open_at(d->temps, name, O_RDWR | O_CREAT | O_EXCL);
	err = claim(lease, d->temps, name, true);
	if (err == 0 && renameat(d->temps, name, d->keys, l->ask->id.hex) != 0) {
		err = weft__dir_trouble(errno);
		unlinkat(d->temps, name, 0);
	}
	return err;
}

static int lead(look *l, bool spare)
{
	dir_lease *lease = malloc(sizeof *lease);
	bool anew = l->fd >= 0 && !l->locked;
	int err;

	if (lease == NULL)
		return -ENOMEM;
	lease->record = l->record;
	lease->before = l->record.head.result;
	write_claim(l, &lease->record);
	l->a->sent_at = lease->record.head.started_boot;
	if (spare)
		(void)weft__dir_load(l->d, l->ask->id.hex, &l->record,
				     &l->a->result);
	err = anew ? claim_anew(l, lease) : claim_here(l, lease);
	if (err != 0) {
		weft__fleet_fd_close(lease->fd);
		free(lease);
		free(l->a->result);
		l->a->result = NULL;
		return err;
	}
	stop_waiting(l->d, l->ask);
	l->a->verdict = WEFT__FLEET_LEAD;
	l->a->epoch = lease->record.head.epoch;
	l->a->takeovers = (int)lease->record.head.deaths;
	l->a->lease = lease;
	l->a->lock_fd = lease->fd;
	return 0;
}

/* ---- a result ---- */

static void drop_result(weft__dir *d, const char *name, const stored *s)
{
	if (s->epoch != 0 && s->in_file)
		unlinkat(d->results, weft__dir_result_name(name, s->epoch).text, 0);
}

/* To the disk: the record, its name, and that of its result's file. */
static int write_through(weft__dir *d, int fd, record *r)
{
	int err = weft__dir_write(fd, r, true);

	if (err == 0)
		err = weft__dir_flush(fd);
	if (err == 0)
		err = weft__dir_flush(d->keys);
	if (err == 0 && r->head.result.in_file)
		err = weft__dir_flush(d->results);
	return err;
}

/* With the shard locked: the run of this record has ended, with *s. */
static int end_run(weft__dir *d, int fd, record *r, const stored *s, bool once)
{
	weft__dir_head *h = &r->head;
	int err;

	h->result = *s;
	h->changed_wall = weft__fleet_walltime();
	if (once) {
		h->state = WEFT__DIR_RUN;	/* D7 */
		err = write_through(d, fd, r);
		if (err != 0)
			return err;
	}
	h->state = s->ending == WEFT__FLEET_UNSTORED &&
				   h->flags & WEFT__DIR_AT_MOST_ONCE
			   ? WEFT__DIR_LOST
			   : WEFT__DIR_DONE;
	h->deaths = 0;
	return weft__dir_write(fd, r, true);
}

/* ---- a leader that is gone ---- */

/* Change the record of a look that has it locked. */
static int amend(look *l)
{
	int fd = weft__dir_open_at(l->d->keys, l->ask->id.hex, O_RDWR);
	int err = fd < 0 ? weft__dir_trouble(errno)
			 : weft__dir_write(fd, &l->record, true);

	weft__fleet_fd_close(fd);
	return err;
}

static int adopt(look *l, const stored *s)
{
	bool once = (l->record.head.flags & WEFT__DIR_ONCE) != 0;
	const char *name = l->ask->id.hex;
	stored before = l->record.head.result;
	int fd = weft__dir_open_at(l->d->keys, name, O_RDWR);
	int err = fd < 0 ? weft__dir_trouble(errno)
			 : end_run(l->d, fd, &l->record, s, once);

	weft__fleet_fd_close(fd);
	if (err == 0 && before.epoch != s->epoch)
		drop_result(l->d, name, &before);
	return err;
}

/* The record says run, and nobody does: D2, D4, D7. */
static int bury(look *l)
{
	weft__dir_head *h = &l->record.head;
	stored s = h->result;
	int err;

	if (is_being_stored(h))
		return adopt(l, &s);
	err = l->locked ? weft__dir_find(l->d, l->ask->id.hex, h->epoch, &s)
			: -ENOENT;
	if (err != -ENOENT)
		return err == 0 ? adopt(l, &s) : err;
	if (weft__dir_same_boot(l->d, h->boot))
		h->deaths++;
	l->a->took_over = true;
	h->state = h->flags & WEFT__DIR_AT_MOST_ONCE ? WEFT__DIR_LOST
						     : WEFT__DIR_IDLE;
	if (h->flags & WEFT__DIR_GATE)
		h->deaths = 0;
	if (h->state == WEFT__DIR_LOST ||
	    (int)h->deaths >= l->ask->max_takeovers)
		return amend(l);
	return 0;
}

/* Nobody runs. */
static int settle(look *l)
{
	weft__dir_head *h = &l->record.head;
	enum use use = use_of(l->d, l->ask, &l->record, false);
	int given = use == GIVE ? give(l) : 0;

	if (given != 0)
		return given > 0 ? 0 : given;
	if (h->state == WEFT__DIR_LOST)
		return -EOWNERDEAD;
	if (!l->ask->gate && h->deaths != 0 &&
	    (int)h->deaths >= l->ask->max_takeovers)
		return -ELOOP;
	if (l->ask->passive)
		return wait_for_leader(l);
	return lead(l, use == GIVE_AND_LEAD);
}

static int decide(look *l)
{
	weft__dir_head *h = &l->record.head;
	bool held = h->state == WEFT__DIR_RUN && !l->locked;
	int err, given = 0;

	if (l->fd < 0)
		return l->ask->passive ? -ENOENT : lead(l, false);
	if (h->epoch != 0 && is_other_key(l->ask, h))
		return -EBADMSG;
	if (is_other_work(l->d, l->ask, h, held))
		return -EBADMSG;
	if (held) {
		if (use_of(l->d, l->ask, &l->record, true) == GIVE)
			given = give(l);
		if (given != 0)
			return given > 0 ? 0 : given;
		if (!is_lapsed(l) || is_orphaned(l))
			return wait_for(l);
	}
	if (h->state == WEFT__DIR_RUN) {
		err = bury(l);
		if (err != 0)
			return err;
	}
	return settle(l);
}

static int dir_join(weft__fleet_engine *e, weft_ctx *ctx, weft__fleet_ask *ask,
		    weft__fleet_answer *a)
{
	weft__dir *d = dir_of(e);
	look l = {.d = d, .ask = ask, .a = a};
	int shard, err;

	(void)ctx;	/* a moment */
	note_command(d);
	if (peek(d, ask, a))
		return 0;
	shard = weft__dir_lock(d, ask->id.hex);
	if (shard < 0)
		return note_result(d, shard);
	err = open_record(&l);
	if (err == 0)
		err = decide(&l);
	close_record(&l);
	weft__dir_unlock(shard);
	return note_result(d, err);
}

static void dir_leave(weft__fleet_engine *e, weft__fleet_ask *ask, bool may_lead)
{
	(void)may_lead;	/* a join that fails leads nothing here */
	stop_waiting(dir_of(e), ask);
}

/* ---- holding a lease ---- */

static dir_lease *lease_of(const weft__fleet_lease *lease)
{
	return lease->priv;
}

/*
 * Is the record still this leader's? With the shard locked: what the leader's
 * own file says, and whether it still has its name (D3).
 */
static int check_mine(weft__fleet_lease *lease)
{
	dir_lease *own = lease_of(lease);
	record now;
	struct stat s;
	int err = weft__dir_read(own->fd, &now);

	if (err != 0)
		return err == -ENOENT ? -EOWNERDEAD : err;
	if (now.head.attempt[0] == 0 && now.head.attempt[1] == 0)
		return -ESTALE;
	if (memcmp(now.head.attempt, own->record.head.attempt,
		   sizeof now.head.attempt) != 0)
		return -EOWNERDEAD;
	if (fstat(own->fd, &s) != 0 || s.st_nlink == 0)
		return -EOWNERDEAD;
	lease->cancelled |= (now.head.flags & WEFT__DIR_CANCELLED) != 0;
	return 0;
}

/* For the lease, and so much longer. */
static int renew_one(weft__dir *d, weft__fleet_lease *lease, weft_time until,
		     weft_duration longer)
{
	dir_lease *own = lease_of(lease);
	weft__dir_head *h = &own->record.head;
	int shard = weft__dir_lock_until(d, lease->ask->id.hex, until);
	int err;

	if (shard < 0)
		return shard;
	err = check_mine(lease);
	if (err == 0) {
		h->lease_end = weft__fleet_boottime() + h->lease + longer;
		err = weft__dir_write(own->fd, &own->record, false);
		weft_atomic_store(&lease->waiters,
				  weft__dir_waiters(d, lease->ask->id.hex),
				  relaxed);
	}
	weft__dir_unlock(shard);
	return err;
}

/*
 * First those whose shards are free, so that one that is held by who was stopped
 * costs the others nothing; then the rest, for a moment. The keeper asks again.
 */
static void dir_renew(weft__fleet_engine *e, weft__fleet_lease *list,
		      weft_time until)
{
	weft__dir *d = dir_of(e);
	weft_time patience;

	for (weft__fleet_lease *l = list; l != NULL; l = l->next_due) {
		note_command(d);
		l->renewed = renew_one(d, l, 0, 0);
	}
	patience = weft_now() + RENEW_PATIENCE;
	if (patience > until)
		patience = until;
	for (weft__fleet_lease *l = list; l != NULL; l = l->next_due) {
		if (l->renewed == -EHOSTDOWN)
			l->renewed = renew_one(d, l, patience, 0);
		note_result(d, l->renewed);
	}
}

static void free_lease(weft__fleet_lease *lease)
{
	dir_lease *own = lease_of(lease);

	weft__fleet_fd_close(own->fd);
	free(own);
	lease->priv = NULL;
}

/*
 * The record's end: unlock it while the shard is locked, and tell those who
 * wait when it is not, so that they find it free. The times are touched for
 * them too: where a child has inherited the descriptor, closing it is no news.
 */
static void end_lease(weft__fleet_lease *lease, int shard)
{
	dir_lease *own = lease_of(lease);

	flock(own->fd, LOCK_UN);
	weft__fleet_step("dir-unlocked");
	weft__dir_unlock(shard);
	weft__fleet_step("dir-ended");
	futimens(own->fd, NULL);
	free_lease(lease);
}

/* With the shard locked. Where it fails it is called again, with its own result there. */
static int publish(weft__dir *d, weft__fleet_lease *lease, const stored *s,
		   const char *temp)
{
	dir_lease *own = lease_of(lease);
	const char *name = lease->ask->id.hex;
	int err;

	if (temp != NULL &&
	    renameat(d->temps, temp, d->results,
		     weft__dir_result_name(name, s->epoch).text) != 0)
		return weft__dir_trouble(errno);
	weft__fleet_step("dir-renamed");
	err = end_run(d, own->fd, &own->record, s, own->once);
	weft__fleet_step("dir-done");
	if (err == 0)
		drop_result(d, name, &own->before);
	return err;
}

static stored describe(const weft__dir *d, const weft__fleet_lease *lease,
		       const weft__fleet_outcome *o)
{
	stored s;

	memset(&s, 0, sizeof s);
	s.epoch = lease->epoch;
	s.ending = (uint32_t)o->ending;
	s.err = o->err;
	s.takeovers = (uint32_t)lease->takeovers;
	s.took = o->took;
	s.fresh = o->fresh;
	s.stale = o->stale;
	s.linger = o->linger;
	s.ended_boot = weft__fleet_boottime();
	s.ended_wall = weft__fleet_walltime();
	memcpy(s.boot, d->self.boot, sizeof s.boot);
	s.size = o->size;
	s.data_sum = weft__fleet_sum(o->data, o->size, s.epoch);
	return s;
}

static bool is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -EFBIG;
}

/*
 * The bytes, into the record or into a file. *temp is that, or NULL. Where there
 * is no room, *s becomes what is told instead, which needs none. 0, 1 or what
 * is down.
 */
static int store(weft__dir *d, weft__fleet_lease *lease,
		 const weft__fleet_outcome *o, stored *s, const char **temp)
{
	dir_lease *own = lease_of(lease);
	const char *name = lease->ask->attempt.hex;
	int err;

	*temp = NULL;
	if (o->size <= WEFT__DIR_ROOM) {
		if (o->size != 0)
			memcpy(own->record.bytes + sizeof own->record.head,
			       o->data, o->size);
		return 0;
	}
	err = weft__dir_store(d, name, s, o->data, o->once);
	if (err == 0)
		*temp = name;
	if (!is_full(err))
		return err;
	s->ending = WEFT__FLEET_UNSTORED;
	s->err = err;
	s->size = s->in_file = 0;
	s->stale = s->fresh = o->once ? o->fresh : 0;
	s->data_sum = weft__fleet_sum(NULL, 0, s->epoch);
	return 1;
}

static int complete_locked(weft__dir *d, weft__fleet_lease *lease,
			   const weft__fleet_outcome *o)
{
	stored s = describe(d, lease, o);
	const char *temp;
	int told, shard, err;

	/* A slow disk is no reason to take over; a death is seen by the lock. */
	if (o->once)
		(void)renew_one(d, lease, weft_now() + RENEW_PATIENCE, STORING);
	told = store(d, lease, o, &s, &temp);
	if (told < 0)
		return told;
	weft__fleet_step("dir-stored");
	shard = weft__dir_lock(d, lease->ask->id.hex);
	if (shard < 0)
		return shard;
	err = check_mine(lease);
	if (err == 0) {
		lease->waiters = weft__dir_waiters(d, lease->ask->id.hex);
		err = publish(d, lease, &s, temp);
	}
	if (err != 0 && temp != NULL)
		unlinkat(d->temps, temp, 0);
	if (weft__fleet_is_down(err))
		weft__dir_unlock(shard);
	else
		end_lease(lease, shard);
	return err != 0 ? err : told;
}

static int dir_complete(weft__fleet_engine *e, weft__fleet_lease *lease,
			const weft__fleet_outcome *o)
{
	weft__dir *d = dir_of(e);
	int err;

	note_command(d);
	lease_of(lease)->once = o->once;
	err = complete_locked(d, lease, o);
	weft__dir_sweep(d);
	return note_result(d, err);
}

static int dir_abort(weft__fleet_engine *e, weft__fleet_lease *lease)
{
	weft__dir *d = dir_of(e);
	dir_lease *own = lease_of(lease);
	int shard, err;

	note_command(d);
	shard = weft__dir_lock(d, lease->ask->id.hex);
	if (shard < 0)
		return note_result(d, shard);
	err = check_mine(lease);
	if (err == 0) {
		lease->waiters = weft__dir_waiters(d, lease->ask->id.hex);
		own->record.head.state = WEFT__DIR_IDLE;
		own->record.head.deaths = 0;
		err = weft__dir_write(own->fd, &own->record, false);
	}
	if (weft__fleet_is_down(err))
		weft__dir_unlock(shard);
	else
		end_lease(lease, shard);
	return note_result(d, err);
}

static int dir_waiters(weft__fleet_engine *e, const weft__fleet_lease *lease)
{
	return weft__dir_waiters(dir_of(e), lease->ask->id.hex);
}

/* Its lock goes with its descriptor: the next one finds a run without a leader. */
static void dir_drop(weft__fleet_engine *e, weft__fleet_lease *lease)
{
	(void)e;
	flock(lease_of(lease)->fd, LOCK_UN);
	free_lease(lease);
}

/* ---- forgetting, cancelling ---- */

static int void_record(weft__dir *d, const char *name, int fd, uint64_t any)
{
	record r;
	weft__dir_head *h = &r.head;
	int err = weft__dir_read(fd, &r);

	(void)any;
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	drop_result(d, name, &h->result);
	memset(&h->result, 0, sizeof h->result);
	memset(h->attempt, 0, sizeof h->attempt);
	h->epoch = next_epoch(h->epoch);
	h->state = WEFT__DIR_IDLE;
	h->deaths = 0;
	h->fingerprint = 0;
	return weft__dir_write(fd, &r, true);
}

static int cancel_record(weft__dir *d, const char *name, int fd, uint64_t epoch)
{
	record r;
	int err = weft__dir_read(fd, &r);

	(void)d;
	(void)name;
	if (err != 0)
		return err;
	if (r.head.state != WEFT__DIR_RUN ||
	    (epoch != 0 && r.head.epoch != epoch))
		return -ENOENT;
	r.head.flags |= WEFT__DIR_CANCELLED;
	return weft__dir_write(fd, &r, false);
}

typedef int change_fn(weft__dir *d, const char *name, int fd, uint64_t epoch);

/* With the shard locked; none: what is returned where there is no record. */
static int change_record(weft__dir *d, const char *name, change_fn *change,
			 uint64_t epoch, int none)
{
	int shard, fd, err = none;

	note_command(d);
	shard = weft__dir_lock(d, name);
	if (shard < 0)
		return note_result(d, shard);
	fd = weft__dir_open_at(d->keys, name, O_RDWR);
	if (fd >= 0)
		err = change(d, name, fd, epoch);
	else if (errno != ENOENT)
		err = weft__dir_trouble(errno);
	weft__dir_unlock(shard);
	weft__fleet_fd_close(fd);
	return note_result(d, err);
}

static int dir_forget(weft__fleet_engine *e, weft_ctx *ctx,
		      const weft__fleet_id *id)
{
	(void)ctx;
	return change_record(dir_of(e), id->hex, void_record, 0, 0);
}

static int dir_cancel(weft__fleet_engine *e, weft_ctx *ctx,
		      const weft__fleet_id *id, uint64_t epoch)
{
	(void)ctx;
	return change_record(dir_of(e), id->hex, cancel_record, epoch, -ENOENT);
}

const weft__fleet_ops weft__fleet_dir_ops = {
	.open = dir_open,
	.close = dir_close,
	.join = dir_join,
	.leave = dir_leave,
	.renew = dir_renew,
	.complete = dir_complete,
	.abort = dir_abort,
	.waiters = dir_waiters,
	.drop = dir_drop,
	.forget = dir_forget,
	.cancel = dir_cancel,
	.list = weft__dir_list,
	.show = weft__dir_show,
	.doctor = weft__dir_doctor,
};
