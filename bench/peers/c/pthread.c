/* SPDX-License-Identifier: MIT */
/*
 * The subject "pthread": the same work by threads and glibc's primitives. P is
 * the number of CPUs the threads may use. What it has no row for makes no sense
 * with threads: a million of them, or a primitive that glibc does not have.
 */
#include "bench.h"
#include "sockets.h"

#include <gnu/libc-version.h>
#include <semaphore.h>

const char *bench_version(void)
{
	static char version[64];
	snprintf(version, sizeof version, "glibc %s", gnu_get_libc_version());
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

/* In a second thread: glibc takes locks apart where there is only one. */
void bench_enter(const struct bench *bench, void (*fn)(void *), void *arg)
{
	(void)bench;
	bench_pin();
	bench_threads(1, call, &(struct call){fn, arg});
}

/* once */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_runs;

static void once_task(void)
{
	once_runs++;
}

static void *once_caller(void *arg)
{
	pthread_once_t *o = &once;
	for (long i = *(long *)arg; i; i--) {
		BENCH_OPAQUE(o);
		pthread_once(o, once_task);
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

/* mutex */

enum { LOCKERS = 64 };

/* A counter and a state to work on, on cache lines of their own. */
struct guarded {
	_Alignas(64) pthread_mutex_t mutex;
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
		pthread_mutex_lock(&g->mutex);
		g->count++;
		if (work)
			g->state = bench_work(g->state);
		pthread_mutex_unlock(&g->mutex);
	}
	return NULL;
}

/* The faster kind: one that spins, where its holder can run meanwhile. */
static void mutex_init(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, bench_procs > 1
						 ? PTHREAD_MUTEX_ADAPTIVE_NP
						 : PTHREAD_MUTEX_NORMAL);
	pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
}

static double contend(long n, int lockers, bool work)
{
	struct guarded g = {.each = n / lockers, .work = work};
	mutex_init(&g.mutex);
	int64_t start = bench_now();
	bench_threads(lockers, locker, &g);
	double ns = bench_per_op(start, g.each * lockers);
	BENCH_CHECK(g.count == g.each * lockers);
	return ns;
}

static double mutex_uncontended(long n)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
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

/* rwmutex */

enum { WRITE_EVERY = 10 };

struct record {
	_Alignas(64) pthread_rwlock_t lock;
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
			pthread_rwlock_wrlock(&r->lock);
			r->state = bench_work(r->state);
			r->writes++;
		} else {
			pthread_rwlock_rdlock(&r->lock);
			seen += bench_work(r->state);
		}
		pthread_rwlock_unlock(&r->lock);
	}
	BENCH_OPAQUE(seen);
	return NULL;
}

static double rwmutex_read(long n)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		pthread_rwlock_rdlock(&lock);
		pthread_rwlock_unlock(&lock);
	}
	return bench_per_op(start, n);
}

/*
 * Of the kind that everybody has who does not ask for another: new readers pass
 * a writer that waits. The one that holds them back, as the others do, takes up
 * to thirty times as long.
 */
static double rwmutex_mixed(long n)
{
	struct record r = {.lock = PTHREAD_RWLOCK_INITIALIZER,
			   .each = n / LOCKERS};
	int64_t start = bench_now();
	bench_threads(LOCKERS, user, &r);
	double ns = bench_per_op(start, r.each * LOCKERS);
	BENCH_CHECK(r.writes == r.each / WRITE_EVERY * LOCKERS);
	return ns;
}

/* cond */

struct game {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	long each;
	int turn;
	int seats;
};

static void *player(void *arg)
{
	struct game *g = arg;
	int me = __atomic_fetch_add(&g->seats, 1, __ATOMIC_RELAXED);
	for (long i = g->each; i; i--) {
		pthread_mutex_lock(&g->mutex);
		while (g->turn != me)
			pthread_cond_wait(&g->cond, &g->mutex);
		g->turn = 1 - me;
		pthread_mutex_unlock(&g->mutex);
		pthread_cond_signal(&g->cond);
	}
	return NULL;
}

static double cond_pingpong(long n)
{
	struct game g = {.mutex = PTHREAD_MUTEX_INITIALIZER,
			 .cond = PTHREAD_COND_INITIALIZER,
			 .each = n / 2};
	int64_t start = bench_now();
	bench_threads(2, player, &g);
	return bench_per_op(start, g.each * 2);
}

struct barrier {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int parties;
	long rounds;
	long round;
	int arrived;
};

