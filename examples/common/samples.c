/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

static bool make_room(samples *s)
{
	size_t room = s->room * 2 + 1024;
	weft_duration *values;

	if (s->count < s->room)
		return true;
	values = realloc(s->values, room * sizeof *values);
	if (values == NULL)
		return false;
	s->values = values;
	s->room = room;
	return true;
}

void samples_add(samples *s, weft_duration value)
{
	weft_mutex_lock(&s->mutex);
	if (make_room(s))
		s->values[s->count++] = value;
	else
		s->lost++;
	weft_mutex_unlock(&s->mutex);
}

static int compare(const void *a, const void *b)
{
	weft_duration x = *(const weft_duration *)a;
	weft_duration y = *(const weft_duration *)b;

	return (x > y) - (x < y);
}

weft_duration samples_quantile(samples *s, double share)
{
	if (s->count == 0)
		return 0;
	qsort(s->values, s->count, sizeof *s->values, compare);
	return s->values[(size_t)((double)(s->count - 1) * share + 0.5)];
}

char *duration_text(char *text, weft_duration d)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)d;
	int unit = 0;

	while (unit < 3 && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	snprintf(text, 16, "%.*f %s", unit == 0 || value >= 99.95 ? 0 : 1, value,
		 units[unit]);
	return text;
}

void samples_fini(samples *s)
{
	free(s->values);
	s->values = NULL;
	s->count = s->room = s->lost = 0;
}
