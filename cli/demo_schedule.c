/* SPDX-License-Identifier: MIT */
#include "demo_run.h"

#include <math.h>
#include <stdlib.h>

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* In [0, 1). */
static double fraction(uint64_t *state)
{
	return (double)(next(state) >> 11) * 0x1p-53;
}

/*
 * The packages in the order of their popularity: the most depended on, whose
 * question is slow, are the hot ones; the others come as they may.
 */
static void shuffle(uint32_t *order, size_t count, uint64_t *state)
{
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	for (size_t i = count; i > DEMO_HOT + 1; i--) {
		size_t span = i - DEMO_HOT;
		size_t j = DEMO_HOT + (size_t)(fraction(state) * (double)span);
		uint32_t last = order[i - 1];

		order[i - 1] = order[j];
		order[j] = last;
	}
}

/* below[i] is the popularity of the first i + 1 together. */
static void sum_up(double *below, size_t count, double skew)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		below[i] = sum += pow((double)(i + 1), -skew);
}

static size_t pick(const double *below, size_t count, double x)
{
	size_t low = 0, high = count - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (below[middle] > x)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int demo_schedule_make(demo_schedule *s, const demo_options *o,
		       size_t package_count, demo_failure *f)
{
	double *below = malloc(package_count * sizeof(*below));
	uint32_t *order = malloc(package_count * sizeof(*order));
	uint64_t state = o->seed;

	s->count = (size_t)(o->rate * ((double)o->duration / 1e9));
	s->questions = malloc(s->count * sizeof(*s->questions));
	if (below != NULL && order != NULL && s->questions != NULL) {
		shuffle(order, package_count, &state);
		sum_up(below, package_count, o->skew);
		for (size_t i = 0; i < s->count; i++) {
			double at = ((double)i + fraction(&state)) / o->rate;
			double x = fraction(&state) * below[package_count - 1];

			s->questions[i].at = (weft_duration)(at * 1e9);
			s->questions[i].package = order[pick(below, package_count, x)];
		}
	}
	free(below);
	free(order);
	return s->questions != NULL && below != NULL && order != NULL
		       ? 0
		       : demo_fail(f, "no memory");
}

void demo_schedule_fini(demo_schedule *s)
{
	free(s->questions);
}
