/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "demo.h"
#include "demo_data.h"
#include "demo_db.h"
#include "demo_report.h"
#include "demo_run.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct demo {
	demo_options options;
	demo_screen screen;
	demo_failure failure;
	demo_source source;
	demo_database database;
	demo_schedule schedule;
	demo_run runs[DEMO_RUNS];
	weft_ctx ctx; /* everything waits with this one, or one below it */
	weft_once_value opened;
	sigset_t stops;
	int signal; /* that stopped us; written before ctx is cancelled */
} demo;

/*
 * The signals that stop us are blocked in all threads and wait here, so that
 * what they do is ordinary code. The second is for whoever does not want to
 * wait for the first.
 */
static void *wait_for_signals(void *arg)
{
	demo *d = arg;
	int number;

	if (sigwait(&d->stops, &number) != 0)
		return NULL;
	d->signal = number;
	weft_ctx_cancel(&d->ctx, -ECANCELED);
	if (sigwait(&d->stops, &number) == 0)
		_exit(128 + number);
	return NULL;
}

static int import(demo *d, const char *path)
{
	weft_time start = weft_now();
	int err = demo_import(path, &d->source, &d->ctx, &d->screen, &d->failure);

	if (err == 0)
		demo_screen_say(&d->screen, "read the package index (%s) into %s in %.1f s",
				d->source.name, path,
				(double)(weft_now() - start) / 1e9);
	return err;
}

static void *open_database(void *arg)
{
	demo *d = arg;
	char path[PATH_MAX];
	int err = demo_source_find(&d->source, d->options.data, &d->failure);

	if (err == 0)
		err = demo_database_path(path, d->options.cache, &d->source,
					 &d->screen, &d->failure);
	if (err == 0 && !demo_database_fresh(path, &d->source))
		err = import(d, path);
	if (err == 0)
		err = demo_database_open(&d->database, path,
					 d->options.connections, &d->failure);
	return err == 0 ? &d->database : NULL;
}

static void set_up_runs(demo *d)
{
	static const struct {
		const char *name, *key;
		demo_answer_fn answer;
	} ways[DEMO_RUNS] = {
		{"unprotected", "unprotected", demo_answer_unprotected},
		{"one lock", "one_lock", demo_answer_one_lock},
		{"singleflight", "singleflight", demo_answer_flight},
	};

	for (int i = 0; i < DEMO_RUNS; i++) {
		demo_run *run = &d->runs[i];

		run->name = ways[i].name;
		run->key = ways[i].key;
		run->answer = ways[i].answer;
		run->options = &d->options;
		run->schedule = &d->schedule;
		run->database = weft_once_value_call(&d->opened);
		run->screen = &d->screen;
		run->failure = &d->failure;
	}
}

/* One run after the other, in a group of one at a time; the first failure, or
 * a signal, is the end of all. */
static int run_phases(demo *d)
{
	weft_group phases = {0};

	weft_group_init(&phases, &d->ctx);
	weft_group_set_limit(&phases, 1);
	for (int i = 0; i < DEMO_RUNS; i++)
		weft_group_go(&phases, demo_run_all, &d->runs[i]);
	return weft_group_wait(&phases);
}

static int run_demo(void *arg)
{
	demo *d = arg;
	int err = 0;

	weft_task_name("demo");
	if (d->options.svg != NULL)
		err = demo_svg_check(d->options.svg, &d->failure);
	if (err == 0 && weft_once_value_call(&d->opened) == NULL)
		err = DEMO_FAILED;
	if (err == 0)
		err = demo_schedule_make(&d->schedule, &d->options,
					 d->database.package_count, &d->failure);
	if (err != 0)
		return err;
	set_up_runs(d);
	err = run_phases(d);
	demo_screen_clear(&d->screen);
	return err;
}

/* What the runs came to; also when a signal has stopped them. */
static int report(demo *d, bool whole)
{
	demo_result result = {.options = &d->options,
			      .database = &d->database,
			      .schedule = &d->schedule,
			      .source = d->source.name,
			      .runs = d->runs,
			      .signal = d->signal,
			      .database_read = d->database.packages != NULL};
	int err = 0;

	while (result.started < DEMO_RUNS &&
	       d->runs[result.started].cache != NULL)
		result.started++;
	if (result.database_read)
		result.agreement = demo_compare(d->runs, result.started,
						d->database.package_count);
	if (whole && d->options.svg != NULL) {
		err = demo_svg_write(&result, d->options.svg, &d->failure);
		result.svg = err == 0 ? d->options.svg : NULL;
	}
	if (d->options.json)
		demo_report_json(&result);
	else
		demo_report_table(&result);
	if (err != 0)
		return cli_trouble("weft demo", "%s", d->failure.text);
	return result.agreement.disagreements == 0 ? CLI_OK : CLI_BAD_RESULT;
}

static int finish(demo *d, int err)
{
	int status;

	demo_screen_clear(&d->screen);
	if (d->failure.text[0] != '\0')
		return cli_trouble("weft demo", "%s", d->failure.text);
	if (err != 0 && d->signal == 0)
		return cli_trouble("weft demo", "%s", strerror(err < 0 ? -err : EIO));
	status = report(d, err == 0);
	if (d->signal != 0 && err != 0 && status == CLI_OK)
		status = 128 + d->signal;
	return cli_finish_output("weft demo", status);
}

int cmd_demo(int argc, char **argv)
{
	static demo d;
	pthread_t signals;
	int status, err;

	if (demo_options_parse(&d.options, argc, argv, &status) != 0)
		return status;
	/* Else every allocation of SQLite takes one lock, to count. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	demo_screen_init(&d.screen);
	weft_ctx_init(&d.ctx, NULL);
	weft_once_value_init(&d.opened, open_database, &d);

	sigemptyset(&d.stops);
	sigaddset(&d.stops, SIGINT);
	sigaddset(&d.stops, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &d.stops, NULL);
	err = pthread_create(&signals, NULL, wait_for_signals, &d);
	if (err != 0)
		return cli_trouble("weft demo", "cannot start a thread: %s",
				   strerror(err));
	err = weft_run(run_demo, &d);
	pthread_cancel(signals);
	pthread_join(signals, NULL);

	status = finish(&d, err);
	weft_ctx_fini(&d.ctx);
	for (int i = 0; i < DEMO_RUNS; i++)
		demo_run_fini(&d.runs[i]);
	demo_schedule_fini(&d.schedule);
	demo_database_close(&d.database);
	return status;
}
