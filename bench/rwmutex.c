/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

enum { USERS = 64, WRITE_EVERY = 10 };

double rwmutex_read(long n)
{
	weft_rwmutex object = {0}, *m = &object;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(m);
		weft_rwmutex_rlock(m);
		weft_rwmutex_runlock(m);
	}
	return bench_per_op(start, n);
}

/* A lock and what it guards, on cache lines of their own. */
struct record {
	_Alignas(64) weft_rwmutex lock;
	_Alignas(64) uint64_t state;
	long writes;
	long each;
};

static void user(void *arg)
{
	struct record *r = arg;
	uint64_t seen = 0;
	for (long i = r->each; i; i--) {
		if (i % WRITE_EVERY == 0) {
			weft_rwmutex_lock(&r->lock);
			r->state = bench_work(r->state);
			r->writes++;
			weft_rwmutex_unlock(&r->lock);
		} else {
			weft_rwmutex_rlock(&r->lock);
			seen += bench_work(r->state);
			weft_rwmutex_runlock(&r->lock);
		}
	}
	BENCH_OPAQUE(seen);
}

double rwmutex_mixed(long n)
{
	struct record r = {.each = n / USERS};
	int64_t start = bench_now();
	bench_tasks(USERS, user, &r);
	double ns = bench_per_op(start, r.each * USERS);
	BENCH_CHECK(r.writes == r.each / WRITE_EVERY * USERS);
	return ns;
}
