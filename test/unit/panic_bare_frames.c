/* SPDX-License-Identifier: MIT */
/*
 * Built with -fno-exceptions: the unwinder knows no cleanup of these frames.
 * Defers run all the same; the variable with a cleanup is what is skipped.
 */
#include <weft/panic.h>

#include "unit/panic_frames.h"

NOTE(note_5, '5')
NOTE(note_6, '6')

static void cleanup_C(log **l)
{
	note(*l, 'C');
}

__attribute__((noinline)) static void bare_inner(log *l, void (*inner)(log *l))
{
	__attribute__((cleanup(cleanup_C))) log *skipped = l;
	WEFT_DEFER(note_6, skipped);

	inner(l);
	__asm__ volatile("" : : "r"(l) : "memory");
}

void bare_defers(log *l, void (*inner)(log *l))
{
	WEFT_DEFER(note_5, l);

	bare_inner(l, inner);
}

static void end_here(log *l)
{
	note(l, '-');
	end_as(l->how, "bare");
}

static void bare_inside(log *l)
{
	WEFT_DEFER(note_d, l);
	end_here(l);
}

static void bare_around(log *l)
{
	WEFT_DEFER(note_b, l);
	bare_inside(l);
}

void frames_without_cleanups(void *l)
{
	WEFT_DEFER(note_a, l);
	bare_around(l);
}
