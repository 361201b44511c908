/* SPDX-License-Identifier: MIT */
#include "plat/sim/choice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ONE_IN_MAX_LOG2 = 8,	/* RANDOM: a preemption in so many points */
	POINTS_MAX = 5000,	/* PCT: of one thread at its priority */
};

weft__sim_plan weft__sim_planned;
weft__sim_log *weft__sim_logged;

static struct {
	uint64_t random;
	uint64_t noise;		/* what the program itself draws comes from it */
	uint32_t count;		/* choices made */
	uint32_t turn;		/* EXHAUSTIVE: the next in turns: so many it has taken */
	uint32_t one_in;	/* RANDOM */
	uint64_t changes[WEFT__SIM_DEPTH_MAX];	/* PCT: at these points */
	uint64_t lowest;	/* PCT: below every priority given so far */
	bool woken;		/* PCT: one with a higher priority, perhaps */
} state;

/* SplitMix64 (Steele et al., OOPSLA 2014). */
static uint64_t next(uint64_t *random)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t draw(void)
{
	return next(&state.random);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)((draw() >> 32) * n >> 32);
}

void weft__sim_choice_begin(void)
{
	const weft__sim_plan *plan = &weft__sim_planned;

	memset(&state, 0, sizeof state);
	state.random = plan->seed;
	state.noise = ~plan->seed;
	state.one_in = 1u << (1 + below(ONE_IN_MAX_LOG2));
	state.lowest = UINT64_C(1) << 32;
	for (uint32_t i = 0; i + 1 < plan->depth; i++)
		state.changes[i] =
			plan->length > 0 ? 1 + draw() % plan->length : 0;
	if (weft__sim_logged != NULL)
		weft__sim_logged->count = weft__sim_logged->points =
			weft__sim_logged->turned = 0;
}

bool weft__sim_chance(uint32_t one_in)
{
	return weft__sim_planned.mode != WEFT_SIM_EXHAUSTIVE &&
	       below(one_in) == 0;
}

uint64_t weft__sim_noise(void)
{
	return next(&state.noise);
}

/* ---- priorities: PCT ---- */

void weft__sim_choice_started(weft__sim_thread *t)
{
	t->priority = (draw() >> 1) + (UINT64_C(1) << 62);
	state.woken = true;
}

void weft__sim_choice_woken(void)
{
	state.woken = true;
}

static void lower(weft__sim_thread *t)
{
	t->priority = state.lowest--;
	state.woken = true;
}

void weft__sim_choice_yields(weft__sim_thread *t)
{
	lower(t);
}

static bool pct_wanted(weft__sim_thread *running, uint64_t point)
{
	bool woken;

	/* Who waits for others in a loop, without a yield, must not for ever. */
	if (++running->points % POINTS_MAX == 0)
		lower(running);

	for (uint32_t i = 0; i + 1 < weft__sim_planned.depth; i++)
		if (state.changes[i] == point)
			lower(running);
	woken = state.woken;
	state.woken = false;
	return woken;
}

static uint32_t highest(const weft__sim_alternatives *a)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < a->n; i++)
		if (a->threads[i]->priority > a->threads[best]->priority)
			best = i;
	return best;
}

/* ---- choosing ---- */

bool weft__sim_choice_wanted(weft__sim_thread *running, uint64_t point,
			     bool alone)
{
	switch (weft__sim_planned.mode) {
	case WEFT_SIM_RANDOM:
		return below(state.one_in) == 0 && !alone;
	case WEFT_SIM_PCT:
		return pct_wanted(running, point) && !alone;
	default:
		return true;
	}
}

static uint32_t pick(const weft__sim_alternatives *a)
{
	const weft__sim_plan *plan = &weft__sim_planned;

	switch (plan->mode) {
	case WEFT_SIM_RANDOM:
		return a->kind == WEFT__SIM_PREEMPT ? 1 + below(a->n - 1)
						    : below(a->n);
	case WEFT_SIM_PCT:
		return a->kind == WEFT__SIM_VALUE ? below(a->n) : highest(a);
	default:
		if (state.turn == plan->turn_count ||
		    plan->turns[state.turn].at != state.count ||
		    plan->turns[state.turn].pick >= a->n)
			return 0;
		return plan->turns[state.turn++].pick;
	}
}

