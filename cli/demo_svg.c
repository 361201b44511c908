/* SPDX-License-Identifier: MIT */
/*
 * The picture: a panel for each run, all with the same scales. Above, how long
 * the questions took, over the time at which they were due: a cell is the
 * darker the more of them fell into it. Below, the queries at the database.
 */
#include "demo_report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pixels. */
#define WIDTH 1060
#define LEFT 92
#define PLOT_WIDTH 680
#define FIRST_PANEL 132
#define LATENCY_HEIGHT 144
#define QUERIES_HEIGHT 52
#define GAP 18
#define PANEL_STEP (LATENCY_HEIGHT + GAP + QUERIES_HEIGHT + 42)
#define CELL_WIDTH ((double)PLOT_WIDTH / DEMO_COLUMNS - 0.4)
#define HEIGHT (FIRST_PANEL + DEMO_RUNS * PANEL_STEP + 30)

#define DARKEST 5

#define ANSWERED "#1f6feb"
#define LATE "#d1242f"
#define QUERIES "#e08a1e"
#define INK "#1f2328"
#define PALE "#d8dee4"
#define GREY "#59636e"

typedef struct picture {
	FILE *out;
	const demo_result *result;
	double decades; /* of latency, from DEMO_FIRST_ROW up */
	int most;	/* queries at once, over all runs */
	double seconds;
} picture;

static const char style[] =
	"<style>\n"
	"text { font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial,"
	" 'DejaVu Sans', sans-serif; font-size: 12px; fill: " GREY "; }\n"
	".title { font-size: 22px; font-weight: 600; fill: " INK "; }\n"
	".sub { font-size: 13px; }\n"
	".run { font-size: 17px; font-weight: 600; fill: " INK "; }\n"
	".big { font-size: 15px; font-weight: 600; fill: " INK "; }\n"
	".end { text-anchor: end; } .mid { text-anchor: middle; }\n"
	".a { fill: " ANSWERED "; } .l { fill: " LATE "; }\n"
	".grid { stroke: " PALE "; stroke-width: 1; }\n"
	".axis { stroke: " GREY "; stroke-width: 1; }\n"
	".due { stroke: " LATE "; stroke-width: 1; stroke-dasharray: 5 4; }\n"
	".p99 { fill: none; stroke: " INK "; stroke-width: 1.6; }\n"
	".p50 { fill: none; stroke: " INK "; stroke-width: 1.3;"
	" stroke-dasharray: 2 2.5; }\n"
	".db { fill: " QUERIES "; fill-opacity: 0.55; stroke: " QUERIES ";"
	" stroke-width: 1.2; stroke-linejoin: round; }\n"
	"</style>\n";

static double x_of(double column)
{
	return LEFT + column * PLOT_WIDTH / DEMO_COLUMNS;
}

/* Of a number of decades above DEMO_FIRST_ROW, under the top of a panel. */
static double y_of(const picture *p, double decades)
{
	if (decades < 0)
		decades = 0;
	if (decades > p->decades)
		decades = p->decades;
	return LATENCY_HEIGHT * (1 - decades / p->decades);
}

static double decades_of(weft_duration d)
{
	return log10((double)d / (double)DEMO_FIRST_ROW);
}

static double queries_y(const picture *p, int queries)
{
	return LATENCY_HEIGHT + GAP +
	       QUERIES_HEIGHT * (1 - (double)queries / p->most);
}

static void draw_title(const picture *p)
{
	const demo_result *r = p->result;
	char rate[32], packages[32], needs[32];

	fprintf(p->out, "<text class=\"title\" x=\"%d\" y=\"36\">A hot key expires, and "
		"everyone asks at once</text>\n", LEFT);
	fprintf(p->out, "<text class=\"sub\" x=\"%d\" y=\"60\">%s times a second: what "
		"breaks if this package breaks? Answers are kept for %g s, then SQLite "
		"is asked again.</text>\n", LEFT,
		demo_thousands(rate, (int64_t)r->options->rate),
		(double)r->options->lifetime / 1e9);
	fprintf(p->out, "<text class=\"sub\" x=\"%d\" y=\"78\">%s packages, %s "
		"dependencies, %d connections to the database. The same questions, "
		"three ways:</text>\n", LEFT,
		demo_thousands(packages, (int64_t)r->database->package_count),
		demo_thousands(needs, r->database->dependency_count),
		r->options->connections);
}

