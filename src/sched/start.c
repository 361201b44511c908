/* SPDX-License-Identifier: MIT */
#include "sched/start.h"

#include "plat/address.h"

#include <weft/atomic.h>

enum { PROBES = 16 };

weft__origin weft__origins[WEFT__ORIGINS];

static uint8_t claimed[WEFT__ORIGINS];	/* atomic */

/* O1. Else *seen is the entry of whose it is; NULL: it was being written (O2). */
static bool claim(uint32_t number, weft__task_entry **seen)
{
	*seen = weft_atomic_load(&weft__origins[number].entry, acquire);
	return *seen == NULL &&
	       weft_atomic_xchg(&claimed[number], 1, relaxed) == 0;
}

const weft__origin *weft__origin_of(weft__task_entry *entry, void *fn,
				    void *site)
{
	const uint64_t golden = 0x9e3779b97f4a7c15u;
	uint64_t hash = (weft__address_key(fn) * golden +
			 weft__address_key(site)) * golden;
	uint32_t first = (uint32_t)(hash >> 32);

	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t number = (first + i) % WEFT__ORIGINS;
		weft__origin *o = &weft__origins[number];
		weft__task_entry *seen;

		if (number == 0)
			continue;
		if (claim(number, &seen)) {
			o->fn = fn;
			o->site = site;
			o->what = (uint64_t)number << WEFT__OBJECT_BITS;
			weft_atomic_store(&o->entry, entry, release);
			return o;
		}
		if (seen == entry && o->fn == fn && o->site == site)
			return o;
	}
	return NULL;
}
