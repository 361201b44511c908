/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "entry.h"
#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: weft ls [OPTION...]\n"
	"\n"
	"List the keys that run or are kept, in their order: state, for how long, who, key.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --json            an object for each key, a line each\n"
	"  -h, --help            print this\n";

typedef struct listing {
	place_command place;
	weft_fleet_entry *entries;
	size_t count, room;
	bool failed; /* no memory */
} listing;

static bool add(void *arg, const weft_fleet_entry *e)
{
	listing *l = arg;
	weft_fleet_entry *more;

	if (e->state == WEFT_FLEET_IDLE)
		return true;
	if (l->count == l->room) {
		l->room = l->room != 0 ? 2 * l->room : 64;
		more = realloc(l->entries, l->room * sizeof(*more));
		l->failed = more == NULL;
		if (l->failed)
			return false;
		l->entries = more;
	}
	l->entries[l->count++] = *e;
	return true;
}

/* Behind a key, and what there is of a long one, are zeros. */
static int by_key(const void *a, const void *b)
{
	const weft_fleet_entry *x = a, *y = b;

	return memcmp(x->key, y->key, sizeof(x->key));
}

static bool print(const listing *l, const weft_fleet_entry *e)
{
	char key[257];

	if (l->place.options.json)
		return entry_print_json(e, NULL);
	printf("%-8s %10.1f s  %s:%lld  %s\n", entry_state(e),
	       (double)e->age / 1e9, e->host, (long long)e->pid, entry_key(e, key));
	return true;
}

static int ls(place_command *c, weft_fleet *fleet)
{
	listing *l = (listing *)c;
	int err = weft_fleet_list(fleet, &c->ctx, add, l);

	if (l->count > 0)
		qsort(l->entries, l->count, sizeof(*l->entries), by_key);
	for (size_t i = 0; i < l->count && !l->failed; i++)
		l->failed = !print(l, &l->entries[i]);
	free(l->entries);
	if (err == 0 && l->failed)
		return cli_trouble(c->command, "no memory");
	return err == 0 ? CLI_OK : place_trouble(c, err);
}

int cmd_ls(int argc, char **argv)
{
	listing l = {.place = {.fn = ls}};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &l.place.options.url, 0, 0},
		{"json", 0, CLI_FLAG_ON, &l.place.options.json, 0, 0},
	};
	const cli_options options = {"weft ls", help, table, 2};

	return place_main(&l.place, &options, argc, argv);
}