static void draw_legend(const picture *p)
{
	static const struct {
		int x;
		const char *mark, *text;
	} entries[] = {
		{0, "<rect class=\"a\" x=\"0\" y=\"-9\" width=\"12\" height=\"10\"/>",
		 "answered in time"},
		{134, "<rect class=\"l\" x=\"0\" y=\"-9\" width=\"12\" height=\"10\"/>",
		 "too late"},
		{216, "<path class=\"p99\" d=\"M-6 -4h18\"/>", "p99"},
		{276, "<path class=\"p50\" d=\"M-6 -4h18\"/>", "p50"},
		{336, "<path class=\"due\" d=\"M-6 -4h18\"/>", "deadline"},
		{426, "<rect class=\"db\" x=\"0\" y=\"-9\" width=\"12\" height=\"10\"/>",
		 "queries at the database"},
	};

	fprintf(p->out, "<g transform=\"translate(%d 106)\">\n", LEFT);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		fprintf(p->out, "<g transform=\"translate(%d 0)\">%s<text x=\"18\" y=\"0\">"
			"%s</text></g>\n", entries[i].x, entries[i].mark, entries[i].text);
	fprintf(p->out, "</g>\n");
}

/* A step of 1, 2 or 5 times a power of ten that gives at most ten of them. */
static double tick_step(double span)
{
	double step = pow(10, floor(log10(span / 10)));

	while (span / step > 10.5)
		step *= span / step > 20.5 ? span / step > 50.5 ? 10 : 5 : 2;
	return step;
}

static void draw_axes(const picture *p, bool last)
{
	int bottom = LATENCY_HEIGHT + GAP + QUERIES_HEIGHT;
	double step = tick_step(p->seconds);
	char text[32];

	for (double d = 0; d <= p->decades; d++) {
		fprintf(p->out, "<path class=\"grid\" d=\"M%d %.1fh%d\"/>", LEFT,
			y_of(p, d), PLOT_WIDTH);
		snprintf(text, sizeof(text), d < 2 ? "%g µs" : d < 5 ? "%g ms" : "%g s",
			 pow(10, d < 2 ? d + 1 : d < 5 ? d - 2 : d - 5));
		fprintf(p->out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">%s</text>\n",
			LEFT - 8, y_of(p, d) + 4, text);
	}
	for (int i = 0; i <= (int)(p->seconds / step + 1e-9); i++) {
		double x = LEFT + i * step / p->seconds * PLOT_WIDTH;

		fprintf(p->out, "<path class=\"axis\" d=\"M%.1f %dv5\"/>", x, bottom);
		fprintf(p->out, "<text class=\"mid\" x=\"%.1f\" y=\"%d\">%g</text>\n", x,
			bottom + 18, i * step);
	}
	fprintf(p->out, "<path class=\"axis\" d=\"M%d %dh%d\"/>\n", LEFT, bottom, PLOT_WIDTH);
	fprintf(p->out, "<text class=\"end\" x=\"%d\" y=\"%d\">%s</text>\n", LEFT - 8,
		LATENCY_HEIGHT + GAP + 4, demo_thousands(text, p->most));
	fprintf(p->out, "<text class=\"end\" x=\"%d\" y=\"%d\">0</text>\n", LEFT - 8, bottom + 2);
	fprintf(p->out, "<text class=\"mid\" transform=\"translate(%d %d) rotate(-90)\">"
		"latency</text>\n", LEFT - 66, LATENCY_HEIGHT / 2);
	fprintf(p->out, "<text class=\"mid\" transform=\"translate(%d %d) rotate(-90)\">"
		"queries</text>\n", LEFT - 66, bottom - QUERIES_HEIGHT / 2);
	if (last)
		fprintf(p->out, "<text class=\"mid\" x=\"%d\" y=\"%d\">seconds since the "
			"start of the run</text>\n", LEFT + PLOT_WIDTH / 2, bottom + 38);
}

