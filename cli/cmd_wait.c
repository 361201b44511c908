/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "place.h"
#include "record.h"

#include <stdio.h>
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

/* Returns the status, or -1 for what is no record. */
static int replay(const unsigned char *at, size_t size_bytes)
{
	const unsigned char *end = at + size_bytes;
	enum record_kind kind;
	record_end ending;
	size_t size;

	while (end - at >= RECORD_HEADER_BYTES &&
	       record_read_header(at, &kind, &size) &&
	       size <= (size_t)(end - at - RECORD_HEADER_BYTES)) {
		at += RECORD_HEADER_BYTES;
		if (kind == RECORD_END)
			return record_end_read((const char *)at, size, &ending)
				       ? ending.status
				       : -1;
		fwrite(at, 1, size, kind == RECORD_STDERR ? stderr : stdout);
		fflush(kind == RECORD_STDERR ? stderr : stdout);
		at += size;
	}
	return -1;
}

static int wait_for_key(place_command *c, weft_fleet *fleet)
{
	weft_fleet_info info;
	weft_bytes bytes;
	int err = weft_fleet_wait(fleet, &c->ctx, weft_key_str(c->key), &bytes,
				  &info);
	int status;

	if (!info.answered)
		return place_trouble(c, err);
	status = replay(bytes.data, bytes.size);
	weft_bytes_release(&bytes);
	if (status >= 0)
		return status;
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
