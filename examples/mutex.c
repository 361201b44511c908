/* SPDX-License-Identifier: MIT */
/*
 * Accounts that many tasks move money between: two mutexes at a time, always
 * the lower one first, so that no two tasks wait for each other.
 */
#include <stdio.h>
#include <weft.h>

enum { ACCOUNTS = 10, TASKS = 100, MOVES = 100 };

static struct {
	weft_mutex lock;
	int balance;
} accounts[ACCOUNTS];

static void move(int from, int to, int amount)
{
	int low = from < to ? from : to, high = from < to ? to : from;

	weft_mutex_lock(&accounts[low].lock);
	weft_mutex_lock(&accounts[high].lock);
	accounts[from].balance -= amount;
	accounts[to].balance += amount;
	weft_mutex_unlock(&accounts[high].lock);
	weft_mutex_unlock(&accounts[low].lock);
}

static void trade(void *arg)
{
	unsigned dice = *(unsigned *)arg;

	for (int i = 0; i < MOVES; i++) {
		int from = (int)((dice = dice * 1103515245 + 12345) >> 16) % ACCOUNTS;

		move(from, (from + 1 + i % (ACCOUNTS - 1)) % ACCOUNTS, i);
	}
}

int main(void)
{
	static unsigned seeds[TASKS];
	weft_waitgroup wg = {0};
	int sum = 0;

	for (unsigned i = 0; i < TASKS; i++) {
		seeds[i] = i;
		if (weft_waitgroup_go(&wg, trade, &seeds[i]) != 0)
			trade(&seeds[i]);
	}
	weft_waitgroup_wait(&wg);
	for (int i = 0; i < ACCOUNTS; i++)
		sum += accounts[i].balance;
	printf("%d moves, and all accounts together hold %d\n", TASKS * MOVES, sum);
}
/*
 * Output:
 * 10000 moves, and all accounts together hold 0
 */