static void *party(void *arg)
{
	struct barrier *b = arg;
	for (long i = b->rounds; i; i--) {
		pthread_mutex_lock(&b->mutex);
		if (++b->arrived == b->parties) {
			b->arrived = 0;
			b->round++;
			pthread_cond_broadcast(&b->cond);
		} else {
			long mine = b->round;
			while (mine == b->round)
				pthread_cond_wait(&b->cond, &b->mutex);
		}
		pthread_mutex_unlock(&b->mutex);
	}
	return NULL;
}

static double meet(long n, int parties)
{
	struct barrier b = {.mutex = PTHREAD_MUTEX_INITIALIZER,
			    .cond = PTHREAD_COND_INITIALIZER,
			    .parties = parties,
			    .rounds = n / parties};
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

/* semaphore */

/* As many permits as threads: nobody ever waits. */
struct permits {
	_Alignas(64) sem_t sema;
	_Alignas(64) long each;
};

static void *holder(void *arg)
{
	struct permits *p = arg;
	for (long i = p->each; i; i--) {
		while (sem_wait(&p->sema))
			;
		sem_post(&p->sema);
	}
	return NULL;
}

static double thread_sema(long n)
{
	struct permits p = {.each = n / bench_procs};
	sem_init(&p.sema, 0, (unsigned)bench_procs);
	int64_t start = bench_now();
	bench_threads(bench_procs, holder, &p);
	return bench_per_op(start, p.each * bench_procs);
}

struct relay {
	sem_t turns[2];
	long each;
	int seats;
};

static void *runner(void *arg)
{
	struct relay *r = arg;
	int me = __atomic_fetch_add(&r->seats, 1, __ATOMIC_RELAXED);
	for (long i = r->each; i; i--) {
		while (sem_wait(&r->turns[me]))
			;
		sem_post(&r->turns[1 - me]);
	}
	return NULL;
}

static double thread_sema_pingpong(long n)
{
	struct relay r = {.each = n / 2};
	sem_init(&r.turns[0], 0, 1);
	sem_init(&r.turns[1], 0, 0);
	int64_t start = bench_now();
	bench_threads(2, runner, &r);
	return bench_per_op(start, r.each * 2);
}

/* sockets */

static void *talk(void *arg)
{
	bench_talk(arg, bench_read_byte);
	return NULL;
}

static double talk_all(struct bench_sockets *s)
{
	int64_t start = bench_now();
	bench_threads(s->count, talk, s);
	double ns = bench_per_op(start, bench_round_trips(s));
	bench_sockets_end(s, close);
	return ns;
}

static double fd_pingpong(long n)
{
	struct bench_sockets s;
	bench_pairs(&s, n, 1, 0);
	return talk_all(&s);
}

static double fd_echo100(long n)
{
	struct bench_sockets s;
	bench_pairs(&s, n, BENCH_CONNECTIONS, 0);
	return talk_all(&s);
}

static double fd_serve100(long n)
{
	struct bench_sockets s;
	bench_clients(&s, n, 0);
	return talk_all(&s);
}

/* From nothing to the end of the first thread. */
static void *nothing(void *arg)
{
	return arg;
}

static double start(long n)
{
	int64_t start = bench_now();
	bench_threads(1, nothing, NULL);
	return bench_per_op(start, n);
}

const struct bench benches[] = {
	{"once_hit", once_hit, .cold = false},
	{"mutex_uncontended", mutex_uncontended, .cold = false},
	{"mutex_contended_0", mutex_contended_0, .cold = false},
	{"mutex_contended_100", mutex_contended_100, .cold = false},
	{"rwmutex_read", rwmutex_read, .cold = false},
	{"rwmutex_mixed", rwmutex_mixed, .cold = false},
	{"cond_pingpong", cond_pingpong, .cold = false},
	{"cond_barrier32", cond_barrier32, .cold = false},
	{"cond_barrier1000", cond_barrier1000, .cold = false},
	{"fd_pingpong", fd_pingpong, .cold = false},
	{"fd_echo100", fd_echo100, .cold = false},
	{"fd_serve100", fd_serve100, .cold = false},
	{"start", start, .cold = true},
	{"thread_once", thread_once, .threads = true},
	{"thread_mutex", thread_mutex, .threads = true},
	{"thread_sema", thread_sema, .threads = true},
	{"thread_sema_pingpong", thread_sema_pingpong, .threads = true},
	{"thread_cond_pingpong", cond_pingpong, .threads = true},
	{NULL, NULL, .cold = false},
};
