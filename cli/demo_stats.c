/* SPDX-License-Identifier: MIT */
#include "demo_run.h"

#include <math.h>
#include <stdlib.h>

static demo_column *column_at(demo_run *run, weft_duration since_start)
{
	int64_t at = (int64_t)((double)since_start * DEMO_COLUMNS /
			       (double)run->options->duration);

	if (at < 0)
		at = 0;
	return &run->stats.columns[at < DEMO_COLUMNS ? at : DEMO_COLUMNS - 1];
}

/* The number of queries at the database changes by that much, now. */
static demo_column *change(demo_run *run, int by)
{
	demo_stats *s = &run->stats;
	demo_column *c = column_at(run, weft_now() - run->start);
	int most = s->at_once > s->at_once + by ? s->at_once : s->at_once + by;

	s->at_once += by;
	if (s->most_at_once < most)
		s->most_at_once = most;
	if (c->most < most)
		c->most = most;
	c->last = s->at_once;
	c->touched = true;
	return c;
}

void demo_stats_query_begins(demo_run *run, uint32_t package)
{
	demo_stats *s = &run->stats;
	int same;

	weft_mutex_lock(&s->lock);
	same = ++run->cache[package].queries;
	if (s->most_same < same)
		s->most_same = same;
	s->queries++;
	s->redundant += same > 1;
	change(run, 1)->queries++;
	weft_mutex_unlock(&s->lock);
}

void demo_stats_query_executes(demo_run *run)
{
	weft_mutex_lock(&run->stats.lock);
	run->stats.executed++;
	weft_mutex_unlock(&run->stats.lock);
}

void demo_stats_query_ends(demo_run *run, uint32_t package, bool useful)
{
	weft_mutex_lock(&run->stats.lock);
	run->cache[package].queries--;
	run->stats.useful += useful;
	change(run, -1);
	weft_mutex_unlock(&run->stats.lock);
}

void demo_stats_asked(demo_run *run)
{
	weft_mutex_lock(&run->stats.lock);
	run->stats.asked++;
	weft_mutex_unlock(&run->stats.lock);
}

void demo_stats_question_ends(demo_run *run, enum demo_outcome outcome)
{
	demo_stats *s = &run->stats;

	weft_mutex_lock(&s->lock);
	s->answered += outcome == DEMO_ANSWERED;
	s->late += outcome == DEMO_LATE;
	s->dropped += outcome == DEMO_DROPPED;
	weft_mutex_unlock(&s->lock);
}

static int compare(const void *a, const void *b)
{
	weft_duration x = *(const weft_duration *)a, y = *(const weft_duration *)b;

	return (x > y) - (x < y);
}

/* The smallest value that share of all are not above; values are in order. */
static weft_duration quantile(const weft_duration *values, size_t count, double share)
{
	size_t rank = (size_t)ceil(share * (double)count);

	return count == 0 ? 0 : values[rank > 0 ? rank - 1 : 0];
}

static int row_of(weft_duration took)
{
	double row = took > DEMO_FIRST_ROW
			     ? DEMO_ROWS_PER_DECADE *
				       log10((double)took / (double)DEMO_FIRST_ROW)
			     : 0;

	return row < DEMO_ROWS ? (int)row : DEMO_ROWS - 1;
}

/* Tickets are in the order of time, so a column's are neighbours. */
static void fill_columns(demo_run *run, weft_duration *scratch)
{
	size_t i = 0, count = (size_t)run->stats.asked;
	int last = 0;

	while (i < count) {
		demo_column *c = column_at(run, run->tickets[i].at - run->start);
		size_t n = 0;

		for (; i < count; i++) {
			demo_ticket *t = &run->tickets[i];

			if (column_at(run, t->at - run->start) != c)
				break;
			if (t->outcome == DEMO_DROPPED)
				continue;
			scratch[n++] = t->took;
			if (t->outcome == DEMO_ANSWERED)
				c->answered[row_of(t->took)]++;
			else
				c->late[row_of(t->took)]++;
		}
		qsort(scratch, n, sizeof(*scratch), compare);
		c->p50 = quantile(scratch, n, 0.5);
		c->p99 = quantile(scratch, n, 0.99);
	}
	for (int n = 0; n < DEMO_COLUMNS; n++) {
		demo_column *c = &run->stats.columns[n];

		if (c->most < last)
			c->most = last;
		last = c->touched ? c->last : last;
	}
}

int demo_stats_finish(demo_run *run)
{
	demo_stats *s = &run->stats;
	size_t count = (size_t)s->asked, n = 0;
	weft_duration *took = malloc((count + 1) * sizeof(*took));

	if (took == NULL)
		return demo_fail(run->failure, "no memory");
	s->elapsed = weft_now() - run->start;
	fill_columns(run, took);
	for (size_t i = 0; i < count; i++)
		if (run->tickets[i].outcome != DEMO_DROPPED)
			took[n++] = run->tickets[i].took;
	qsort(took, n, sizeof(*took), compare);
	s->p50 = quantile(took, n, 0.5);
	s->p99 = quantile(took, n, 0.99);
	s->max = quantile(took, n, 1);
	free(took);
	return 0;
}
