/* SPDX-License-Identifier: MIT */
#include "shown.h"

#include <unistd.h>

static uint64_t add_to_sum(uint64_t sum, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ data[i]) * 0x100000001b3u;
	return sum;
}

/* What is shown stays, and is what the next run has to repeat. */
static void begin(shown *s, uint64_t token)
{
	bool lost = s->pieces > 0;

	s->token = token;
	s->pieces = 0;
	s->repeated = 0;
	s->sum_again = 0;
	s->torn = false;
	s->lost_runs += lost;
	if (lost && s->err == 0)
		s->lost(s->arg);
}

/* Returns how much of it was shown before, by a run that was lost. */
static size_t repeat(shown *s, const unsigned char *data, size_t size)
{
	size_t left = s->bytes - s->repeated, n = size < left ? size : left;

	if (n == 0)
		return 0;
	s->sum_again = add_to_sum(s->sum_again, data, n);
	s->repeated += n;
	if (s->repeated == s->bytes)
		s->torn = s->sum_again != s->sum;
	return n;
}

static void show_stdout(shown *s, const unsigned char *data, size_t size)
{
	size_t old = repeat(s, data, size);

	data += old;
	size -= old;
	if (s->torn || size == 0)
		return;
	s->err = s->print(s->arg, RECORD_STDOUT, data, size);
	s->sum = s->sum_again = add_to_sum(s->sum, data, size);
	s->bytes = s->repeated = s->bytes + size;
}

static void show(shown *s, enum record_kind kind, const void *data, size_t size)
{
	s->pieces++;
	if (s->err != 0)
		return;
	if (kind == RECORD_STDOUT)
		show_stdout(s, data, size);
	else
		s->err = s->print(s->arg, kind, data, size);
}

void shown_piece(shown *s, uint64_t token, size_t number,
		 enum record_kind kind, const void *data, size_t size_bytes)
{
	weft_mutex_lock(&s->lock);
	if (token > s->token)
		begin(s, token);
	if (token == s->token && number == s->pieces) {
		s->live = true;
		show(s, kind, data, size_bytes);
	}
	weft_mutex_unlock(&s->lock);
}

typedef struct reading {
	shown *shown;
	size_t pieces;
} reading;

static void read_piece(void *arg, enum record_kind kind, const void *data,
		       size_t size)
{
	reading *r = arg;

	if (r->pieces++ == r->shown->pieces)
		show(r->shown, kind, data, size);
}

bool shown_result(shown *s, uint64_t token, const void *record,
		  size_t size_bytes, record_end *end)
{
	reading r = {.shown = s};
	bool good;

	weft_mutex_lock(&s->lock);
	if (token != s->token)
		begin(s, token);
	good = record_read(record, size_bytes, NULL, NULL, end);
	if (good && !(s->whole && end->cut))
		record_read(record, size_bytes, read_piece, &r, end);
	s->torn |= s->repeated < s->bytes;
	weft_mutex_unlock(&s->lock);
	return good;
}
