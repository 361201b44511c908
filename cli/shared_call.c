/* SPDX-License-Identifier: MIT */
#include "inside.h"
#include "shared.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void shared_trouble(shared_call *s, int status, const char *fmt, ...)
{
	va_list args;

	weft_mutex_lock(&s->lock);
	if (s->trouble[0] == '\0') {
		va_start(args, fmt);
		vsnprintf(s->trouble, sizeof(s->trouble), fmt, args);
		va_end(args);
		s->end = (record_end){.status = status, .own = true,
				      .why = "trouble"};
	}
	weft_mutex_unlock(&s->lock);
}

static size_t line_of(const shared_call *s, const char *text, char line[512])
{
	size_t size = (size_t)snprintf(line, 511, "%s: %.400s",
				       s->options->command, text);

	cli_flatten(line);
	line[size] = '\n';
	return size + 1;
}

void shared_note(shared_call *s, const char *text)
{
	char line[512];
	size_t size = line_of(s, text, line);

	spool_write(&s->output.output, STDERR_FILENO, line, size);
	printer_wake(&s->printer);
}

/* Held back, as it may be the reason of a failure, which is told in one line. */
static void warn(void *arg, const char *line)
{
	shared_call *s = arg;

	weft_mutex_lock(&s->lock);
	snprintf(s->warning, sizeof(s->warning), "%s", line);
	weft_mutex_unlock(&s->lock);
}

static void take_warning(shared_call *s, char line[SHARED_WARNING_BYTES])
{
	weft_mutex_lock(&s->lock);
	snprintf(line, SHARED_WARNING_BYTES, "%s", s->warning);
	s->warning[0] = '\0';
	weft_mutex_unlock(&s->lock);
}

void shared_tell_warning(shared_call *s)
{
	char line[SHARED_WARNING_BYTES];

	take_warning(s, line);
	if (line[0] != '\0')
		shared_note(s, line);
}

/* What was warned of last, as the end of a line: " (…)", or nothing. */
static const char *reason(shared_call *s, char room[SHARED_WARNING_BYTES + 4])
{
	char line[SHARED_WARNING_BYTES];

	take_warning(s, line);
	snprintf(room, SHARED_WARNING_BYTES + 4, line[0] != '\0' ? " (%s)" : "%s",
		 line);
	return room;
}

/* Printing: through the socket to the front, or at once. */

static void print_frame(printer *p, printer_item *item, const spool_frame *f)
{
	shared_call *s = p->arg;
	unsigned char header[RECORD_HEADER_BYTES];

	(void)item;
	if (s->front >= 0) {
		record_header(header, (enum record_kind)f->stream, f->size);
		printer_write(p, s->front, (char *)header, sizeof(header));
		printer_write(p, s->front, f->data, f->size);
	} else {
		printer_write(p, f->stream, f->data, f->size);
	}
}

/* Past the spool, for which there may have been no room. */
static void tell_trouble(shared_call *s)
{
	char line[512];
	spool_frame f = {.stream = STDERR_FILENO, .data = line};

	if (s->trouble[0] == '\0')
		return;
	f.size = line_of(s, s->trouble, line);
	print_frame(&s->printer, &s->output, &f);
}

static void cannot_write(printer *p)
{
	shared_call *s = p->arg;

	if (p->err != -EPIPE)
		shared_trouble(s, CLI_IO, "cannot write the output: %s",
			       strerror(-p->err));
	weft_ctx_cancel(&s->ctx, -EPIPE);
}

bool shared_is_live(const shared_call *s)
{
	return !s->options->whole && s->options->call.stale == 0;
}

static int show(void *arg, enum record_kind kind, const void *data, size_t size)
{
	shared_call *s = arg;
	int err = spool_write(&s->output.output, (int)kind, data, size);

	if (err != 0)
		shared_trouble(s, err == -ENOMEM ? CLI_NO_RESOURCES : CLI_IO,
			       "cannot keep the output: %s", strerror(-err));
	printer_wake(&s->printer);
	return err;
}

static void tell_lost(void *arg)
{
	shared_note(arg, SHOWN_LOST);
}

/* For a run that waits for us. */
static void refuse_wait(shared_call *s)
{
	int status;
	const char *words = place_error(-EDEADLK, &status);

	shared_trouble(s, status, "%s: %s", s->key, words);
	weft_ctx_cancel(&s->ctx, -EDEADLK);
}

