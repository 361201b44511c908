/* SPDX-License-Identifier: MIT */
/*
 * A pool of three connections that two hundred tasks share: who finds none
 * waits for one to come back.
 */
#include <stdio.h>
#include <weft.h>

enum { CONNECTIONS = 3, TASKS = 200 };

static struct {
	weft_mutex lock;
	weft_cond returned;
	int idle[CONNECTIONS], count;
} pool;

static int queries[CONNECTIONS];	/* of each connection: its holder's */

static void ask(void *arg)
{
	int connection;

	weft_mutex_lock(&pool.lock);
	while (pool.count == 0)
		weft_cond_wait(&pool.returned);
	connection = pool.idle[--pool.count];
	weft_mutex_unlock(&pool.lock);

	queries[connection]++;
	weft_yield();

	weft_mutex_lock(&pool.lock);
	pool.idle[pool.count++] = connection;
	weft_mutex_unlock(&pool.lock);
	weft_cond_signal(&pool.returned);
	(void)arg;
}

int main(void)
{
	weft_waitgroup wg = {0};
	int sum = 0;

	weft_cond_init(&pool.returned, &pool.lock);
	while (pool.count < CONNECTIONS) {
		pool.idle[pool.count] = pool.count;
		pool.count++;
	}
	for (int i = 0; i < TASKS; i++)
		if (weft_waitgroup_go(&wg, ask, NULL) != 0)
			return 1;
	weft_waitgroup_wait(&wg);
	for (int i = 0; i < CONNECTIONS; i++)
		sum += queries[i];
	printf("%d queries over %d connections\n", sum, CONNECTIONS);
}
/*
 * Output:
 * 200 queries over 3 connections
 */
