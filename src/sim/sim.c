/* SPDX-License-Identifier: MIT */
/*
 * Worlds with the library in them: one, or one after another until one fails.
 *
 * X1  Each run of an exploration is in a child of a process that has never had
 *     a world. So all begin in the same state, and what one does depends on its
 *     plan alone; a run repeated by another process differs in addresses only,
 *     on which nothing depends (M1).
 * X2  EXHAUSTIVE goes through the runs in the order of their plans. A run tells
 *     all its choices; the next plan is the same up to the last of them that
 *     has an alternative left, and takes that.
 * X3  An alternative to going on is one that could make a difference: before an
 *     access to what another thread has accessed too, in any run so far, one
 *     of them writing. To be preempted before another access is the same as to
 *     be preempted before the next of those, where nothing that is shared lies
 *     between them: in the library's own text. In the user's, inline functions
 *     included, plain variables may lie there that two threads have in common,
 *     each under a lock of its own, say; and who yields there may be the next
 *     to run all the same. When a round has found accesses
 *     in conflict that it did not know when it began, there is another round.
 *     What a thread does while nobody else can run counts too, so choices
 *     with one alternative are logged: whom it conflicts with may have been
 *     preempted before he slept.
 * X4  What a search leaves out it tells: a choice that does not fit into the
 *     log, a turn that does not fit into the plan, a run that did not take the
 *     turns of its plan. Then it has not shown that no run fails.
 */
#include "base/trap.h"
#include "plat/sim/child.h"
#include "plat/sim/choice.h"
#include "sched/dump.h"

#include <weft/sim.h>
#include <weft/task.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RUNS = 1000,
	DEPTH = 3,
	TURNS = 2,
	LENGTH = 200,		/* PCT: of the first run, in points: a guess */
	PLAN_BYTES = 6 + WEFT__SIM_TURNS * sizeof "4294967295.4294967295",
};

/* ---- who waits for what ---- */

static void show_thread(const weft__sim_thread *t)
{
	fprintf(stderr, "  thread %" PRIu32 " \"%s\"", t->id, t->name);
	if (t->state == WEFT__SIM_BLOCKED)
		fprintf(stderr, " sleeps: %s at %p", t->reason, t->key);
	else
		fprintf(stderr, t->state == WEFT__SIM_ENDED ? " has ended"
							     : " can run");
	if (t->state == WEFT__SIM_BLOCKED && t->deadline != WEFT_NEVER)
		fprintf(stderr, ", %" PRId64 " ns more",
			t->deadline - weft__sim_now());
	fputc('\n', stderr);
}

static void show_world(const char *what)
{
	weft__out out = {.fd = 2};

	fprintf(stderr, "weft-sim: %s, after %" PRIu64 " steps and %" PRId64
			" ns\n",
		what, weft__sim_steps(), weft__sim_now() - WEFT_SECOND);
	weft__dump_all(&out, true);
	weft__graph_print(&out, true);
	weft__print_flush(&out);
	for (weft__sim_thread *t = weft__sim_threads(); t != NULL; t = t->next)
		show_thread(t);
}

/* ---- one world ---- */

typedef struct {
	const weft_sim *sim;
	int (*fn)(void *);
	void *arg;
	int result;
} world;

static void run_inside(void *arg)
{
	world *w = arg;

	w->result = w->sim->thread ? w->fn(w->arg) : weft_run(w->fn, w->arg);
}

static int run_world(void *arg)
{
	world *w = arg;

	weft__sim_world(w->sim, run_inside, w, show_world);
	return w->result;
}

/* What the options say where WEFT_SIM says nothing; false: it says nonsense. */
static bool plan_first(const weft_sim *sim, weft__sim_plan *plan)
{
	const char *text = getenv("WEFT_SIM");

	if (text != NULL && *text != 0) {
		if (weft__sim_plan_parse(plan, text))
			return true;
		fprintf(stderr, "weft-sim: WEFT_SIM=%s is none of random:SEED, "
				"pct:SEED:DEPTH:POINTS, turns:AT.PICK,…\n",
			text);
		return false;
	}
	if (sim->mode > WEFT_SIM_EXHAUSTIVE)
		weft__fatal("weft-sim: mode %d is none", (int)sim->mode);
	if (sim->depth > WEFT__SIM_DEPTH_MAX)
		weft__fatal("weft-sim: a depth of %" PRIu32 ", but at most %d "
			    "is possible",
			    sim->depth, WEFT__SIM_DEPTH_MAX);
	*plan = (weft__sim_plan){
		.mode = sim->mode,
		.seed = sim->seed,
		.depth = sim->mode != WEFT_SIM_PCT ? 0
			 : sim->depth != 0	   ? sim->depth
						   : DEPTH,
		.length = sim->points != 0 ? sim->points : LENGTH,
	};
	return true;
}

static bool told(void)
{
	const char *text = getenv("WEFT_SIM");

	return text != NULL && *text != 0;
}

