/* SPDX-License-Identifier: MIT */
/*
 * Copies of objects in debug builds: a table of where each type of object was
 * used. One that is used for the first time where it lies has to be new there,
 * all bytes zero, or to have been initialised there.
 *
 * Who finds an object unknown looks at its bytes under the lock, and so does
 * everybody else before he uses it: so the first who finds it does so before
 * anybody has written to it.
 *
 * Nothing is taken out: an object that ends leaves its place to one of the same
 * type, of which a copy there is not noticed.
 *
 * In the child of a fork that found the table locked it may be half changed: it
 * is not used any more.
 */
#include "base/alloc.h"
#include "plat/address.h"
#include "plat/lock.h"
#include "sched/fork.h"
#include "sched/panic.h"

#include <string.h>

typedef struct {
	const void *object;
	const char *type;
} place;

static struct {
	weft__lock lock;
	place *places;
	size_t size;	/* a power of two, or 0 */
	size_t count;
	bool broken;
} known;

static bool is_at(const place *p, const void *object, const char *type)
{
	return p->object == object && strcmp(p->type, type) == 0;
}

/* Where it is, or would be; there is room. */
static place *find(const void *object, const char *type)
{
	uint64_t hash = weft__address_key(object) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(hash >> 32) & (known.size - 1);

	while (known.places[i].object != NULL &&
	       !is_at(&known.places[i], object, type))
		i = (i + 1) & (known.size - 1);
	return &known.places[i];
}

/* Room for one more. False: no memory. */
static bool grow(void)
{
	size_t size = known.size, twice = size > 0 ? size * 2 : 256;
	place *old = known.places, *fresh;

	if (known.count < size / 2)
		return true;
	fresh = weft__alloc_zeroed(twice, sizeof *fresh);
	if (fresh == NULL)
		return known.count + 1 < size;
	known.places = fresh;
	known.size = twice;
	for (size_t i = 0; i < size; i++)
		if (old[i].object != NULL)
			*find(old[i].object, old[i].type) = old[i];
	weft__free(old);
	return true;
}

static bool is_zero(const void *object, size_t size_bytes)
{
	const uint32_t *words = object;

	for (size_t i = 0; i < size_bytes / sizeof *words; i++)
		if (weft_atomic_load(&words[i], relaxed) != 0)
			return false;
	return true;
}

/* False: it is used as one that it has not become here. */
static bool note(const void *object, size_t size_bytes, const char *type)
{
	bool fits = true;
	place *p;

	weft__fork_heed();
	weft__lock_take(&known.lock);
	if (!known.broken && grow()) {
		p = find(object, type);
		fits = p->object != NULL || is_zero(object, size_bytes);
		known.count += p->object == NULL;
		*p = (place){object, type};
	}
	weft__lock_drop(&known.lock);
	return fits;
}

void weft_debug_used(const void *object, size_t size_bytes, const char *type)
{
	if (object != NULL && !note(object, size_bytes, type))
		weft_panic("%s is copied, or was not zero at first", type);
}

void weft__copies_in_child(void)
{
	known.broken |= known.lock.word != 0;
	known.lock = (weft__lock){0};
}

void weft_debug_fresh(void *object, const char *type)
{
	(void)note(object, 0, type);
}
