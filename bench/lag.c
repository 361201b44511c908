/* SPDX-License-Identifier: MIT */
/*
 * How long a hand-over takes, not on average but for the unlucky: from the
 * moment one task hands something over until another has it.
 */
#include "weft_bench.h"

enum { LOCKERS = 64, JOINERS = 16 };

/* From asking for a mutex to holding it, by one of 64 tasks. */
struct queue {
	_Alignas(64) weft_mutex mutex;
	_Alignas(64) uint64_t state;
	long each;
	bool work;
};

static void queuer(void *arg)
{
	struct queue *q = arg;
	struct bench_lags lags = {{0}};
	bool work = q->work;
	for (long i = q->each; i; i--) {
		int64_t asked = bench_now();
		weft_mutex_lock(&q->mutex);
		int64_t held = bench_now();
		if (work)
			q->state = bench_work(q->state);
		weft_mutex_unlock(&q->mutex);
		bench_lag_note(&lags, held - asked);
	}
	bench_lags_add(&lags);
}

static double lag_mutex(long n, bool work)
{
	struct queue q = {.each = n / LOCKERS, .work = work};
	int64_t start = bench_now();
	bench_tasks(LOCKERS, queuer, &q);
	return bench_per_op(start, q.each * LOCKERS);
}

double lag_mutex_0(long n)
{
	return lag_mutex(n, false);
}

double lag_mutex_100(long n)
{
	return lag_mutex(n, true);
}

/* From the signal of a cond to the return of the wait with the lock. */
struct turns {
	weft_mutex mutex;
	weft_cond cond;
	int64_t signalled;
	long each;
	int turn;
	int seats;
};

static void turn_taker(void *arg)
{
	struct turns *t = arg;
	struct bench_lags lags = {{0}};
	weft_mutex_lock(&t->mutex);
	int me = t->seats++;
	for (long i = t->each; i; i--) {
		if (t->turn != me) {
			while (t->turn != me)
				weft_cond_wait(&t->cond);
			bench_lag_note(&lags, bench_now() - t->signalled);
		}
		t->turn = 1 - me;
		t->signalled = bench_now();
		weft_cond_signal(&t->cond);
	}
	weft_mutex_unlock(&t->mutex);
	bench_lags_add(&lags);
}

double lag_cond(long n)
{
	struct turns t = {.each = n / 2};
	weft_cond_init(&t.cond, &t.mutex);
	int64_t start = bench_now();
	bench_tasks(2, turn_taker, &t);
	return bench_per_op(start, t.each * 2);
}

/* From the return of a shared call to that of those who had joined it. */
struct joined {
	weft_flight flight;
	long each;
	long calls; /* of one key, so never two at once */
};

static int give_time(weft_ctx *ctx, void *arg, void **value)
{
	struct joined *j = arg;
	(void)ctx;
	j->calls++;
	weft_yield();
	*value = (void *)(uintptr_t)bench_now();
	return 0;
}

static void joiner(void *arg)
{
	struct joined *j = arg;
	struct bench_lags lags = {{0}};
	for (long i = j->each; i; i--) {
		weft_result r = weft_flight_do(
			&j->flight, weft_key_str("user:42"), give_time, j);
		bench_lag_note(&lags,
			       bench_now() - (int64_t)(uintptr_t)r.value);
		weft_result_release(&r);
	}
	bench_lags_add(&lags);
}

double lag_flight(long n)
{
	struct joined j = {.each = n / JOINERS};
	int64_t start = bench_now();
	bench_tasks(JOINERS, joiner, &j);
	double ns = bench_per_op(start, j.each * JOINERS);
	bench_calls_each = (double)j.calls / (double)(j.each * JOINERS);
	weft_flight_fini(&j.flight);
	return ns;
}

/* Two tasks send each other the time; beside them there may be others. */
struct table {
	weft_chan there, back;
	weft_waitgroup others;
	bool over;
};

static void return_time(void *arg)
{
	struct table *t = arg;
	struct bench_lags lags = {{0}};
	int64_t sent;
	while (weft_chan_recv(&t->there, &sent)) {
		int64_t now = bench_now();
		bench_lag_note(&lags, now - sent);
		weft_chan_send(&t->back, &now);
	}
	bench_lags_add(&lags);
	weft_chan_close(&t->back);
}

