/* SPDX-License-Identifier: MIT */
/* A race and a deadlock in one's own code, found in less than a second. */
#include <stdio.h>
#include <weft.h>
#include <weft/sim.h>

typedef struct {
	weft_mutex lock;
	int cents;
} account;

static account ada = {.cents = 100}, bob = {.cents = 100};

static void withdraw_and_think(void *arg)
{
	account *a = arg;
	int cents;

	weft_mutex_lock(&a->lock);
	cents = a->cents;
	weft_mutex_unlock(&a->lock);
	weft_mutex_lock(&a->lock); /* what it has seen may be old */
	a->cents = cents - 10;
	weft_mutex_unlock(&a->lock);
}

static void transfer(account *from, account *to)
{
	weft_mutex_lock(&from->lock);
	weft_mutex_lock(&to->lock); /* and the other way round? */
	from->cents -= 10;
	to->cents += 10;
	weft_mutex_unlock(&to->lock);
	weft_mutex_unlock(&from->lock);
}

static void to_bob(void *unused) { (void)unused; transfer(&ada, &bob); }
static void to_ada(void *unused) { (void)unused; transfer(&bob, &ada); }

static int both(weft_fn one, weft_fn other, void *arg)
{
	weft_waitgroup wg = {0};

	if (weft_waitgroup_go(&wg, one, arg) || weft_waitgroup_go(&wg, other, arg))
		return 1;
	weft_waitgroup_wait(&wg);
	return 0;
}

static int withdraw_twice(void *arg) { return both(withdraw_and_think, withdraw_and_think, arg) || ada.cents != 80; }
static int there_and_back(void *arg) { return both(to_bob, to_ada, arg); }

int main(void)
{
	printf("race: %s\n", weft_sim_explore(NULL, withdraw_twice, &ada) == 1 ? "found" : "not found");
	printf("deadlock: %s\n", weft_sim_explore(NULL, there_and_back, NULL) == 1 ? "found" : "not found");
	return 0;
}
/*
 * Output:
 * race: found
 * deadlock: found
 */
