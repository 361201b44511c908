/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "inside.h"
#include "keeper.h"
#include "live.h"
#include "place.h"
#include "record.h"
#include "shown.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: weft wait [OPTION...] KEY\n"
	"\n"
	"Wait for the run of a key, or have what is kept of it: print what it prints,\n"
	"from its start on, and exit with its status; with 66 where nothing runs and nothing is kept.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --wait TIME       for so long; then status 75, also where nobody reads\n"
	"      --no-live         print nothing before the run has ended\n"
	"  -h, --help            print this\n";

typedef struct waiting {
	place_command place;
	bool whole; /* no output before the run has ended */
	bool waited; /* atomic: there was a run */
	shown shown;
	live_follower follower;
	weft_ctx watching, bounding;
	uint64_t printed; /* atomic: pieces */
} waiting;

/* A pipe that can be written to has room for so much. */
enum { PIECE = 4096 };

/* How long who reads may take for a piece when the wait is over. */
#define PATIENCE WEFT_MS(250)

static int write_pieces(waiting *w, int fd, const char *data, size_t size)
{
	int err = 0;

	weft_blocking_begin();
	while (err == 0 && size > 0) {
		size_t n = size < PIECE ? size : PIECE;

		err = cli_write(fd, data, n);
		weft_atomic_add(&w->printed, 1, relaxed);
		data += n;
		size -= n;
	}
	weft_blocking_end();
	return err;
}

/* What stderr does not take is dropped. */
static int print(void *arg, enum record_kind kind, const void *data, size_t size)
{
	waiting *w = arg;
	int err = write_pieces(w, (int)kind, data, size);

	if (err == 0 || kind == RECORD_STDERR)
		return 0;
	if (err == -EPIPE)
		keeper_die_of_pipe();
	weft_ctx_cancel(&w->place.ctx, err);
	return err;
}

static bool has_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1;
}

/* What is being written cannot be taken back: leave it there. */
static void bound(void *arg)
{
	waiting *w = arg;
	const place_command *c = &w->place;
	uint64_t before;

	weft_task_name("bound");
	if (weft_sleep(&w->bounding, c->wait) != 0)
		return;
	do {
		before = weft_atomic_load(&w->printed, relaxed);
		if (weft_sleep(&w->bounding, PATIENCE) != 0)
			return;
	} while (weft_atomic_load(&w->printed, relaxed) != before);
	if (!weft_atomic_load(&c->told, relaxed) && has_room(STDERR_FILENO))
		cli_trouble(c->command, "%s: nobody reads the output", c->key);
	_exit(CLI_LATE);
}

static void tell_lost(void *arg)
{
	waiting *w = arg;

	cli_trouble(w->place.command, SHOWN_LOST);
}

static void on_wait(void *arg, weft_key key, uint64_t token)
{
	waiting *w = arg;

	if (inside_is(key, token))
		weft_ctx_cancel(&w->place.ctx, -EDEADLK);
	weft_atomic_store(&w->waited, true, relaxed);
	live_follower_tell(&w->follower, token);
}

static void follow(void *arg)
{
	waiting *w = arg;

	weft_task_name("follower");
	live_follow(&w->follower, &w->watching);
}

static int finish(const waiting *w, const record_end *end)
{
	const place_command *c = &w->place;

	if (w->shown.torn) {
		cli_trouble(c->command, SHOWN_TORN, c->key);
		return CLI_LOST;
	}
	if (record_timed_out(end))
		cli_trouble(c->command, "%s: " RECORD_TIMED_OUT, c->key);
	if (record_cancelled(end))
		cli_trouble(c->command, "%s: " RECORD_CANCELLED, c->key);
	if (!end->cut)
		return end->status;
	cli_trouble(c->command, "%s: " RECORD_CUT, c->key);
	return CLI_LOST;
}

static int cannot_write(const waiting *w)
{
	cli_trouble(w->place.command, "cannot write the output: %s",
		    strerror(-w->shown.err));
	return CLI_IO;
}

static int take(waiting *w, int err, weft_bytes *bytes,
		const weft_fleet_info *info)
{
	place_command *c = &w->place;
	record_end end;
	bool good;

	if (info->answered && w->shown.err == 0) {
		good = shown_result(&w->shown, info->token, bytes->data,
				    bytes->size, &end);
		if (w->shown.err == 0 && good)
			return finish(w, &end);
		if (w->shown.err == 0) {
			cli_trouble(c->command, "%s: what is kept of it was not "
				    "written by weft", c->key);
			return CLI_UNAVAILABLE;
		}
	}
	if (w->shown.err != 0)
		return cannot_write(w);
	if (err == -EOWNERDEAD && weft_atomic_load(&w->waited, relaxed)) {
		cli_trouble(c->command, "%s: the run%s is lost, and nobody "
			    "takes over", c->key,
			    w->shown.live ? " that has printed this" : "");
		return CLI_LOST;
	}
	if (!info->unstored)
		return place_trouble(c, err);
	cli_trouble(c->command, "%s: " PLACE_UNSTORED ": %s", c->key,
		    strerror(-err));
	return CLI_LOST;
}

static int wait_for_key(place_command *c, weft_fleet *fleet)
{
	waiting *w = (waiting *)c;
	weft_waitgroup follower = {0}, bounder = {0};
	weft_fleet_info info;
	weft_bytes bytes;
	int status;

	weft_ctx_init(&w->watching, NULL);
	weft_ctx_init(&w->bounding, NULL);
	if (c->wait > 0)
		(void)!weft_waitgroup_go(&bounder, bound, w);
	live_follower_init(&w->follower, fleet, &w->shown);
	w->follower.key = c->key;
	if (!w->whole)
		(void)!weft_waitgroup_go(&follower, follow, w);
	w->shown.whole = w->whole;
	status = weft_fleet_wait(fleet, &c->ctx, weft_key_str(c->key), &bytes,
				 &info);
	if (weft_ctx_cause(&c->ctx) == -EDEADLK)
		status = -EDEADLK;
	weft_ctx_cancel(&w->watching, -ECANCELED);
	weft_waitgroup_wait(&follower);
	status = take(w, status, &bytes, &info);
	weft_bytes_release(&bytes);
	weft_ctx_cancel(&w->bounding, -ECANCELED);
	weft_waitgroup_wait(&bounder);
	weft_ctx_fini(&w->bounding);
	weft_ctx_fini(&w->watching);
	return status;
}

int cmd_wait(int argc, char **argv)
{
	static waiting w = {
		.place = {.fn = wait_for_key, .wants_key = true,
			  .blocks_pipe = true, .waits = on_wait,
			  .waits_arg = &w},
		.shown = {.print = print, .lost = tell_lost, .arg = &w},
	};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &w.place.options.url, 0, 0},
		{"wait", 0, CLI_TIME, &w.place.wait, 0.001, 365 * 86400},
		{"no-live", 0, CLI_FLAG_ON, &w.whole, 0, 0},
	};
	const cli_options options = {"weft wait", help, table, 3};

	return place_main(&w.place, &options, argc, argv);
}
