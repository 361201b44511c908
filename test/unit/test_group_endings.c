/* SPDX-License-Identifier: MIT */
/* Tasks of a group that panic or exit; errors, results; nested goes. */
#include "queue.h"
#include "test.h"

#include <weft/group.h>
#include <weft/panic.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { CROWD = 8 };

static int thing;

static int panic_with_thing(weft_ctx *ctx, void *unused)
{
	(void)ctx;
	(void)unused;
	weft_panic_value(&thing);
}

static int panic_with_text(weft_ctx *ctx, void *text)
{
	(void)ctx;
	weft_panic("%s", (char *)text);
}

static int exit_task(weft_ctx *ctx, void *unused)
{
	(void)ctx;
	(void)unused;
	weft_yield();
	weft_exit();
}

static int exit_thread(weft_ctx *ctx, void *unused)
{
	(void)ctx;
	(void)unused;
	pthread_exit(NULL);
}

static int until_cancelled(weft_ctx *ctx, void *unused)
{
	(void)unused;
	return weft_ctx_wait(ctx);
}

static int fail_with(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	return *(int *)arg;
}

static void wait_for(void *g)
{
	(void)weft_group_wait(g);
}

TEST_FLAVOURS(group_wait_raises_the_panic_of_a_task)
{
	weft_panic_info info;
	weft_group g;

	weft_group_init(&g, NULL);
	weft_group_set_panic(&g, WEFT_PANIC_PROPAGATE);
	for (int i = 0; i < CROWD; i++)
		weft_group_go(&g, until_cancelled, NULL);
	weft_group_go(&g, panic_with_thing, NULL);
	CHECK_EQ(weft_try(wait_for, &g, &info), WEFT_PANICKED);
	CHECK(info.value == &thing);
	CHECK(strstr(info.stack, "0x") != NULL);
	CHECK_EQ(weft_try(wait_for, &g, &info), WEFT_PANICKED);
	CHECK(info.value == &thing);
	weft_group_fini(&g);
}

