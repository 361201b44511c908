/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

/* A ball goes there and back; one operation is one round trip. */
struct table {
	weft_chan there, back, stop;
};

static void table_init(struct table *t)
{
	BENCH_CHECK(!weft_chan_init(&t->there, sizeof(long), 0));
	BENCH_CHECK(!weft_chan_init(&t->back, sizeof(long), 0));
	BENCH_CHECK(!weft_chan_init(&t->stop, 0, 0));
}

static void return_ball(void *arg)
{
	struct table *t = arg;
	long ball;
	while (weft_chan_recv(&t->there, &ball))
		weft_chan_send(&t->back, &ball);
	weft_chan_close(&t->back);
}

double chan_pingpong(long n)
{
	struct table t;
	table_init(&t);
	bench_go(return_ball, &t);
	int64_t start = bench_now();
	for (long i = 0; i < n; i++) {
		long ball = i;
		weft_chan_send(&t.there, &ball);
		weft_chan_recv(&t.back, &ball);
	}
	double ns = bench_per_op(start, n);
	weft_chan_close(&t.there);
	weft_chan_recv(&t.back, NULL);
	return ns;
}

/* The same where both are ready to be told to stop, as servers are. */
static bool select_ball(struct table *t, weft_chan *from, long *ball)
{
	weft_case cases[] = {
		WEFT_CASE_RECV(from, ball),
		WEFT_CASE_RECV(&t->stop, NULL),
	};
	return weft_select(cases, 2) == 0;
}

static void return_ball_until_stop(void *arg)
{
	struct table *t = arg;
	long ball;
	while (select_ball(t, &t->there, &ball))
		weft_chan_send(&t->back, &ball);
	weft_chan_close(&t->back);
}

double select_pingpong(long n)
{
	struct table t;
	table_init(&t);
	bench_go(return_ball_until_stop, &t);
	int64_t start = bench_now();
	for (long i = 0; i < n; i++) {
		long ball = i;
		weft_chan_send(&t.there, &ball);
		BENCH_CHECK(select_ball(&t, &t.back, &ball));
	}
	double ns = bench_per_op(start, n);
	weft_chan_close(&t.stop);
	weft_chan_recv(&t.back, NULL);
	return ns;
}

/* A tree of tasks with ten below each sums up the numbers of its leaves. */
struct node {
	weft_chan *above;
	long number;
	long leaves;
};

static void skynet_node(void *arg)
{
	struct node *node = arg;
	long sum = node->number;
	if (node->leaves > 1) {
		weft_chan below;
		struct node nodes[10];
		BENCH_CHECK(!weft_chan_init(&below, sizeof(long), 0));
		for (long i = 0; i < 10; i++) {
			long leaves = node->leaves / 10;
			nodes[i] = (struct node){
				&below, node->number + i * leaves, leaves};
			bench_go(skynet_node, &nodes[i]);
		}
		sum = 0;
		for (int i = 0; i < 10; i++) {
			long part;
			weft_chan_recv(&below, &part);
			sum += part;
		}
		weft_chan_fini(&below);
	}
	weft_chan_send(node->above, &sum);
}

/* n is a power of ten; one operation is one task, those above leaves as well. */
double skynet(long n)
{
	weft_chan result;
	struct node root = {&result, 0, n};
	long sum;
	BENCH_CHECK(!weft_chan_init(&result, sizeof(long), 0));
	int64_t start = bench_now();
	bench_go(skynet_node, &root);
	weft_chan_recv(&result, &sum);
	double ns = bench_per_op(start, (10 * n - 1) / 9);
	BENCH_CHECK(sum == n * (n - 1) / 2);
	weft_chan_fini(&result);
	return ns;
}

/* One produces, one consumes; one operation is one value. */
struct belt {
	weft_chan chan;
	long n;
};

static void produce(void *arg)
{
	struct belt *b = arg;
	for (long i = 0; i < b->n; i++)
		weft_chan_send(&b->chan, &i);
	weft_chan_close(&b->chan);
}

double chan_buffered128(long n)
{
	struct belt b = {.n = n};
	long value, sum = 0;
	BENCH_CHECK(!weft_chan_init(&b.chan, sizeof(long), 128));
	int64_t start = bench_now();
	bench_go(produce, &b);
	while (weft_chan_recv(&b.chan, &value))
		sum += value;
	double ns = bench_per_op(start, n);
	BENCH_CHECK(sum == n * (n - 1) / 2);
	weft_chan_fini(&b.chan);
	return ns;
}

/* Many plain threads, half of them send: of the n one operation is one value. */
enum { CROWD_VALUES = 1000000 };

struct market {
	weft_chan chan;
	long each;
	int seats;
};

static void *trade(void *arg)
{
	struct market *m = arg;
	long value = 0;
	bool buys = __atomic_fetch_add(&m->seats, 1, __ATOMIC_RELAXED) % 2;
	for (long i = m->each; i; i--)
		if (buys)
			BENCH_CHECK(weft_chan_recv(&m->chan, &value));
		else
			weft_chan_send(&m->chan, &value);
	return NULL;
}

double thread_chan(long n)
{
	struct market m = {.each = CROWD_VALUES / (n / 2)};
	BENCH_CHECK(!weft_chan_init(&m.chan, sizeof(long), 128));
	int64_t start = bench_now();
	bench_threads((int)n, trade, &m);
	double ns = bench_per_op(start, m.each * (n / 2));
	weft_chan_fini(&m.chan);
	return ns;
}
