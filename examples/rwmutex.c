/* SPDX-License-Identifier: MIT */
/*
 * A price list that many tasks read, and a few change: two prices at a time,
 * so that the sum of all never changes for those who look.
 */
#include <stdio.h>
#include <weft.h>

enum { ITEMS = 8, PRICE = 100, LOOKS = 200 };

static struct {
	weft_rwmutex lock;
	int price[ITEMS];
} list;

static int right;	/* under the lock, as a writer */

static void look(void *arg)
{
	int sum = 0;

	weft_rwmutex_rlock(&list.lock);
	for (int i = 0; i < ITEMS; i++) {
		sum += list.price[i];
		weft_yield();	/* the others may look meanwhile */
	}
	weft_rwmutex_runlock(&list.lock);
	weft_rwmutex_lock(&list.lock);
	right += sum == ITEMS * PRICE;
	weft_rwmutex_unlock(&list.lock);
	(void)arg;
}

static void change(void *arg)
{
	int item = (int)((int *)arg - list.price);

	weft_rwmutex_lock(&list.lock);
	list.price[item] += 5;
	weft_yield();		/* nobody may look meanwhile */
	list.price[(item + 1) % ITEMS] -= 5;
	weft_rwmutex_unlock(&list.lock);
}

int main(void)
{
	weft_waitgroup wg = {0};

	for (int i = 0; i < ITEMS; i++)
		list.price[i] = PRICE;
	for (int i = 0; i < LOOKS; i++) {
		int *price = &list.price[i % ITEMS];

		if (weft_waitgroup_go(&wg, look, NULL) != 0)
			return 1;
		if (i % 10 == 0 && weft_waitgroup_go(&wg, change, price) != 0)
			return 1;
	}
	weft_waitgroup_wait(&wg);
	printf("%d looks, %d of them saw the right sum\n", LOOKS, right);
}
/*
 * Output:
 * 200 looks, 200 of them saw the right sum
 */
