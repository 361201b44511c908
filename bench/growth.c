/* SPDX-License-Identifier: MIT */
/* What an operation costs as the number of things grows. */
#include "weft_bench.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct crowd {
	weft_mutex mutex;
	weft_cond cond;
	weft_waitgroup returned;
	long arrived;
	bool open;
};

static void crowd_member(void *arg)
{
	struct crowd *c = arg;
	weft_mutex_lock(&c->mutex);
	c->arrived++;
	while (!c->open)
		weft_cond_wait(&c->cond);
	weft_mutex_unlock(&c->mutex);
	weft_waitgroup_done(&c->returned);
}

static long arrived(struct crowd *c)
{
	weft_mutex_lock(&c->mutex);
	long count = c->arrived;
	weft_mutex_unlock(&c->mutex);
	return count;
}

static int64_t broadcast(long n)
{
	struct crowd c = {.arrived = 0};
	weft_cond_init(&c.cond, &c.mutex);
	weft_waitgroup_add(&c.returned, (int)n);
	for (long i = n; i; i--)
		bench_go(crowd_member, &c);
	while (arrived(&c) < n)
		weft_yield();
	int64_t start = bench_now();
	weft_mutex_lock(&c.mutex);
	c.open = true;
	weft_cond_broadcast(&c.cond);
	weft_mutex_unlock(&c.mutex);
	weft_waitgroup_wait(&c.returned);
	return bench_now() - start;
}

/* n tasks wait on a cond; from its broadcast to their last return. */
double growth_waiters(long n)
{
	int64_t total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = rounds; i; i--)
		total += broadcast(n);
	return (double)total / (double)rounds / (double)n;
}

/* n keys are in flight at once: the tasks that lead wait at a gate. */
struct keyring {
	weft_flight flight;
	weft_waitgroup gate, leading, returned;
	uint64_t next;
};

static int wait_at_gate(weft_ctx *ctx, void *arg, void **value)
{
	struct keyring *k = arg;
	(void)ctx;
	weft_waitgroup_done(&k->leading);
	weft_waitgroup_wait(&k->gate);
	*value = k;
	return 0;
}

static void key_leader(void *arg)
{
	struct keyring *k = arg;
	uint64_t key = __atomic_fetch_add(&k->next, 1, __ATOMIC_RELAXED);
	weft_result r = weft_flight_do(&k->flight, weft_key_u64(key),
				       wait_at_gate, k);
	BENCH_CHECK(r.value == k);
	weft_result_release(&r);
	weft_waitgroup_done(&k->returned);
}

static int64_t fly_keys(long n)
{
	struct keyring k = {.next = 0};
	weft_waitgroup_add(&k.gate, 1);
	weft_waitgroup_add(&k.leading, (int)n);
	weft_waitgroup_add(&k.returned, (int)n);
	int64_t start = bench_now();
	for (long i = n; i; i--)
		bench_go(key_leader, &k);
	weft_waitgroup_wait(&k.leading);
	weft_waitgroup_done(&k.gate);
	weft_waitgroup_wait(&k.returned);
	int64_t elapsed = bench_now() - start;
	weft_flight_fini(&k.flight);
	return elapsed;
}

double growth_keys(long n)
{
	int64_t total = 0;
	long rounds = bench_fan_rounds(n);
	for (long i = rounds; i; i--)
		total += fly_keys(n);
	return (double)total / (double)rounds / (double)n;
}

/* Begin n contexts, cancel the first of all, end them: per context. */
static double cancel_tree(long n, bool deep)
{
	weft_ctx *contexts = bench_room((size_t)n * sizeof *contexts), root;
	long rounds = bench_fan_rounds(n);
	int64_t start = bench_now();
	for (long round = rounds; round; round--) {
		weft_ctx_init(&root, NULL);
		for (long i = 0; i < n; i++)
			weft_ctx_init(&contexts[i],
				      deep && i ? &contexts[i - 1] : &root);
		weft_ctx_cancel(&root, 0);
		for (long i = n; i; i--) {
			BENCH_CHECK(weft_ctx_done(&contexts[i - 1]));
			weft_ctx_fini(&contexts[i - 1]);
		}
		weft_ctx_fini(&root);
	}
	return bench_per_op(start, n * rounds);
}

double growth_ctx_deep(long n)
{
	return cancel_tree(n, true);
}

double growth_ctx_wide(long n)
{
	return cancel_tree(n, false);
}

static void never(void *arg)
{
	(void)arg;
	bench_fail("a timer of an hour went off");
}

struct request {
	weft_ctx ctx;
	weft_ctx_after after;
};

/* n timers are set, then all are stopped: per timer. */
double growth_timers(long n)
{
	struct request *requests = bench_room((size_t)n * sizeof *requests);
	long rounds = bench_fan_rounds(n);
	int64_t start = bench_now();
	for (long round = rounds; round; round--) {
		for (struct request *r = requests; r < requests + n; r++) {
			weft_ctx_init_timeout(&r->ctx, NULL, 60 * WEFT_MINUTE);
			BENCH_CHECK(!weft_ctx_after_start(&r->after, &r->ctx,
							  never, NULL));
		}
		for (struct request *r = requests; r < requests + n; r++) {
			BENCH_CHECK(weft_ctx_after_stop(&r->after));
			weft_ctx_fini(&r->ctx);
		}
	}
	return bench_per_op(start, n * rounds);
}

struct event {
	weft_waitgroup *arrived, *returned;
	int fd;
};

static void event_waiter(void *arg)
{
	struct event *e = arg;
	weft_waitgroup_done(e->arrived);
	BENCH_CHECK(weft_wait_fd(NULL, e->fd, POLLIN) == POLLIN);
	weft_waitgroup_done(e->returned);
}

/* n tasks wait for a descriptor each; all become ready: per descriptor. */
double growth_descriptors(long n)
{
	bench_allow_descriptors(n);
	struct event *events = calloc((size_t)n, sizeof *events);
	weft_waitgroup arrived = {0}, returned = {0};
	uint64_t one = 1;
	BENCH_CHECK(events);
	weft_waitgroup_add(&arrived, (int)n);
	weft_waitgroup_add(&returned, (int)n);
	for (long i = 0; i < n; i++) {
		events[i] = (struct event){&arrived, &returned,
					   eventfd(0, EFD_NONBLOCK)};
		BENCH_CHECK(events[i].fd >= 0);
		bench_go(event_waiter, &events[i]);
	}
	weft_waitgroup_wait(&arrived);
	bench_settle();
	int64_t start = bench_now();
	for (long i = 0; i < n; i++)
		BENCH_CHECK(write(events[i].fd, &one, sizeof one) ==
			    sizeof one);
	weft_waitgroup_wait(&returned);
	double ns = bench_per_op(start, n);
	for (long i = 0; i < n; i++)
		weft_fd_close(events[i].fd);
	free(events);
	return ns;
}