static double exchange(long n, struct table *t)
{
	struct bench_lags lags = {{0}};
	BENCH_CHECK(!weft_chan_init(&t->there, sizeof(int64_t), 0));
	BENCH_CHECK(!weft_chan_init(&t->back, sizeof(int64_t), 0));
	bench_go(return_time, t);
	int64_t start = bench_now(), sent;
	for (long i = n; i; i--) {
		int64_t now = bench_now();
		weft_chan_send(&t->there, &now);
		weft_chan_recv(&t->back, &sent);
		bench_lag_note(&lags, bench_now() - sent);
	}
	double ns = bench_per_op(start, n);
	__atomic_store_n(&t->over, true, __ATOMIC_RELAXED);
	weft_chan_close(&t->there);
	weft_chan_recv(&t->back, NULL);
	weft_waitgroup_wait(&t->others);
	bench_lags_add(&lags);
	return ns;
}

double lag_chan(long n)
{
	struct table t = {.over = false};
	return exchange(n, &t);
}

/* Notes how old what comes is. */
static void reader(void *arg)
{
	struct table *t = arg;
	struct bench_lags lags = {{0}};
	int64_t sent;
	while (weft_chan_recv(&t->there, &sent))
		bench_lag_note(&lags, bench_now() - sent);
	bench_lags_add(&lags);
}

/* Who sends computes on, for 100 us. */
double lag_chan_busy(long n)
{
	struct table t = {.over = false};
	BENCH_CHECK(!weft_chan_init(&t.there, sizeof(int64_t), 128));
	BENCH_CHECK(!weft_waitgroup_go(&t.others, reader, &t));
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		int64_t now = bench_now();
		weft_chan_send(&t.there, &now);
		bench_hog(100 * 1000);
	}
	double ns = bench_per_op(start, n);
	weft_chan_close(&t.there);
	weft_waitgroup_wait(&t.others);
	weft_chan_fini(&t.there);
	return ns;
}

static bool is_over(struct table *t)
{
	return __atomic_load_n(&t->over, __ATOMIC_RELAXED);
}

/* Computes for 10 ms at a time, and lets others run in between. */
static void hog(void *arg)
{
	while (!is_over(arg)) {
		bench_hog(10 * 1000 * 1000);
		weft_yield();
	}
}

double lag_chan_hog(long n)
{
	struct table t = {.over = false};
	BENCH_CHECK(!weft_waitgroup_go(&t.others, hog, &t));
	return exchange(n, &t);
}

/* Blocks its thread for a millisecond at a time. */
static void block(void)
{
	struct timespec pause = {.tv_nsec = 1000 * 1000};
	nanosleep(&pause, NULL);
}

static void silent_blocker(void *arg)
{
	while (!is_over(arg)) {
		block();
		weft_yield();
	}
}

static void blocker(void *arg)
{
	while (!is_over(arg)) {
		weft_blocking_begin();
		block();
		weft_blocking_end();
		weft_yield();
	}
}

static double exchange_beside(long n, weft_fn fn)
{
	struct table t = {.over = false};
	for (int i = 4 * bench_procs; i; i--)
		BENCH_CHECK(!weft_waitgroup_go(&t.others, fn, &t));
	return exchange(n, &t);
}

double lag_chan_blocking(long n)
{
	return exchange_beside(n, blocker);
}

/* The same by calls that do not tell the runtime. */
double lag_chan_silent(long n)
{
	return exchange_beside(n, silent_blocker);
}

/* From the start of a short task to its first instruction, beside a hog. */
struct errand {
	weft_waitgroup *done;
	struct bench_lags *lags;
	int64_t sent;
};

static void run_errand(void *arg)
{
	struct errand *e = arg;
	int64_t lag = bench_now() - e->sent;
	__atomic_fetch_add(&e->lags->count[bench_lag_bucket(lag)], 1,
			   __ATOMIC_RELAXED);
	weft_waitgroup_done(e->done);
}

double lag_spawn_hog(long n)
{
	enum { AT_ONCE = 100 };
	struct errand errands[AT_ONCE];
	struct bench_lags lags = {{0}};
	struct table t = {.over = false};
	weft_waitgroup done = {0};
	BENCH_CHECK(!weft_waitgroup_go(&t.others, hog, &t));
	int64_t start = bench_now();
	for (long i = n / AT_ONCE; i; i--) {
		weft_waitgroup_add(&done, AT_ONCE);
		for (int j = 0; j < AT_ONCE; j++) {
			errands[j] = (struct errand){&done, &lags, bench_now()};
			bench_go(run_errand, &errands[j]);
		}
		weft_waitgroup_wait(&done);
	}
	double ns = bench_per_op(start, n / AT_ONCE * AT_ONCE);
	__atomic_store_n(&t.over, true, __ATOMIC_RELAXED);
	weft_waitgroup_wait(&t.others);
	bench_lags_add(&lags);
	return ns;
}