static void tell_plan(void)
{
	static char text[PLAN_BYTES];

	weft__sim_plan_print(&weft__sim_planned, text, sizeof text);
	fprintf(stderr, "weft-sim: failed after %" PRIu64
			" steps; to repeat it: WEFT_SIM=%s\n",
		weft__sim_steps(), text);
}

/* What became of a run that was to be repeated, and did not abort. */
static int tell_repeated(int result)
{
	const weft__sim_turn *left = weft__sim_turn_left();

	fprintf(stderr, "weft-sim: WEFT_SIM=%s: ", getenv("WEFT_SIM"));
	if (left != NULL)
		fprintf(stderr,
			"this is another program's: the run had no turn "
			"%" PRIu32 ".%" PRIu32 "\n",
			left->at, left->pick);
	else if (result != 0)
		fprintf(stderr, "it returned %d, after %" PRIu64 " steps\n",
			result, weft__sim_steps());
	else
		fprintf(stderr, "it succeeded, after %" PRIu64 " steps\n",
			weft__sim_steps());
	return left != NULL ? -EINVAL : result;
}

static bool had_world;	/* in this process */

static void refuse_inside(void)
{
	if (weft_sim_inside())
		weft__fatal("weft-sim: a world in a world");
}

int weft_sim_run(const weft_sim *sim, int (*fn)(void *), void *arg)
{
	static const weft_sim none;
	world w = {.sim = sim != NULL ? sim : &none, .fn = fn, .arg = arg};

	refuse_inside();
	if (!plan_first(w.sim, &weft__sim_planned))
		return -EINVAL;
	weft__sim_on_abort(tell_plan);
	had_world = true;
	return told() ? tell_repeated(run_world(&w)) : run_world(&w);
}

/* ---- many ---- */

typedef struct {
	world world;
	const weft_sim *sim;
	uint64_t runs;
	uint64_t longest;	/* run, in points */
	bool cut;		/* there are more runs than it may make */
	const char *left_out;	/* X4; NULL: nothing */
	char how[128];
} exploration;

/* Returns as weft__sim_child(). */
static int run_child(exploration *x)
{
	int failed;

	failed = weft__sim_child(run_world, &x->world, x->how, sizeof x->how);
	x->runs++;
	return failed;
}

static bool enough(const exploration *x)
{
	return x->sim->runs != 0 && x->runs >= x->sim->runs;
}

static void tell_failure(const exploration *x)
{
	static char text[PLAN_BYTES];

	weft__sim_plan_print(&weft__sim_planned, text, sizeof text);
	fprintf(stderr,
		"weft-sim: run %" PRIu64 " failed: %s\n"
		"weft-sim: to repeat it: WEFT_SIM=%s\n",
		x->runs, x->how, text);
}

/* X4 */
static int tell_success(const exploration *x)
{
	if (x->left_out != NULL)
		fprintf(stderr,
			"weft-sim: %" PRIu64 " runs, none failed, but some were "
			"left out: %s\n",
			x->runs, x->left_out);
	else if (!x->sim->quiet)
		fprintf(stderr, "weft-sim: %" PRIu64 " runs, none failed%s\n",
			x->runs, x->cut ? "; there are more" : "");
	return x->left_out != NULL ? -EOVERFLOW : 0;
}

static int explore_by_chance(exploration *x)
{
	uint64_t runs = x->sim->runs != 0 ? x->sim->runs : RUNS;
	int err = 0;

	while (err == 0 && x->runs < runs) {
		err = run_child(x);
		if (err == 0) {
			weft__sim_planned.seed++;
			x->longest = weft__sim_logged->points > x->longest
					     ? weft__sim_logged->points
					     : x->longest;
			if (x->sim->points == 0)
				weft__sim_planned.length = x->longest;
		}
	}
	return err;
}

/* ---- exhaustively ---- */

/* Who has accessed an address: a bit for each of 31 threads, and one more. */
typedef struct {
	uintptr_t address;
	uint32_t readers;
	uint32_t writers;
} access_set;

enum {
	ACCESSES = 1 << 16,	/* addresses; when it is full all conflict */
	OTHERS = 31,		/* the bit of all threads from that one on */
};

typedef struct {
	access_set sets[ACCESSES];
	size_t used;
	bool grown;		/* a conflict that was not known */
} accesses;

static bool in_conflict(const access_set *s)
{
	uint32_t all = s->readers | s->writers;

	return s->writers != 0 &&
	       ((all & (all - 1)) != 0 || all >> OTHERS != 0);
}

static access_set *find_access(accesses *a, uintptr_t address)
{
	size_t i = (size_t)(address * 0x9e3779b97f4a7c15u >> 48) % ACCESSES;

	while (a->sets[i].address != 0 && a->sets[i].address != address)
		i = (i + 1) % ACCESSES;
	return &a->sets[i];
}

static bool is_full(const accesses *a)
{
	return a->used > ACCESSES / 2;
}

