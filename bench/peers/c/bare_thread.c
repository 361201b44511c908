/* SPDX-License-Identifier: MIT */
/*
 * What semaphores of plain threads cost the machine. To take a unit, or to give
 * one to nobody, the word has to be known and then changed: a load and a
 * compare-and-swap. To hand one over in the order of arrival takes a lock, a
 * queue, and the calls of the kernel by which a thread sleeps and wakes another.
 */
#include "bare.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sleeper {
	uint32_t woken;
	struct sleeper *next;
};

struct sema {
	_Alignas(64) int64_t units;
	uint32_t lock;
	struct sleeper *first;
	struct sleeper **last;
};

static void add(struct sema *s, int64_t units)
{
	int64_t old = __atomic_load_n(&s->units, __ATOMIC_RELAXED);
	do
		if (old + units < 0)
			bench_fail("there are no units");
	while (!__atomic_compare_exchange_n(&s->units, &old, old + units, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

/* As many permits as threads: nobody ever waits. */
struct permits {
	struct sema sema;
	_Alignas(64) long each;
};

static void *holder(void *arg)
{
	struct permits *p = arg;
	for (long i = p->each; i; i--) {
		add(&p->sema, -1);
		add(&p->sema, 1);
	}
	return NULL;
}

double bare_thread_sema(long n)
{
	struct permits p = {.sema.units = bench_procs, .each = n / bench_procs};
	int64_t start = bench_now();
	bench_threads(bench_procs, holder, &p);
	return bench_per_op(start, p.each * bench_procs);
}

static void lock(struct sema *s)
{
	while (__atomic_exchange_n(&s->lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock(struct sema *s)
{
	__atomic_store_n(&s->lock, 0, __ATOMIC_RELEASE);
}

static void sleep_in(struct sema *s)
{
	struct sleeper self = {.woken = 0};
	*s->last = &self;
	s->last = &self.next;
	unlock(s);
	while (!__atomic_load_n(&self.woken, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &self.woken, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static void take(struct sema *s)
{
	lock(s);
	if (!s->units) {
		sleep_in(s);
		return;
	}
	s->units--;
	unlock(s);
}

static void wake_first(struct sema *s)
{
	struct sleeper *first = s->first;
	uint32_t *word = &first->woken;
	if (!(s->first = first->next))
		s->last = &s->first;
	unlock(s);
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

static void give(struct sema *s)
{
	lock(s);
	if (s->first) {
		wake_first(s);
		return;
	}
	s->units++;
	unlock(s);
}

struct relay {
	struct sema turns[2];
	long each;
	int seats;
};

static void *runner(void *arg)
{
	struct relay *r = arg;
	int me = __atomic_fetch_add(&r->seats, 1, __ATOMIC_RELAXED);
	for (long i = r->each; i; i--) {
		take(&r->turns[me]);
		give(&r->turns[1 - me]);
	}
	return NULL;
}

double bare_thread_sema_pingpong(long n)
{
	struct relay r = {.turns[0].units = 1, .each = n / 2};
	for (int i = 0; i < 2; i++)
		r.turns[i].last = &r.turns[i].first;
	int64_t start = bench_now();
	bench_threads(2, runner, &r);
	return bench_per_op(start, r.each * 2);
}
