/* SPDX-License-Identifier: MIT */
/* What tests ask the operating system about their own process. */
#ifndef WEFT_TEST_PROC_H
#define WEFT_TEST_PROC_H

#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_HIDDEN_THREADS 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HAS_HIDDEN_THREADS 1
#endif

/* Of the process, an emulator's too. Skips where a sanitizer has some of its own. */
__attribute__((unused)) static int thread_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	int count = 0;

#if HAS_HIDDEN_THREADS
	test_skip("the sanitizer starts threads of its own");
#endif
	while (dir != NULL && readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;	/* . and .. */
}

__attribute__((unused)) static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	if (file == NULL || fscanf(file, "%*u %zu", &pages) != 1)
		abort();
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* CPU time of the whole process. */
__attribute__((unused)) static int64_t cpu_time_ns(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * (int64_t)1000000000 +
	       (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * (int64_t)1000;
}

/* Before the first task: how many workers run at a time. */
__attribute__((unused)) static void workers(const char *count)
{
	setenv("WEFT_PROCS", count, 1);
}

__attribute__((unused)) static void one_worker(void)
{
	workers("1");
}

#endif
