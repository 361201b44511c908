/* SPDX-License-Identifier: MIT */
/* Waiting, and starting what is waited for, where no memory is to be had. */
#include "fault.h"
#include "queue.h"

#include <weft/cond.h>
#include <weft/once.h>
#include <weft/rwmutex.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <stdlib.h>

enum { CROWD = 4 };

static void increment(void *arg)
{
	weft_atomic_add((int *)arg, 1, relaxed);
}

static void go_scenario(void)
{
	weft_waitgroup wg = {0};
	int count = 0, err;
	bool failed;

	fault_begin();
	err = weft_waitgroup_go(&wg, increment, &count);
	failed = fault_end();
	CHECK(err == 0 || (failed && err == -ENOMEM));
	weft_waitgroup_wait(&wg); /* what was not started is not counted */
	CHECK_EQ(count, err == 0);
	CHECK_EQ(wg.priv_word, 0);
	CHECK_EQ(weft_waitgroup_go(&wg, increment, &count), 0);
	weft_waitgroup_wait(&wg);
	CHECK_EQ(count, (err == 0) + 1);
}

TEST(waitgroup_go_counts_nothing_when_it_fails)
{
	fault_each(go_scenario);
}

/* Who had to wait without memory is not lost. */
static struct {
	weft_mutex lock;
	weft_cond cond;
	weft_rwmutex book;
	weft_sema sema;
	weft_once once;
	int inside;
} all;

static void note(void *arg)
{
	(void)arg;
	all.inside++;
}

static void wait_everywhere(void *arg)
{
	(void)arg;
	weft_mutex_lock(&all.lock);
	weft_cond_wait(&all.cond);
	weft_once_do(&all.once, note, NULL);
	weft_mutex_unlock(&all.lock);
	weft_sema_acquire(&all.sema, 1);
	weft_rwmutex_rlock(&all.book);
	weft_rwmutex_runlock(&all.book);
	weft_rwmutex_lock(&all.book);
	weft_rwmutex_unlock(&all.book);
}

static void wait_scenario(void)
{
	weft_waitgroup wg = {0};
	int started = 0;

	weft_cond_init(&all.cond, &all.lock);
	weft_mutex_lock(&all.lock);
	fault_begin();
	for (int i = 0; i < CROWD; i++)
		started += weft_waitgroup_go(&wg, wait_everywhere, NULL) == 0;
	test_until(started == 0 || queue_length(&all.lock) > 0);
	fault_end(); /* without stacks and threads no more may be able to run */
	test_until(queue_length(&all.lock) == (size_t)started);
	weft_mutex_unlock(&all.lock);
	test_until(queue_length(&all.cond) == (size_t)started);
	weft_cond_broadcast(&all.cond);
	test_until(queue_length(&all.sema) == (size_t)started);
	weft_rwmutex_lock(&all.book);
	weft_sema_release(&all.sema, started);
	test_until(queue_length((char *)&all.book + 1) == (size_t)started);
	weft_rwmutex_unlock(&all.book);
	weft_waitgroup_wait(&wg);
	CHECK_EQ(all.inside, started > 0);
}

TEST(sync_waits_survive_want_of_memory)
{
	fault_each(wait_scenario);
}

/* ---- what nobody waits for needs nothing ---- */

static int thing;

WEFT_ONCE_VALUE(int *, global_thing)
{
	return &thing;
}

static void *give(void *arg)
{
	return arg;
}

static struct {
	weft_once once;
	weft_once_func func;
	weft_once_value value;
	weft_mutex mutex;
	weft_rwmutex book;
	weft_sema sema;
	weft_cond cond;
	weft_waitgroup wg;
	int calls;
} free_of_charge;

static void use_onces(void)
{
	weft_once_do(&free_of_charge.once, increment, &free_of_charge.calls);
	weft_once_func_call(&free_of_charge.func);
	CHECK(weft_once_value_call(&free_of_charge.value) == &thing);
	CHECK(global_thing() == &thing);
}

static void use_locks(void)
{
	weft_mutex_lock(&free_of_charge.mutex);
	weft_cond_signal(&free_of_charge.cond);
	weft_cond_broadcast(&free_of_charge.cond);
	weft_mutex_unlock(&free_of_charge.mutex);
	CHECK(weft_mutex_try_lock(&free_of_charge.mutex));
	weft_mutex_unlock(&free_of_charge.mutex);
	weft_rwmutex_rlock(&free_of_charge.book);
	weft_rwmutex_runlock(&free_of_charge.book);
	weft_rwmutex_lock(&free_of_charge.book);
	weft_rwmutex_unlock(&free_of_charge.book);
	weft_sema_acquire(&free_of_charge.sema, 1);
	weft_sema_release(&free_of_charge.sema, 1);
	weft_waitgroup_add(&free_of_charge.wg, 1);
	weft_waitgroup_done(&free_of_charge.wg);
	weft_waitgroup_wait(&free_of_charge.wg);
}

static void use_all(void)
{
	for (int i = 0; i < 1000; i++) {
		use_onces();
		use_locks();
	}
}

/*
 * Neither memory nor anything else that could be refused. Meanwhile the runtime
 * may still be starting its threads, but not every time.
 */
TEST_FLAVOURS(what_is_done_or_free_asks_the_system_for_nothing)
{
	void *volatile block;
	int64_t before;
	int tries = 0;

	weft_once_func_init(&free_of_charge.func, increment,
			    &free_of_charge.calls);
	weft_once_value_init(&free_of_charge.value, give, &thing);
	weft_sema_init(&free_of_charge.sema, 1);
	weft_cond_init(&free_of_charge.cond, &free_of_charge.mutex);
	use_onces();
	do {
		before = fault_calls();
		fault_begin();
		use_all();
		fault_end();
	} while (fault_calls() > before && ++tries < 50);
	CHECK_EQ(fault_calls(), before);
	CHECK_EQ(free_of_charge.calls, 2);
	fault_begin();
	block = malloc(1);	/* would have been seen */
	fault_end();
	CHECK_LT(before, fault_calls());
	free(block);
}
