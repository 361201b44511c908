/* SPDX-License-Identifier: MIT */
/*
 * Twenty downloads over a line that carries ten megabits: each takes as many
 * units of the semaphore as it needs, and waits its turn for them.
 */
#include <stdio.h>
#include <weft.h>

enum { LINE = 10, DOWNLOADS = 20 };

static weft_sema line;
static weft_mutex lock;
static int used, most;

static void account_for(int megabits)
{
	weft_mutex_lock(&lock);
	used += megabits;
	if (used > most)
		most = used;
	weft_mutex_unlock(&lock);
}

static void download(void *arg)
{
	int megabits = *(int *)arg;

	weft_sema_acquire(&line, megabits);
	account_for(megabits);
	(void)weft_sleep(NULL, WEFT_MS(1));
	account_for(-megabits);
	weft_sema_release(&line, megabits);
}

int main(void)
{
	int megabits[DOWNLOADS];
	weft_waitgroup wg = {0};

	weft_sema_init(&line, LINE);
	for (int i = 0; i < DOWNLOADS; i++) {
		megabits[i] = i % 7 + 1;
		if (weft_waitgroup_go(&wg, download, &megabits[i]) != 0)
			return 1;
	}
	weft_waitgroup_wait(&wg);
	printf("%d downloads, never more than the line carries: %s\n", DOWNLOADS,
	       most <= LINE ? "yes" : "no");
	printf("units that are back: %d\n",
	       weft_sema_try_acquire(&line, LINE) ? LINE : 0);
}
/*
 * Output:
 * 20 downloads, never more than the line carries: yes
 * units that are back: 10
 */
