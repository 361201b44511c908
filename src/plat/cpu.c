/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/cpu.h"

#include "plat/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Masks beyond this many CPUs are counted by sysconf() instead. */
enum { MASK_CPUS = 8192 };

static int affinity_cpus(void)
{
	unsigned char buffer[MASK_CPUS / 8] __attribute__((aligned(8))) = {0};
	cpu_set_t *mask = (cpu_set_t *)(void *)buffer;

	if (sched_getaffinity(0, sizeof buffer, mask) == 0)
		return CPU_COUNT_S(sizeof buffer, mask);
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Read a small file whole; an empty string when that is not possible. */
static void read_file(const char *path, char *text, size_t size_bytes)
{
	WEFT__UNCANCELLED();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size_bytes - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
}

/* The whole CPUs that cpu.max grants, rounded up, of one cgroup; 0: no limit. */
static int quota_cpus(const char *cgroup)
{
	char path[512], text[64];
	long quota, period;

	snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", cgroup);
	read_file(path, text, sizeof text);
	if (sscanf(text, "%ld %ld", &quota, &period) != 2 || quota <= 0 ||
	    period <= 0)
		return 0;
	return (int)((quota + period - 1) / period);
}

/* The tightest quota from this process's cgroup (version 2) up to the root. */
static int cgroup_cpus(void)
{
	char text[512], *group, *slash;
	int tightest = 0;

	read_file("/proc/self/cgroup", text, sizeof text);
	group = strstr(text, "0::/");
	if (group == NULL)
		return 0;
	group += strlen("0::");
	group[strcspn(group, "\n")] = 0;
	do {
		int cpus = quota_cpus(group);

		if (cpus > 0 && (tightest == 0 || cpus < tightest))
			tightest = cpus;
		slash = strrchr(group, '/');
		if (slash != NULL)
			*slash = 0;
	} while (slash != NULL);
	return tightest;
}

int weft__cpu_count(void)
{
	int saved_errno = errno;
	int cpus = affinity_cpus(), quota = cgroup_cpus();

	if (quota > 0 && quota < cpus)
		cpus = quota;
	errno = saved_errno;
	return cpus > 0 ? cpus : 1;
}