/* 0: nobody. One step is three times as many questions. */
static int darkness(uint32_t count)
{
	int dark = 0;

	for (; count > 0 && dark < DARKEST; count /= 3)
		dark++;
	return dark;
}

static void draw_cell(const picture *p, int column, int row)
{
	double low = (double)row / DEMO_ROWS_PER_DECADE;
	double top = y_of(p, low + 1.0 / DEMO_ROWS_PER_DECADE);
	double height = y_of(p, low) - top;

	if (height > 0.1)
		fprintf(p->out, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x_of(column), top,
			CELL_WIDTH, height - 0.4, CELL_WIDTH);
}

/* All cells of one colour are one path, which makes the file small. */
static void draw_cells(const picture *p, const demo_run *run, bool late, int dark)
{
	fprintf(p->out, "<path class=\"%s\" opacity=\"%.2f\" d=\"", late ? "l" : "a",
		0.18 * dark);
	for (int i = 0; i < DEMO_COLUMNS; i++) {
		const demo_column *c = &run->stats.columns[i];

		for (int row = 0; row < DEMO_ROWS; row++)
			if (darkness(late ? c->late[row] : c->answered[row]) == dark)
				draw_cell(p, i, row);
	}
	fprintf(p->out, "\"/>\n");
}

static void draw_line(const picture *p, const demo_run *run, bool p99)
{
	char move = 'M';

	fprintf(p->out, "<path class=\"%s\" d=\"", p99 ? "p99" : "p50");
	for (int i = 0; i < DEMO_COLUMNS; i++) {
		const demo_column *c = &run->stats.columns[i];
		weft_duration d = p99 ? c->p99 : c->p50;

		if (d == 0)
			continue;
		fprintf(p->out, "%c%.1f %.1f", move, x_of(i + 0.5), y_of(p, decades_of(d)));
		move = 'L';
	}
	fprintf(p->out, "\"/>\n");
}

static void draw_queries(const picture *p, const demo_run *run)
{
	fprintf(p->out, "<path class=\"db\" d=\"M%d %.1f", LEFT, queries_y(p, 0));
	for (int i = 0; i < DEMO_COLUMNS; i++)
		fprintf(p->out, "V%.1fH%.1f", queries_y(p, run->stats.columns[i].most),
			x_of(i + 1));
	fprintf(p->out, "V%.1fz\"/>\n", queries_y(p, 0));
}

/* As demo_time_text(), with a micro sign. */
static const char *time_text(char text[40], weft_duration d)
{
	char plain[32];
	size_t length = strlen(demo_time_text(plain, d));

	if (plain[length - 2] == 'u')
		snprintf(text, 40, "%.*sµs", (int)length - 2, plain);
	else
		snprintf(text, 40, "%s", plain);
	return text;
}

