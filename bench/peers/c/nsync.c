/* SPDX-License-Identifier: MIT */
/*
 * The subject "nsync": the same work by threads and Google's nsync, which has
 * no tasks and no channels. P is the number of CPUs the threads may use.
 */
#include "bench.h"

#include <nsync.h>

const char *bench_version(void)
{
	return "nsync " NSYNC_VERSION;
}

struct call {
	void (*fn)(void *);
	void *arg;
};

static void *call(void *arg)
{
	struct call *c = arg;
	c->fn(c->arg);
	return NULL;
}

void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	(void)bench;
	bench_pin();
	bench_threads(1, call, &(struct call){fn, arg});
}

/* once */

static nsync_once once = NSYNC_ONCE_INIT;
static int once_runs;

static void once_task(void)
{
	once_runs++;
}

static void *once_caller(void *arg)
{
	nsync_once *o = &once;
	for (long i = *(long *)arg; i; i--) {
		BENCH_OPAQUE(o);
		nsync_run_once(o, once_task);
	}
	return NULL;
}

static double once_hit(long n)
{
	once_caller(&(long){1});
	int64_t start = bench_now();
	once_caller(&n);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(once_runs == 1);
	return ns;
}

static double thread_once(long n)
{
	once_caller(&(long){1});
	int64_t start = bench_now();
	bench_threads(bench_procs, once_caller, &n);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(once_runs == 1);
	return ns;
}

/* counter: what comes nearest to a wait group */

static double waitgroup_add_done(long n)
{
	nsync_counter counter = nsync_counter_new(1);
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		nsync_counter_add(counter, 1);
		nsync_counter_add(counter, -1);
	}
	double ns = bench_per_op(start, n);
	nsync_counter_free(counter);
	return ns;
}

/* mutex */

enum { LOCKERS = 64, WRITE_EVERY = 10 };

struct guarded {
	_Alignas(64) nsync_mu mu;
	_Alignas(64) long count;
	uint64_t state;
	long each;
	bool work;
};

static void *locker(void *arg)
{
	struct guarded *g = arg;
	bool work = g->work;
	for (long i = g->each; i; i--) {
		nsync_mu_lock(&g->mu);
		g->count++;
		if (work)
			g->state = bench_work(g->state);
		nsync_mu_unlock(&g->mu);
	}
	return NULL;
}

static double contend(long n, int lockers, bool work)
{
	struct guarded g = {.each = n / lockers, .work = work};
	int64_t start = bench_now();
	bench_threads(lockers, locker, &g);
	double ns = bench_per_op(start, g.each * lockers);
	BENCH_CHECK(g.count == g.each * lockers);
	return ns;
}

static double mutex_uncontended(long n)
{
	nsync_mu mu = NSYNC_MU_INIT;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		nsync_mu_lock(&mu);
		nsync_mu_unlock(&mu);
	}
	return bench_per_op(start, n);
}

static double mutex_contended_0(long n)
{
	return contend(n, LOCKERS, false);
}

static double mutex_contended_100(long n)
{
	return contend(n, LOCKERS, true);
}

static double thread_mutex(long n)
{
	return contend(n, bench_procs, false);
}

/* the same lock, in reader mode */

static double rwmutex_read(long n)
{
	nsync_mu mu = NSYNC_MU_INIT;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		nsync_mu_rlock(&mu);
		nsync_mu_runlock(&mu);
	}
	return bench_per_op(start, n);
}

struct record {
	_Alignas(64) nsync_mu mu;
	_Alignas(64) uint64_t state;
	long writes;
	long each;
};

static void *user(void *arg)
{
	struct record *r = arg;
	uint64_t seen = 0;
	for (long i = r->each; i; i--) {
		if (i % WRITE_EVERY == 0) {
			nsync_mu_lock(&r->mu);
			r->state = bench_work(r->state);
			r->writes++;
			nsync_mu_unlock(&r->mu);
		} else {
			nsync_mu_rlock(&r->mu);
			seen += bench_work(r->state);
			nsync_mu_runlock(&r->mu);
		}
	}
	BENCH_OPAQUE(seen);
	return NULL;
}

static double rwmutex_mixed(long n)
{
	struct record r = {.each = n / LOCKERS};
	int64_t start = bench_now();
	bench_threads(LOCKERS, user, &r);
	double ns = bench_per_op(start, r.each * LOCKERS);
	BENCH_CHECK(r.writes == r.each / WRITE_EVERY * LOCKERS);
	return ns;
}

/* cond */

struct game {
	nsync_mu mu;
	nsync_cv cv;
	long each;
	int turn;
	int seats;
};

static void *player(void *arg)
{
	struct game *g = arg;
	int me = __atomic_fetch_add(&g->seats, 1, __ATOMIC_RELAXED);
	for (long i = g->each; i; i--) {
		nsync_mu_lock(&g->mu);
		while (g->turn != me)
			nsync_cv_wait(&g->cv, &g->mu);
		g->turn = 1 - me;
		nsync_cv_signal(&g->cv);
		nsync_mu_unlock(&g->mu);
	}
	return NULL;
}

static double cond_pingpong(long n)
{
	struct game g = {.each = n / 2};
	int64_t start = bench_now();
	bench_threads(2, player, &g);
	return bench_per_op(start, g.each * 2);
}

struct barrier {
	nsync_mu mu;
	nsync_cv cv;
	int parties;
	long rounds;
	long round;
	int arrived;
};

static void *party(void *arg)
{
	struct barrier *b = arg;
	for (long i = b->rounds; i; i--) {
		nsync_mu_lock(&b->mu);
		if (++b->arrived == b->parties) {
			b->arrived = 0;
			b->round++;
			nsync_cv_broadcast(&b->cv);
		} else {
			long mine = b->round;
			while (mine == b->round)
				nsync_cv_wait(&b->cv, &b->mu);
		}
		nsync_mu_unlock(&b->mu);
	}
	return NULL;
}

static double meet(long n, int parties)
{
	struct barrier b = {.parties = parties, .rounds = n / parties};
	int64_t start = bench_now();
	bench_threads(parties, party, &b);
	double ns = bench_per_op(start, b.rounds * parties);
	BENCH_CHECK(b.round == b.rounds);
	return ns;
}

static double cond_barrier32(long n)
{
	return meet(n, 32);
}

static double cond_barrier1000(long n)
{
	return meet(n, 1000);
}

const struct bench benches[] = {
	{"once_hit", once_hit, .cold = false},
	{"waitgroup_add_done", waitgroup_add_done, .cold = false},
	{"mutex_uncontended", mutex_uncontended, .cold = false},
	{"mutex_contended_0", mutex_contended_0, .cold = false},
	{"mutex_contended_100", mutex_contended_100, .cold = false},
	{"rwmutex_read", rwmutex_read, .cold = false},
	{"rwmutex_mixed", rwmutex_mixed, .cold = false},
	{"cond_pingpong", cond_pingpong, .cold = false},
	{"cond_barrier32", cond_barrier32, .cold = false},
	{"cond_barrier1000", cond_barrier1000, .cold = false},
	{"thread_once", thread_once, .threads = true},
	{"thread_mutex", thread_mutex, .threads = true},
	{"thread_cond_pingpong", cond_pingpong, .threads = true},
	{NULL, NULL, .cold = false},
};