TEST_FLAVOURS(group_raises_the_panic_in_every_waiter)
{
	weft_group g;
	weft_ctx ctx = {0};

	weft_group_init(&g, &ctx);
	weft_group_set_panic(&g, WEFT_PANIC_PROPAGATE);
	weft_group_go(&g, until_cancelled, NULL);
	weft_group_go(&g, panic_with_text, "in all");
	for (int i = 0; i < CROWD; i++) {
		weft_panic_info info;

		CHECK_EQ(weft_try(wait_for, &g, &info), WEFT_PANICKED);
		CHECK_EQ(strcmp(info.message, "in all"), 0);
	}
	weft_group_fini(&g);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(group_turns_a_panic_into_an_error)
{
	weft_panic_info info;
	weft_group g;

	weft_group_init(&g, NULL);
	weft_group_set_panic(&g, WEFT_PANIC_ERROR);
	CHECK(!weft_group_panic(&g, &info));
	weft_group_go(&g, until_cancelled, NULL);
	weft_group_go(&g, panic_with_text, "an error");
	CHECK_EQ(weft_group_wait(&g), WEFT_ERR_PANICKED);
	CHECK(weft_group_panic(&g, &info));
	CHECK_EQ(strcmp(info.message, "an error"), 0);
	weft_group_fini(&g);
}

TEST_FLAVOURS(group_keeps_the_first_error_and_the_first_panic)
{
	weft_panic_info info;
	weft_group g = {0};
	int err = -EIO;

	weft_group_set_limit(&g, 1);
	weft_group_set_panic(&g, WEFT_PANIC_ERROR);
	weft_group_go(&g, fail_with, &err);
	weft_group_go(&g, panic_with_text, "first");
	weft_group_go(&g, panic_with_text, "second");
	CHECK_EQ(weft_group_wait(&g), -EIO);
	CHECK(weft_group_panic(&g, &info));
	CHECK_EQ(strcmp(info.message, "first"), 0);
	weft_group_fini(&g);
}

TEST_FLAVOURS(group_whose_task_exits_has_failed)
{
	weft_group g;

	weft_group_init(&g, NULL);
	weft_group_go(&g, until_cancelled, NULL);
	weft_group_go(&g, exit_task, NULL);
	CHECK_EQ(weft_group_wait(&g), WEFT_ERR_EXITED);
}

TEST_FLAVOURS(group_whose_task_calls_pthread_exit_has_failed)
{
	weft_group g;

#if WEFT__TSAN
	test_skip("ThreadSanitizer has no pthread_exit() off a thread's stack");
#endif
	weft_group_init(&g, NULL);
	weft_group_go(&g, exit_thread, NULL);
	CHECK_EQ(weft_group_wait(&g), WEFT_ERR_EXITED);
}

TEST_FLAVOURS(group_gets_its_slots_back_after_every_ending)
{
	weft_group g;
	int n = 0;

	weft_group_init(&g, NULL);
	weft_group_set_limit(&g, 2);
	weft_group_set_panic(&g, WEFT_PANIC_ERROR);
	for (int i = 0; i < 20; i++) {
		weft_group_go(&g, exit_task, NULL);
		weft_group_go(&g, panic_with_thing, NULL);
		weft_group_go_copy(&g, fail_with, &n, sizeof n);
		weft_group_go_copy(&g, exit_task, &n, sizeof n);
	}
	CHECK(weft_group_wait(&g) != 0);
	CHECK(weft_group_try_go(&g, fail_with, &n));
	CHECK(weft_group_try_go(&g, fail_with, &n));
	CHECK(weft_group_wait(&g) != 0);
	weft_group_fini(&g);
}

/* ---- errors and results ---- */

TEST_FLAVOURS(group_notes_all_errors_as_many_as_there_is_room_for)
{
	weft_group_error errors[3] = {{0}};
	int codes[] = {-1, 0, -2, -3, 0, -4, -5};
	weft_group g = {0};

	weft_group_set_limit(&g, 1);
	weft_group_set_errors(&g, errors, 3);
	for (int i = 0; i < 7; i++)
		weft_group_go(&g, fail_with, &codes[i]);
	CHECK_EQ(weft_group_wait(&g), -1);
	CHECK_EQ(weft_group_error_count(&g), 5);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(errors[i].err, -1 - i);
	CHECK(errors[0].arg == &codes[0]);
	CHECK(errors[1].arg == &codes[2]);
	CHECK(errors[2].arg == &codes[3]);
}

TEST_FLAVOURS(group_notes_an_exit_and_the_arguments_of_copies)
{
	weft_group_error errors[2] = {{0}};
	weft_group g = {0};
	int code = -9;

	weft_group_set_errors(&g, errors, 2);
	weft_group_go(&g, exit_task, &thing);
	CHECK_EQ(weft_group_wait(&g), WEFT_ERR_EXITED);
	weft_group_go_copy(&g, fail_with, &code, sizeof code);
	CHECK_EQ(weft_group_wait(&g), WEFT_ERR_EXITED);
	CHECK_EQ(errors[0].err, WEFT_ERR_EXITED);
	CHECK(errors[0].arg == &thing);
	CHECK_EQ(errors[1].err, -9);
	CHECK(errors[1].arg == &code);
}

static int sleep_and_fail(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	weft_sleep(NULL, WEFT_US(10));
	return *(int *)arg;
}

static int sleep_and_exit(weft_ctx *ctx, void *arg)
{
	(void)arg;
	(void)ctx;
	weft_sleep(NULL, WEFT_US(10));
	weft_exit();
}

TEST_FLAVOURS(group_notes_the_arguments_of_those_that_have_slept)
{
	weft_group_error errors[2] = {{0}};
	weft_group g = {0};
	int code = -9;

	weft_group_set_errors(&g, errors, 2);
	weft_group_go(&g, sleep_and_fail, &code);
	CHECK_EQ(weft_group_wait(&g), -9);
	weft_group_go(&g, sleep_and_exit, &thing);
	CHECK_EQ(weft_group_wait(&g), -9);
	CHECK(errors[0].arg == &code);
	CHECK(errors[1].arg == &thing);
}

static int next_of(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	weft_yield();
	if (arg == NULL)
		return -EINVAL;
	*value = (char *)arg + 1;
	return 0;
}

TEST_FLAVOURS(group_go_into_leaves_results_in_the_order_of_the_calls)
{
	void *values[100];
	char base[100];
	weft_group g;

	weft_group_init(&g, NULL);
	weft_group_set_limit(&g, 7);
	for (int i = 0; i < 100; i++)
		weft_group_go_into(&g, next_of, &base[i], &values[i]);
	CHECK_EQ(weft_group_wait(&g), 0);
	for (int i = 0; i < 100; i++)
		CHECK(values[i] == &base[i] + 1);
}

TEST_FLAVOURS(group_go_into_leaves_null_where_there_is_no_result)
{
	weft_group g = {0};
	void *value = &g;

	weft_group_go_into(&g, next_of, NULL, &value);
	CHECK_EQ(weft_group_wait(&g), -EINVAL);
	CHECK(value == NULL);
}

/* ---- nested goes ---- */

static int nothing(weft_ctx *ctx, void *ran)
{
	(void)ctx;
	weft_atomic_add((int *)ran, 1, relaxed);
	return 0;
}

struct nest {
	weft_group group;
	int ran, refused;
	bool go;
};

static int nest(weft_ctx *ctx, void *arg)
{
	struct nest *n = arg;
	int err;

	(void)ctx;
	test_until(weft_atomic_load(&n->go, acquire));
	err = weft_group_go_ctx(&n->group, NULL, nothing, &n->ran);
	if (err == -EDEADLK)
		weft_atomic_add(&n->refused, 1, relaxed);
	else
		CHECK_EQ(err, 0);
	return 0;
}

TEST_FLAVOURS(group_reports_that_all_slots_wait_for_a_slot)
{
	for (int limit = 1; limit <= 4; limit++) {
		struct nest n = {0};

		weft_group_init(&n.group, NULL);
		weft_group_set_limit(&n.group, limit);
		for (int i = 0; i < limit; i++)
			weft_group_go(&n.group, nest, &n);
		weft_atomic_store(&n.go, true, release);
		CHECK_EQ(weft_group_wait(&n.group), 0);
		CHECK(n.refused >= 1);
		CHECK_EQ(n.ran + n.refused, limit);
	}
}

static int nest_plainly(weft_ctx *ctx, void *arg)
{
	struct nest *n = arg;

	(void)ctx;
	weft_group_go(&n->group, nothing, &n->ran);
	return 0;
}

TEST_FLAVOURS(group_go_that_can_never_have_a_slot_is_the_groups_error)
{
	struct nest n = {0};

	weft_group_init(&n.group, NULL);
	weft_group_set_limit(&n.group, 1);
	weft_group_go(&n.group, nest_plainly, &n);
	CHECK_EQ(weft_group_wait(&n.group), -EDEADLK);
	CHECK_EQ(n.ran, 0);
}

/* One that works will end: whoever waits beside it is not in a deadlock. */
static int work(weft_ctx *ctx, void *arg)
{
	struct nest *n = arg;

	(void)ctx;
	test_until(queue_length(&n->group.priv_slots) == 1);
	return 0;
}

TEST_FLAVOURS(group_go_waits_for_a_task_that_will_end)
{
	struct nest n = {.go = true};

	weft_group_init(&n.group, NULL);
	weft_group_set_limit(&n.group, 2);
	weft_group_go(&n.group, work, &n);
	weft_group_go(&n.group, nest, &n);
	CHECK_EQ(weft_group_wait(&n.group), 0);
	CHECK_EQ(n.ran, 1);
	CHECK_EQ(n.refused, 0);
}

static int nest_in_other(weft_ctx *ctx, void *arg)
{
	struct nest *two = arg;

	(void)ctx;
	weft_group_go(&two[1].group, nothing, &two[1].ran);
	return 0;
}

TEST_FLAVOURS(group_go_of_another_groups_task_is_not_nested)
{
	struct nest two[2];

	memset(two, 0, sizeof two);
	for (int i = 0; i < 2; i++) {
		weft_group_init(&two[i].group, NULL);
		weft_group_set_limit(&two[i].group, 1);
	}
	weft_group_go(&two[0].group, nest_in_other, two);
	CHECK_EQ(weft_group_wait(&two[0].group), 0);
	CHECK_EQ(weft_group_wait(&two[1].group), 0);
	CHECK_EQ(two[1].ran, 1);
}

static int stay(weft_ctx *ctx, void *until)
{
	(void)ctx;
	weft_ctx_wait(until);
	return 0;
}

static void cannot_have_a_slot(int limit, int tasks, int lowered, int refused)
{
	struct nest n = {.ran = 0};
	weft_ctx busy = {0};

	weft_group_init(&n.group, NULL);
	weft_group_set_limit(&n.group, limit);
	for (int i = 0; i < limit - tasks; i++)
		weft_group_go(&n.group, stay, &busy);
	for (int i = 0; i < tasks; i++)
		weft_group_go(&n.group, nest, &n);
	weft_atomic_store(&n.go, true, release);
	test_until(queue_length(&n.group.priv_slots) == (size_t)tasks);
	weft_group_set_limit(&n.group, lowered);
	test_until(weft_atomic_load(&n.refused, relaxed) == refused);
	weft_ctx_cancel(&busy, 0);
	CHECK_EQ(weft_group_wait(&n.group), 0);
	CHECK_EQ(n.refused, refused);
	CHECK_EQ(n.ran, tasks - refused);
	CHECK_EQ(n.group.priv_nested, 0);
	weft_ctx_fini(&busy);
}

TEST_FLAVOURS(group_whose_limit_falls_to_those_who_wait_for_a_slot_tells_them)
{
	cannot_have_a_slot(4, 2, 3, 0);
	cannot_have_a_slot(4, 2, 2, 1);
	cannot_have_a_slot(4, 2, 1, 2);
	cannot_have_a_slot(4, 3, 1, 3);
	cannot_have_a_slot(4, 3, 0, 3);
}

static void wait_inside(void *group)
{
	weft_group_wait(group);
}

static int wait_for_own(weft_ctx *ctx, void *group)
{
	weft_panic_info info;

	CHECK_EQ(weft_try(wait_inside, group, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, "group: waited for by one of its own tasks"), 0);
	(void)ctx;
	return 0;
}

static int wait_for_other(weft_ctx *ctx, void *group)
{
	(void)ctx;
	return weft_group_wait(group);
}

TEST_FLAVOURS(group_is_not_waited_for_by_its_own_tasks)
{
	weft_group g = {0}, other = {0};

	weft_group_go(&g, wait_for_own, &g);
	weft_group_go(&g, wait_for_other, &other);
	weft_group_set_limit(&g, 2);
	weft_group_go(&g, wait_for_own, &g);
	CHECK_EQ(weft_group_wait(&g), 0);
}

/* Asleep, a task has another use for what it was started with. */
static int sleep_and_wait_for_own(weft_ctx *ctx, void *group)
{
	CHECK_EQ(weft_sleep(NULL, WEFT_MS(1)), 0);
	return wait_for_own(ctx, group);
}

static int sleep_and_wait_for_that(weft_ctx *ctx, void *copy)
{
	return sleep_and_wait_for_own(ctx, *(weft_group **)copy);
}

TEST_FLAVOURS(group_is_not_waited_for_by_its_own_tasks_that_have_slept)
{
	weft_group g = {0}, *copy = &g;

	for (int i = 0; i < 2; i++) {
		weft_group_go(&g, sleep_and_wait_for_own, &g);
		weft_group_go_copy(&g, sleep_and_wait_for_that, &copy,
				   sizeof copy);
		weft_group_set_limit(&g, 2);
	}
	CHECK_EQ(weft_group_wait(&g), 0);
}

static int sleep_and_nest(weft_ctx *ctx, void *arg)
{
	CHECK_EQ(weft_sleep(NULL, WEFT_MS(1)), 0);
	return nest(ctx, arg);
}

static int sleep_and_nest_in_that(weft_ctx *ctx, void *copy)
{
	return sleep_and_nest(ctx, *(struct nest **)copy);
}

TEST_FLAVOURS(group_tells_a_task_that_has_slept_that_no_slot_will_come)
{
	struct nest n = {.go = true}, *copy = &n;

	weft_group_set_limit(&n.group, 1);
	weft_group_go(&n.group, sleep_and_nest, &n);
	weft_group_go_copy(&n.group, sleep_and_nest_in_that, &copy, sizeof copy);
	CHECK_EQ(weft_group_wait(&n.group), 0);
	CHECK_EQ(n.refused, 2);
	CHECK_EQ(n.ran, 0);
}

/* ---- results and copies, with a context ---- */

static int double_it(weft_ctx *ctx, void *number, void **value)
{
	(void)ctx;
	*(int *)number *= 2;
	*value = number;
	return 0;
}

static int add_copy(weft_ctx *ctx, void *copy)
{
	struct {
		int *sum, number;
	} *c = copy;

	(void)ctx;
	weft_atomic_add(c->sum, c->number, relaxed);
	return 0;
}

TEST_FLAVOURS(group_go_copy_ctx_and_go_into_ctx_say_why_they_did_not_start)
{
	weft_group g = {0};
	weft_ctx soon;
	int sum = 0, number = 21;
	void *value = &g;
	struct {
		int *sum, number;
	} work = {&sum, 7};

	weft_group_set_limit(&g, 0);
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(1));
	CHECK_EQ(weft_group_go_copy_ctx(&g, &soon, add_copy, &work, sizeof work),
		 -ETIMEDOUT);
	CHECK_EQ(weft_group_go_into_ctx(&g, &soon, double_it, &number, &value),
		 -ETIMEDOUT);
	CHECK(value == NULL);
	weft_group_set_limit(&g, 2);
	CHECK_EQ(weft_group_go_copy_ctx(&g, &soon, add_copy, &work, sizeof work),
		 0);
	work.number = 0;
	CHECK_EQ(weft_group_go_into_ctx(&g, &soon, double_it, &number, &value),
		 0);
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(sum, 7);
	CHECK(value == &number);
	CHECK_EQ(number, 42);
	weft_ctx_fini(&soon);
}
