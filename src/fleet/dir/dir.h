/* SPDX-License-Identifier: MIT */
/*
 * The engine of dir: a directory that processes of one machine share.
 *
 *	s/00 … s/ff       locks of shards, by the first digits of a key's name;
 *	                  never deleted
 *	k/NAME            a key's record, 4 KiB. Who runs for the key has it locked
 *	                  by flock(2), which the kernel drops when the process dies
 *	r/NAME.EPOCH      a result that the record has no room for
 *	waiting           locks of the processes that wait for a key: crowd.c
 *	t/ATTEMPT         what is being written, before it is renamed
 *
 * D1  Records change, and names come and go, with the shard locked. That is held
 *     for a few system calls; who finds it taken tries again for a while, and
 *     then says that the place is down, since its holder may have been stopped.
 *     The keeper does not wait for one shard while it has leases in others.
 * D2  A record says run exactly from when a leader has locked it until that
 *     leader, with the shard locked, says otherwise. So with the shard locked, run
 *     and not locked means that the leader has died: nobody waits for a clock.
 * D3  A leader that is stopped keeps its lock. Once its lease and grace are over
 *     another one makes a new file, locks that, and renames it over the record:
 *     the old lock guards a file without a name. The old leader finds that
 *     when it renews or completes, with the shard locked, and is superseded. A
 *     renewal takes the shard, too: so it is before the new file or finds it.
 * D4  A result file is renamed to its name before the record says done. A crash
 *     in between leaves run, unlocked, and a result of that very epoch: the next
 *     one who looks adopts it, with what the file says about itself.
 * D5  Records and results carry sums. A reader without the shard's lock may see
 *     half of a change, and so may one after a loss of power: both find that
 *     the sum is wrong, and look again with the lock, or see nothing there.
 * D6  Who waits has the record watched by inotify before the shard is unlocked,
 *     so the end of the run cannot fall in between; a leader's death can, and so
 *     its lock is looked at again after that. The kernel tells that a leader's
 *     descriptor was closed a moment before it drops its lock; so who was told
 *     looks again a few times, soon.
 * D7  Nobody is told of a once before it is on the disk. So its result is written
 *     into a record that still says run, which is nobody's to be given; that is
 *     flushed, with the names; and then the record says done. Who finds the first
 *     without the second finishes it, as with D4. Wrong: to say done and to flush
 *     that, under the shard's lock. Who only reads does without the lock.
 */
#ifndef WEFT_SRC_FLEET_DIR_DIR_H
#define WEFT_SRC_FLEET_DIR_DIR_H

#include "fleet/core.h"

#include <dirent.h>
#include <stdio.h>

typedef struct weft__dir weft__dir;

/* ---- record.c: what lies in the files ---- */

enum weft__dir_state {
	WEFT__DIR_IDLE = 0,
	WEFT__DIR_RUN = 1,
	WEFT__DIR_DONE = 2,
	WEFT__DIR_LOST = 3,
};

enum {
	WEFT__DIR_AT_MOST_ONCE = 1,
	WEFT__DIR_GATE = 2,
	WEFT__DIR_CANCELLED = 4,	/* until its leader has renewed the lease */
	WEFT__DIR_ONCE = 8,
};

/* A result; a result file begins with one, and so does its copy in the record. */
typedef struct {
	uint64_t epoch;		/* 0: none */
	uint32_t ending;
	int32_t err;
	uint32_t takeovers;
	uint32_t in_file;
	int64_t took, fresh, stale, linger;
	int64_t ended_boot, ended_wall;
	unsigned char boot[16];
	uint64_t size;
	uint64_t data_sum;
	uint64_t sum;		/* of what is above */
} weft__dir_stored;

typedef struct {
	char magic[8];
	uint64_t sum;		/* of what is below, up to data */
	uint64_t epoch;
	uint64_t attempt[2];	/* 0, 0: forgotten */
	uint32_t state;
	uint32_t deaths;	/* of leaders, one after another */
	uint32_t flags;
	uint32_t spare;
	uint64_t fingerprint;
	int64_t lease, lease_end;	/* CLOCK_BOOTTIME, of this boot */
	int64_t started_boot, started_wall;
	int64_t retain;		/* how long after changed_wall it is of use */
	int64_t changed_wall;
	unsigned char boot[16];
	int64_t pid, pid_start;
	uint64_t pid_space;
	weft__dir_stored result;
	char host[64];
	uint64_t key_size;
	unsigned char key[256];
	unsigned char data[];	/* the result's, if it is not in a file */
} weft__dir_head;

enum {
	WEFT__DIR_RECORD_BYTES = 4096,
	WEFT__DIR_ROOM = WEFT__DIR_RECORD_BYTES - sizeof(weft__dir_head),
};

typedef union {
	weft__dir_head head;
	unsigned char bytes[WEFT__DIR_RECORD_BYTES];
} weft__dir_record;

