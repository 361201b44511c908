/* SPDX-License-Identifier: MIT */
/* Misuse of the locks and waits: each ends its process and says why. */
#include "test.h"

#include <weft/cond.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/rwmutex.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <limits.h>
#include <string.h>

#define FATAL "fatal error: sync: "
#define PANIC "panic: sync: "

TEST_TRAP(mutex_unlock_of_an_unlocked_one, FATAL "unlock of unlocked mutex")
{
	weft_mutex m = {0};

	weft_mutex_unlock(&m);
}

TEST_TRAP(mutex_unlock_twice, FATAL "unlock of unlocked mutex")
{
	weft_mutex m = {0};

	weft_mutex_lock(&m);
	weft_mutex_unlock(&m);
	weft_mutex_unlock(&m);
}

static void lock(void *m)
{
	weft_mutex_lock(m);
}

TEST_TRAP(mutex_copied_while_it_is_waited_for,
	  FATAL "inconsistent mutex state")
{
	weft_mutex m = {0}, copy = {0};

	weft_mutex_lock(&m);
	test_start(lock, &m);
	while (copy.priv_word <= 1)
		copy.priv_word = weft_atomic_load(&m.priv_word, relaxed);
	weft_mutex_unlock(&copy);
}

TEST_TRAP(mutex_copy_is_waited_for, FATAL "inconsistent mutex state")
{
	weft_mutex m = {0}, copy = {0};

	weft_mutex_lock(&m);
	test_start(lock, &m);
	while (copy.priv_word <= 1)
		copy.priv_word = weft_atomic_load(&m.priv_word, relaxed);
	weft_mutex_lock(&copy);
}

TEST_TRAP(mutex_written_over_while_it_is_waited_for,
	  FATAL "inconsistent mutex state")
{
	weft_mutex m = {0};

	weft_mutex_lock(&m);
	test_start(lock, &m);
	test_until(weft_atomic_load(&m.priv_word, relaxed) > 1);
	weft_atomic_store(&m.priv_word, 1, relaxed);
	weft_mutex_lock(&m);
}

TEST_TRAP(rwmutex_unlock_of_an_unlocked_one,
	  FATAL "Unlock of unlocked RWMutex")
{
	weft_rwmutex m = {0};

	weft_rwmutex_unlock(&m);
}

TEST_TRAP(rwmutex_unlock_of_a_read_locked_one,
	  FATAL "Unlock of unlocked RWMutex")
{
	weft_rwmutex m = {0};

	weft_rwmutex_rlock(&m);
	weft_rwmutex_unlock(&m);
}

TEST_TRAP(rwmutex_runlock_of_an_unlocked_one,
	  FATAL "RUnlock of unlocked RWMutex")
{
	weft_rwmutex m = {0};

	weft_rwmutex_rlock(&m);
	weft_rwmutex_runlock(&m);
	weft_rwmutex_runlock(&m);
}

TEST_TRAP(rwmutex_runlock_of_a_locked_one, FATAL "RUnlock of unlocked RWMutex")
{
	weft_rwmutex m = {0};

	weft_rwmutex_lock(&m);
	weft_rwmutex_runlock(&m);
}

static void write_lock(void *m)
{
	weft_rwmutex_lock(m);
}

TEST_TRAP(rwmutex_unlock_twice_while_others_wait,
	  FATAL "Unlock of unlocked RWMutex")
{
	weft_rwmutex m = {0};

	weft_rwmutex_rlock(&m);
	test_start(write_lock, &m);
	test_until(weft_atomic_load(&m.priv_word, relaxed) > 1);
	weft_rwmutex_unlock(&m);
}

TEST_TRAP(rwmutex_of_too_many_readers, FATAL "too many readers of an RWMutex")
{
	weft_rwmutex m = {.priv_word = ((uint32_t)1 << 29) - 1};

	weft_rwmutex_rlock(&m);
}

static void copy_waited_for(weft_rwmutex *m, weft_rwmutex *copy)
{
	weft_rwmutex_rlock(m);
	test_start(write_lock, m);
	while (copy->priv_word <= 1)
		copy->priv_word = weft_atomic_load(&m->priv_word, relaxed);
}

TEST_TRAP(rwmutex_copied_while_it_is_waited_for,
	  FATAL "inconsistent RWMutex state")
{
	weft_rwmutex m = {0}, copy = {0};

	copy_waited_for(&m, &copy);
	weft_rwmutex_runlock(&copy);
}

TEST_TRAP(rwmutex_copy_is_waited_for, FATAL "inconsistent RWMutex state")
{
	weft_rwmutex m = {0}, copy = {0};

	copy_waited_for(&m, &copy);
	weft_rwmutex_rlock(&copy);
}

static bool at_work;

static void work_on_and_on(void *arg)
{
	(void)arg;
	weft_atomic_store(&at_work, true, relaxed);
	for (;;)
		weft_yield();
}

static void do_once(void *o)
{
	weft_once_do(o, work_on_and_on, NULL);
}

