/* SPDX-License-Identifier: MIT */
/* Objects that are copied after their first use, in a program built to notice. */
#define WEFT_DEBUG
#include "test.h"

#include <weft.h>

#include <string.h>

/* By a detour that weft-vet does not see: it would be right. */
static void copy_bytes(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
}

#define COPY(to, from) copy_bytes(&(to), &(from), sizeof(to))

#define PANIC(type) "panic: " #type " is copied, or was not zero at first"

TEST_TRAP(copies_of_a_locked_mutex_are_noticed, PANIC(weft_mutex))
{
	weft_mutex m = {0}, copy;

	weft_mutex_lock(&m);
	COPY(copy, m);
	weft_mutex_unlock(&m);
	weft_mutex_unlock(&copy);
}

TEST_TRAP(copies_of_a_read_locked_rwmutex_are_noticed, PANIC(weft_rwmutex))
{
	weft_rwmutex m = {0}, copy;

	weft_rwmutex_rlock(&m);
	COPY(copy, m);
	weft_rwmutex_runlock(&m);
	weft_rwmutex_rlock(&copy);
}

TEST_TRAP(copies_of_a_semaphore_are_noticed, PANIC(weft_sema))
{
	weft_sema s, copy;

	weft_sema_init(&s, 3);
	COPY(copy, s);
	weft_sema_acquire(&s, 1);
	weft_sema_acquire(&copy, 1);
}

static void nothing(void *unused)
{
	(void)unused;
}

TEST_TRAP(copies_of_a_once_are_noticed, PANIC(weft_once))
{
	weft_once o = {0}, copy;

	weft_once_do(&o, nothing, NULL);
	COPY(copy, o);
	weft_once_do(&copy, nothing, NULL);
}

TEST_TRAP(copies_of_a_once_func_are_noticed, PANIC(weft_once_func))
{
	weft_once_func f, copy;

	weft_once_func_init(&f, nothing, NULL);
	COPY(copy, f);
	weft_once_func_call(&f);
	weft_once_func_call(&copy);
}

static void *no_value(void *unused)
{
	return unused;
}

TEST_TRAP(copies_of_a_once_value_are_noticed, PANIC(weft_once_value))
{
	weft_once_value v, copy;

	weft_once_value_init(&v, no_value, NULL);
	COPY(copy, v);
	weft_once_value_call(&v);
	weft_once_value_call(&copy);
}

/* The usual one: a group that is passed by value. */
TEST_TRAP(copies_of_a_wait_group_that_counts_are_noticed, PANIC(weft_waitgroup))
{
	weft_waitgroup wg = {0}, copy;

	weft_waitgroup_add(&wg, 1);
	COPY(copy, wg);
	weft_waitgroup_done(&copy);
}

TEST_TRAP(copies_of_a_channel_are_noticed, PANIC(weft_chan))
{
	weft_chan c, copy;
	int value = 1;

	CHECK_EQ(weft_chan_init(&c, sizeof value, 1), 0);
	COPY(copy, c);
	weft_chan_send(&c, &value);
	weft_chan_recv(&copy, &value);
}

TEST_TRAP(copies_of_a_channel_are_noticed_by_select, PANIC(weft_chan))
{
	weft_chan c, copy;
	weft_case cases[] = {WEFT_CASE_RECV(&copy, NULL), WEFT_CASE_DEFAULT};

	CHECK_EQ(weft_chan_init(&c, 1, 1), 0);
	COPY(copy, c);
	weft_select(cases, 2);
}

static int no_work(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	return 0;
}

TEST_TRAP(copies_of_a_group_are_noticed, PANIC(weft_group))
{
	weft_group g, copy;

	weft_group_init(&g, NULL);
	weft_group_go(&g, no_work, NULL);
	CHECK_EQ(weft_group_wait(&g), 0);
	COPY(copy, g);
	weft_group_wait(&copy);
}

/* ---- what is noticed without that, too ---- */

