/* SPDX-License-Identifier: MIT */
/* A fleet in a directory: several processes, each the child of a fork. */
#include "test.h"

#include <weft/fleet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the processes of a case share. */
typedef struct {
	char url[64];
	uint32_t runs, begun, answers;
} shared;

static shared *share(void)
{
	shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[] = "/tmp/weft-test-XXXXXX";

	CHECK(s != MAP_FAILED && mkdtemp(path) != NULL);
	snprintf(s->url, sizeof s->url, "dir:%s", path);
	return s;
}

static void remove_all(const shared *s)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", s->url + 4);
	CHECK_EQ(system(command), 0);
}

static pid_t start(void (*fn)(shared *), shared *s)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child != 0)
		return child;
	fn(s);
	_exit(0);
}

static void join(pid_t child)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

static int answer_when_all_have_begun(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	shared *s = arg;

	(void)ctx;
	weft_atomic_add(&s->runs, 1, relaxed);
	test_until(weft_atomic_load(&s->begun, acquire) == 2);
	weft_sleep(NULL, WEFT_MS(50));	/* they are about to ask */
	return weft_fleet_run_add(run, "forty-two", 9);
}

static void ask(shared *s)
{
	weft_fleet *f;
	weft_fleet_call call = {
		.key = weft_key_str("question"),
		.fn = answer_when_all_have_begun, .arg = s,
		.share_for = WEFT_SECOND,
	};
	weft_fleet_info info;
	weft_bytes b;

	CHECK_EQ(weft_fleet_open(&f, s->url, NULL), 0);
	weft_atomic_add(&s->begun, 1, release);
	CHECK_EQ(weft_fleet_do(f, NULL, &call, &b, &info), 0);
	CHECK(info.answered);
	CHECK_EQ(b.size, 9);
	CHECK(memcmp(b.data, "forty-two", 10) == 0);
	weft_bytes_release(&b);
	weft_atomic_add(&s->answers, 1, relaxed);
	weft_fleet_close(f);
}

TEST(fleet_two_processes_share_a_run)
{
	shared *s = share();
	pid_t a = start(ask, s), b = start(ask, s);

	join(a);
	join(b);
	CHECK_EQ(s->runs, 1);
	CHECK_EQ(s->answers, 2);
	remove_all(s);
}
