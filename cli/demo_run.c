/* SPDX-License-Identifier: MIT */
#include "demo_run.h"

#include <errno.h>
#include <stdlib.h>

/* One question, from its scheduled time to its answer or its deadline. */
static void ask(void *arg)
{
	demo_ticket *t = arg;
	demo_run *run = t->run;
	weft_duration deadline = run->options->deadline;
	demo_answer answer;
	weft_ctx ctx;
	int err;

	weft_task_name("question");
	weft_ctx_init_deadline(&ctx, &run->ctx, t->at + deadline);
	err = run->answer(&ctx, t, &answer);
	t->took = weft_now() - t->at;
	weft_ctx_fini(&ctx);

	if (err == -ETIMEDOUT || t->took > deadline)
		t->outcome = DEMO_LATE;
	else
		t->outcome = err == 0 ? DEMO_ANSWERED : DEMO_DROPPED;
	demo_stats_question_ends(run, t->outcome);
	if (err != 0 && err != -ETIMEDOUT && err != -ECANCELED)
		weft_ctx_cancel(&run->ctx, err);
}

static int ask_on_schedule(demo_run *run)
{
	const demo_schedule *s = run->schedule;
	int err = 0;

	for (size_t i = 0; i < s->count && err == 0; i++) {
		demo_ticket *t = &run->tickets[i];

		*t = (demo_ticket){.run = run,
				   .at = run->start + s->questions[i].at,
				   .package = s->questions[i].package};
		err = weft_sleep(&run->ctx, t->at - weft_now());
		if (err != 0)
			break;
		demo_stats_asked(run);
		err = weft_waitgroup_go(&run->questions, ask, t);
		if (err != 0)
			return demo_fail(run->failure, "no memory for a task");
	}
	return err;
}

/*
 * Wait until all questions have ended or the deadline of the last has passed.
 * Returns why the run was stopped, or 0.
 */
static int wait_for_answers(demo_run *run)
{
	const demo_options *o = run->options;
	weft_ctx last;
	int err;

	weft_ctx_init_deadline(&last, &run->ctx, run->start + o->duration + o->deadline);
	err = weft_waitgroup_wait_ctx(&run->questions, &last);
	weft_ctx_fini(&last);
	return err == -ETIMEDOUT ? 0 : weft_ctx_cause(&run->ctx);
}

/* Runs beside the questions until run->ctx is cancelled. */
static int show_progress(weft_ctx *ctx, void *arg)
{
	demo_run *run = arg;

	weft_task_name("progress");
	do {
		char asked[32], answered[32], late[32], queries[32];
		demo_stats *s = &run->stats;

		weft_mutex_lock(&s->lock);
		demo_thousands(asked, s->asked);
		demo_thousands(answered, s->answered);
		demo_thousands(late, s->late);
		demo_thousands(queries, s->at_once);
		weft_mutex_unlock(&s->lock);
		demo_screen_show(run->screen,
				 "%-12s %5.1f s  %s asked, %s answered, %s late, "
				 "%s queries",
				 run->name, (double)(weft_now() - run->start) / 1e9,
				 asked, answered, late, queries);
	} while (weft_sleep(ctx, WEFT_MS(100)) == 0);
	return 0;
}

static int allocate(demo_run *run)
{
	run->cache = calloc(run->database->package_count, sizeof(*run->cache));
	run->tickets = calloc(run->schedule->count, sizeof(*run->tickets));
	if (run->cache == NULL || run->tickets == NULL)
		return demo_fail(run->failure, "no memory");
	return 0;
}

int demo_run_all(weft_ctx *ctx, void *arg)
{
	demo_run *run = arg;
	weft_group progress = {0};
	int err = weft_ctx_done(ctx) ? weft_ctx_err(ctx) : allocate(run);

	weft_task_name(run->key);
	demo_screen_clear(run->screen);
	if (err != 0)
		return err;
	weft_ctx_init(&run->ctx, ctx);
	weft_group_init(&progress, &run->ctx);
	run->flight.drop = free;
	run->start = weft_now();
	weft_group_go(&progress, show_progress, run);

	err = ask_on_schedule(run);
	if (err == 0)
		err = wait_for_answers(run);
	/* What runs now, runs for nobody. */
	weft_ctx_cancel(&run->ctx, err);
	weft_waitgroup_wait(&run->questions);
	weft_group_wait(&progress);
	weft_flight_fini(&run->flight);

	run->complete = err == 0;
	if (demo_stats_finish(run) != 0 && err == 0)
		err = DEMO_FAILED;
	weft_ctx_fini(&run->ctx);
	free(run->tickets);
	run->tickets = NULL;
	return err;
}

void demo_run_fini(demo_run *run)
{
	free(run->cache);
}