TEST_TRAP(copies_of_an_initialised_context_are_noticed, "panic: weft_ctx is copied")
{
	weft_ctx c, copy;

	weft_ctx_init(&c, NULL);
	COPY(copy, c);
	weft_ctx_cancel(&copy, 0);
}

TEST_TRAP(copies_of_an_initialised_context_are_not_waited_for,
	  "panic: weft_ctx is copied")
{
	weft_ctx c, copy;

	weft_ctx_init(&c, NULL);
	COPY(copy, c);
	weft_sleep(&copy, WEFT_SECOND);
}

TEST_TRAP(copies_of_an_initialised_context_are_not_finished,
	  "panic: weft_ctx is copied")
{
	weft_ctx c, copy;

	weft_ctx_init(&c, NULL);
	COPY(copy, c);
	weft_ctx_fini(&copy);
}

TEST_TRAP(copies_of_an_initialised_context_get_no_children,
	  "panic: weft_ctx is copied")
{
	weft_ctx c, copy, child;

	weft_ctx_init(&c, NULL);
	COPY(copy, c);
	/* weft-vet: allow ctx -- the call does not return */
	weft_ctx_init(&child, &copy);
}

TEST_TRAP(copies_of_an_after_func_are_noticed, "panic: weft_ctx_after is copied")
{
	weft_ctx c = {0};
	weft_ctx_after a = {0}, copy;

	CHECK_EQ(weft_ctx_after_start(&a, &c, nothing, NULL), 0);
	COPY(copy, a);
	weft_ctx_after_stop(&copy);
}

static int answer(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	return 0;
}

TEST_TRAP(copies_of_a_flight_are_noticed, "panic: weft_flight is copied")
{
	weft_flight f = {0}, copy;

	weft_flight_do(&f, weft_key_u64(1), answer, NULL);
	COPY(copy, f);
	weft_flight_do(&copy, weft_key_u64(1), answer, NULL);
}

TEST_TRAP(copies_of_a_loop_are_noticed, "panic: weft_loop is copied")
{
	weft_loop l, copy;

	CHECK_EQ(weft_loop_init(&l), 0);
	COPY(copy, l);
	weft_loop_step(&copy);
}

/* ---- no false alarm ---- */

static void use_all(void *unused)
{
	weft_mutex m = {0};
	weft_rwmutex rw = {0};
	weft_sema s = {0};
	weft_once o = {0};
	weft_waitgroup wg = {0};
	weft_chan c;
	weft_group g = {0};
	weft_cond cond;
	char byte = 0;

	(void)unused;
	CHECK_EQ(weft_chan_init(&c, 1, 1), 0);
	weft_cond_init_locker(&cond, weft_mutex_locker(&m));
	weft_mutex_lock(&m);
	weft_cond_signal(&cond);
	weft_mutex_unlock(&m);
	weft_rwmutex_lock(&rw);
	weft_rwmutex_unlock(&rw);
	weft_sema_release(&s, 2);
	weft_sema_acquire(&s, 1);
	weft_once_do(&o, nothing, NULL);
	weft_waitgroup_add(&wg, 1);
	weft_waitgroup_done(&wg);
	weft_waitgroup_wait(&wg);
	weft_chan_send(&c, &byte);
	weft_chan_fini(&c);
	weft_group_set_limit(&g, 2);
	weft_group_go(&g, no_work, NULL);
	CHECK_EQ(weft_group_wait(&g), 0);
}

/* New ones, often at the same address, and more than the table begins with. */
TEST_FLAVOURS(objects_that_are_not_copied_are_not_noticed)
{
	static struct {
		weft_mutex m;
		weft_sema s;
	} many[2000];

	for (int i = 0; i < 2000; i++) {
		weft_mutex_lock(&many[i].m);
		weft_sema_init(&many[i].s, 1);
	}
	for (int i = 0; i < 16; i++)
		test_start(use_all, NULL);
	for (int i = 0; i < 2000; i++) {
		weft_mutex_unlock(&many[i].m);
		weft_sema_acquire(&many[i].s, 1);
	}
	test_join_all();
}
