/* SPDX-License-Identifier: MIT */
/*
 * How many processes wait for a key. Who waits has a byte of the file "waiting"
 * locked, by a lock that belongs to the open file (F_OFD_SETLK): the kernel drops
 * it when the process ends, however that is, and a child of a fork has the file
 * closed. So nobody is counted who is gone, and nothing is ever written there.
 *
 * The upper bits of a byte's place are the key's, the lower sixteen its seat; in the
 * upper half of them sit those who never lead. A process asks by its own open file,
 * which its own locks are not in the way of: it counts others only.
 */
#include "fleet/dir/dir.h"

#include "fleet/os/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { SEATS = 1 << 16, HALF = SEATS / 2, TRIES = 16 };

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

int64_t weft__dir_sit_down(weft__dir *d, const char *name, bool leads)
{
	int64_t first = first_seat(name) + (leads ? 0 : HALF);

	for (int i = 0; i < TRIES; i++) {
		int64_t seat = first + weft_atomic_add(&d->seats, 1, relaxed) % HALF;

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

/*
 * How many stretches of seats are taken from at to last; -1: unknown. The kernel
 * names any of them, so both sides of that are looked at: two questions for each
 * stretch. The narrower one is called for, so that calls are nested sixteen deep.
 */
static int count_taken(const weft__dir *d, int64_t at, int64_t last)
{
	int count = 0, n;

	while (at <= last) {
		struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET,
				  .l_start = at, .l_len = last - at + 1};
		int64_t end;

		if (fcntl(d->waiting, F_OFD_GETLK, &l) != 0)
			return -1;
		if (l.l_type == F_UNLCK)
			break;
		end = l.l_start + l.l_len;
		if (l.l_start - at < last - end) {
			n = count_taken(d, at, l.l_start - 1);
			at = end;
		} else {
			n = count_taken(d, end, last);
			last = l.l_start - 1;
		}
		if (n < 0)
			return -1;
		count += 1 + n;
	}
	return count;
}

int weft__dir_waiters(const weft__dir *d, const char *name)
{
	int64_t first = first_seat(name);

	return count_taken(d, first, first + SEATS - 1);
}

/* By a file that was opened for this, so that who waits here is seen, too. */
bool weft__dir_one_will_lead(const weft__dir *d, const char *name)
{
	int fd = weft__dir_open_at(d->root, "waiting", O_RDWR);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET,
			  .l_start = first_seat(name), .l_len = HALF};
	bool taken = fcntl(fd >= 0 ? fd : d->waiting, F_OFD_GETLK, &l) == 0 &&
		     l.l_type != F_UNLCK;

	weft__fleet_fd_close(fd);
	return taken;
}
