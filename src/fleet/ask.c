/* SPDX-License-Identifier: MIT */
/*
 * Asking the engine until there is a result, or the lead.
 *
 * A1  An acquisition has one attempt, made before the first join and used in
 *     every join of it. So a lead whose answer was lost is found again, not
 *     waited for. One that was superseded begins a new acquisition: with the old
 *     attempt it would be told that it leads still. And one that was forgotten while
 *     its answer was lost goes on with another attempt. Wrong: to be given the lead
 *     with the old one. A join that is executed late, when the function runs and the
 *     key has been forgotten, would undo that.
 * A2  known_epoch is the first epoch that the asker was told to wait for, or led,
 *     and goes to the engine with each join: what is accepted is not older (G2).
 * A3  Every ask that was joined is left, once: when it leads, or at its end.
 * A4  Who does not lead waits for another one that waits to do so. That one may be
 *     stopped, and not be told from one that is about to come: it is looked for as
 *     long as one is waited for that is stopped while it runs, a lease and its grace
 *     (G3). Only what was slept counts: this process may have been stopped as well,
 *     and then nobody had the time to come. It counts also where news cut it short:
 *     who forgets the key again and again would keep this one waiting for ever.
 * A5  Who has lost a lease asks anew, since another one may have it, and its result.
 *     If nobody has, its run begins anew; but it begins no more than max_takeovers
 *     times, as with runs that others have lost. A place that is too slow for the lease would
 *     have it run for ever.
 */
#include "fleet/core.h"

#include <stdio.h>

/* However long the engine says: news may be lost. */
static const weft_duration POLL_MOST = WEFT_MS(500);
static const weft_duration RETRY_LEAST = WEFT_MS(50);

void weft__fleet_ask_begin(weft__fleet_asker *s)
{
	s->patient_until = 0;
	s->told_epoch = 0;
	s->losses = 0;
	s->vacant_for = 0;
	s->retry = RETRY_LEAST;
	s->joined = s->unsure = false;
	weft__fleet_watch_begin(s->fleet, &s->watch, &s->ask.id);
}

static void leave(weft__fleet_asker *s)
{
	weft__fleet_engine *e = s->fleet->engine;

	if (s->joined)
		e->ops->leave(e, &s->ask, s->unsure);
	s->joined = false;
}

void weft__fleet_ask_end(weft__fleet_asker *s)
{
	leave(s);
	weft__fleet_watch_end(s->fleet, &s->watch);
}

/* A run has existed, or does: see be_patient(). */
static void begin_patience(weft__fleet_asker *s, uint64_t epoch)
{
	if (s->ask.known_epoch == 0)
		s->ask.known_epoch = epoch;	/* A2 */
	s->patient_until = weft__fleet_boottime() + s->ask.lease +
			   s->ask.grace + WEFT_SECOND;
	s->retry = RETRY_LEAST;
}

void weft__fleet_ask_anew(weft__fleet_asker *s, uint64_t epoch)
{
	s->ask.attempt = weft__fleet_attempt_new();	/* A1 */
	begin_patience(s, epoch);
	s->losses++;	/* A5 */
	weft__fleet_tell_slow(s);
}

static long long in_ms(weft_duration d)
{
	return d / 1000000;
}

/* Where answers take half a lease no renewal comes in time; a third is near that. */
void weft__fleet_tell_slow(const weft__fleet_asker *s)
{
	const weft_fleet_options *o = &s->fleet->options;
	char line[128];

	if (s->took < s->ask.lease / 3 ||
	    weft_atomic_xchg(&s->fleet->told_slow, true, relaxed))
		return;
	snprintf(line, sizeof line,
		 "the place takes %lld ms to answer: too long for a lease of %lld ms",
		 in_ms(s->took), in_ms(s->ask.lease));
	o->warn(o->warn_arg, line);
}

/*
 * 0: it is time, or there was news. Else the context's error. slept: for how long, and
 * no longer than that, though this process was stopped meanwhile.
 */
static int sleep_for(weft__fleet_asker *s, weft_duration d, bool *news,
		     weft_duration *slept)
{
	weft_time begun = weft_now();
	int err = weft__fleet_watch_wait(s->fleet, &s->watch, s->ctx, d);

	*slept = weft_now() - begun;
	if (*slept > d)
		*slept = d;
	*news = err == 0;
	return err != 0 ? weft_ctx_err(s->ctx) : 0;
}

/*
 * The place does not answer. Who has begun to wait has patience, since those it
 * waits for have not ended with that: a lease and its grace. 0: ask again.
 */
static int be_patient(weft__fleet_asker *s, int err)
{
	weft_duration d = s->retry, slept;
	bool news;

	if (s->ask.known_epoch == 0 ||
	    weft__fleet_boottime() >= s->patient_until)
		return err;
	s->retry = d * 2 < POLL_MOST ? d * 2 : POLL_MOST;
	return sleep_for(s, d, &news, &slept);
}

static void tell(weft__fleet_asker *s, uint64_t epoch)
{
	const weft_fleet_options *o = &s->fleet->options;

	if (o->waits == NULL || s->ask.gate || s->told_epoch == epoch)
		return;
	s->told_epoch = epoch;
	o->waits(o->waits_arg, s->ask.key, epoch);
}

/* When the engine said, since something is over then; and not all at once where that is far. */
static weft_duration pause_of(const weft__fleet_asker *s, const weft__fleet_answer *a)
{
	weft_duration poll = POLL_MOST + (weft_duration)((double)(POLL_MOST / 8) *
							 weft__fleet_dice());
	weft_duration d = a->hint;

	if (a->vacant && d < s->vacant_for / 4)
		d = s->vacant_for / 4;
	return d < poll ? d : poll;
}

/* Told to wait. 0: ask again. */
static int wait_for(weft__fleet_asker *s, const weft__fleet_answer *a)
{
	weft_duration d = pause_of(s, a), slept;
	bool news;
	int err;

	begin_patience(s, a->epoch);
	tell(s, a->epoch);
	err = sleep_for(s, d, &news, &slept);
	s->ask.news = news ? s->ask.news + 1 : 0;
	s->vacant_for = a->vacant ? s->vacant_for + slept : 0;
	s->ask.doubts = s->vacant_for >= s->ask.lease + s->ask.grace;	/* A4 */
	return err;
}

/* 0 with a's verdict HIT or LEAD; 1: ask again; or an error. */
static int ask_once(weft__fleet_asker *s, weft__fleet_answer *a)
{
	weft__fleet_engine *e = s->fleet->engine;
	int err;

	*a = (weft__fleet_answer){.lock_fd = -1, .sent_at = weft__fleet_boottime()};
	err = e->ops->join(e, s->ctx, &s->ask, a);
	s->took = weft__fleet_boottime() - a->sent_at;
	s->joined = true;
	s->unsure = err == -ECANCELED || err == -ETIMEDOUT ||
		    weft__fleet_is_down(err);
	if (weft__fleet_is_down(err))
		err = be_patient(s, err);
	else if (err == 0 && a->verdict == WEFT__FLEET_OVER)
		s->ask.attempt = weft__fleet_attempt_new();	/* A1 */
	else if (err == 0 && a->verdict != WEFT__FLEET_WAIT)
		return 0;
	else if (err == 0)
		err = wait_for(s, a);
	return err != 0 ? err : 1;
}

int weft__fleet_ask_until(weft__fleet_asker *s, weft__fleet_answer *a)
{
	int err;

	do
		err = ask_once(s, a);
	while (err == 1);
	if (err == 0 && a->verdict == WEFT__FLEET_LEAD)
		leave(s);
	return err;
}
