/* SPDX-License-Identifier: MIT */
/*
 * Four requests, one of which divides by zero. Its panic ends that request and
 * no other: the account that it held is unlocked on the way out.
 */
#include <stdio.h>
#include <weft.h>

static struct {
	weft_mutex lock;
	int balance;
} account = {.balance = 100};

static void unlock(void *mutex)
{
	weft_mutex_unlock(mutex);
}

static void share_among(void *people)
{
	int n = *(int *)people;

	weft_mutex_lock(&account.lock);
	WEFT_DEFER(unlock, &account.lock);
	if (n == 0)
		weft_panic("cannot share %d among nobody", account.balance);
	printf("%d each for %d\n", account.balance / n, n);
}

static void stop_early(void *unused)
{
	(void)unused;
	weft_exit();
}

int main(void)
{
	weft_panic_info info;
	int people[] = {1, 2, 0, 4};

	for (int i = 0; i < 4; i++)
		if (weft_try(share_among, &people[i], &info) == WEFT_PANICKED)
			printf("failed: %s\n", info.message);
	printf("unlocked: %d\n", weft_mutex_try_lock(&account.lock));
	printf("an exit is no panic: %d\n",
	       weft_try(stop_early, NULL, NULL) == WEFT_EXITED);
}
/*
 * Output:
 * 100 each for 1
 * 50 each for 2
 * failed: cannot share 100 among nobody
 * 25 each for 4
 * unlocked: 1
 * an exit is no panic: 1
 */