static void note(const weft__sim_alternatives *a, uint32_t picked)
{
	weft__sim_log *log = weft__sim_logged;

	if (log == NULL)
		return;
	log->points = weft__sim_points();
	if (weft__sim_planned.mode == WEFT_SIM_EXHAUSTIVE &&
	    state.count < WEFT__SIM_ENTRIES)
		log->entries[state.count] = (weft__sim_entry){
			.address = a->address,
			.thread = weft__sim_self()->id,
			.n = a->n,
			.pick = picked,
			.kind = (uint8_t)a->kind,
			.point = (uint8_t)a->point,
		};
	log->count = state.count + 1;
	log->turned = state.turn;
}

uint32_t weft__sim_choose(const weft__sim_alternatives *a)
{
	uint32_t picked;

	if (a->n < 2 && weft__sim_planned.mode != WEFT_SIM_EXHAUSTIVE)
		return 0;
	picked = pick(a);
	note(a, picked);
	state.count++;
	return picked;
}

/* ---- plans as text ---- */

void weft__sim_plan_print(const weft__sim_plan *plan, char *text, size_t size)
{
	size_t used;

	switch (plan->mode) {
	case WEFT_SIM_RANDOM:
		snprintf(text, size, "random:%" PRIu64, plan->seed);
		break;
	case WEFT_SIM_PCT:
		snprintf(text, size, "pct:%" PRIu64 ":%" PRIu32 ":%" PRIu64,
			 plan->seed, plan->depth, plan->length);
		break;
	default:
		used = (size_t)snprintf(text, size, "turns:");
		for (uint32_t i = 0; i < plan->turn_count && used < size; i++)
			used += (size_t)snprintf(text + used, size - used,
						 "%s%" PRIu32 ".%" PRIu32,
						 i > 0 ? "," : "",
						 plan->turns[i].at,
						 plan->turns[i].pick);
	}
}

/* A number of at most most, and no sign or space before it: moves text behind it. */
static bool parse_number(const char **text, uint64_t most, uint64_t *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0 && *number <= most;
}

static bool parse_char(const char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

static bool parse_turn(const char **text, weft__sim_turn *turn)
{
	uint64_t at, pick;

	if (!parse_number(text, UINT32_MAX, &at) || !parse_char(text, '.') ||
	    !parse_number(text, UINT32_MAX, &pick) || pick == 0)
		return false;
	*turn = (weft__sim_turn){.at = (uint32_t)at, .pick = (uint32_t)pick};
	return true;
}

/* "at.pick,at.pick…" in the order of the run, which may be empty. */
static bool parse_turns(weft__sim_plan *plan, const char *text)
{
	weft__sim_turn *turn = plan->turns;

	if (*text == 0)
		return true;
	do {
		if (plan->turn_count == WEFT__SIM_TURNS ||
		    !parse_turn(&text, turn) ||
		    (plan->turn_count > 0 && turn->at <= turn[-1].at))
			return false;
		plan->turn_count++;
		turn++;
	} while (parse_char(&text, ','));
	return *text == 0;
}

static bool parse_pct(weft__sim_plan *plan, const char *text)
{
	uint64_t depth;

	if (!parse_number(&text, UINT64_MAX, &plan->seed) ||
	    !parse_char(&text, ':') ||
	    !parse_number(&text, WEFT__SIM_DEPTH_MAX, &depth) ||
	    !parse_char(&text, ':') ||
	    !parse_number(&text, UINT64_MAX, &plan->length))
		return false;
	plan->depth = (uint32_t)depth;
	return *text == 0;
}

static bool parse_random(weft__sim_plan *plan, const char *text)
{
	return parse_number(&text, UINT64_MAX, &plan->seed) && *text == 0;
}

bool weft__sim_plan_parse(weft__sim_plan *plan, const char *text)
{
	*plan = (weft__sim_plan){.mode = WEFT_SIM_EXHAUSTIVE};
	if (strncmp(text, "turns:", 6) == 0)
		return parse_turns(plan, text + 6);
	plan->mode = WEFT_SIM_PCT;
	if (strncmp(text, "pct:", 4) == 0)
		return parse_pct(plan, text + 4);
	plan->mode = WEFT_SIM_RANDOM;
	return strncmp(text, "random:", 7) == 0 &&
	       parse_random(plan, text + 7);
}

const weft__sim_turn *weft__sim_turn_left(void)
{
	const weft__sim_plan *plan = &weft__sim_planned;

	return state.turn < plan->turn_count ? &plan->turns[state.turn] : NULL;
}
