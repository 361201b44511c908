/* SPDX-License-Identifier: MIT */
#include "breakdown.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

board *board_new(const settings *s)
{
	double asked = (double)s->rate * ((double)s->during / 1e9) + 1;
	size_t latencies = (size_t)(asked * 2) + 1024, queries = latencies;
	size_t bytes = sizeof(board) + queries * sizeof(query_record) +
		       latencies * sizeof(weft_duration);
	board *b = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	b->query_room = (long)queries;
	b->latency_room = (long)latencies;
	b->queries = (query_record *)(b + 1);
	b->latencies = (weft_duration *)(b->queries + queries);
	return b;
}

void board_clear(board *b)
{
	b->asked = b->failed = b->commands = 0;
	b->query_count = b->latency_count = 0;
}

/* ---- what it says ---- */

static int by_key_and_begin(const void *a, const void *b)
{
	const query_record *x = a, *y = b;

	if (x->key != y->key)
		return x->key - y->key;
	return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_value(const void *a, const void *b)
{
	weft_duration x = *(const weft_duration *)a;
	weft_duration y = *(const weft_duration *)b;

	return (x > y) - (x < y);
}

/*
 * A value expires; its first query begins; every query for it that begins
 * before the new value can have expired is one that need not have been.
 */
static void count_expiries(outcome *o, const board *b, const settings *s)
{
	long of_this = 0;
	weft_time first = 0;

	for (long i = 0; i < o->queries; i++) {
		const query_record *q = &b->queries[i];

		if (i == 0 || q->key != q[-1].key ||
		    q->begin - first > s->lifetime) {
			o->expiries++;
			of_this = 0;
			first = q->begin;
		}
		of_this++;
		if (of_this > o->most_of_one)
			o->most_of_one = of_this;
	}
}


static void count_at_once(outcome *o, const board *b)
{
	weft_time *ends = malloc((size_t)(o->queries + 1) * sizeof *ends);
	weft_time *begins = malloc((size_t)(o->queries + 1) * sizeof *begins);
	long ended = 0;

	for (long i = 0; ends != NULL && begins != NULL && i < o->queries; i++) {
		begins[i] = b->queries[i].begin;
		ends[i] = b->queries[i].end;
	}
	if (ends != NULL && begins != NULL) {
		qsort(begins, (size_t)o->queries, sizeof *begins, by_value);
		qsort(ends, (size_t)o->queries, sizeof *ends, by_value);
		for (long i = 0; i < o->queries; i++) {
			while (ends[ended] <= begins[i])
				ended++;
			if (i + 1 - ended > o->most_at_once)
				o->most_at_once = i + 1 - ended;
		}
	}
	free(begins);
	free(ends);
}

static long least(long a, long b)
{
	return a < b ? a : b;
}

void outcome_of(outcome *o, board *b, const settings *s)
{
	long answers = least(b->latency_count, b->latency_room);

	*o = (outcome){
		.queries = least(b->query_count, b->query_room),
		.asked = b->asked,
		.failed = b->failed,
		.commands = b->commands,
	};
	qsort(b->queries, (size_t)o->queries, sizeof *b->queries,
	      by_key_and_begin);
	count_expiries(o, b, s);
	count_at_once(o, b);
	if (answers == 0)
		return;
	qsort(b->latencies, (size_t)answers, sizeof *b->latencies, by_value);
	o->p50 = b->latencies[answers / 2];
	o->p99 = b->latencies[answers * 99 / 100];
	o->most = b->latencies[answers - 1];
}