/* Not the call that asks for the time. */
static void on_wait(void *arg, weft_key key, uint64_t token)
{
	shared_call *s = arg;

	if (inside_is(key, token))
		refuse_wait(s);
	if (!shared_is_live(s) || key.size != strlen(s->key) ||
	    memcmp(key.data, s->key, key.size) != 0)
		return;
	spool_store_in_memory(&s->store); /* L1: a full disk is no reason to lose it */
	live_follower_tell(&s->follower, token);
}

static void follow(void *arg, weft_ctx *ctx)
{
	shared_call *s = arg;

	live_follow(&s->follower, ctx);
}

/* The wait for another's run; one's own is not cut short by it. */
static void watch_wait(void *arg, weft_ctx *ctx)
{
	shared_call *s = arg;

	if (weft_sleep(ctx, s->options->wait) != 0)
		return;
	weft_mutex_lock(&s->lock);
	s->late = !s->leading;
	weft_mutex_unlock(&s->lock);
	if (s->late)
		weft_ctx_cancel(&s->ctx, -ETIMEDOUT);
}

/* Processes elsewhere that wait for our run; where that cannot be known, yes. */
static bool others_wait(shared_call *s, weft_ctx *ctx)
{
	weft_fleet_entry entry;

	return weft_fleet_show(s->fleet, ctx, weft_key_str(s->key), &entry) != 0 ||
	       (entry.state == WEFT_FLEET_RUNNING && entry.waiters != 0);
}

/* The caller has left: so do we, unless others wait for what we run. */
static void watch_front(void *arg, weft_ctx *ctx)
{
	shared_call *s = arg;
	bool leading;

	if (weft_wait_fd(ctx, s->front, POLLIN | POLLRDHUP) < 0)
		return;
	do {
		weft_mutex_lock(&s->lock);
		leading = s->leading;
		weft_mutex_unlock(&s->lock);
	} while (leading && others_wait(s, ctx) &&
		 weft_sleep(ctx, WEFT_SECOND) == 0);
	weft_ctx_cancel(&s->ctx, -ECANCELED);
}

typedef struct watcher {
	void (*fn)(void *arg, weft_ctx *ctx);
	shared_call *call;
	weft_ctx *ctx;
} watcher;

static void watch(void *arg)
{
	watcher *w = arg;

	weft_task_name("watcher");
	w->fn(w->call, w->ctx);
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ at[i]) * 0x100000001b3u;
	return h;
}

/* Of the words of the command, and of what it reads. */
static uint64_t fingerprint(const shared_call *s)
{
	uint64_t h = 0xcbf29ce484222325u;
	char block[4096];
	off_t at = 0;
	ssize_t n;

	if (s->options->no_fingerprint)
		return 0;
	for (char **word = s->options->argv; *word != NULL; word++)
		h = hash(h, *word, strlen(*word) + 1);
	while (s->options->use_stdin &&
	       (n = pread(s->in, block, sizeof(block), at)) > 0) {
		h = hash(h, block, (size_t)n);
		at += n;
	}
	return h != 0 ? h : 1;
}

static int nothing(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)ctx, (void)arg, (void)run;
	return 0;
}

/*
 * The place's clock, in ns since 1970: for a directory ours. A token is about
 * the time at which it was given, by the clock that decides: so ask for one.
 * Its key is nobody's, since no word of a command line has a zero byte.
 */
static int place_time(shared_call *s, int64_t *now)
{
	static const char key[] = "\0weft clock";
	struct timespec t;
	weft_fleet_call call = {.key = {key, sizeof(key) - 1}, .fn = nothing};
	weft_fleet_info info;
	int err;

	if (strncmp(place_url(&s->options->place), "dir:", 4) == 0) {
		clock_gettime(CLOCK_REALTIME, &t);
		*now = t.tv_sec * WEFT_SECOND + t.tv_nsec;
		return 0;
	}
	err = weft_fleet_do(s->fleet, &s->ctx, &call, NULL, &info);
	*now = (int64_t)info.token * 1000;
	return err;
}

/* KEY@TICK: the multiple of --every, in s since 1970, that is nearest. */
static int set_key(shared_call *s)
{
	weft_duration every = s->options->every;
	int64_t now, tick;
	int err;

	s->key = s->options->key;
	if (every == 0)
		return 0;
	err = place_time(s, &now);
	if (err != 0)
		return err;
	tick = (now + every / 2) / every * every;
	snprintf(s->key_and_tick, sizeof(s->key_and_tick),
		 tick % WEFT_SECOND == 0 ? "%s@%lld" : "%s@%lld.%03d",
		 s->options->key, (long long)(tick / WEFT_SECOND),
		 (int)(tick % WEFT_SECOND / WEFT_MS(1)));
	s->key = s->key_and_tick;
	return 0;
}

