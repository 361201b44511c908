/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "holders.h"
#include "place.h"

#include <errno.h>

static const char help[] =
	"usage: weft kill [OPTION...] KEY\n"
	"\n"
	"End the run of a key, wherever it is: its command is sent SIGTERM, and SIGKILL\n"
	"after its grace; all who wait are given its end. Returns when it has ended, or with\n"
	"status 70 where its process was killed, and says what keeps the key.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --wait TIME       for so long; then status 75\n"
	"  -h, --help            print this\n";

/* Between looks. */
#define LONGEST WEFT_MS(100)

static int nothing_runs(const place_command *c)
{
	cli_trouble(c->command, "%s: nothing runs", c->key);
	return CLI_NOTHING;
}

/* Nobody is there who could end it. */
static int is_dead(const place_command *c, const weft_fleet_entry *e,
		   const holders *h)
{
	bool held = h->text[0] != '\0';

	cli_trouble(c->command, "%s: the process that ran it, %lld, is dead%s%s",
		    c->key, (long long)e->pid,
		    held ? "; what it has left keeps the key: " : "", h->text);
	return CLI_LOST;
}

/*
 * Until it has ended, or another one runs. What dies with its process may take a
 * moment longer.
 */
static int wait_for_end(place_command *c, weft_fleet *fleet, uint64_t token)
{
	weft_key key = weft_key_str(c->key);
	weft_duration pause = WEFT_MS(5);
	weft_fleet_entry e;
	holders h;
	int err;

	for (;;) {
		err = weft_fleet_show(fleet, &c->ctx, key, &e);
		if (err == -ENOENT || (err == 0 && (e.state != WEFT_FLEET_RUNNING ||
						    e.token != token)))
			return CLI_OK;
		if (err == 0 && pause == LONGEST && holders_of_dead(key, &e, &h))
			return is_dead(c, &e, &h);
		if (err == 0)
			err = weft_sleep(&c->ctx, pause);
		if (err != 0)
			return place_trouble(c, err);
		pause = 2 * pause < LONGEST ? 2 * pause : LONGEST;
	}
}

static int end_run(place_command *c, weft_fleet *fleet)
{
	weft_key key = weft_key_str(c->key);
	weft_fleet_entry e = {0};
	int err = weft_fleet_show(fleet, &c->ctx, key, &e);

	/* By its token: the next one, which may begin now, is not meant. */
	if (err == 0)
		err = e.state == WEFT_FLEET_RUNNING
			      ? weft_fleet_cancel(fleet, &c->ctx, key, e.token)
			      : -ENOENT;
	if (err == -ENOENT)
		return nothing_runs(c);
	return err == 0 ? wait_for_end(c, fleet, e.token) : place_trouble(c, err);
}

int cmd_kill(int argc, char **argv)
{
	place_command c = {.fn = end_run, .wants_key = true};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &c.options.url, 0, 0},
		{"wait", 0, CLI_TIME, &c.wait, 0.001, 365 * 86400},
	};
	const cli_options options = {"weft kill", help, table, 2};

	return place_main(&c, &options, argc, argv);
}
