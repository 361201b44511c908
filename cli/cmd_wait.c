/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "place.h"
#include "record.h"

#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: weft wait [OPTION...] KEY\n"
	"\n"
	"Wait for the run of a key, or have what is kept of it: print what it printed\n"
	"and exit with its status; with 66 where nothing runs and nothing is kept.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --wait TIME       for so long; then status 75\n"
	"  -h, --help            print this\n";

/* What is known of a run that is printed. */
typedef struct printed {
	record_end end;
	int err; /* of stdout: a negative errno; nothing is written any more */
} printed;

/* What stderr does not take is dropped. */
static void print(void *arg, enum record_kind kind, const void *data, size_t size)
{
	printed *p = arg;

	if (kind == RECORD_STDERR)
		cli_write(STDERR_FILENO, data, size);
	else if (p->err == 0)
		p->err = cli_write(STDOUT_FILENO, data, size);
}

static int finish(const place_command *c, const printed *p)
{
	if (p->err != 0) {
		cli_trouble(c->command, "cannot write the output: %s",
			    strerror(-p->err));
		return CLI_IO;
	}
	if (record_timed_out(&p->end))
		cli_trouble(c->command, "%s: " RECORD_TIMED_OUT, c->key);
	if (p->end.cut)
		cli_trouble(c->command, "%s: " RECORD_CUT, c->key);
	return p->end.status;
}

static int wait_for_key(place_command *c, weft_fleet *fleet)
{
	weft_fleet_info info;
	weft_bytes bytes;
	printed p = {0};
	int err = weft_fleet_wait(fleet, &c->ctx, weft_key_str(c->key), &bytes,
				  &info);
	bool good;

	if (info.unstored) {
		cli_trouble(c->command, "%s: " PLACE_UNSTORED ": %s", c->key,
			    strerror(-err));
		return CLI_LOST;
	}
	if (!info.answered)
		return place_trouble(c, err);
	good = record_read(bytes.data, bytes.size, print, &p, &p.end);
	weft_bytes_release(&bytes);
	if (good)
		return finish(c, &p);
	cli_trouble(c->command, "%s: what is kept of it was not written by weft",
		    c->key);
	return CLI_UNAVAILABLE;
}

int cmd_wait(int argc, char **argv)
{
	place_command c = {.fn = wait_for_key, .wants_key = true};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &c.options.url, 0, 0},
		{"wait", 0, CLI_TIME, &c.wait, 0.001, 365 * 86400},
	};
	const cli_options options = {"weft wait", help, table, 2};

	return place_main(&c, &options, argc, argv);
}