static void draw_numbers(const picture *p, const demo_run *run)
{
	const demo_stats *s = &run->stats;
	double share = s->asked > 0 ? 100.0 * (double)s->answered / (double)s->asked : 0;
	char queries[32], redundant[32], most[32], p50[40], p99[40], max[40];
	int x = LEFT + PLOT_WIDTH + 24;

	fprintf(p->out, "<text class=\"run\" x=\"%d\" y=\"14\">%s</text>\n", x, run->name);
	fprintf(p->out, "<text class=\"big\" x=\"%d\" y=\"42\">%.*f %%</text>"
		"<text x=\"%d\" y=\"58\">answered in time</text>\n", x,
		share > 99.9 && share < 100 ? 2 : share < 10 ? 1 : 0, share, x);
	fprintf(p->out, "<text class=\"big\" x=\"%d\" y=\"84\">p50 %s, p99 %s</text>"
		"<text x=\"%d\" y=\"100\">at most %s</text>\n", x,
		time_text(p50, s->p50), time_text(p99, s->p99), x, time_text(max, s->max));
	fprintf(p->out, "<text class=\"big\" x=\"%d\" y=\"%d\">%s queries</text>"
		"<text x=\"%d\" y=\"%d\">%s redundant; at most %s at once</text>\n", x,
		LATENCY_HEIGHT + GAP + 18, demo_thousands(queries, s->queries), x,
		LATENCY_HEIGHT + GAP + 34, demo_thousands(redundant, s->redundant),
		demo_thousands(most, s->most_at_once));
}

static void draw_run(const picture *p, const demo_run *run, int number)
{
	fprintf(p->out, "<g transform=\"translate(0 %d)\">\n",
		FIRST_PANEL + number * PANEL_STEP);
	draw_axes(p, number == DEMO_RUNS - 1);
	for (int dark = 1; dark <= DARKEST; dark++) {
		draw_cells(p, run, false, dark);
		draw_cells(p, run, true, dark);
	}
	fprintf(p->out, "<path class=\"due\" d=\"M%d %.1fh%d\"/>\n", LEFT,
		y_of(p, decades_of(p->result->options->deadline)), PLOT_WIDTH);
	draw_line(p, run, false);
	draw_line(p, run, true);
	draw_queries(p, run);
	draw_numbers(p, run);
	fprintf(p->out, "</g>\n");
}

static void draw(FILE *out, const demo_result *r)
{
	weft_duration longest = r->options->deadline;
	picture p = {.out = out,
		     .result = r,
		     .most = 1,
		     .seconds = (double)r->options->duration / 1e9};

	for (int i = 0; i < r->started; i++) {
		if (p.most < r->runs[i].stats.most_at_once)
			p.most = r->runs[i].stats.most_at_once;
		if (longest < r->runs[i].stats.max)
			longest = r->runs[i].stats.max;
	}
	p.decades = fmin(decades_of(longest) + 0.15,
			 (double)DEMO_ROWS / DEMO_ROWS_PER_DECADE);
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" role=\"img\">\n"
		"<title>weft demo: queries and latencies of the three runs</title>\n%s"
		"<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT, style, WIDTH, HEIGHT);
	draw_title(&p);
	draw_legend(&p);
	for (int i = 0; i < r->started; i++)
		draw_run(&p, &r->runs[i], i);
	fprintf(out, "</svg>\n");
}

static int cannot_write(const char *path, int err, demo_failure *f)
{
	return demo_fail(f, "cannot write the picture %s: %s (choose another place "
			 "with --svg FILE)", path, strerror(err));
}

int demo_svg_check(const char *path, demo_failure *f)
{
	char part[PATH_MAX];
	struct stat st;
	FILE *out;

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return cannot_write(path, ENAMETOOLONG, f);
	/* The rename at the end would put a file in the place of a device. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return cannot_write(path, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, f);
	out = fopen(part, "w");
	if (out == NULL)
		return cannot_write(path, errno, f);
	fclose(out);
	unlink(part);
	return 0;
}

int demo_svg_write(const demo_result *r, const char *path, demo_failure *f)
{
	char part[PATH_MAX];
	FILE *out;
	int err;

	snprintf(part, sizeof(part), "%s.part", path);
	out = fopen(part, "w");
	if (out == NULL)
		return cannot_write(path, errno, f);
	draw(out, r);
	errno = 0;
	err = fflush(out) != 0 || ferror(out) ? errno != 0 ? errno : EIO : 0;
	if (fclose(out) != 0 && err == 0)
		err = errno;
	if (err == 0 && rename(part, path) != 0)
		err = errno;
	if (err == 0)
		return 0;
	unlink(part);
	return cannot_write(path, err, f);
}
