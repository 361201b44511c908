/* SPDX-License-Identifier: MIT */
/*
 * What starts a task, in two words: a task that has not begun has no memory of its
 * own. Who takes a start brings room for the task, on the stack that it runs on.
 *
 * Most of what a start says is the same each time one place starts one function:
 * its origin. Origins are kept in a table, each once, or seldom twice (O2), and for
 * ever: a program has as many as it has places that start tasks. So a start is its origin's number, the
 * argument, and the object of whoever starts it, which with 16 bits to spare in an
 * address goes into one word with the number.
 *
 * What does not fit has memory of its own from the start: an object whose address
 * needs more bits, an origin for which the table has no place (a program that makes
 * functions as it runs may have any number), a task that is traced, or one whose
 * memory is its starter's. Its start is the task, and no number.
 *
 * O1  A place of the table is claimed once, by a mark beside it, written, and
 *     published by a release of its entry. After that it never changes; who finds
 *     it has acquired it, and hands it on with the start (D4). Not by a CAS on the
 *     entry: one that comes too late changes nothing, but is a write to a
 *     sanitizer, beside those who read what was published.
 * O2  Two who meet at one that is being written do not wait: the later one goes on
 *     to the next, and an origin may have two numbers.
 */
#ifndef WEFT_SRC_SCHED_START_H
#define WEFT_SRC_SCHED_START_H

#include "sched/waiter.h"

#include <stddef.h>
#include <string.h>

typedef struct {
	weft__task_entry *entry;	/* atomic until it is published: O1 */
	void *fn;
	void *site;
	uint64_t what;		/* its number, as it stands in a start */
} weft__origin;

typedef struct {
	void *arg;		/* of a task that has memory: the task */
	uint64_t what;		/* object, and above it the origin's number */
} weft__start;

enum { WEFT__ORIGINS = 4096, WEFT__OBJECT_BITS = 48, WEFT__RECENT = 16 };

/* Number 0 is no origin's. */
extern WEFT__OURS weft__origin weft__origins[WEFT__ORIGINS];

/* The origin of these, put into the table if it is new. NULL: there is no place. */
const weft__origin *weft__origin_of(weft__task_entry *entry, void *fn,
				    void *site);

static inline bool weft__origin_is(const weft__origin *o,
				   weft__task_entry *entry, void *fn, void *site)
{
	return o->entry == entry && o->fn == fn && o->site == site;
}

static inline bool weft__start_fits(const void *object)
{
	return (uintptr_t)object >> WEFT__OBJECT_BITS == 0;
}

static inline weft__start weft__start_from(const weft__origin *o, void *arg,
					   const void *object)
{
	return (weft__start){arg, o->what | (uintptr_t)object};
}

static inline weft__start weft__start_of_task(weft__task *task)
{
	return (weft__start){task, 0};
}

/* Is this one, or nothing? */
static inline bool weft__start_given(weft__start start)
{
	return start.arg != NULL || start.what != 0;
}

/*
 * The task of a start that was taken: in *room if it has no memory of its own.
 * NULL: the start is none.
 */
static inline __attribute__((always_inline)) weft__task *
weft__start_begin(weft__start start, weft__task *room)
{
	const weft__origin *o =
		&weft__origins[start.what >> WEFT__OBJECT_BITS];

	if (o == weft__origins)
		return start.arg;
	_Static_assert(offsetof(weft__task, fn) ==
				       offsetof(weft__task, entry) +
					       sizeof(void *) &&
			       offsetof(weft__origin, fn) == sizeof(void *),
		       "copied together");
	memcpy(&room->entry, &o->entry, 2 * sizeof(void *));
	room->arg = start.arg;
	room->object = (void *)(uintptr_t)(
		start.what & ((UINT64_C(1) << WEFT__OBJECT_BITS) - 1));
	room->site = o->site;
	room->stack = NULL;
	room->flags = WEFT__TASK_EMBEDDED;
	return room;
}

#endif
