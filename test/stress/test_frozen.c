/* SPDX-License-Identifier: MIT */
/*
 * Time that is missing: the process is stopped and continued, and one of its
 * workers sleeps for a second where it happens to be. Nothing is lost.
 */
#define _GNU_SOURCE
#include "steps.h"

#include "proc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { SECONDS = 2, ACTORS = 16 };

static weft_time end;

static void act(void *unused)
{
	(void)unused;
	steps_take(end);
}

static void start_all(void)
{
	steps_begin();
	end = weft_now() + SECONDS * WEFT_SECOND;
	for (int i = 0; i < ACTORS; i++)
		test_start_task(act, NULL);
	for (int i = 0; i < ACTORS / 4; i++)
		test_start_thread(act, NULL);
}

static void end_all(void)
{
	test_join_all();
	steps_balance();
	test_until(weft_task_count() == 0);
}

static void sleep_of_libc(long ns)
{
	struct timespec time = {ns / 1000000000, ns % 1000000000};

	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

/* ---- all of it ---- */

static _Noreturn void run_child(void)
{
	test_limit(100);
	start_all();
	end_all();
	_exit(0);
}

TEST(process_that_is_stopped_again_and_again_loses_nothing)
{
	pid_t child;
	int status, stops = 0;

	test_limit(100);
	child = fork();
	CHECK_LE(0, child);
	if (child == 0)
		run_child();
	while (waitpid(child, &status, WNOHANG) == 0) {
		sleep_of_libc((long)(test_random() % 50000000));
		kill(child, SIGSTOP);
		sleep_of_libc((long)(test_random() % 100000000));
		kill(child, SIGCONT);
		stops++;
	}
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
	CHECK_LE(3, stops);
}

/* ---- one worker ---- */

/* A signal that workers take: the profiler's. */
static void freeze(int number)
{
	int saved_errno = errno;

	(void)number;
	sleep_of_libc(1000000000);
	errno = saved_errno;
}

static bool is_worker(const char *id)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%s/comm", id);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	if (fgets(name, sizeof name, file) == NULL)
		name[0] = 0;
	fclose(file);
	return strncmp(name, "weft worker", 11) == 0;
}

/* Returns the thread's number, 0 if there is none. */
static int find_worker(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int id = 0;

	CHECK(dir != NULL);
	while (id == 0 && (entry = readdir(dir)) != NULL)
		if (is_worker(entry->d_name))
			id = atoi(entry->d_name);
	closedir(dir);
	return id;
}

/* Returns once a worker has been told to sleep for a second from now on. */
static void freeze_a_worker(void)
{
	struct sigaction action = {.sa_handler = freeze, .sa_flags = SA_RESTART};
	int id = find_worker();

	CHECK_NE(id, 0);
	CHECK_EQ(sigaction(SIGPROF, &action, NULL), 0);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), id, SIGPROF), 0);
}

TEST(worker_that_is_frozen_for_a_second_loses_nothing)
{
	test_limit(100);
	workers("2");
	start_all();
	sleep_of_libc(300000000);
	freeze_a_worker();
	end_all();
}

/* ---- the others ---- */

static uint64_t turns[ACTORS];	/* atomic */

static void take_turns(void *turn)
{
	while (weft_now() < weft_atomic_load(&end, relaxed)) {
		weft_atomic_add((uint64_t *)turn, 1, relaxed);
		weft_yield();
	}
}

static int count_those_who_have_turns(void)
{
	uint64_t before[ACTORS];
	int count = 0;

	for (int i = 0; i < ACTORS; i++)
		before[i] = weft_atomic_load(&turns[i], relaxed);
	sleep_of_libc(600000000);
	for (int i = 0; i < ACTORS; i++)
		count += weft_atomic_load(&turns[i], relaxed) > before[i];
	return count;
}

/*
 * All but the one who ran there, or two who were about to change places. More
 * than one try, because a worker that is stopped between two tasks is not taken
 * for one that does not come back, and while one is stopped that holds a lock of
 * the scheduler's nobody gets far. When it is back all go on.
 */
TEST(worker_that_is_frozen_for_a_second_holds_up_nobody_else)
{
	int most = 0;

	test_limit(100);
	workers("2");
	end = weft_now() + WEFT_MINUTE;
	for (int i = 0; i < ACTORS; i++)
		test_start_task(take_turns, &turns[i]);
	sleep_of_libc(100000000);
	for (int i = 0; i < 5 && most < ACTORS - 2; i++) {
		int count;

		freeze_a_worker();
		sleep_of_libc(100000000);
		count = count_those_who_have_turns();
		most = count > most ? count : most;
		sleep_of_libc(400000000);	/* it is back */
	}
	CHECK_LE(ACTORS - 2, most);
	test_until(count_those_who_have_turns() == ACTORS);
	weft_atomic_store(&end, 0, relaxed);
	test_join_all();
}
