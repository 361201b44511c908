/* SPDX-License-Identifier: MIT */
/*
 * What semaphores and conds of plain threads cost the machine. To take a unit,
 * or to give one to nobody, the word has to be known and then changed: a load
 * and a compare-and-swap. To hand one over, or a turn, in the order of arrival
 * takes a lock, a queue, and the calls of the kernel by which a thread sleeps and
 * wakes another.
 */
#include "bare.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Who waits, in the order of arrival. */
struct sleeper {
	uint32_t woken;
	struct sleeper *next;
};

struct queue {
	uint32_t lock;
	struct sleeper *first;
	struct sleeper **last;
};

static void queue(struct queue *q, struct sleeper *s)
{
	*s = (struct sleeper){.woken = 0};
	*q->last = s;
	q->last = &s->next;
}

static void sleep_until_woken(struct sleeper *s)
{
	while (!__atomic_load_n(&s->woken, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &s->woken, FUTEX_WAIT_PRIVATE, 0, NULL);
}

/* With the lock, which is dropped; there is one. */
static void wake_first(struct queue *q)
{
	struct sleeper *first = q->first;
	uint32_t *word = &first->woken;
	if (!(q->first = first->next))
		q->last = &q->first;
	bare_unlock(&q->lock);
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

struct sema {
	_Alignas(64) int64_t units;
	struct queue queue;
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

static void take(struct sema *s)
{
	bare_lock(&s->queue.lock);
	if (!s->units) {
		struct sleeper self;
		queue(&s->queue, &self);
		bare_unlock(&s->queue.lock);
		sleep_until_woken(&self);
		return;
	}
	s->units--;
	bare_unlock(&s->queue.lock);
}

static void give(struct sema *s)
{
	bare_lock(&s->queue.lock);
	if (s->queue.first) {
		wake_first(&s->queue);
		return;
	}
	s->units++;
	bare_unlock(&s->queue.lock);
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
		r.turns[i].queue.last = &r.turns[i].queue.first;
	int64_t start = bench_now();
	bench_threads(2, runner, &r);
	return bench_per_op(start, r.each * 2);
}

/*
 * A mutex is held for longer than a lock within, so that whoever lets go of one
 * has to look whether somebody sleeps for it: an exchange, too.
 */
static void unlock_mutex(uint32_t *mutex)
{
	if (__atomic_exchange_n(mutex, 0, __ATOMIC_RELEASE) != 1)
		bare_miss();
}

struct game {
	_Alignas(64) uint32_t mutex;
	struct queue cond;
	long each;
	int turn;
	int seats;
};

static void wait_for_turn(struct game *g)
{
	struct sleeper self;
	bare_lock(&g->cond.lock);
	queue(&g->cond, &self);
	bare_unlock(&g->cond.lock);
	unlock_mutex(&g->mutex);
	sleep_until_woken(&self);
	bare_lock(&g->mutex);
}

static void signal_turn(struct game *g)
{
	if (!__atomic_load_n(&g->cond.first, __ATOMIC_RELAXED))
		return;
	bare_lock(&g->cond.lock);
	if (g->cond.first)
		wake_first(&g->cond);
	else
		bare_unlock(&g->cond.lock);
}

static void *player(void *arg)
{
	struct game *g = arg;
	int me = __atomic_fetch_add(&g->seats, 1, __ATOMIC_RELAXED);
	for (long i = g->each; i; i--) {
		bare_lock(&g->mutex);
		while (g->turn != me)
			wait_for_turn(g);
		g->turn = 1 - me;
		unlock_mutex(&g->mutex);
		signal_turn(g);
	}
	return NULL;
}

double bare_thread_cond_pingpong(long n)
{
	struct game g = {.each = n / 2};
	g.cond.last = &g.cond.first;
	int64_t start = bench_now();
	bench_threads(2, player, &g);
	return bench_per_op(start, g.each * 2);
}
