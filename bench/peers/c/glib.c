/* SPDX-License-Identifier: MIT */
/* The subject "glib": GLib's thread pool, once, mutex and cond. */
#include "bench.h"

#include <glib.h>

const char *bench_version(void)
{
	static char version[32];
	snprintf(version, sizeof version, "GLib %u.%u.%u", glib_major_version,
		 glib_minor_version, glib_micro_version);
	return version;
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

/* A pool of P threads does what it is given. */

static void task(void *count, void *unused)
{
	(void)unused;
	__atomic_fetch_add((long *)count, 1, __ATOMIC_RELAXED);
}

static double spawn_join(long n)
{
	long done = 0;
	GThreadPool *pool =
		g_thread_pool_new(task, NULL, bench_procs, TRUE, NULL);
	BENCH_CHECK(pool);
	int64_t start = bench_now();
	for (long i = n; i; i--)
		g_thread_pool_push(pool, &done, NULL);
	g_thread_pool_free(pool, FALSE, TRUE);
	double ns = bench_per_op(start, n);
	BENCH_CHECK(done == n);
	return ns;
}

static gsize once;
static int once_runs;

static void *once_caller(void *arg)
{
	gsize *o = &once;
	for (long i = *(long *)arg; i; i--) {
		BENCH_OPAQUE(o);
		if (g_once_init_enter(o)) {
			once_runs++;
			g_once_init_leave(o, 1);
		}
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

static double mutex_uncontended(long n)
{
	GMutex mutex;
	g_mutex_init(&mutex);
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		g_mutex_lock(&mutex);
		g_mutex_unlock(&mutex);
	}
	double ns = bench_per_op(start, n);
	g_mutex_clear(&mutex);
	return ns;
}

struct guarded {
	_Alignas(64) GMutex mutex;
	_Alignas(64) long count;
	long each;
};

static void *locker(void *arg)
{
	struct guarded *g = arg;
	for (long i = g->each; i; i--) {
		g_mutex_lock(&g->mutex);
		g->count++;
		g_mutex_unlock(&g->mutex);
	}
	return NULL;
}

static double thread_mutex(long n)
{
	struct guarded g = {.each = n / bench_procs};
	int64_t start = bench_now();
	bench_threads(bench_procs, locker, &g);
	double ns = bench_per_op(start, g.each * bench_procs);
	BENCH_CHECK(g.count == g.each * bench_procs);
	return ns;
}

struct game {
	GMutex mutex;
	GCond cond;
	long each;
	int turn;
	int seats;
};

static void *player(void *arg)
{
	struct game *g = arg;
	int me = __atomic_fetch_add(&g->seats, 1, __ATOMIC_RELAXED);
	for (long i = g->each; i; i--) {
		g_mutex_lock(&g->mutex);
		while (g->turn != me)
			g_cond_wait(&g->cond, &g->mutex);
		g->turn = 1 - me;
		g_mutex_unlock(&g->mutex);
		g_cond_signal(&g->cond);
	}
	return NULL;
}

static double thread_cond_pingpong(long n)
{
	struct game g = {.each = n / 2};
	int64_t start = bench_now();
	bench_threads(2, player, &g);
	return bench_per_op(start, g.each * 2);
}

const struct bench benches[] = {
	{"spawn_join", spawn_join, .cold = false},
	{"once_hit", once_hit, .cold = false},
	{"mutex_uncontended", mutex_uncontended, .cold = false},
	{"thread_once", thread_once, .threads = true},
	{"thread_mutex", thread_mutex, .threads = true},
	{"thread_cond_pingpong", thread_cond_pingpong, .threads = true},
	{NULL, NULL, .cold = false},
};
