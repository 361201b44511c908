/* SPDX-License-Identifier: MIT */
/* Queries at the database over time, a strip for each way. */
#include "breakdown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 300, WIDTH = 900, STRIP = 110, LEFT = 20, TOP = 50 };

struct picture {
	const settings *s;
	int strips;
	struct {
		enum mode mode;
		outcome o;
		int at_once[COLUMNS];	/* the most in that time */
	} strip[MODES];
};

picture *picture_new(const settings *s)
{
	picture *p = calloc(1, sizeof *p);

	if (p != NULL)
		p->s = s;
	return p;
}

void picture_free(picture *p)
{
	free(p);
}

static int column_of(const picture *p, const board *b, weft_time t)
{
	/* Answers may take longer than the callers come. */
	int64_t at = (t - b->start) * COLUMNS / (p->s->during + WEFT_SECOND);

	return at < 0 ? 0 : at < COLUMNS ? (int)at : COLUMNS - 1;
}

void picture_add(picture *p, enum mode mode, const board *b, const outcome *o)
{
	int *at_once = p->strip[p->strips].at_once;

	p->strip[p->strips].mode = mode;
	p->strip[p->strips].o = *o;
	p->strips++;
	for (long i = 0; i < o->queries; i++) {
		int last = column_of(p, b, b->queries[i].end);

		for (int c = column_of(p, b, b->queries[i].begin); c <= last; c++)
			at_once[c]++;
	}
}

static int most_of_all(const picture *p)
{
	int most = 1;

	for (int i = 0; i < p->strips; i++)
		for (int c = 0; c < COLUMNS; c++)
			if (p->strip[i].at_once[c] > most)
				most = p->strip[i].at_once[c];
	return most;
}

static void draw_strip(FILE *f, const picture *p, int i, int most)
{
	int bottom = TOP + (i + 1) * STRIP;
	const outcome *o = &p->strip[i].o;

	fprintf(f,
		"<text x='%d' y='%d'>%s</text>\n"
		"<text class='small' x='%d' y='%d' text-anchor='end'>%ld queries, "
		"%.1f for each value that expired</text>\n"
		"<path d='M%d %dh%d' stroke='#aaa'/>\n<path class='bar' d='",
		LEFT, bottom - STRIP + 24, mode_names[p->strip[i].mode],
		LEFT + WIDTH, bottom - STRIP + 24, o->queries,
		o->expiries > 0 ? (double)o->queries / (double)o->expiries : 0.0,
		LEFT, bottom, WIDTH);
	for (int c = 0; c < COLUMNS; c++) {
		double high = (double)p->strip[i].at_once[c] * (STRIP - 36) / most;

		if (p->strip[i].at_once[c] > 0)
			fprintf(f, "M%.1f %dv-%.1fh%.1fv%.1f",
				LEFT + c * (double)WIDTH / COLUMNS, bottom,
				high < 1 ? 1 : high, (double)WIDTH / COLUMNS - 0.5,
				high < 1 ? 1 : high);
	}
	fputs("'/>\n", f);
}

int picture_write(picture *p, const char *path)
{
	int most = most_of_all(p), height = TOP + p->strips * STRIP + 30;
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return errno;
	fprintf(f,
		"<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
		"font-family='sans-serif' font-size='14'>\n"
		"<style>.small{font-size:12px;fill:#555}.bar{fill:#2a6f97}</style>\n"
		"<rect width='100%%' height='100%%' fill='white'/>\n"
		"<text x='%d' y='28' font-size='16'>Queries at the database at once: "
		"%ld callers a second, %ld processes</text>\n",
		WIDTH + 2 * LEFT, height, LEFT, p->s->rate, p->s->processes);
	for (int i = 0; i < p->strips; i++)
		draw_strip(f, p, i, most);
	fprintf(f, "<text class='small' x='%d' y='%d'>%g s; the tallest bar is %d "
		   "queries at once</text>\n</svg>\n",
		LEFT, height - 10, (double)(p->s->during + WEFT_SECOND) / 1e9, most);
	if (ferror(f) != 0) {
		fclose(f);
		return EIO;
	}
	return fclose(f) == 0 ? 0 : errno;
}
