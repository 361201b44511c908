/* SPDX-License-Identifier: MIT */
#include "fleet/os/fd.h"

#include "fleet/os/os.h"

#include <weft/atomic.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { MOST = 1 << 20 };	/* Linux has none above, unless it is told to */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char marks[MOST / 8];	/* a bit each: is it registered? */
static size_t count;			/* above all that ever were */
static uint32_t generation;	/* atomic */

uint32_t weft__fleet_generation(void)
{
	return weft_atomic_load(&generation, relaxed);
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static bool is_marked(size_t fd)
{
	return (marks[fd / 8] >> fd % 8 & 1) != 0;
}

static void mark(size_t fd, bool on)
{
	unsigned char bit = (unsigned char)(1 << fd % 8);

	if (fd >= MOST)
		return;
	marks[fd / 8] = (unsigned char)(on ? marks[fd / 8] | bit
					   : marks[fd / 8] & ~bit);
	if (on && fd >= count)
		count = fd + 1;
}

static void in_child(void)
{
	for (size_t fd = 0; fd < count; fd++)
		if (is_marked(fd)) {
			close((int)fd);
			mark(fd, false);
		}
	weft_atomic_add(&generation, 1, relaxed);
	pthread_mutex_unlock(&lock);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int prepared;

static void prepare(void)
{
	prepared = -pthread_atfork(before_fork, in_parent, in_child);
}

int weft__fleet_fd_prepare(void)
{
	pthread_once(&once, prepare);
	return prepared;
}

void weft__fleet_fd_begin(void)
{
	pthread_mutex_lock(&lock);
}

void weft__fleet_fd_end(int fd)
{
	int saved = errno;

	if (fd >= 0)
		mark((size_t)fd, true);
	pthread_mutex_unlock(&lock);
	errno = saved;
}

void weft__fleet_fd_close(int fd)
{
	if (fd < 0)
		return;
	pthread_mutex_lock(&lock);
	mark((size_t)fd, false);
	close(fd);
	pthread_mutex_unlock(&lock);
}
