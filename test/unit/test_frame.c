/* SPDX-License-Identifier: MIT */
/*
 * What a function keeps while it waits, in its frame and in registers, whatever
 * the compiler finds it by. Built as test_errno.c is: with link-time optimisation
 * the switch itself may be a part of these functions.
 */
#include "test.h"

#include <weft/cond.h>
#include <weft/mutex.h>

#include <string.h>

enum { PEOPLE = 20, ROUNDS = 20 };

static struct {
	weft_mutex m;
	weft_cond c;
	int here;
	int round;
} door;

/* Until all are here. It waits in one place: so that wait can become a part of it. */
static inline void meet(void)
{
	weft_mutex_lock(&door.m);
	int round = door.round;
	if (++door.here == PEOPLE) {
		door.here = 0;
		door.round++;
		weft_cond_broadcast(&door.c);
	}
	while (round == door.round)
		weft_cond_wait(&door.c);
	weft_mutex_unlock(&door.m);
}

/*
 * More values than there are registers that a call leaves as they are; and room of
 * a size that is not known, with some that is aligned, so that the frame is found
 * by a third pointer, if the compiler needs one.
 */
static void keep(void *arg)
{
	int n = *(int *)arg;
	_Alignas(64) char fixed[64];
	char varied[n];
	long a = n, b = n * 3L, c = n ^ 5, d = (long)n << 7, e = n - 11L;
	double x = (double)n / 3, y = (double)n * 1e9;
	long double z = (long double)n / 7;
	double total = 0;
	long sum = 0;

	memset(fixed, n, sizeof fixed);
	memset(varied, n + 1, sizeof varied);
	__asm__ volatile("" : : "r"(fixed), "r"(varied) : "memory");
	for (int i = 0; i < ROUNDS; i++) {
		meet();
		sum += a + b + c + d + e;
		total += x + y + (double)(z * 7);
	}
	__asm__ volatile("" : : "r"(fixed), "r"(varied) : "memory");
	CHECK_EQ((uintptr_t)fixed % 64, 0);
	for (size_t i = 0; i < sizeof fixed; i++)
		CHECK_EQ(fixed[i], n);
	for (int i = 0; i < n; i++)
		CHECK_EQ(varied[i], n + 1);
	CHECK_EQ(sum, ROUNDS * (a + b + c + d + e));
	CHECK(total > 0.999 * ROUNDS * (x + y + (double)n) &&
	      total < 1.001 * ROUNDS * (x + y + (double)n));
}

TEST_FLAVOURS(frame_is_as_it_was_after_a_wait)
{
	static int numbers[PEOPLE];

	memset(&door, 0, sizeof door);
	weft_cond_init(&door.c, &door.m);
	for (int i = 0; i < PEOPLE; i++) {
		numbers[i] = i + 1;
		test_start(keep, &numbers[i]);
	}
	test_join_all();
}