/*
 * What is not there, and what cannot be looked at, are told apart by all that
 * read: a run that is thought not to have been is made again.
 */
/* 0; else *r is all zero. -ENOENT: none that makes sense; or what the system says. */
int weft__dir_read(int fd, weft__dir_record *r);
/* The same, by its name; also -ENOENT: there is none. */
int weft__dir_get(const weft__dir *d, const char *name, weft__dir_record *r);
/* All of it, or without the data. 0 or what the system says. */
int weft__dir_write(int fd, weft__dir_record *r, bool data);
/* To the disk, which may take its time: others run meanwhile. */
int weft__dir_flush(int fd);

/* How long ago it ended. */
weft_duration weft__dir_age(const weft__dir *d, const weft__dir_stored *s);

/*
 * The result of the record, from its file if need be. 0; else *out is NULL.
 * -ENOENT: gone; or -ENOMEM, or what the system says.
 */
int weft__dir_load(weft__dir *d, const char *name, const weft__dir_record *r,
		   weft__fleet_result **out);
/* Write a result file in t/. 0 or what the system says, and then there is none. */
int weft__dir_store(weft__dir *d, const char *attempt, weft__dir_stored *s,
		    const void *data, bool durable);
/*
 * What the result file of this epoch says about itself. 0; -ENOENT: no such file;
 * or what the system says.
 */
int weft__dir_find(weft__dir *d, const char *name, uint64_t epoch,
		   weft__dir_stored *s);

typedef struct {
	char text[56];
} weft__dir_name;

weft__dir_name weft__dir_result_name(const char *name, uint64_t epoch);

/* ---- place.c: the directory itself ---- */

/* errno as the core has it: the place is down, unless it says why. */
int weft__dir_trouble(int error);

int weft__dir_open(weft__dir *d, const weft__fleet_setup *setup);
void weft__dir_close(weft__dir *d);

/* Lock a shard. Its descriptor, or -EHOSTDOWN, or what the system says. */
int weft__dir_lock(weft__dir *d, const char *name);
/* The same, waiting for who has it no longer than until. */
int weft__dir_lock_until(weft__dir *d, const char *name, weft_time until);
/* The same, without waiting. */
int weft__dir_try_lock(weft__dir *d, const char *name);
void weft__dir_unlock(int shard);

/* ---- watch.c: inotify ---- */

typedef struct weft__dir_watched weft__dir_watched;

typedef struct {
	weft__fleet_lock lock;
	int fd;			/* -1: none; waiting is by asking again then */
	int stop_fd;
	bool tried;
	pthread_t thread;
	weft__dir_watched *watched;
} weft__dir_watcher;

/* Have news of the record's changes. NULL: ask again soon instead. */
weft__dir_watched *weft__dir_watch(weft__dir *d, const weft__fleet_id *id);
void weft__dir_unwatch(weft__dir *d, weft__dir_watched *w);
void weft__dir_watch_stop(weft__dir *d);

/* ---- crowd.c: how many wait ---- */

/*
 * Wait for the key of that name, as others see it, until standing up, in order to
 * lead if need be or not. -1: unseen.
 */
int64_t weft__dir_sit_down(weft__dir *d, const char *name, bool leads);
void weft__dir_stand_up(weft__dir *d, int64_t seat);
/* Other processes that wait for it; -1: unknown. */
int weft__dir_waiters(const weft__dir *d, const char *name);
/* Does one of those who wait, in this process or another one, lead if nobody does? */
bool weft__dir_one_will_lead(const weft__dir *d, const char *name);

/* ---- sweep.c: what nobody needs any more ---- */

typedef struct {
	weft_mutex lock;
	DIR *keys, *results, *temps;
} weft__dir_sweeper;

/* Look at the next few files. */
void weft__dir_sweep(weft__dir *d);
void weft__dir_sweep_stop(weft__dir *d);

/* ---- list.c ---- */

int weft__dir_list(weft__fleet_engine *e, weft_ctx *ctx, weft_fleet_list_fn fn,
		   void *arg);
int weft__dir_show(weft__fleet_engine *e, weft_ctx *ctx,
		   const weft__fleet_id *id, weft_fleet_entry *entry);
int weft__dir_doctor(weft__fleet_engine *e, weft_ctx *ctx,
		     weft_fleet_doctor_fn fn, void *arg);

/* ---- dir.c ---- */

struct weft__dir {
	weft__fleet_engine engine;
	void *core;
	char *path;
	int root, keys, results, temps, waiting, shards;	/* descriptors */
	uint64_t seats;		/* atomic */
	size_t max_bytes;
	weft__fleet_self self;
	weft__dir_watcher watcher;
	weft__dir_sweeper sweeper;
};

/* Is what the record says of this boot of the machine? */
bool weft__dir_same_boot(const weft__dir *d, const unsigned char boot[16]);

/* Open in a folder of the place, not to be inherited by a fork's child. */
int weft__dir_open_at(int folder, const char *name, int flags);

#endif
