/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

static int answer;

/* As whoever wants a result writes it. */
static void ask(weft_flight *f, weft_key key, weft_flight_fn fn, void *arg)
{
	weft_result r = weft_flight_do(f, key, fn, arg);

	if (r.value != &answer)
		bench_fail("wrong answer");
	weft_result_release(&r);
}

static int give(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)arg;
	*value = &answer;
	return 0;
}

enum { KEYS = 1024 };

static char names[KEYS][16];
static weft_key keys[KEYS];

static void name_keys(void)
{
	for (int i = 0; i < KEYS; i++) {
		int size = snprintf(names[i], sizeof names[i], "user:%d", i);
		keys[i] = (weft_key){names[i], (size_t)size};
	}
}

double flight_solo(long n)
{
	name_keys();
	weft_flight f = {0};
	int64_t start = bench_now();
	for (long i = 0; i < n; i++)
		ask(&f, keys[i % KEYS], give, NULL);
	double ns = bench_per_op(start, n);
	weft_flight_fini(&f);
	return ns;
}

/* Callers walk through the keys, each from where no other is. */
struct walk {
	weft_flight flight;
	long each;
	int callers;
	int started;
};

static void walker(void *arg)
{
	struct walk *w = arg;
	int me = __atomic_fetch_add(&w->started, 1, __ATOMIC_RELAXED);
	long first = (long)me * KEYS / w->callers;
	for (long i = 0; i < w->each; i++)
		ask(&w->flight, keys[(first + i) % KEYS], give, NULL);
}

double flight_keys(long n)
{
	name_keys();
	struct walk w = {.callers = 4 * bench_procs};
	w.each = n / w.callers;
	int64_t start = bench_now();
	bench_tasks(w.callers, walker, &w);
	double ns = bench_per_op(start, w.each * w.callers);
	weft_flight_fini(&w.flight);
	return ns;
}

enum { HOT_CALLERS = 128 };

struct hot {
	weft_flight flight;
	long each;
	long calls; /* of one key, so never two at once */
};

/* The call yields once, as a call worth sharing would, so others join it. */
static int yield_and_give(weft_ctx *ctx, void *arg, void **value)
{
	struct hot *h = arg;
	h->calls++;
	weft_yield();
	return give(ctx, arg, value);
}

static void hot_caller(void *arg)
{
	struct hot *h = arg;
	for (long i = h->each; i; i--)
		ask(&h->flight, weft_key_str("user:42"), yield_and_give, h);
}

double flight_hot(long n)
{
	struct hot h = {.each = n / HOT_CALLERS};
	int64_t start = bench_now();
	bench_tasks(HOT_CALLERS, hot_caller, &h);
	double ns = bench_per_op(start, h.each * HOT_CALLERS);
	bench_calls_each = (double)h.calls / (double)(h.each * HOT_CALLERS);
	weft_flight_fini(&h.flight);
	return ns;
}

/* As many plain threads as n do the same, with a call that is over at once. */
enum { CROWD_CALLS = 1000000 };

static void *crowd_caller(void *arg)
{
	struct hot *h = arg;
	for (long i = h->each; i; i--)
		ask(&h->flight, weft_key_str("user:42"), give, NULL);
	return NULL;
}

double thread_flight(long n)
{
	struct hot h = {.each = CROWD_CALLS / n};
	int64_t start = bench_now();
	bench_threads((int)n, crowd_caller, &h);
	double ns = bench_per_op(start, h.each * n);
	weft_flight_fini(&h.flight);
	return ns;
}

struct stampede {
	weft_flight flight;
	weft_waitgroup gate;
	weft_waitgroup leading;
	weft_waitgroup arrived;
	weft_waitgroup returned;
	long late;
};

static int block_and_give(weft_ctx *ctx, void *arg, void **value)
{
	struct stampede *s = arg;
	weft_waitgroup_done(&s->leading);
	weft_waitgroup_wait(&s->gate);
	return give(ctx, arg, value);
}

static int come_late(weft_ctx *ctx, void *arg, void **value)
{
	struct stampede *s = arg;
	__atomic_fetch_add(&s->late, 1, __ATOMIC_RELAXED);
	return give(ctx, arg, value);
}

static void leader(void *arg)
{
	struct stampede *s = arg;
	ask(&s->flight, weft_key_str("user:42"), block_and_give, s);
	weft_waitgroup_done(&s->returned);
}

static void caller(void *arg)
{
	struct stampede *s = arg;
	weft_waitgroup_done(&s->arrived);
	ask(&s->flight, weft_key_str("user:42"), come_late, s);
	weft_waitgroup_done(&s->returned);
}

/* -1 when a caller came only after the release: that was no stampede. */
static int64_t stampede(long n)
{
	struct stampede s = {.late = 0};
	weft_waitgroup_add(&s.gate, 1);
	weft_waitgroup_add(&s.leading, 1);
	weft_waitgroup_add(&s.arrived, (int)n);
	weft_waitgroup_add(&s.returned, (int)n + 1);
	bench_go(leader, &s);
	weft_waitgroup_wait(&s.leading);
	for (long i = n; i; i--)
		bench_go(caller, &s);
	weft_waitgroup_wait(&s.arrived);
	bench_settle();
	int64_t start = bench_now();
	weft_waitgroup_done(&s.gate);
	weft_waitgroup_wait(&s.returned);
	int64_t elapsed = bench_now() - start;
	weft_flight_fini(&s.flight);
	return s.late ? -1 : elapsed;
}

/* n callers join one call that blocks; from its release to their last return. */
double flight_stampede(long n)
{
	int64_t total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = 0; i < rounds;) {
		int64_t elapsed = stampede(n);
		if (elapsed < 0)
			continue;
		total += elapsed;
		i++;
	}
	return (double)total / (double)rounds / (double)n;
}
