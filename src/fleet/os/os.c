/* SPDX-License-Identifier: MIT */
#include "fleet/os/os.h"

#include "fleet/os/fd.h"

#include <weft/atomic.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * WEFT_SECOND + t.tv_nsec;
}

weft_time weft__fleet_boottime(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t weft__fleet_walltime(void)
{
	return read_clock(CLOCK_REALTIME);
}

void weft__fleet_random(void *buffer, size_t size_bytes)
{
	if (getentropy(buffer, size_bytes) != 0)
		abort();	/* no attempt may be like another one */
}

double weft__fleet_dice(void)
{
	uint32_t n;

	weft__fleet_random(&n, sizeof n);
	return ((double)n + 1) / 4294967296.0;
}

int weft__fleet_thread_start(pthread_t *thread, const char *name,
			     void *(*run)(void *), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err == 0)
		pthread_setname_np(*thread, name);
	return -err;
}

void weft__fleet_thread_join(pthread_t thread)
{
	pthread_join(thread, NULL);
}

/* ---- who this is ---- */

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void read_boot(unsigned char boot[16])
{
	char text[64];
	int n = 0;

	memset(boot, 0, 16);
	read_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
	for (const char *c = text; *c != '\0' && n < 32; c++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = strchr(digits, *c);

		if (digit == NULL)
			continue;
		boot[n / 2] = (unsigned char)(boot[n / 2] << 4 | (digit - digits));
		n++;
	}
}

/* The 22nd word of /proc/PID/stat, the 20th behind the name; 0: unknown. */
static int64_t start_of(int64_t pid, char *state)
{
	char path[64], text[1024], *word;

	snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
	*state = '?';
	if (!read_file(path, text, sizeof text) ||
	    (word = strrchr(text, ')')) == NULL || word[1] == '\0')
		return 0;
	*state = word[2];
	for (int i = 0; i < 20 && word != NULL; i++)
		word = strchr(word + 1, ' ');
	return word != NULL ? strtoll(word, NULL, 10) : 0;
}

int64_t weft__fleet_start_of(int64_t pid)
{
	char state;

	return start_of(pid, &state);
}

void weft__fleet_self_get(weft__fleet_self *self)
{
	struct stat space;
	char state;

	self->pid = getpid();
	self->start = start_of(self->pid, &state);
	self->space = stat("/proc/self/ns/pid", &space) == 0 ? space.st_ino : 0;
	if (gethostname(self->host, sizeof self->host) != 0)
		self->host[0] = '\0';
	self->host[sizeof self->host - 1] = '\0';
	read_boot(self->boot);
}

bool weft__fleet_is_gone(const weft__fleet_self *me, int64_t pid, int64_t start,
			 uint64_t space)
{
	char state;
	int64_t found;

	if (space == 0 || space != me->space || start == 0)
		return false;
	if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
		return true;
	found = start_of(pid, &state);
	return (found != 0 && found != start) || state == 'Z' || state == 'X';
}