/*
 * Whether what the other fingerprint belongs to is there, and not just over; where
 * that cannot be known, yes.
 */
static bool is_in_use(shared_call *s)
{
	weft_fleet_entry entry;
	int err = weft_fleet_show(s->fleet, &s->ctx, weft_key_str(s->key), &entry);

	return err == 0 ? entry.state != WEFT_FLEET_IDLE : err != -ENOENT;
}

/*
 * What the key is in use for may be another command: say so, and share it; or, where
 * that is not wanted and it is just over, ask once more.
 */
static int do_call(shared_call *s, weft_bytes *bytes, weft_fleet_info *info)
{
	weft_fleet_call call = s->options->call;
	int err;

	call.key = weft_key_str(s->key);
	call.fn = shared_run;
	call.arg = s;
	call.fingerprint = fingerprint(s);
	err = weft_fleet_do(s->fleet, &s->ctx, &call, bytes, info);
	if (err != -EBADMSG || info->answered ||
	    (s->options->strict && is_in_use(s)))
		return err;
	if (!s->options->strict)
		call.fingerprint = 0;
	err = weft_fleet_do(s->fleet, &s->ctx, &call, bytes, info);
	if (info->answered && !info->led && !s->options->strict)
		shared_note(s, "the key is in use for another command, whose result "
			"this is");
	return err;
}

/* The caller has left, or there was a signal: its front does not know of that. */
static void set_stopped(shared_call *s)
{
	if (s->front >= 0 && weft_ctx_done(&s->keeper.interrupt))
		shared_trouble(s, CLI_LOST, "%s: the process that ran it was "
			       "ended by a signal", s->key);
	s->end = (record_end){.status = CLI_LOST, .own = true, .why = "stopped"};
}

static void set_own_end(shared_call *s, int err, const weft_fleet_info *info)
{
	char why[SHARED_WARNING_BYTES + 4];
	int status;
	const char *words = place_error(err, &status);

	if (s->lost)
		shared_trouble(s, CLI_LOST, "%s: the lease was lost; the command "
			       "was ended%s", s->key, reason(s, why));
	else if (info->unstored)
		shared_trouble(s, CLI_LOST, "%s: " PLACE_UNSTORED ": %s%s", s->key,
			       words, reason(s, why));
	else if (err == -ECANCELED && !s->late)
		set_stopped(s);
	else
		shared_trouble(s, status, "%s: %s%s", s->key, words,
			       reason(s, why));
}

/* Whether the caller has seen all that the command has printed. */
static bool is_seen(const shared_call *s, const weft_fleet_info *info)
{
	return info->led && shared_is_live(s);
}

/* The status is the command's only with the whole of its output. */
static void set_cut(shared_call *s)
{
	shared_trouble(s, CLI_LOST, "%s: " RECORD_CUT, s->key);
	s->end.cut = true;
}

/* All that is not shown so far, and how it ended. */
static void take_result(shared_call *s, const weft_bytes *bytes,
			const weft_fleet_info *info)
{
	if (!is_seen(s, info))
		spool_store_in_memory(&s->store);
	if (!shown_result(&s->shown, info->token, bytes->data, bytes->size,
			  &s->end))
		shared_trouble(s, CLI_UNAVAILABLE, "%s: what is kept of it was "
			       "not written by weft", s->key);
	else if (s->shown.torn)
		shared_trouble(s, CLI_LOST, SHOWN_TORN, s->key);
	else if (s->end.cut && !is_seen(s, info))
		set_cut(s);
}

/* For the status file: what the caller has had. */
static void note_run(shared_call *s, const weft_fleet_info *info)
{
	const char *run = info->led ? "here" : info->kept ? "before" : "elsewhere";

	if (info->answered)
		snprintf(s->end.run, sizeof(s->end.run), "%s", run);
	weft_mutex_lock(&s->shown.lock);
	s->end.live = s->shown.live;
	s->end.lost = s->shown.lost_runs;
	weft_mutex_unlock(&s->shown.lock);
}

/* What the caller would not see of how it ended. */
static void tell_end(shared_call *s, const weft_fleet_info *info)
{
	char why[SHARED_WARNING_BYTES + 4], line[512];

	if (info->led && info->unstored && s->trouble[0] == '\0') {
		snprintf(line, sizeof(line), "the result could not be stored: "
			 "others are not given it%s", reason(s, why));
		shared_note(s, line);
	}
	if (record_timed_out(&s->end)) {
		snprintf(line, sizeof(line), "%.300s: " RECORD_TIMED_OUT, s->key);
		shared_note(s, line);
	}
	if (record_cancelled(&s->end)) {
		snprintf(line, sizeof(line), "%.300s: " RECORD_CANCELLED, s->key);
		shared_note(s, line);
	}
	if (s->trouble[0] == '\0')
		shared_tell_warning(s);
}

