/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "entry.h"
#include "place.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: weft show [OPTION...] KEY\n"
	"\n"
	"Show what a key is doing.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --json            as an object\n"
	"  -h, --help            print this\n";

static void print_left(const weft_fleet_entry *e, const char *what)
{
	if (e->left == WEFT_FLEET_FOREVER)
		printf("%-10s for ever\n", what);
	else
		printf("%-10s %.3f s\n", what, (double)e->left / 1e9);
}

static void print(const weft_fleet_entry *e, const holders *dead)
{
	char key[257];

	printf("key        %s\n", entry_key(e, key));
	printf("state      %s%s\n", entry_state(e), e->stale ? ", stale" : "");
	printf("token      %llu\n", (unsigned long long)e->token);
	printf("run by     %s:%lld%s\n", e->host, (long long)e->pid,
	       dead != NULL ? ", which is dead" : "");
	if (dead != NULL && dead->text[0] != '\0')
		printf("held by    %s, which it has left\n", dead->text);
	printf("age        %.3f s\n", (double)e->age / 1e9);
	if (e->takeovers > 0)
		printf("takeovers  %d\n", e->takeovers);
	if (e->state == WEFT_FLEET_RUNNING) {
		if (e->waiters >= 0)
			printf("waiters    %d\n", e->waiters);
		print_left(e, "lease");
	} else if (e->state == WEFT_FLEET_KEPT) {
		printf("took       %.3f s\n", (double)e->took / 1e9);
		if (e->unstored)
			printf("result     not stored: %s\n", strerror(-e->err));
		else
			printf("bytes      %zu\n", e->size);
		print_left(e, "kept");
	}
}

static int show(place_command *c, weft_fleet *fleet)
{
	weft_key key = weft_key_str(c->key);
	weft_fleet_entry entry;
	const holders *dead;
	holders h;
	int err = weft_fleet_show(fleet, &c->ctx, key, &entry);

	if (err != 0)
		return place_trouble(c, err);
	dead = holders_of_dead(key, &entry, &h) ? &h : NULL;
	if (!c->options.json)
		print(&entry, dead);
	else if (!entry_print_json(&entry, dead))
		return cli_trouble(c->command, "no memory");
	return CLI_OK;
}

int cmd_show(int argc, char **argv)
{
	place_command c = {.fn = show, .wants_key = true};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &c.options.url, 0, 0},
		{"json", 0, CLI_FLAG_ON, &c.options.json, 0, 0},
	};
	const cli_options options = {"weft show", help, table, 2};

	return place_main(&c, &options, argc, argv);
}
