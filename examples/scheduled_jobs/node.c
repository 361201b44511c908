/* SPDX-License-Identifier: MIT */
/*
 * A node: when its clock says so it fires, and asks the fleet for the tick that
 * is meant, the nearest multiple of the period. Not the last one: a timer that
 * fires two milliseconds early would run the tick before once more.
 */
#include "jobs.h"

#include <weft/fleet.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
	const settings *s;
	weft_fleet *fleet;
	unsigned short random[3];
} node;

typedef struct {
	const settings *s;
	long tick;	/* from 1 */
} job;

static long milliseconds(weft_duration d)
{
	return (long)(d / WEFT_MS(1));
}

/* Of this node's clock, which may be wrong. */
static long wall_clock_ms(const settings *s)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000 + s->clock_ms;
}

static int write_down(const job *j, weft_fleet_run *run)
{
	int fd = open(j->s->ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	int written = fd < 0 ? -1
			     : dprintf(fd, "%ld %ld %llu\n", j->tick, j->s->node,
				       (unsigned long long)
					       weft_fleet_run_token(run));

	if (fd >= 0)
		close(fd);
	return written > 0 ? 0 : -EIO;
}

static int run_job(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	const job *j = arg;
	char *output = NULL;
	int status = 0, err = 0;

	if (j->s->ledger != NULL)
		err = write_down(j, run);
	if (err == 0 && j->s->dies_at == j->tick)
		raise(SIGKILL);
	if (err == 0)
		err = command_run(ctx, j->s->command, &output, &status);
	if (err == 0)
		err = weft_fleet_run_add(run, output, strlen(output));
	free(output);
	return err != 0 ? err : status;
}

static void fire(const node *n)
{
	const settings *s = n->s;
	long period = milliseconds(s->every), now = wall_clock_ms(s);
	long nominal = (now + period / 2) / period * period;
	job j = {s, (nominal - s->first_tick) / period + 1};
	char key[64];
	weft_fleet_call call = {
		.fn = run_job,
		.arg = &j,
		.arg_size = sizeof j,
		.mode = WEFT_FLEET_ONCE,
		.keep = 10 * s->every,
		.keep_error = 10 * s->every,
		.lease = s->lease,
	};
	weft_fleet_info info;
	weft_bytes output;
	int status;

	snprintf(key, sizeof key, "report:%ld", nominal);
	call.key = weft_key_str(key);
	status = weft_fleet_do(n->fleet, NULL, &call, &output, &info);
	printf(NODE_LINE "%s\n", s->node, j.tick, now - s->clock_ms - nominal,
	       info.answered ? info.led ? "led" : "told" : "failed",
	       (unsigned long long)info.token, (long long)milliseconds(info.took),
	       status, output.data != NULL ? (const char *)output.data : "");
	fflush(stdout);
	weft_bytes_release(&output);
}

/* Early and late, as timers are. */
static void wait_for_tick(node *n, long tick)
{
	long period = milliseconds(n->s->every);
	long jitter = (long)((erand48(n->random) - 0.3) * (double)period * 0.1);
	long due = n->s->first_tick + (tick - 1) * period + jitter;

	weft_sleep(NULL, WEFT_MS((weft_duration)(due - wall_clock_ms(n->s))));
}

static void warn(void *arg, const char *line)
{
	const settings *s = arg;

	fprintf(stderr, "scheduled_jobs: node %ld: %s\n", s->node, line);
}

static int serve(void *arg)
{
	const settings *s = arg;
	const weft_fleet_options options = {.warn = warn, .warn_arg = arg};
	node n = {.s = s,
		  .random = {(unsigned short)s->seed, (unsigned short)s->node, 0}};
	int err = weft_fleet_open(&n.fleet, s->at, &options);

	if (err != 0) {
		warn(arg, strerror(-err));
		return 1;
	}
	for (long tick = 1; tick <= s->ticks; tick++) {
		wait_for_tick(&n, tick);
		fire(&n);
	}
	weft_fleet_close(n.fleet);
	return 0;
}

int node_run(const settings *s)
{
	return weft_run(serve, (void *)s);
}