/*
 * Weft's own trouble in a run is told here as it is; who has waited for the run
 * is given its end.
 */
static void call_place(shared_call *s)
{
	weft_bytes bytes = {0};
	weft_fleet_info info = {0};
	int err = set_key(s);

	s->follower.key = s->key;
	if (err == 0)
		err = do_call(s, &bytes, &info);
	if (info.answered && s->trouble[0] == '\0' && !s->lost) {
		take_result(s, &bytes, &info);
	} else if (s->trouble[0] == '\0') {
		set_own_end(s, err, &info);
	}
	note_run(s, &info);
	tell_end(s, &info);
	s->stale = info.stale;
	weft_bytes_release(&bytes);
}

static void call_and_watch(shared_call *s)
{
	weft_waitgroup watchers = {0};
	weft_ctx watching;
	watcher waits = {watch_wait, s, &watching}, leaves = {watch_front, s, &watching},
		follows = {follow, s, &watching};

	weft_ctx_init(&watching, NULL);
	live_follower_init(&s->follower, s->fleet, &s->shown);
	if ((s->options->wait > 0 && weft_waitgroup_go(&watchers, watch, &waits) != 0) ||
	    (s->front >= 0 && weft_waitgroup_go(&watchers, watch, &leaves) != 0) ||
	    (shared_is_live(s) && weft_waitgroup_go(&watchers, watch, &follows) != 0))
		shared_trouble(s, CLI_NO_RESOURCES, "no memory for a task");
	else
		call_place(s);
	weft_ctx_cancel(&watching, -ECANCELED);
	weft_waitgroup_wait(&watchers);
	weft_ctx_fini(&watching);
}

static void open_and_call(shared_call *s)
{
	const weft_fleet_options options = {.warn = warn, .warn_arg = s,
					    .waits = on_wait, .waits_arg = s};
	int err = weft_fleet_open(&s->fleet, place_url(&s->options->place),
				  &options);

	if (err == 0)
		call_and_watch(s);
	else
		shared_trouble(s, place_open_status(err), "%s: %s",
			       place_name_of(&s->options->place).text,
			       s->warning[0] != '\0' ? s->warning
						     : strerror(-err));
}

/*
 * Whether the run that replaces an old result is ours, and goes on. The place says
 * so, since it was begun before the result was given; else the run itself does.
 */
static bool refreshes(shared_call *s)
{
	weft_fleet_entry entry;
	bool runs;

	if (weft_fleet_show(s->fleet, NULL, weft_key_str(s->key), &entry) == 0)
		return entry.state == WEFT_FLEET_RUNNING && entry.pid == getpid();
	weft_mutex_lock(&s->lock);
	runs = s->run != NULL;
	weft_mutex_unlock(&s->lock);
	return runs;
}

/* The caller has an old result, and need not wait for the run that replaces it. */
static void finish_refresh(shared_call *s)
{
	weft_duration pause = WEFT_MS(5);

	if (s->front >= 0)
		shared_tell_end(s->front, &s->end);
	while (refreshes(s) && weft_sleep(&s->keeper.stop, pause) == 0)
		pause = 2 * pause < WEFT_MS(250) ? 2 * pause : WEFT_MS(250);
	weft_fleet_close(s->fleet);
}

static int make(void *arg)
{
	shared_call *s = arg;

	weft_task_name("call");
	weft_ctx_init(&s->ctx, &s->keeper.stop);
	printer_add(&s->printer, &s->output);
	open_and_call(s);
	/* A run that we have left prints until it has ended. */
	if (!s->stale)
		weft_fleet_close(s->fleet);
	spool_close(&s->output.output);
	printer_wake(&s->printer);
	if (printer_finish(&s->printer, &s->keeper.interrupt) == 0)
		tell_trouble(s);
	if (s->stale)
		finish_refresh(s);
	weft_ctx_fini(&s->ctx);
	return 0;
}

int shared_call_make(shared_call *s)
{
	static const printer_style style = {.frame = print_frame};
	int err;

	s->printer.style = &style;
	s->printer.arg = s;
	s->printer.on_error = cannot_write;
	s->shown.print = show;
	s->shown.lost = tell_lost;
	s->shown.arg = s;
	s->shown.whole = s->options->whole;
	spool_store_init(&s->store);
	spool_init(&s->output.output, &s->store);
	err = printer_start(&s->printer);
	return err != 0 ? err : keeper_run(&s->keeper, make, s);
}