TEST_TRAP(once_copy_is_waited_for, FATAL "inconsistent Once state")
{
	static weft_once o, copy;

	test_start(do_once, &o);
	test_until(weft_atomic_load(&at_work, relaxed));
	test_start(do_once, &o);
	while (copy.priv_state <= 2)
		copy.priv_state = weft_atomic_load(&o.priv_state, relaxed);
	do_once(&copy);
}

TEST_TRAP(sema_init_negative, PANIC "negative semaphore count")
{
	weft_sema s;

	weft_sema_init(&s, -1);
}

TEST_TRAP(sema_acquire_negative, PANIC "negative semaphore count")
{
	weft_sema s = {0};

	weft_sema_acquire(&s, -1);
}

TEST_TRAP(sema_try_acquire_negative, PANIC "negative semaphore count")
{
	weft_sema s = {0};

	weft_sema_try_acquire(&s, -1);
}

TEST_TRAP(sema_release_negative, PANIC "negative semaphore count")
{
	weft_sema s = {0};

	weft_sema_release(&s, -1);
}

TEST_TRAP(sema_overflow, PANIC "semaphore overflow")
{
	weft_sema s = {0};

	for (int i = 0; i < 4; i++)
		weft_sema_release(&s, LONG_MAX / 2);
}

static void acquire(void *s)
{
	weft_sema_acquire(s, 1);
}

static void copy_sema(weft_sema *s, weft_sema *copy)
{
	test_start(acquire, s);
	while (copy->priv_word == 0)
		copy->priv_word = weft_atomic_load(&s->priv_word, relaxed);
}

TEST_TRAP(sema_copied_while_it_is_waited_for,
	  FATAL "inconsistent semaphore state")
{
	weft_sema s = {0}, copy = {0};

	copy_sema(&s, &copy);
	weft_sema_release(&copy, 1);
}

TEST_TRAP(sema_copy_is_waited_for, FATAL "inconsistent semaphore state")
{
	weft_sema s = {0}, copy = {0};

	copy_sema(&s, &copy);
	weft_sema_acquire(&copy, 1);
}

static void wait_for_group(void *wg)
{
	weft_waitgroup_wait(wg);
}

TEST_TRAP(waitgroup_copy_is_waited_for, FATAL "inconsistent WaitGroup state")
{
	weft_waitgroup wg = {0}, copy = {0};

	weft_waitgroup_add(&wg, 1);
	test_start(wait_for_group, &wg);
	while ((uint32_t)copy.priv_word == 0)
		copy.priv_word = weft_atomic_load(&wg.priv_word, relaxed);
	weft_waitgroup_wait(&copy);
}

TEST_TRAP(waitgroup_done_too_often, PANIC "negative WaitGroup counter")
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, 1);
	weft_waitgroup_done(&wg);
	weft_waitgroup_done(&wg);
}

TEST_TRAP(waitgroup_add_below_zero, PANIC "negative WaitGroup counter")
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, 1);
	weft_waitgroup_add(&wg, -2);
}

TEST_TRAP(waitgroup_count_overflow, PANIC "negative WaitGroup counter")
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, INT_MAX);
	weft_waitgroup_add(&wg, 1);
}

/* The moment between the last done and its waking: zero, and one waits. */
TEST_TRAP(waitgroup_add_from_zero_while_one_waits,
	  PANIC "WaitGroup misuse: Add called concurrently with Wait")
{
	weft_waitgroup wg = {.priv_word = 1};

	weft_waitgroup_add(&wg, 1);
}

static weft_mutex cond_lock;
static weft_cond cond, cond_copy;

static void copy_cond(void)
{
	weft_cond_init(&cond, &cond_lock);
	/* weft-vet: allow copy -- what the run-time check is for */
	memcpy((void *)&cond_copy, &cond, sizeof cond);
}

TEST_TRAP(cond_signal_on_a_copy, "panic: sync.Cond is copied")
{
	copy_cond();
	weft_cond_signal(&cond_copy);
}

TEST_TRAP(cond_broadcast_on_a_copy, "panic: sync.Cond is copied")
{
	copy_cond();
	weft_cond_broadcast(&cond_copy);
}

TEST_TRAP(cond_wait_on_a_copy, "panic: sync.Cond is copied")
{
	copy_cond();
	weft_mutex_lock(&cond_lock);
	weft_cond_wait(&cond_copy);
}

TEST_TRAP(cond_wait_without_init,
	  PANIC "wait on a weft_cond that was not initialised")
{
	weft_cond_wait(&cond);
}

TEST_TRAP(cond_wait_without_the_lock, FATAL "unlock of unlocked mutex")
{
	weft_cond_init(&cond, &cond_lock);
	weft_cond_wait(&cond);
}

static weft_rwmutex cond_rwlock;

TEST_TRAP(cond_wait_without_the_read_lock, FATAL "RUnlock of unlocked RWMutex")
{
	weft_cond_init_locker(&cond, weft_rwmutex_rlocker(&cond_rwlock));
	weft_cond_wait(&cond);
}

TEST_TRAP(cond_wait_without_the_write_lock, FATAL "Unlock of unlocked RWMutex")
{
	weft_cond_init_locker(&cond, weft_rwmutex_locker(&cond_rwlock));
	weft_rwmutex_rlock(&cond_rwlock);
	weft_cond_wait(&cond);
}
