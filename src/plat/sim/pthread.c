/* SPDX-License-Identifier: MIT */
/*
 * POSIX threads in a world. Programs are linked with --wrap for these, so that
 * their calls come here; outside of a world they go on to the C library.
 *
 * A mutex is the C library's own, taken only when it is free: it is one real
 * thread that locks and unlocks it, and who has to wait sleeps in the machine.
 * That one would own it, whoever has locked it: a recursive mutex would exclude
 * nobody, and an error-checking one would find no error. Both are refused, and so
 * is what waits in the C library, where it would wait for ever.
 */
#define _GNU_SOURCE
#include "plat/sim/machine.h"

#include "base/trap.h"
#include "plat/unwind.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define WRAP(type, name, ...)                                                  \
	type __real_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__)

/* What is not simulated. */
#define REFUSE(name, parameters, arguments)                                    \
	REFUSE_OF(int, name, parameters, arguments)
#define REFUSE_OF(type, name, parameters, arguments)                           \
	type __real_##name parameters;                                         \
	type __wrap_##name parameters;                                         \
	type __wrap_##name parameters                                          \
	{                                                                      \
		if (!weft__sim_active())                                       \
			return __real_##name arguments;                        \
		weft__fatal("weft-sim: " #name " in a world: it has none");    \
	}

REFUSE_OF(void, call_once, (once_flag *once, void (*fn)(void)), (once, fn))
REFUSE(cnd_timedwait, (cnd_t *c, mtx_t *m, const struct timespec *t), (c, m, t))
REFUSE(cnd_wait, (cnd_t *c, mtx_t *m), (c, m))
REFUSE(mtx_lock, (mtx_t *m), (m))
REFUSE(mtx_timedlock, (mtx_t *m, const struct timespec *t), (m, t))
REFUSE(pthread_barrier_wait, (pthread_barrier_t *b), (b))
REFUSE(pthread_cancel, (pthread_t thread), (thread))
REFUSE(pthread_clockjoin_np,
       (pthread_t thread, void **result, clockid_t clock,
	const struct timespec *t),
       (thread, result, clock, t))
REFUSE(pthread_mutex_clocklock,
       (pthread_mutex_t *m, clockid_t clock, const struct timespec *t),
       (m, clock, t))
REFUSE(pthread_mutex_timedlock, (pthread_mutex_t *m, const struct timespec *t),
       (m, t))
REFUSE(pthread_once, (pthread_once_t *once, void (*fn)(void)), (once, fn))
REFUSE(pthread_rwlock_clockrdlock,
       (pthread_rwlock_t *l, clockid_t clock, const struct timespec *t),
       (l, clock, t))
REFUSE(pthread_rwlock_clockwrlock,
       (pthread_rwlock_t *l, clockid_t clock, const struct timespec *t),
       (l, clock, t))
REFUSE(pthread_rwlock_rdlock, (pthread_rwlock_t *l), (l))
REFUSE(pthread_rwlock_timedrdlock,
       (pthread_rwlock_t *l, const struct timespec *t), (l, t))
REFUSE(pthread_rwlock_timedwrlock,
       (pthread_rwlock_t *l, const struct timespec *t), (l, t))
REFUSE(pthread_rwlock_wrlock, (pthread_rwlock_t *l), (l))
REFUSE(pthread_setspecific, (pthread_key_t key, const void *value), (key, value))
REFUSE(pthread_timedjoin_np,
       (pthread_t thread, void **result, const struct timespec *t),
       (thread, result, t))
REFUSE(pthread_tryjoin_np, (pthread_t thread, void **result), (thread, result))
REFUSE(sem_clockwait, (sem_t *s, clockid_t clock, const struct timespec *t),
       (s, clock, t))
REFUSE(sem_timedwait, (sem_t *s, const struct timespec *t), (s, t))
REFUSE(sem_wait, (sem_t *s), (s))
REFUSE(thrd_create, (thrd_t *thread, thrd_start_t fn, void *arg),
       (thread, fn, arg))
REFUSE(thrd_sleep, (const struct timespec *t, struct timespec *left), (t, left))
REFUSE(tss_set, (tss_t key, void *value), (key, value))

/* ---- threads ---- */

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attr,
     void *(*run)(void *), void *arg)
{
	int detached = PTHREAD_CREATE_JOINABLE;
	weft__sim_thread *t;

	if (!weft__sim_active())
		return __real_pthread_create(thread, attr, run, arg);
	if (attr != NULL)
		pthread_attr_getdetachstate(attr, &detached);
	t = weft__sim_start("thread", run, arg);
	if (t == NULL)
		return EAGAIN;
	*thread = (pthread_t)t;
	if (detached == PTHREAD_CREATE_DETACHED)
		weft__sim_detach(t);
	return 0;
}

WRAP(int, pthread_join, pthread_t thread, void **result)
{
	void *value;

	if (!weft__sim_active())
		return __real_pthread_join(thread, result);
	value = weft__sim_join((weft__sim_thread *)thread);
	if (result != NULL)
		*result = value;
	return 0;
}

WRAP(int, pthread_detach, pthread_t thread)
{
	if (!weft__sim_active())
		return __real_pthread_detach(thread);
	weft__sim_detach((weft__sim_thread *)thread);
	return 0;
}

WRAP(pthread_t, pthread_self, void)
{
	return weft__sim_active() ? (pthread_t)weft__sim_self()
				  : __real_pthread_self();
}

/* The cleanups run, as on a real thread. */
static void step_to_end(void *result, uintptr_t sp, void *address, bool last)
{
	(void)sp;
	(void)address;
	if (last)
		weft__sim_exit(result);
}

