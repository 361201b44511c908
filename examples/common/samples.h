/* SPDX-License-Identifier: MIT */
/* Durations that many tasks measure, and how they are spread. */
#ifndef EXAMPLES_COMMON_SAMPLES_H
#define EXAMPLES_COMMON_SAMPLES_H

#include <weft.h>

typedef struct {
	weft_mutex mutex;
	weft_duration *values;
	size_t count, room;
	size_t lost;	/* no memory for them */
} samples;

void samples_add(samples *s, weft_duration value);

/*
 * The value that a share of them, 0 to 1, does not exceed; 0 without any.
 * Nobody may be adding.
 */
weft_duration samples_quantile(samples *s, double share);

/* "1.5 ms", in text, which has room for 16. Returns text. */
char *duration_text(char *text, weft_duration d);

void samples_fini(samples *s);

#endif
