/* SPDX-License-Identifier: MIT */
/*
 * Functions that end in every way, for test_panic.c. Those of
 * panic_bare_frames.c are built with -fno-exceptions.
 */
#ifndef WEFT_TEST_PANIC_FRAMES_H
#define WEFT_TEST_PANIC_FRAMES_H

enum { RETURN, PANIC, EXIT };

typedef struct {
	int how;
	int length;
	char text[32];
} log;

static inline void note(log *l, char c)
{
	l->text[l->length++] = c;
}

#define NOTE(name, c)                                                          \
	static inline void name(void *l)                                       \
	{                                                                      \
		note((log *)l, c);                                             \
	}
NOTE(note_1, '1')
NOTE(note_2, '2')
NOTE(note_a, 'a')
NOTE(note_b, 'b')
NOTE(note_c, 'c')
NOTE(note_d, 'd')

static inline void end_as(int how, const char *message)
{
	if (how == PANIC)
		weft_panic("%s", message);
	if (how == EXIT)
		weft_exit();
}

void panic_long(void *unused);
void three_defers(void *l);
void scopes(log *l);
void cleanups_and_defers(void *l);
void frames_without_cleanups(void *l);
void mixed_frames(void *l);
void frames_without_tables(void *l);
void count_down(void *l);
void exits_with_copy(void *wg);

/* panic_bare_frames.c */
void bare_defers(log *l, void (*inner)(log *l));

#endif
