/* SPDX-License-Identifier: MIT */
/*
 * How many processes wait for a key. Who waits has a byte of the file "waiting"
 * locked, by a lock that belongs to the open file (F_OFD_SETLK): the kernel drops
 * it when the process ends, however that is, and a child of a fork has the file
 * closed. So nobody is counted who is gone, and nothing is ever written there.
 *
 * The upper bits of a byte's place are the key's, the lower sixteen its seat. A
 * process asks by its own open file, which its own locks are not in the way of:
 * it counts others only.
 */
#include "fleet/dir/dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { SEATS = 1 << 16, TRIES = 16 };

static int64_t first_seat(const char *name)
{
	char half[13] = {0};

	memcpy(half, name, 12);
	return (int64_t)(strtoull(half, NULL, 16) >> 1) * SEATS;
}

static bool set_lock(weft__dir *d, int64_t seat, short type)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET,
			  .l_start = seat, .l_len = 1};

	return fcntl(d->waiting, F_OFD_SETLK, &l) == 0;
}

int64_t weft__dir_sit_down(weft__dir *d, const char *name)
{
	int64_t first = first_seat(name);

	for (int i = 0; i < TRIES; i++) {
		int64_t seat = first + weft_atomic_add(&d->seats, 1, relaxed) % SEATS;

		if (set_lock(d, seat, F_WRLCK))
			return seat;
	}
	return -1;
}

void weft__dir_stand_up(weft__dir *d, int64_t seat)
{
	if (seat >= 0)
		set_lock(d, seat, F_UNLCK);
}

/* The first seat that is taken from at to last: 1, 0: none is, -1: unknown. */
static int find_taken(const weft__dir *d, int64_t at, int64_t last,
		      struct flock *found)
{
	int n = 0;

	while (at <= last) {
		struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET,
				  .l_start = at, .l_len = last - at + 1};

		if (fcntl(d->waiting, F_OFD_GETLK, &l) != 0)
			return -1;
		if (l.l_type == F_UNLCK)
			break;
		*found = l;	/* any of them: is there one before it? */
		n = 1;
		last = l.l_start - 1;
	}
	return n;
}

int weft__dir_waiters(const weft__dir *d, const char *name)
{
	int64_t at = first_seat(name), last = at + SEATS - 1;
	struct flock l;
	int count = 0, n;

	while ((n = find_taken(d, at, last, &l)) > 0) {
		count++;
		at = l.l_start + l.l_len;
	}
	return n < 0 ? -1 : count;
}