static void note_access(accesses *a, const weft__sim_entry *e)
{
	uint32_t bit = 1u << (e->thread < OTHERS ? e->thread : OTHERS);
	access_set *s;
	bool before;

	if (e->kind != WEFT__SIM_PREEMPT || e->address == 0 || is_full(a))
		return;
	s = find_access(a, e->address);
	a->used += s->address == 0;
	s->address = e->address;
	before = in_conflict(s);
	if (e->point & WEFT__SIM_WRITES)
		s->writers |= bit;
	else
		s->readers |= bit;
	a->grown |= (!before && in_conflict(s)) || is_full(a);
}

/* X3 */
static bool may_matter(accesses *a, const weft__sim_entry *e)
{
	if (e->kind == WEFT__SIM_YIELD)
		return !(e->point & WEFT__SIM_LIBRARY);
	if (e->kind != WEFT__SIM_PREEMPT || e->address == 0 || is_full(a) ||
	    !(e->point & WEFT__SIM_LIBRARY))
		return true;
	return in_conflict(find_access(a, e->address));
}

static uint64_t count_logged(void)
{
	uint64_t count = weft__sim_logged->count;

	return count < WEFT__SIM_ENTRIES ? count : WEFT__SIM_ENTRIES;
}

/* Does the choice turn the run away from what is usual? */
static bool turns(const weft__sim_entry *e)
{
	return e->kind != WEFT__SIM_VALUE && e->pick != 0;
}

/* How many of the choices before end do. */
static uint32_t turns_before(uint64_t end)
{
	uint32_t n = 0;

	for (uint64_t i = 0; i < end; i++)
		n += turns(&weft__sim_logged->entries[i]);
	return n;
}

/* X2. False: there is none. */
static bool plan_next(exploration *x, accesses *a, uint32_t bound)
{
	weft__sim_plan *plan = &weft__sim_planned;
	uint64_t i = count_logged();
	uint32_t used = turns_before(i);

	while (i-- > 0) {
		const weft__sim_entry *e = &weft__sim_logged->entries[i];

		used -= turns(e);
		while (plan->turn_count > 0 &&
		       plan->turns[plan->turn_count - 1].at >= i)
			plan->turn_count--;
		if (e->pick + 1 == e->n ||
		    (e->kind != WEFT__SIM_VALUE && used == bound) ||
		    !may_matter(a, e))
			continue;
		if (plan->turn_count == WEFT__SIM_TURNS) {
			x->left_out = "those with more than 256 turns";
			continue;
		}
		plan->turns[plan->turn_count++] = (weft__sim_turn){
			.at = (uint32_t)i, .pick = e->pick + 1u};
		return true;
	}
	return false;
}

/* X4 */
static void note_left_out(exploration *x)
{
	if (weft__sim_logged->count > WEFT__SIM_ENTRIES)
		x->left_out = "those that part after 2^20 choices";
	if (weft__sim_logged->turned < weft__sim_planned.turn_count)
		x->left_out = "one did not go as it was planned, so it depends "
			      "on what is outside of its world";
}

static int explore_round(exploration *x, accesses *a, uint32_t bound)
{
	int err;

	weft__sim_planned.turn_count = 0;
	a->grown = false;
	do {
		x->cut = enough(x);
		if (x->cut)
			return 0;
		err = run_child(x);
		note_left_out(x);
		for (uint64_t i = 0; i < count_logged(); i++)
			note_access(a, &weft__sim_logged->entries[i]);
	} while (err == 0 && plan_next(x, a, bound));
	return err;
}

static int explore_all(exploration *x)
{
	uint32_t bound = x->sim->turns != 0 ? x->sim->turns : TURNS;
	accesses *a = calloc(1, sizeof *a);
	int err = 0;

	if (a == NULL)
		return -ENOMEM;
	/* The runs with few turns first: they are few, and easy to read. */
	for (uint32_t turns = 0; err == 0 && turns <= bound; turns++) {
		do
			err = explore_round(x, a, turns);
		while (err == 0 && a->grown && !x->cut);
	}
	free(a);
	return err;
}

int weft_sim_explore(const weft_sim *sim, int (*fn)(void *), void *arg)
{
	static const weft_sim none;
	exploration x = {.sim = sim != NULL ? sim : &none};
	int err;

	if (told())
		return weft_sim_run(sim, fn, arg);
	refuse_inside();
	if (had_world)	/* X1 */
		weft__fatal("weft-sim: an exploration in a process that has "
			    "had a world");
	(void)plan_first(x.sim, &weft__sim_planned);
	x.world = (world){.sim = x.sim, .fn = fn, .arg = arg};
	if (weft__sim_logged == NULL)
		weft__sim_logged = weft__sim_share(sizeof *weft__sim_logged);
	if (weft__sim_logged == NULL)
		return -ENOMEM;
	err = x.sim->mode == WEFT_SIM_EXHAUSTIVE ? explore_all(&x)
						 : explore_by_chance(&x);
	if (err > 0)
		tell_failure(&x);
	else if (err == 0)
		err = tell_success(&x);
	return err;
}
