/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

/* Two players hand a turn to each other; one operation is one hand-over. */
struct game {
	weft_mutex mutex;
	weft_cond cond;
	long each;
	int turn;
	int seats;
};

static void player(void *arg)
{
	struct game *g = arg;
	weft_mutex_lock(&g->mutex);
	int me = g->seats++;
	weft_mutex_unlock(&g->mutex);
	for (long i = g->each; i; i--) {
		weft_mutex_lock(&g->mutex);
		while (g->turn != me)
			weft_cond_wait(&g->cond);
		g->turn = 1 - me;
		weft_mutex_unlock(&g->mutex);
		weft_cond_signal(&g->cond);
	}
}

double cond_pingpong(long n)
{
	struct game g = {.each = n / 2};
	weft_cond_init(&g.cond, &g.mutex);
	int64_t start = bench_now();
	bench_tasks(2, player, &g);
	return bench_per_op(start, g.each * 2);
}

static void *thread_player(void *arg)
{
	player(arg);
	return NULL;
}

double thread_cond_pingpong(long n)
{
	struct game g = {.each = n / 2};
	weft_cond_init(&g.cond, &g.mutex);
	int64_t start = bench_now();
	bench_threads(2, thread_player, &g);
	return bench_per_op(start, g.each * 2);
}

/* Tasks meet again and again; one operation is one arrival. */
struct barrier {
	weft_mutex mutex;
	weft_cond cond;
	int parties;
	long rounds;
	long round;
	int arrived;
};

static void party(void *arg)
{
	struct barrier *b = arg;
	for (long i = b->rounds; i; i--) {
		weft_mutex_lock(&b->mutex);
		if (++b->arrived == b->parties) {
			b->arrived = 0;
			b->round++;
			weft_cond_broadcast(&b->cond);
		} else {
			long mine = b->round;
			while (mine == b->round)
				weft_cond_wait(&b->cond);
		}
		weft_mutex_unlock(&b->mutex);
	}
}

static double meet(long n, int parties)
{
	struct barrier b = {.parties = parties, .rounds = n / parties};
	weft_cond_init(&b.cond, &b.mutex);
	int64_t start = bench_now();
	bench_tasks(parties, party, &b);
	double ns = bench_per_op(start, b.rounds * parties);
	BENCH_CHECK(b.round == b.rounds);
	return ns;
}

double cond_barrier32(long n)
{
	return meet(n, 32);
}

double cond_barrier1000(long n)
{
	return meet(n, 1000);
}
