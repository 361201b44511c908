/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDRAW WEFT_MS(100)

typedef struct line {
	char text[512];
	size_t size;
} line;

__attribute__((format(printf, 2, 3))) static void add(line *l, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(l->text + l->size, sizeof(l->text) - l->size, fmt, args);
	va_end(args);
	l->size += n > 0 ? (size_t)n : 0;
	if (l->size >= sizeof(l->text))
		l->size = sizeof(l->text) - 1;
}

/* A job's name may be anything: what would move the cursor becomes a blank. */
static void add_name(line *l, const char *name, int most)
{
	for (int i = 0; i < most && name[i] != '\0'; i++)
		add(l, "%c", (unsigned char)name[i] < 0x20 || name[i] == 0x7f
				     ? ' '
				     : name[i]);
}

static double seconds_since(weft_time start)
{
	return (double)(weft_now() - start) / 1e9;
}

/* The oldest first: they are the ones that somebody waits for. */
static void add_running(line *l, const group_run *r, size_t columns)
{
	for (const group_job *j = r->running; j != NULL && l->size < columns;
	     j = j->next_running) {
		add(l, "%s", j == r->running ? ": " : ", ");
		add_name(l, j->text, 24);
		add(l, " %.1f s", seconds_since(j->started));
	}
}

static void draw(group_run *r, weft_time start)
{
	line l = {.size = 0};

	weft_mutex_lock(&r->lock);
	add(&l, "%.1f s  %lld", seconds_since(start), (long long)r->count_done);
	if (r->all_known)
		add(&l, " of %lld", (long long)r->count_total);
	add(&l, " done");
	if (r->count_failed > 0)
		add(&l, ", %lld failed", (long long)r->count_failed);
	add(&l, ", %lld running", (long long)r->count_running);
	add_running(&l, r, (size_t)progress_columns());
	weft_mutex_unlock(&r->lock);
	progress_show(&r->progress, l.text);
}

void group_progress_show(group_run *r, weft_ctx *ctx)
{
	weft_time start = weft_now();

	if (!r->progress.on)
		return;
	do
		draw(r, start);
	while (weft_sleep(ctx, REDRAW) == 0);
	progress_say(&r->progress, NULL);
}

void group_progress_ended(group_run *r, const group_job *job)
{
	line l = {.size = 0};

	if (!r->progress.on)
		return;
	add(&l, "%8.2f s  ", (double)(job->ended - job->started) / 1e9);
	if (job->end != GROUP_DONE)
		add(&l, job->end == GROUP_STOPPED ? "stopped  " : "FAILED %d  ",
		    job->status);
	add_name(&l, job->text, progress_columns() - 24);
	progress_say(&r->progress, l.text);
}
