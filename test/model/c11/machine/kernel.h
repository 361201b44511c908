/* SPDX-License-Identifier: MIT */
/*
 * The futex: who waits is compared and queued under a lock of the kernel's, who
 * wakes takes the first ones out under it. Nobody wakes for no reason: that is
 * one round more of the loop that it stands in, and nothing new.
 */
#ifndef WEFT_TEST_MODEL_KERNEL_H
#define WEFT_TEST_MODEL_KERNEL_H

#include "base/base.h"
#include "../explore.h"
#include "plat/futex.h"

static uint32_t kernel;
static struct {
	const uint32_t *word;	/* NULL: awake */
	uint32_t awake;
} sleepers[16];
static int sleeper_count;

static void kernel_take(void)
{
	uint32_t unlocked = 0;

	model_await(weft_atomic_cas(&kernel, &unlocked, 1, acquire, relaxed));
}

static void kernel_drop(void)
{
	weft_atomic_store(&kernel, 0, release);
}

bool weft__futex_wait(const uint32_t *word, uint32_t value, weft_time deadline)
{
	int i;

	(void)deadline;
	kernel_take();
	if (weft_atomic_load(word, relaxed) != value) {
		kernel_drop();
		return true;
	}
	i = sleeper_count++;
	sleepers[i].word = word;
	kernel_drop();
	model_await(weft_atomic_load(&sleepers[i].awake, acquire) != 0);
	return true;
}

void weft__futex_wake(const uint32_t *word, int count)
{
	kernel_take();
	for (int i = 0; i < sleeper_count && count > 0; i++) {
		if (sleepers[i].word != word)
			continue;
		sleepers[i].word = NULL;
		weft_atomic_store(&sleepers[i].awake, 1, release);
		count--;
	}
	kernel_drop();
}

#endif
