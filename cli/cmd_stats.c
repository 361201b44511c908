/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "place.h"

#include <stdio.h>

static const char help[] =
	"usage: weft stats [OPTION...]\n"
	"\n"
	"Sum up the keys of the place as they are now. A place counts nothing of what\n"
	"was: of each key it knows the last run.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --json            as an object\n"
	"  -h, --help            print this\n";

typedef struct stats {
	place_command place;
	unsigned long long keys, running, waiters, kept, stale, unstored, lost;
	unsigned long long bytes, takeovers;
	weft_duration running_most, took, took_most; /* took: all together */
} stats;

static weft_duration longer(weft_duration a, weft_duration b)
{
	return a > b ? a : b;
}

static bool add(void *arg, const weft_fleet_entry *e)
{
	stats *s = arg;

	s->keys++;
	s->takeovers += (unsigned long long)e->takeovers;
	s->lost += e->state == WEFT_FLEET_LOST;
	if (e->state == WEFT_FLEET_RUNNING) {
		s->running++;
		s->waiters += e->waiters > 0 ? (unsigned long long)e->waiters : 0;
		s->running_most = longer(s->running_most, e->age);
	} else if (e->state == WEFT_FLEET_KEPT) {
		s->kept++;
		s->stale += e->stale;
		s->unstored += e->unstored;
		s->bytes += e->size;
		s->took += e->took;
		s->took_most = longer(s->took_most, e->took);
	}
	return true;
}

static double seconds(weft_duration d)
{
	return (double)d / 1e9;
}

static double took_mean(const stats *s)
{
	return s->kept > 0 ? seconds(s->took) / (double)s->kept : 0;
}

static void print(const stats *s)
{
	printf("keys       %llu\n", s->keys);
	printf("running    %llu", s->running);
	if (s->running > 0)
		printf(", the longest for %.3f s; %llu wait for them",
		       seconds(s->running_most), s->waiters);
	printf("\nkept       %llu", s->kept);
	if (s->kept > 0)
		printf(", %llu bytes; %llu stale, %llu without their result",
		       s->bytes, s->stale, s->unstored);
	if (s->kept > 0)
		printf("\ntook       %.3f s in the mean, %.3f s at most",
		       took_mean(s), seconds(s->took_most));
	printf("\nlost       %llu\n", s->lost);
	printf("takeovers  %llu, since the last run of their key that ended well\n",
	       s->takeovers);
}

static void print_json(const stats *s)
{
	printf("{\"keys\": %llu, \"running\": %llu, \"running_most_s\": %.6f, "
	       "\"waiters\": %llu, \"kept\": %llu, \"stale\": %llu, "
	       "\"unstored\": %llu, \"bytes\": %llu, \"took_mean_s\": %.6f, "
	       "\"took_most_s\": %.6f, \"lost\": %llu, \"takeovers\": %llu}\n",
	       s->keys, s->running, seconds(s->running_most), s->waiters, s->kept,
	       s->stale, s->unstored, s->bytes, took_mean(s),
	       seconds(s->took_most), s->lost, s->takeovers);
}

static int sum_up(place_command *c, weft_fleet *fleet)
{
	stats *s = (stats *)c;
	int err = weft_fleet_list(fleet, &c->ctx, add, s);

	if (err != 0)
		return place_trouble(c, err);
	if (c->options.json)
		print_json(s);
	else
		print(s);
	return CLI_OK;
}

int cmd_stats(int argc, char **argv)
{
	stats s = {.place = {.fn = sum_up}};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &s.place.options.url, 0, 0},
		{"json", 0, CLI_FLAG_ON, &s.place.options.json, 0, 0},
	};
	const cli_options options = {"weft stats", help, table, 2};

	return place_main(&s.place, &options, argc, argv);
}
