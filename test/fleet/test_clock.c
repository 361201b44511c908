/* SPDX-License-Identifier: MIT */
/* What depends on clocks, above all what is removed: this test moves them. */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

static _Atomic int64_t shift_s;

int __real_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int err = __real_clock_gettime(clock, t);

	if (clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME)
		t->tv_sec += shift_s;
	return err;
}

static int files_in(const char *folder)
{
	char path[160];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof path, "%s/%s", place_path(), folder);
	dir = opendir(path);
	CHECK(dir != NULL);
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static int give(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	size_t size = *(size_t *)arg;

	(void)ctx;
	for (size_t i = 0; i < size; i++)
		CHECK_EQ(weft_fleet_run_add(run, "x", 1), 0);
	return 0;
}

static void ask(weft_fleet *f, uint64_t key, size_t size, enum weft_fleet_mode mode)
{
	weft_fleet_call c = {
		.key = weft_key_u64(key), .fn = give, .arg = &size,
		.mode = mode, .keep = mode == WEFT_FLEET_CACHE ? WEFT_MINUTE : 0,
	};

	CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), 0);
}

enum { KEYS = 60, SIZE = 5000 };

TEST(fleet_dir_removes_what_is_over_a_little_with_each_run)
{
	weft_fleet *f = place_open();
	int left;

	for (uint64_t i = 0; i < KEYS; i++)
		ask(f, i, SIZE, WEFT_FLEET_CACHE);
	CHECK_EQ(files_in("k"), KEYS);
	CHECK_EQ(files_in("r"), KEYS);
	shift_s = 9 * 60;
	for (uint64_t i = 0; i < KEYS; i++)
		ask(f, 1000, 0, WEFT_FLEET_CALL);
	CHECK_EQ(files_in("k"), KEYS + 1);	/* epochs are kept for 10 minutes */
	shift_s = 11 * 60;
	ask(f, 1000, 0, WEFT_FLEET_CALL);
	left = files_in("k");
	CHECK_LE(KEYS + 1 - 4, left);	/* a call's part is small … */
	for (uint64_t i = 0; i < KEYS; i++)
		ask(f, 1000, 0, WEFT_FLEET_CALL);
	CHECK_EQ(files_in("k"), 1);	/* … and all is done in time */
	CHECK_EQ(files_in("r"), 0);
	weft_fleet_close(f);
}

TEST(fleet_dir_never_removes_what_is_once_for_ever)
{
	weft_fleet *f = place_open();

	ask(f, 1, SIZE, WEFT_FLEET_ONCE);
	shift_s = INT64_C(10) * 365 * 86400;
	for (int i = 0; i < 20; i++)
		ask(f, 1000, 0, WEFT_FLEET_CALL);
	CHECK_EQ(files_in("k"), 2);
	CHECK_EQ(files_in("r"), 1);
	weft_fleet_close(f);
}

static int fail(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)ctx, (void)arg, (void)run;
	return -ERANGE;
}

TEST(fleet_dir_removes_a_once_that_has_failed)
{
	weft_fleet_call c = {
		.key = weft_key_u64(1), .fn = fail, .mode = WEFT_FLEET_ONCE,
	};
	weft_fleet *f = place_open();

	CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), -ERANGE);
	shift_s = 11 * 60;
	for (int i = 0; i < 20; i++)
		ask(f, 1000, 0, WEFT_FLEET_CALL);
	CHECK_EQ(files_in("k"), 1);
	weft_fleet_close(f);
}

static int die(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)ctx, (void)arg, (void)run;
	raise(SIGKILL);
	return 0;
}

static void begin_at_most_once(void *arg)
{
	weft_fleet *f = place_open();
	weft_fleet_call c = {
		.key = weft_key_u64(1), .fn = die, .at_most_once = true,
	};

	(void)arg;
	weft_fleet_do(f, NULL, &c, NULL, NULL);
}

TEST(fleet_dir_never_removes_that_an_at_most_once_has_begun)
{
	size_t none = 0;
	weft_fleet_call c = {
		.key = weft_key_u64(1), .fn = give, .arg = &none,
		.at_most_once = true,
	};
	weft_fleet *f;

	place_make();
	CHECK_EQ(process_join(process_start(begin_at_most_once, NULL)), SIGKILL);
	f = place_open();
	shift_s = 365 * 86400;
	for (int i = 0; i < 20; i++)
		ask(f, 1000, 0, WEFT_FLEET_CALL);
	CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), -EOWNERDEAD);
	weft_fleet_close(f);
}

static void plant(const char *name)
{
	char path[200];
	int fd;

	snprintf(path, sizeof path, "%s/%s", place_path(), name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0);
	close(fd);
}

TEST(fleet_dir_removes_what_dead_processes_were_writing)
{
	weft_fleet *f = place_open();

	plant("t/00112233445566778899aabbccddeeff");
	plant("r/00112233445566778899aabbccddeeff.00000000000000000007");
	for (int i = 0; i < 20; i++)
		ask(f, 1000, 0, WEFT_FLEET_CALL);
	CHECK_EQ(files_in("t"), 1);	/* it may be written still */
	CHECK_EQ(files_in("r"), 0);
	shift_s = 61 * 60;
	for (int i = 0; i < 20; i++)
		ask(f, 1000, 0, WEFT_FLEET_CALL);
	CHECK_EQ(files_in("t"), 0);
	weft_fleet_close(f);
}

TEST(fleet_tokens_grow_though_the_clock_goes_back)
{
	weft_fleet *f = place_open();
	size_t none = 0;
	weft_fleet_call c = {.key = weft_key_u64(1), .fn = give, .arg = &none};
	weft_fleet_info info;
	uint64_t last = 0;

	for (int i = 0; i < 5; i++) {
		CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, &info), 0);
		CHECK_LT(last, info.token);
		last = info.token;
		shift_s -= 3600;
	}
	weft_fleet_close(f);
}
