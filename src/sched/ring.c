/* SPDX-License-Identifier: MIT */
#include "sched/ring.h"

static weft__task **slot_at(weft__ring *r, uint32_t index)
{
	return &r->slot[index % WEFT__RING_CAPACITY];
}

bool weft__ring_put(weft__ring *r, weft__task *task)
{
	uint32_t tail = weft_atomic_load(&r->tail, relaxed);

	if (unlikely(tail - r->head_seen >= WEFT__RING_CAPACITY)) {
		r->head_seen = weft_atomic_load(&r->head, acquire);	/* R2 */
		if (tail - r->head_seen >= WEFT__RING_CAPACITY)
			return false;
	}
	weft_atomic_store(slot_at(r, tail), task, relaxed);
	weft_atomic_store(&r->tail, tail + 1, release);	/* R1 */
	return true;
}

uint32_t weft__ring_take(weft__ring *r, weft__task *tasks[], uint32_t count)
{
	uint32_t head = weft_atomic_load(&r->head, acquire);

	for (;;) {
		uint32_t tail = weft_atomic_load(&r->tail, acquire);
		uint32_t n = tail - head;

		/* A head that is long out of date makes n absurd. */
		if (n == 0 || n > WEFT__RING_CAPACITY)
			return 0;
		if (n > count)
			n = count;
		for (uint32_t i = 0; i < n; i++)
			tasks[i] = weft_atomic_load(slot_at(r, head + i), relaxed);
		if (weft_atomic_cas(&r->head, &head, head + n, acq_rel, acquire))
			return n;
	}
}
