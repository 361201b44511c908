/* SPDX-License-Identifier: MIT */
/*
 * weft flight and weft once: what they share. The parts, in reading order:
 *
 *   cmd_flight.c, cmd_once.c    the options of each, and the call they make
 *   shared_options.c            what their options have in common
 *   shared_front.c              the process that the caller sees, and the one
 *                               behind it that stays while others wait
 *   shared_call.c               the call to the fleet, and what comes of it
 *   shared_run.c                the function of the call: it runs the command
 *   record.c                    output and ending as bytes
 *   inside.c                    the runs that we are part of
 *   live.c                      output for who waits, while the run goes on
 *   shown.c                     what the caller was shown of which run
 *   place.c                     where calls are shared; also for ls, show, …
 */
#ifndef WEFT_CLI_SHARED_H
#define WEFT_CLI_SHARED_H

#include "cli.h"
#include "keeper.h"
#include "live.h"
#include "options.h"
#include "place.h"
#include "printer.h"
#include "record.h"

#include <weft/fleet.h>

typedef struct shared_options {
	const char *command; /* "weft flight" */
	place_options place;
	weft_duration wait; /* for another's run; 0: as long as it takes */
	weft_duration max_run; /* 0: no limit */
	weft_duration grace;
	weft_duration every; /* 0: the key is as it is */
	bool strict, no_detach, use_stdin, no_fingerprint;
	bool whole; /* no output before the run has ended */
	bool raw;   /* stdout and stderr of the command are one */
	bool close_lock; /* what it leaves in the background goes on, without it */
	bool same_signal; /* die as the command did */
	bool fail_is_final; /* a command that failed is done, too */
	int own_status;
	const char *fp; /* auto or off */
	const char *status_file;
	const char *key;
	char **argv;
	weft_fleet_call call; /* but key, fn and arg */
} shared_options;

/* Options that both have, for the tables. */
#define SHARED_OPTIONS(o)                                                      \
	{"at", 0, CLI_TEXT, &(o)->place.url, 0, 0},                            \
	{"lease", 0, CLI_TIME, &(o)->call.lease, 0.05, 86400},                 \
	{"wait", 0, CLI_TIME, &(o)->wait, 0.001, 365 * 86400},                 \
	{"max-run", 0, CLI_TIME, &(o)->max_run, 0.001, 365 * 86400},           \
	{"grace", 0, CLI_TIME, &(o)->grace, 0, 86400},                         \
	{"strict", 0, CLI_FLAG_ON, &(o)->strict, 0, 0},                        \
	{"no-detach", 0, CLI_FLAG_ON, &(o)->no_detach, 0, 0},                  \
	{"stdin", 0, CLI_FLAG_ON, &(o)->use_stdin, 0, 0},                      \
	{"no-live", 0, CLI_FLAG_ON, &(o)->whole, 0, 0},                        \
	{"raw", 0, CLI_FLAG_ON, &(o)->raw, 0, 0},                              \
	{"close-lock", 0, CLI_FLAG_ON, &(o)->close_lock, 0, 0},                \
	{"same-signal", 0, CLI_FLAG_ON, &(o)->same_signal, 0, 0},              \
	{"status-file", 0, CLI_TEXT, &(o)->status_file, 0, 0},                 \
	{"own-status", 'E', CLI_WHOLE, &(o)->own_status, 1, 255},              \
	{"fp", 0, CLI_TEXT, &(o)->fp, 0, 0}

/* What they are, at the end of the help. */
#define SHARED_HELP \
	"      --wait TIME       for a run that is another's; then status 75\n" \
	"      --max-run TIME    end a command that takes longer, status 124\n" \
	"      --lease TIME      a machine that is not heard of is given up after (3s)\n" \
	"      --grace TIME      from SIGTERM to SIGKILL (1s)\n" \
	"      --fp auto|off     notice a KEY that is in use for another command\n" \
	"      --strict          … and exit with status 76 then\n" \
	"      --stdin           give it our stdin, read to its end\n" \
	"      --no-live         print nothing before the run has ended\n" \
	"      --raw             stdout and stderr of the command are one stdout\n" \
	"      --close-lock      what it leaves in the background goes on\n" \
	"      --no-detach       a signal to us ends the run, whoever waits\n" \
	"      --same-signal     die of the signal that the command has died of\n" \
	"      --status-file FILE  write what the exit status means, as JSON\n" \
	"  -E, --own-status N    exit with N when it is weft that failed (66 to 76)\n" \
	"  -h, --help            print this\n" \
	"\n" \
	"TIME is a number with ms, s, m, h or d; without one of them, seconds.\n"

void shared_options_init(shared_options *o, const char *command);

/*
 * Read options, KEY, perhaps more options, and the command.
 * Returns 0 to go on, or -1 when *status is what to exit with.
 */
int shared_options_read(shared_options *o, const cli_options *options,
			char **argv, int *status);

/* Everything else. Returns what to exit with. */
int shared_main(shared_options *o);

#define SHARED_WARNING_BYTES 256

typedef struct shared_call {
	const shared_options *options;
	const char *key; /* with the tick, if it has one */
	char key_and_tick[8192];
	int in;		 /* stdin of the command */
	int front;	 /* a socket to the front; -1: there is none */
	keeper keeper;
	weft_fleet *fleet;
	spool_store store;
	printer printer;
	printer_item output;
	shown shown;
	live_follower follower;
	weft_ctx ctx; /* the caller's */

	weft_mutex lock;      /* of what follows */
	bool leading, late;   /* the run has begun; the wait was over before */
	bool lost;	      /* the lease, while it ran */
	bool stale;	      /* what is given is old, and is being replaced */
	weft_fleet_run *run;  /* while the command runs */
	char warning[SHARED_WARNING_BYTES]; /* of the place, not told so far */
	record_end end;
	char trouble[256]; /* for stderr */
} shared_call;

/*
 * Whether output is shown as it comes. With --stale it may be that of a run
 * that goes on behind the result that is given: nobody sees it.
 */
bool shared_is_live(const shared_call *s);

/* Make the call. Returns 0; how it ended is in s->end. */
int shared_call_make(shared_call *s);

/* Tell the front how it ended. */
void shared_tell_end(int front, const record_end *end);

/* The function of the call; arg: shared_call. */
int shared_run(weft_ctx *ctx, void *arg, weft_fleet_run *run);

/* The place has warned of something, and works. */
void shared_tell_warning(shared_call *s);

/* Whether the lease is held still, after a stop; arg: shared_call. */
bool shared_may_continue(void *arg);

/* A line on the caller's stderr, behind what was printed. */
void shared_note(shared_call *s, const char *text);

/* Our own failure, if there was none before. */
__attribute__((format(printf, 3, 4))) void
shared_trouble(shared_call *s, int status, const char *fmt, ...);

#endif
