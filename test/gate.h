/* SPDX-License-Identifier: MIT */
/*
 * A gate that tasks and threads wait at until it is opened, and a latch that
 * opens at zero: made from the parking lot alone, so that tests of the
 * scheduler do not lean on the primitives above it. All bytes zero is a closed
 * gate. It may be freed when every wait has returned.
 */
#ifndef WEFT_TEST_GATE_H
#define WEFT_TEST_GATE_H

#include "door.h"

typedef struct {
	uint32_t open;
	uint32_t waiting;	/* atomic: how many have queued up, ever */
} gate;

__attribute__((unused)) static void gate_wait(gate *g)
{
	weft__waiter w;
	static const weft__why why = {.text = "test gate"};
	weft__bucket *b = weft__lot_lock(g);
	bool open = g->open;

	if (!open) {
		weft__waiter_init(&w, &why);
		weft__lot_push(b, g, &w);
		weft_atomic_add(&g->waiting, 1, relaxed);
	}
	weft__lot_unlock(b);
	if (!open)
		weft__park(&w, WEFT_NEVER);
}

__attribute__((unused)) static void gate_open(gate *g)
{
	weft__wakeups wakeups = {0};
	weft__bucket *b = weft__lot_lock(g);

	g->open = 1;
	weft__lot_wake_all(b, g, 0, &wakeups);
	weft__lot_unlock(b);
	weft__wake(&wakeups);
}

__attribute__((unused)) static void gate_close(gate *g)
{
	weft__bucket *b = weft__lot_lock(g);

	g->open = 0;
	weft__lot_unlock(b);
}

typedef struct {
	gate zero;
	uint32_t count;	/* set it before it is used */
} latch;

__attribute__((unused)) static void latch_done(latch *l)
{
	if (weft_atomic_sub(&l->count, 1, acq_rel) == 1)
		gate_open(&l->zero);
}

__attribute__((unused)) static void latch_wait(latch *l)
{
	gate_wait(&l->zero);
}

#endif
