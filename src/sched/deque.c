/* SPDX-License-Identifier: MIT */
#include "sched/deque.h"

#include "plat/pages.h"

enum {
	FIRST_CAPACITY = 64,	/* a power of two */
	KEPT_CAPACITY = WEFT__DEQUE_KEPT,
	GIVE_BYTES = 4 * 1024 * 1024,	/* of the others, at a time */
	AHEAD_BYTES = 256,	/* popped while a cache miss lasts */
};

static int64_t capacity_of(const weft__slots *s)
{
	return s->mask + 1;
}

static size_t bytes_of(int64_t capacity)
{
	return sizeof(weft__slots) + (size_t)capacity * sizeof(weft__start);
}

/* Twice as many as smaller has, or the first ones. NULL: no memory. */
static weft__slots *larger_than(weft__slots *smaller)
{
	int64_t capacity = smaller ? 2 * capacity_of(smaller) : FIRST_CAPACITY;
	weft__slots *s = smaller ? smaller->larger : NULL;

	if (s != NULL)
		return s;
	s = weft__pages_map(bytes_of(capacity));
	if (s == NULL)
		return NULL;
	s->mask = capacity - 1;
	s->smaller = smaller;
	if (smaller != NULL)
		smaller->larger = s;
	return s;
}

/* D3: perhaps of two starts. */
static inline weft__start look(const weft__start *slot)
{
	return (weft__start){
		.arg = weft_atomic_load(&slot->arg, relaxed),
		.what = weft_atomic_load(&slot->what, relaxed),
	};
}

/* The thief's: acquire, so that it sees that the slots were left if it sees that. */
static inline weft__start look_behind(const weft__start *slot)
{
	return (weft__start){
		.arg = weft_atomic_load(&slot->arg, acquire),
		.what = weft_atomic_load(&slot->what, acquire),
	};
}

/* D5. All but size_bytes of s, and the first page, which says what they are. */
static void throw_away(weft__slots *s, size_t size_bytes)
{
	size_t page = weft__pages_unit();
	size_t keep = size_bytes < page ? page : size_bytes & ~(page - 1);

	if (s->touched_bytes > keep) {
		weft__pages_discard(s, bytes_of(capacity_of(s)), keep);
		s->touched_bytes = keep;
	}
}

/* Twice the room. Small ones keep their memory: it is soon wanted again. */
static bool grow(weft__deque *d, weft__slots *old, int64_t top, int64_t bottom)
{
	weft__slots *new = larger_than(old);

	if (new == NULL)
		return false;
	for (int64_t i = top; i < bottom; i++)
		weft__slot_write(weft__slot_at(new, i),
				 look(weft__slot_at(old, i)));
	new->touched_bytes = bytes_of(capacity_of(new));
	weft_atomic_store(&d->slots, new, release);
	if (old != NULL && capacity_of(old) > KEPT_CAPACITY)
		throw_away(old, 0);
	return true;
}

bool weft__deque_make_room(weft__deque *d)
{
	weft__slots *slots = weft_atomic_load(&d->slots, relaxed);
	int64_t bottom = weft_atomic_load(&d->bottom, relaxed);

	d->top_seen = weft_atomic_load(&d->top, acquire);
	return (slots != NULL && bottom - d->top_seen <= slots->mask) ||
	       grow(d, slots, d->top_seen, bottom);
}

weft__task *weft__deque_pop(weft__deque *d, weft__task *room)
{
	int64_t bottom = weft_atomic_load(&d->bottom, relaxed);
	int64_t top = weft_atomic_load(&d->top, relaxed);
	weft__start *slot;

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
	if (top == bottom) {
		/* The last one: whoever moves top has it. */
		bool won = weft_atomic_cas(&d->top, &top, top + 1, seq_cst,
					   relaxed);

		weft_atomic_store(&d->bottom, bottom + 1, release);	/* D4 */
		if (!won)
			return NULL;
	}
	/* Nobody else writes to the slot, or takes what is in it. */
	slot = weft__slot_at(weft_atomic_load(&d->slots, relaxed), bottom);
	/* Perhaps before the first slot: a prefetch does no harm. */
	__builtin_prefetch((char *)slot - AHEAD_BYTES);
	return weft__start_begin(look(slot), room);
}

weft__start weft__deque_take(weft__deque *d)
{
	int64_t top = weft_atomic_load(&d->top, seq_cst);
	int64_t bottom = weft_atomic_load(&d->bottom, seq_cst);
	const weft__start none = {0};
	weft__slots *slots;
	weft__start start;

	if (top >= bottom)
		return none;
	slots = weft_atomic_load(&d->slots, acquire);
	start = look_behind(weft__slot_at(slots, top));
	if (weft_atomic_load(&d->slots, relaxed) != slots)
		return none;	/* D5 */
	if (!weft_atomic_cas(&d->top, &top, top + 1, seq_cst, relaxed))
		return none;
	return start;
}

weft__task *weft__deque_steal(weft__deque *d, weft__task *room)
{
	return weft__start_begin(weft__deque_take(d), room);
}

/* The largest that stay when there is nothing in it; there are some. */
static weft__slots *kept(const weft__deque *d)
{
	weft__slots *s = weft_atomic_load(&d->slots, relaxed);

	while (capacity_of(s) > KEPT_CAPACITY)
		s = s->smaller;
	while (capacity_of(s) < KEPT_CAPACITY && s->larger != NULL)
		s = s->larger;
	return s;
}

/* Larger ones that have more than a page. NULL: there are none, or it is not empty. */
static weft__slots *first_slack(const weft__deque *d)
{
	weft__slots *s;

	if (weft_atomic_load(&d->slots, relaxed) == NULL ||
	    weft__deque_count(d) > 0)
		return NULL;
	s = kept(d)->larger;
	while (s != NULL && s->touched_bytes <= weft__pages_unit())
		s = s->larger;
	return s;
}

bool weft__deque_is_slack(const weft__deque *d)
{
	return first_slack(d) != NULL;
}

void weft__deque_trim(weft__deque *d)
{
	weft__slots *s = first_slack(d);
	size_t left;

	if (s == NULL)
		return;
	weft_atomic_store(&d->slots, kept(d), release);
	left = s->touched_bytes > GIVE_BYTES ? s->touched_bytes - GIVE_BYTES : 0;
	throw_away(s, left & ~(size_t)(GIVE_BYTES - 1));
}

int64_t weft__deque_count(const weft__deque *d)
{
	int64_t top = weft_atomic_load(&d->top, seq_cst);
	int64_t bottom = weft_atomic_load(&d->bottom, seq_cst);

	return bottom > top ? bottom - top : 0;
}