_Noreturn void __real_pthread_exit(void *result);
_Noreturn void __wrap_pthread_exit(void *result);
_Noreturn void __wrap_pthread_exit(void *result)
{
	if (!weft__sim_active())
		__real_pthread_exit(result);
	weft__unwind_start(&weft__sim_self()->unwind, step_to_end, result);
}

/* ---- mutexes ---- */

int __real_pthread_mutex_trylock(pthread_mutex_t *m);
int __real_pthread_mutex_unlock(pthread_mutex_t *m);

static void refuse_owners(const pthread_mutex_t *m)
{
	int type = m->__data.__kind & 3;

	if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK)
		weft__fatal("weft-sim: a recursive or error-checking pthread "
			    "mutex in a world: it has none");
}

WRAP(int, pthread_mutex_lock, pthread_mutex_t *m)
{
	int err;

	if (!weft__sim_active())
		return __real_pthread_mutex_lock(m);
	refuse_owners(m);
	weft_sim_point_at(m, WEFT__SIM_WRITES);
	while ((err = __real_pthread_mutex_trylock(m)) == EBUSY)
		(void)weft__sim_block(m, WEFT_NEVER, "pthread mutex");
	return err;
}

WRAP(int, pthread_mutex_trylock, pthread_mutex_t *m)
{
	if (weft__sim_active())
		refuse_owners(m);
	weft_sim_point_at(m, WEFT__SIM_WRITES);
	return __real_pthread_mutex_trylock(m);
}

WRAP(int, pthread_mutex_unlock, pthread_mutex_t *m)
{
	int err;

	weft_sim_point_at(m, WEFT__SIM_WRITES);
	err = __real_pthread_mutex_unlock(m);
	if (weft__sim_active() && err == 0)
		weft__sim_wake(m, 1);
	return err;
}

/* ---- condition variables ---- */

/* Both clocks of a world are the same: see clock_gettime() below. */
static weft_time deadline_of(const struct timespec *t)
{
	return t->tv_sec * WEFT_SECOND + t->tv_nsec;
}

static int cond_wait(pthread_cond_t *c, pthread_mutex_t *m, weft_time deadline)
{
	bool woken;

	weft_sim_point_at(c, WEFT__SIM_WRITES);
	__real_pthread_mutex_unlock(m);
	weft__sim_wake(m, 1);
	woken = weft__sim_block(c, deadline, "pthread condition");
	__wrap_pthread_mutex_lock(m);
	return woken ? 0 : ETIMEDOUT;
}

WRAP(int, pthread_cond_wait, pthread_cond_t *c, pthread_mutex_t *m)
{
	if (!weft__sim_active())
		return __real_pthread_cond_wait(c, m);
	return cond_wait(c, m, WEFT_NEVER);
}

WRAP(int, pthread_cond_timedwait, pthread_cond_t *c, pthread_mutex_t *m,
     const struct timespec *t)
{
	if (!weft__sim_active())
		return __real_pthread_cond_timedwait(c, m, t);
	return cond_wait(c, m, deadline_of(t));
}

WRAP(int, pthread_cond_clockwait, pthread_cond_t *c, pthread_mutex_t *m,
     clockid_t clock, const struct timespec *t)
{
	if (!weft__sim_active())
		return __real_pthread_cond_clockwait(c, m, clock, t);
	return cond_wait(c, m, deadline_of(t));
}

WRAP(int, pthread_cond_signal, pthread_cond_t *c)
{
	if (!weft__sim_active())
		return __real_pthread_cond_signal(c);
	weft_sim_point_at(c, WEFT__SIM_WRITES);
	weft__sim_wake(c, 1);
	return 0;
}

WRAP(int, pthread_cond_broadcast, pthread_cond_t *c)
{
	if (!weft__sim_active())
		return __real_pthread_cond_broadcast(c);
	weft_sim_point_at(c, WEFT__SIM_WRITES);
	weft__sim_wake(c, UINT32_MAX);
	return 0;
}

/* ---- time ---- */

static void sleep_for(weft_duration d)
{
	(void)weft__sim_block(NULL, weft__sim_clock() + d, "sleep");
}

WRAP(int, nanosleep, const struct timespec *t, struct timespec *left)
{
	if (!weft__sim_active())
		return __real_nanosleep(t, left);
	sleep_for(deadline_of(t));
	return 0;
}

WRAP(int, clock_nanosleep, clockid_t clock, int flags,
     const struct timespec *t, struct timespec *left)
{
	if (!weft__sim_active())
		return __real_clock_nanosleep(clock, flags, t, left);
	if (flags == TIMER_ABSTIME)
		(void)weft__sim_block(NULL, deadline_of(t), "sleep");
	else
		sleep_for(deadline_of(t));
	return 0;
}

WRAP(int, usleep, useconds_t us)
{
	if (!weft__sim_active())
		return __real_usleep(us);
	sleep_for(WEFT_US(us));
	return 0;
}

WRAP(unsigned, sleep, unsigned seconds)
{
	if (!weft__sim_active())
		return __real_sleep(seconds);
	sleep_for(seconds * WEFT_SECOND);
	return 0;
}

WRAP(int, sched_yield, void)
{
	if (!weft__sim_active())
		return __real_sched_yield();
	weft__sim_yield_of_user();
	return 0;
}

WRAP(int, clock_gettime, clockid_t clock, struct timespec *t)
{
	weft_time now;

	if (!weft__sim_active())
		return __real_clock_gettime(clock, t);
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return __real_clock_gettime(clock, t);
	now = weft__sim_clock();
	t->tv_sec = now / WEFT_SECOND;
	t->tv_nsec = now % WEFT_SECOND;
	return 0;
}
