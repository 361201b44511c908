/* SPDX-License-Identifier: MIT */
/*
 * What a run prints, for those on this machine who wait for it while it goes on.
 *
 * Who runs listens on a socket that has the number of its process and the token
 * of the run for a name; who waits knows both from the place, connects, and is
 * sent the record from its first piece on. The name is none of the file system:
 * the kernel forgets it with the process, and kill -9 leaves nothing behind.
 * Both sides look whether the other one is the same user's.
 *
 *   L1  What is sent is a beginning of the record that is stored at the end: so
 *       who is cut off, or never gets through, has lost nothing but time.
 *   L2  Each follower has a task, which reads the record at its own place: who
 *       reads slowly holds up nobody, and nothing is copied for them.
 *   L3  Where nobody waits a run costs a socket, and nothing is sent.
 */
#ifndef WEFT_CLI_LIVE_H
#define WEFT_CLI_LIVE_H

#include "shown.h"

#include <weft.h>
#include <weft/fleet.h>

/* A run here, for its followers. */
typedef struct live_feed {
	weft_mutex *lock; /* of the record, which only grows */
	weft_fleet_run *run;

	weft_cond grown;
	weft_ctx ctx; /* done when the run is over */
	weft_waitgroup tasks;
	int fd; /* -1: nobody can follow */
} live_feed;

/* lock and run are set. That nobody can follow is no failure. */
void live_feed_start(live_feed *f);

/* With the lock held: there is more. */
void live_feed_grown(live_feed *f);

/* Nothing is sent any more. Without the lock. */
void live_feed_stop(live_feed *f);

/* One who waits for a key. All bytes zero before init. */
typedef struct live_follower {
	weft_fleet *fleet;
	const char *key; /* set before it is told of a run */
	shown *shown;

	weft_mutex lock;
	weft_cond changed;
	uint64_t token;	     /* of the run that is waited for; 0: none */
	weft_ctx *following; /* while a run is followed: ended by the next one */
} live_follower;

void live_follower_init(live_follower *f, weft_fleet *fleet, shown *s);

/* As weft_fleet_options.waits is told. */
void live_follower_tell(live_follower *f, uint64_t token);

/* Show what runs print until ctx is done. For a task of its own. */
void live_follow(live_follower *f, weft_ctx *ctx);

#endif
