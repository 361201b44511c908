/* SPDX-License-Identifier: MIT */
#include "sched/deque.h"

#include "plat/pages.h"

struct weft__slots {
	int64_t capacity;
	struct weft__slots *older;
	weft__task *slot[];
};

enum {
	FIRST_CAPACITY = 256,	/* a power of two */
	PREFETCH = 8,		/* pops that a cache miss takes */
};

static struct weft__slots *slots_new(int64_t capacity,
				     struct weft__slots *older)
{
	struct weft__slots *s = weft__pages_map(
		sizeof *s + (size_t)capacity * sizeof s->slot[0]);

	if (s != NULL) {
		s->capacity = capacity;
		s->older = older;
	}
	return s;
}

static weft__task **slot_at(struct weft__slots *s, int64_t index)
{
	return &s->slot[index & (s->capacity - 1)];
}

/*
 * Twice the room. The old slots stay, since a thief may be reading them: all
 * of them together are smaller than the newest.
 */
static struct weft__slots *grow(weft__deque *d, struct weft__slots *old,
				int64_t top, int64_t bottom)
{
	struct weft__slots *new =
		slots_new(old ? old->capacity * 2 : FIRST_CAPACITY, old);

	if (new == NULL)
		return NULL;
	for (int64_t i = top; i < bottom; i++)
		*slot_at(new, i) = weft_atomic_load(slot_at(old, i), relaxed);
	weft_atomic_store(&d->slots, new, release);
	return new;
}

/* There is no room, by what the owner knows. */
static WEFT_PRIV_COLD bool push_full(weft__deque *d, weft__task *task)
{
	struct weft__slots *slots = weft_atomic_load(&d->slots, relaxed);
	int64_t bottom = weft_atomic_load(&d->bottom, relaxed);

	d->top_seen = weft_atomic_load(&d->top, acquire);
	if (slots == NULL || bottom - d->top_seen >= slots->capacity)
		slots = grow(d, slots, d->top_seen, bottom);
	return slots != NULL && weft__deque_push(d, task);
}

bool weft__deque_push(weft__deque *d, weft__task *task)
{
	struct weft__slots *slots = weft_atomic_load(&d->slots, relaxed);
	int64_t bottom = weft_atomic_load(&d->bottom, relaxed);

	if (unlikely(slots == NULL || bottom - d->top_seen >= slots->capacity))
		return push_full(d, task);
	weft_atomic_store(slot_at(slots, bottom), task, relaxed);
	/* Release: who sees the index sees the slot and the task. */
	weft_atomic_store(&d->bottom, bottom + 1, release);
	return true;
}

weft__task *weft__deque_pop(weft__deque *d)
{
	int64_t bottom = weft_atomic_load(&d->bottom, relaxed);
	int64_t top = weft_atomic_load(&d->top, relaxed);
	struct weft__slots *slots;
	weft__task *task;

	if (bottom <= top)
		return NULL;	/* D1: what is seen of top is not too large */
	bottom--;
	/* An exchange, because a seq_cst store and load cost the same (D2). */
	weft_atomic_xchg(&d->bottom, bottom, seq_cst);
	top = weft_atomic_load(&d->top, seq_cst);
	d->top_seen = top;
	if (top > bottom) {
		weft_atomic_store(&d->bottom, bottom + 1, release);	/* D4 */
		return NULL;
	}
	slots = weft_atomic_load(&d->slots, relaxed);
	task = weft_atomic_load(slot_at(slots, bottom), relaxed);
	/* Whatever is there, perhaps nothing that is still a task. */
	__builtin_prefetch(
		weft_atomic_load(slot_at(slots, bottom - PREFETCH), relaxed), 1);
	if (top < bottom)
		return task;
	/* The last one: whoever moves top has it. */
	if (!weft_atomic_cas(&d->top, &top, top + 1, seq_cst, relaxed))
		task = NULL;
	weft_atomic_store(&d->bottom, bottom + 1, release);	/* D4 */
	return task;
}

weft__task *weft__deque_steal(weft__deque *d)
{
	int64_t top = weft_atomic_load(&d->top, seq_cst);
	int64_t bottom = weft_atomic_load(&d->bottom, seq_cst);
	struct weft__slots *slots;
	weft__task *task;

	if (top >= bottom)
		return NULL;
	slots = weft_atomic_load(&d->slots, acquire);
	task = weft_atomic_load(slot_at(slots, top), relaxed);	/* D3 */
	if (!weft_atomic_cas(&d->top, &top, top + 1, seq_cst, relaxed))
		return NULL;
	return task;
}

int64_t weft__deque_count(const weft__deque *d)
{
	int64_t top = weft_atomic_load(&d->top, seq_cst);
	int64_t bottom = weft_atomic_load(&d->bottom, seq_cst);

	return bottom > top ? bottom - top : 0;
}
