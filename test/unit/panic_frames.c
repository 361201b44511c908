/* SPDX-License-Identifier: MIT */
#include <weft/panic.h>
#include <weft/waitgroup.h>

#include "no_tables.h"
#include "unit/panic_frames.h"

#include <string.h>

void panic_long(void *unused)
{
	char text[400];

	(void)unused;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	weft_panic("%s", text);
}

void three_defers(void *l)
{
	WEFT_DEFER(note_a, l);
	WEFT_DEFER(note_b, l);
	WEFT_DEFER(note_c, l);
	note(l, '-');
	end_as(((log *)l)->how, "three");
}

static void note_close(void *l)
{
	note(l, ')');
}

static void note_end(void *l)
{
	note(l, 'e');
}

void scopes(log *l)
{
	WEFT_DEFER(note_end, l);
	for (int i = 0; i < 3; i++) {
		WEFT_DEFER(note_close, l);
		note(l, '(');
		if (i == 1) {
			note(l, 'i');
			continue;
		}
		note(l, 'i');
	}
}

static void cleanup_A(log **l)
{
	note(*l, 'A');
}

static void cleanup_C(log **l)
{
	note(*l, 'C');
}

void cleanups_and_defers(void *arg)
{
	__attribute__((cleanup(cleanup_A))) log *l = arg;
	WEFT_DEFER(note_b, l);
	{
		__attribute__((cleanup(cleanup_C))) log *inner = arg;
		WEFT_DEFER(note_d, inner);
		note(l, '-');
		end_as(l->how, "cleanups");
	}
}

static void end_here(log *l)
{
	note(l, '-');
	end_as(l->how, "bare");
}

NOTE(note_3, '3')
NOTE(note_4, '4')

static void cleanup_P(log **l)
{
	note(*l, 'P');
}

static void with_cleanup(log *l)
{
	WEFT_DEFER(note_3, l);
	WEFT_DEFER(note_4, l);
	__attribute__((cleanup(cleanup_P))) log *p = l;
	bare_defers(p, end_here);
}

static void outer_with_cleanup(log *l)
{
	__attribute__((cleanup(cleanup_A))) log *a = l;

	with_cleanup(a);
}

void mixed_frames(void *arg)
{
	log *l = arg;
	WEFT_DEFER(note_1, l);
	WEFT_DEFER(note_2, l);

	outer_with_cleanup(l);
}

static void with_known_cleanup(void *arg)
{
	log *l = arg;
	WEFT_DEFER(note_4, l);
	__attribute__((cleanup(cleanup_P))) log *p = l;
	end_here(p);
}

/* A is skipped by all but a return. */
void frames_without_tables(void *arg)
{
	log *l = arg;
	WEFT_DEFER(note_1, l);
	__attribute__((cleanup(cleanup_A))) log *a = l;
	WEFT_DEFER(note_2, l);

	call_without_tables(with_known_cleanup, note_3, a);
}

void count_down(void *l)
{
	((log *)l)->length--;
}

static void done(void *wg)
{
	weft_waitgroup_done(wg);
}

void exits_with_copy(void *wg)
{
	WEFT_DEFER(done, *(weft_waitgroup **)wg);
	weft_exit();
}
