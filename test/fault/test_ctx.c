/* SPDX-License-Identifier: MIT */
/* Contexts where no memory is to be had. */
#include "test.h"

#include <weft/ctx.h>

#include <errno.h>
#include <sys/resource.h>

static struct rlimit usual;

static void allow_no_memory(void)
{
	struct rlimit none = {.rlim_cur = 0};

	if (test_slowdown() > 1)
		test_skip("sanitizers need memory of their own");
	CHECK_EQ(getrlimit(RLIMIT_AS, &usual), 0);
	none.rlim_max = usual.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_AS, &none), 0);
}

static void allow_memory(void)
{
	CHECK_EQ(setrlimit(RLIMIT_AS, &usual), 0);
}

static void count_up(void *arg)
{
	weft_atomic_add((int *)arg, 1, seq_cst);
}

TEST(ctx_after_start_without_threads_fails_and_can_be_repeated)
{
	weft_ctx plain = {0}, timed, done = {0};
	weft_ctx_after a = {0}, b = {0}, c = {0};
	int count = 0;

	weft_ctx_init_timeout(&timed, NULL, WEFT_MINUTE);
	weft_ctx_cancel(&done, 0);
	allow_no_memory();
	CHECK_EQ(weft_ctx_after_start(&a, &plain, count_up, &count), -ENOMEM);
	CHECK_EQ(weft_ctx_after_start(&b, &timed, count_up, &count), -ENOMEM);
	CHECK_EQ(weft_ctx_after_start(&c, &done, count_up, &count), -ENOMEM);
	CHECK(!weft_ctx_after_stop(&a));
	CHECK(!weft_ctx_after_stop(&b));
	allow_memory();
	CHECK_EQ(weft_ctx_after_start(&a, &plain, count_up, &count), 0);
	CHECK_EQ(weft_ctx_after_start(&b, &timed, count_up, &count), 0);
	CHECK_EQ(weft_ctx_after_start(&c, &done, count_up, &count), 0);

	/* From here on nothing more is needed. */
	allow_no_memory();
	weft_ctx_fini(&timed);
	weft_ctx_fini(&plain);
	test_until(weft_atomic_load(&count, seq_cst) == 3);
	allow_memory();
}

static void wait_for_it(void *arg)
{
	CHECK_EQ(weft_ctx_wait(arg), -ECANCELED);
}

TEST(ctx_of_threads_needs_no_memory)
{
	int key;
	weft_ctx parent, child, timed;

	key = 0;
	weft_ctx_init(&parent, NULL);
	test_start_thread(wait_for_it, &parent);
	allow_no_memory();
	weft_ctx_init_value(&child, &parent, &key, &key);
	weft_ctx_init_timeout(&timed, &child, WEFT_MS(1));
	CHECK_EQ(weft_ctx_wait(&timed), -ETIMEDOUT);
	CHECK_EQ(weft_sleep(&child, WEFT_MS(1)), 0);
	weft_ctx_cancel(&parent, 0);
	CHECK_EQ(weft_ctx_wait(&child), -ECANCELED);
	weft_ctx_fini(&timed);
	weft_ctx_fini(&child);
	test_join_all();
	weft_ctx_fini(&parent);
	allow_memory();
}
