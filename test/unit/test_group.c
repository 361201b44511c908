/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/group.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CROWD = 12 };

/* A task of a group: what it does, and what became of it. */
typedef struct {
	int err;		/* what it returns */
	weft_waitgroup *gate;	/* waits for it, if there is one … */
	bool obeys;		/* … or for its context, whose error it returns */
	int begun, ended;	/* atomic: how often */
	int ctx_err, cause;	/* what its context said at the end */
	bool had_ctx;
} job;

static int run_job(weft_ctx *ctx, void *arg)
{
	job *j = arg;
	int err = 0;

	weft_atomic_add(&j->begun, 1, acq_rel);
	if (j->obeys && j->gate == NULL)
		err = weft_ctx_wait(ctx);
	else if (j->gate != NULL)
		err = weft_waitgroup_wait_ctx(j->gate, j->obeys ? ctx : NULL);
	weft_atomic_store(&j->ctx_err, weft_ctx_err(ctx), relaxed);
	if (ctx != NULL) {
		weft_atomic_store(&j->had_ctx, true, relaxed);
		weft_atomic_store(&j->cause, weft_ctx_cause(ctx), relaxed);
	}
	weft_atomic_add(&j->ended, 1, acq_rel);
	return err != 0 ? err : j->err;
}

static int begun(job *j)
{
	return weft_atomic_load(&j->begun, acquire);
}

/* Somebody who calls go, or go_ctx if it has a context. */
typedef struct {
	weft_group *group;
	weft_ctx *ctx;
	job *job;
	int result;
	bool ended;		/* atomic */
} starter;

static void start_job(void *arg)
{
	starter *s = arg;

	if (s->ctx != NULL)
		s->result = weft_group_go_ctx(s->group, s->ctx, run_job, s->job);
	else
		weft_group_go(s->group, run_job, s->job);
	weft_atomic_store(&s->ended, true, release);
}

static bool ended(starter *s)
{
	return weft_atomic_load(&s->ended, acquire);
}

/* Start s, which becomes the count-th to wait for room. */
static void start_waiting(starter *s, size_t count)
{
	test_start(start_job, s);
	test_until(queue_length(&s->group->priv_slots) == count);
}

typedef struct {
	weft_group *group;
	int result;
	bool ended;		/* atomic */
} waiter;

static void wait_for_group(void *arg)
{
	waiter *w = arg;

	w->result = weft_group_wait(w->group);
	weft_atomic_store(&w->ended, true, release);
}

/* ---- errors ---- */

TEST_FLAVOURS(group_wait_waits_for_all)
{
	weft_group g = {0};
	job j = {0};

	CHECK_EQ(weft_group_wait(&g), 0);
	for (int i = 0; i < 1000; i++)
		weft_group_go(&g, run_job, &j);
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(j.ended, 1000);
	CHECK(!j.had_ctx);
	CHECK(weft_group_ctx(&g) == NULL);
}

TEST_FLAVOURS(group_wait_returns_the_first_error_to_be_returned)
{
	weft_group g = {0};
	weft_waitgroup gates[3] = {{0}};
	job jobs[3];

	for (int i = 0; i < 3; i++) {
		jobs[i] = (job){.err = i + 1, .gate = &gates[i]};
		weft_waitgroup_add(&gates[i], 1);
		weft_group_go(&g, run_job, &jobs[i]);
	}
	weft_waitgroup_done(&gates[1]);
	test_until(weft_atomic_load(&g.priv_err, acquire) != 0);
	weft_waitgroup_done(&gates[2]);
	weft_waitgroup_done(&gates[0]);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_group_wait(&g), 2);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(jobs[i].ended, 1);
}

TEST_FLAVOURS(group_wait_returns_the_same_to_everybody)
{
	weft_group g;
	weft_waitgroup gate = {0};
	job j = {.err = -EIO, .gate = &gate};
	waiter waiters[CROWD];

	weft_group_init(&g, NULL);
	weft_waitgroup_add(&gate, 1);
	weft_group_go(&g, run_job, &j);
	for (int i = 0; i < CROWD; i++) {
		waiters[i] = (waiter){.group = &g};
		test_start(wait_for_group, &waiters[i]);
		test_until(queue_length(&g.priv_tasks) == (size_t)i + 1);
	}
	weft_waitgroup_done(&gate);
	test_join_all();
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(waiters[i].result, -EIO);
}

TEST_FLAVOURS(group_without_a_context_is_not_stopped_by_an_error)
{
	weft_group g = {0};
	weft_waitgroup gate = {0};
	job bad = {.err = 7}, good = {.gate = &gate, .obeys = true};

	weft_waitgroup_add(&gate, 1);
	weft_group_go(&g, run_job, &good);
	weft_group_go(&g, run_job, &bad);
	test_until(weft_atomic_load(&g.priv_err, acquire) == 7);
	CHECK_EQ(weft_atomic_load(&good.ended, acquire), 0);
	weft_waitgroup_done(&gate);
	CHECK_EQ(weft_group_wait(&g), 7);
	CHECK_EQ(good.ctx_err, 0);
}

/* ---- the context ---- */

TEST_FLAVOURS(group_first_error_cancels_the_others)
{
	weft_group g;
	job bad = {.err = 9}, others[CROWD];

	weft_group_init(&g, NULL);
	for (int i = 0; i < CROWD; i++) {
		others[i] = (job){.obeys = true};
		weft_group_go(&g, run_job, &others[i]);
	}
	CHECK(!weft_ctx_done(weft_group_ctx(&g)));
	weft_group_go(&g, run_job, &bad);
	CHECK_EQ(weft_group_wait(&g), 9); /* and not the echo, -ECANCELED */
	for (int i = 0; i < CROWD; i++) {
		CHECK_EQ(others[i].ctx_err, -ECANCELED);
		CHECK_EQ(others[i].cause, 9);
	}
	CHECK_EQ(weft_ctx_cause(weft_group_ctx(&g)), 9);
}

/* G2: who sees the context done by an error finds the error. */
static int look_for_error(weft_ctx *ctx, void *arg)
{
	weft_group *g = arg;

	while (!weft_ctx_done(ctx))
		weft_yield();
	CHECK_EQ(weft_atomic_load(&g->priv_err, relaxed), 3);
	return -ECANCELED;
}

TEST_FLAVOURS(group_stores_the_error_before_it_cancels)
{
	for (int i = 0; i < 500 / test_slowdown(); i++) {
		weft_group g;
		job bad = {.err = 3};

		weft_group_init(&g, NULL);
		weft_group_go(&g, look_for_error, &g);
		weft_group_go(&g, run_job, &bad);
		CHECK_EQ(weft_group_wait(&g), 3);
	}
}

TEST_FLAVOURS(group_context_is_done_when_wait_returns)
{
	weft_group g;
	job j = {0};

	weft_group_init(&g, NULL);
	weft_group_go(&g, run_job, &j);
	CHECK(!weft_ctx_done(weft_group_ctx(&g)));
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK(j.had_ctx);
	CHECK_EQ(weft_ctx_err(weft_group_ctx(&g)), -ECANCELED);
	CHECK_EQ(weft_ctx_cause(weft_group_ctx(&g)), -ECANCELED);
	CHECK_EQ(weft_group_wait(&g), 0);
}

TEST_FLAVOURS(group_context_has_the_parents_cause_if_that_was_first)
{
	weft_ctx parent;
	weft_group g;
	job j = {.obeys = true};

	weft_ctx_init(&parent, NULL);
	weft_group_init(&g, &parent);
	weft_group_go(&g, run_job, &j);
	weft_ctx_cancel(&parent, 44);
	CHECK_EQ(weft_group_wait(&g), -ECANCELED);
	CHECK_EQ(j.cause, 44);
	CHECK_EQ(weft_ctx_cause(weft_group_ctx(&g)), 44);
	weft_ctx_fini(&parent); /* the group is not below it any more */
	CHECK_EQ(weft_group_wait(&g), -ECANCELED);
}

TEST_FLAVOURS(group_of_a_parent_that_is_done_is_done)
{
	weft_ctx parent;
	weft_group g;
	job j = {0};

	weft_ctx_init_timeout(&parent, NULL, 0);
	weft_group_init(&g, &parent);
	CHECK_EQ(weft_ctx_err(weft_group_ctx(&g)), -ETIMEDOUT);
	weft_group_go(&g, run_job, &j); /* it runs nevertheless */
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(j.ended, 1);
	weft_ctx_fini(&parent);
}

static void count_up(void *count)
{
	weft_atomic_add((int *)count, 1, seq_cst);
}

/* What waits for its context's end. */
struct last_wish {
	weft_ctx_after after;
	int count;
};

static int until_the_deadline(weft_ctx *ctx, void *arg)
{
	struct last_wish *w = arg;

	CHECK_EQ(weft_ctx_after_start(&w->after, ctx, count_up, &w->count), 0);
	test_until(weft_ctx_done(ctx));
	return 0;
}

/* Whoever sees first that the time is over, a timer or those who ask. */
TEST_FLAVOURS(group_context_starts_its_after_funcs_before_it_is_gone)
{
	struct last_wish w = {.count = 0};
	weft_group *g = malloc(sizeof *g);
	weft_ctx parent;

	CHECK(g != NULL);
	weft_ctx_init_timeout(&parent, NULL, WEFT_MS(1));
	weft_group_init(g, &parent);
	weft_group_go(g, until_the_deadline, &w);
	CHECK_EQ(weft_group_wait(g), 0);
	free(g);
	CHECK(!weft_ctx_after_stop(&w.after));
	test_until(weft_atomic_load(&w.count, seq_cst) == 1);
	weft_ctx_fini(&parent);
}

TEST_FLAVOURS(group_context_below_another_may_outlive_the_wait)
{
	weft_ctx parent, child;
	weft_group g;

	weft_ctx_init(&parent, NULL);
	weft_group_init(&g, &parent);
	weft_ctx_init(&child, weft_group_ctx(&g));
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK(weft_ctx_done(&child));
	weft_ctx_fini(&child);
	weft_ctx_fini(&parent);
}

/* ---- the limit ---- */

static struct {
	int inside, most;
} room;

static int enter_room(weft_ctx *ctx, void *arg)
{
	int inside = weft_atomic_add(&room.inside, 1, relaxed) + 1;
	int most = weft_atomic_load(&room.most, relaxed);

	(void)ctx;
	while (inside > most &&
	       !weft_atomic_cas(&room.most, &most, inside, relaxed, relaxed))
		;
	weft_yield();
	weft_atomic_sub(&room.inside, 1, relaxed);
	return arg != NULL;
}

TEST_FLAVOURS(group_runs_no_more_at_once_than_its_limit)
{
	weft_group g = {0};

	weft_group_set_limit(&g, 3);
	for (int i = 0; i < 2000 / test_slowdown(); i++)
		weft_group_go(&g, enter_room, NULL);
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(room.inside, 0);
	CHECK_LE(room.most, 3);
	CHECK_LE(1, room.most);
	weft_group_set_limit(&g, 1); /* between two rounds */
	room.most = 0;
	for (int i = 0; i < 2000 / test_slowdown(); i++)
		weft_group_go(&g, enter_room, NULL);
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(room.most, 1);
}

TEST_FLAVOURS(group_go_that_waits_for_room_is_counted_by_wait)
{
	weft_group g = {0};
	job j = {.err = 6};
	starter s = {.group = &g, .job = &j};
	waiter w = {.group = &g};

	weft_group_set_limit(&g, 0);
	start_waiting(&s, 1);
	test_start(wait_for_group, &w);
	test_until(queue_length(&g.priv_tasks) == 1);
	CHECK(!ended(&s));
	CHECK_EQ(begun(&j), 0);
	weft_group_set_limit(&g, 1);
	test_join_all();
	CHECK_EQ(w.result, 6);
	CHECK_EQ(j.ended, 1);
}

TEST_FLAVOURS(group_admits_in_the_order_of_arrival)
{
	weft_group g = {0};
	weft_waitgroup gates[4] = {{0}};
	job jobs[4];
	starter starters[4];

	weft_group_set_limit(&g, 0);
	for (int i = 0; i < 4; i++) {
		jobs[i] = (job){.gate = &gates[i]};
		starters[i] = (starter){.group = &g, .job = &jobs[i]};
		weft_waitgroup_add(&gates[i], 1);
		start_waiting(&starters[i], (size_t)i + 1);
	}
	weft_group_set_limit(&g, 1);
	for (int i = 0; i < 4; i++) {
		test_until(begun(&jobs[i]) == 1);
		for (int later = i + 1; later < 4; later++)
			CHECK_EQ(begun(&jobs[later]), 0);
		weft_waitgroup_done(&gates[i]);
	}
	test_join_all();
	CHECK_EQ(weft_group_wait(&g), 0);
}

TEST_FLAVOURS(group_go_gives_up_waiting_for_room_when_a_task_fails)
{
	weft_group g;
	weft_waitgroup gates[2] = {{0}};
	job holds = {.gate = &gates[0]}, bad = {.err = 5, .gate = &gates[1]};
	job never = {0};
	starter starters[CROWD];

	weft_group_init(&g, NULL);
	weft_group_set_limit(&g, 2);
	weft_waitgroup_add(&gates[0], 1);
	weft_waitgroup_add(&gates[1], 1);
	weft_group_go(&g, run_job, &holds);
	weft_group_go(&g, run_job, &bad);
	for (int i = 0; i < CROWD; i++) {
		starters[i] = (starter){.group = &g, .job = &never};
		start_waiting(&starters[i], (size_t)i + 1);
	}
	weft_waitgroup_done(&gates[1]);
	test_join_all(); /* the slot that bad gives back comes too late for all */
	CHECK_EQ(never.begun, 0);
	weft_waitgroup_done(&gates[0]);
	CHECK_EQ(weft_group_wait(&g), 5);
	CHECK_EQ(never.begun, 0);
	CHECK_EQ(holds.ctx_err, -ECANCELED);
}

TEST_FLAVOURS(group_whose_go_gave_up_did_not_succeed)
{
	weft_ctx parent;
	weft_group g;
	job never = {0};
	starter s = {.group = &g, .job = &never};

	weft_ctx_init(&parent, NULL);
	weft_group_init(&g, &parent);
	weft_group_set_limit(&g, 0);
	start_waiting(&s, 1);
	weft_ctx_cancel(&parent, 8);
	test_join_all();
	CHECK_EQ(weft_group_wait(&g), -ECANCELED);
	CHECK_EQ(weft_ctx_cause(weft_group_ctx(&g)), 8);
	CHECK_EQ(never.begun, 0);
	weft_ctx_fini(&parent);
}

TEST_FLAVOURS(group_starts_tasks_after_an_error_if_there_is_room)
{
	weft_group g;
	job bad = {.err = 5}, late = {.err = 6};

	weft_group_init(&g, NULL);
	weft_group_set_limit(&g, 2);
	weft_group_go(&g, run_job, &bad);
	CHECK_EQ(weft_ctx_wait(weft_group_ctx(&g)), -ECANCELED);
	weft_group_go(&g, run_job, &late);
	CHECK_EQ(weft_group_wait(&g), 5);
	CHECK_EQ(late.ended, 1);
}

TEST_FLAVOURS(group_try_go_starts_only_where_there_is_room)
{
	weft_group g = {0};
	weft_waitgroup gate = {0};
	job j = {.gate = &gate};
	starter s = {.group = &g, .job = &j};

	weft_waitgroup_add(&gate, 1);
	for (int i = 0; i < 100; i++)
		CHECK(weft_group_try_go(&g, run_job, &j));
	weft_group_set_limit(&g, 0);
	CHECK(!weft_group_try_go(&g, run_job, &j));
	weft_group_set_limit(&g, 2);
	CHECK(weft_group_try_go(&g, run_job, &j));
	CHECK(weft_group_try_go(&g, run_job, &j));
	CHECK(!weft_group_try_go(&g, run_job, &j));
	start_waiting(&s, 1);
	CHECK(!weft_group_try_go(&g, run_job, &j));
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(j.ended, 103);
	CHECK(weft_group_try_go(&g, run_job, &j));
	CHECK_EQ(weft_group_wait(&g), 0);
}

TEST_FLAVOURS(group_limit_set_while_tasks_run_does_not_count_them)
{
	weft_group g = {0};
	weft_waitgroup gate = {0};
	job old = {.gate = &gate}, new = {.gate = &gate};

	weft_waitgroup_add(&gate, 1);
	weft_group_go(&g, run_job, &old);
	weft_group_set_limit(&g, 1);
	weft_group_go(&g, run_job, &new);
	CHECK(!weft_group_try_go(&g, run_job, &new));
	weft_waitgroup_done(&gate);
	CHECK_EQ(weft_group_wait(&g), 0); /* Go hangs here */
	CHECK_EQ(old.ended + new.ended, 2);
	weft_waitgroup_add(&gate, 1);
	CHECK(weft_group_try_go(&g, run_job, &new));
	CHECK(!weft_group_try_go(&g, run_job, &new)); /* it is 1 still */
	weft_waitgroup_done(&gate);
	CHECK_EQ(weft_group_wait(&g), 0);
}

TEST_FLAVOURS(group_limit_may_shrink_below_what_runs)
{
	weft_group g = {0};
	weft_waitgroup gates[3] = {{0}};
	job jobs[3];

	weft_group_set_limit(&g, 3);
	for (int i = 0; i < 3; i++) {
		jobs[i] = (job){.gate = &gates[i]};
		weft_waitgroup_add(&gates[i], 1);
		weft_group_go(&g, run_job, &jobs[i]);
	}
	weft_group_set_limit(&g, 1);
	weft_waitgroup_done(&gates[0]);
	weft_waitgroup_done(&gates[1]);
	test_until(weft_atomic_load(&jobs[0].ended, acquire) &&
		   weft_atomic_load(&jobs[1].ended, acquire));
	CHECK(!weft_group_try_go(&g, run_job, &jobs[0]));
	weft_waitgroup_done(&gates[2]);
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK(weft_group_try_go(&g, run_job, &jobs[0]));
	CHECK_EQ(weft_group_wait(&g), 0);
}

TEST_FLAVOURS(group_without_its_limit_lets_everybody_in)
{
	weft_group g = {0};
	job j = {0};
	starter starters[CROWD];

	weft_group_set_limit(&g, 0);
	for (int i = 0; i < CROWD; i++) {
		starters[i] = (starter){.group = &g, .job = &j};
		start_waiting(&starters[i], (size_t)i + 1);
	}
	weft_group_set_limit(&g, -5);
	test_join_all();
	CHECK_EQ(weft_group_wait(&g), 0);
	CHECK_EQ(j.ended, CROWD);
	weft_group_set_limit(&g, 1);
	CHECK(weft_group_try_go(&g, run_job, &j));
	CHECK_EQ(weft_group_wait(&g), 0);
}

enum { FRESH = 100 };

static struct {
	weft_group *group;
	uint32_t runs;	/* atomic */
} fresh;

/* As long as there is none but the starter in the queue for a slot. */
static void start_one_more(void *unused)
{
	(void)unused;
	if (weft_atomic_add(&fresh.runs, 1, relaxed) + 1 < FRESH &&
	    queue_length(&fresh.group->priv_slots) < 2)
		test_start_task(start_one_more, NULL);
}

static void go_behind_another(void *arg)
{
	starter *s = arg;

	test_start_task(start_one_more, NULL);
	weft_group_go(s->group, run_job, s->job);
}

TEST(group_go_queues_behind_who_waits_before_it_helps_others)
{
	weft_group g = {0};
	weft_waitgroup gate = {0};
	job held = {.gate = &gate}, j = {0};
	starter first = {.group = &g, .job = &j}, second = first;

	fresh.group = &g;
	CHECK_EQ(setenv("WEFT_PROCS", "1", 1), 0);
	weft_group_set_limit(&g, 2);
	weft_waitgroup_add(&gate, 1);
	weft_group_go(&g, run_job, &held);
	weft_group_go(&g, run_job, &held);
	start_waiting(&first, 1);
	test_start_task(go_behind_another, &second);
	test_until(queue_length(&g.priv_slots) == 2);
	CHECK_LE(weft_atomic_load(&fresh.runs, relaxed), FRESH / 2);
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK_EQ(weft_group_wait(&g), 0);
}

static uint32_t changers;	/* atomic: who may still set a limit of 0 */

static void change_limit(void *arg)
{
	weft_group *g = arg;

	for (int i = 0; i < 300 / test_slowdown(); i++) {
		weft_group_set_limit(g, (int)(test_random() % 5) - 1);
		weft_yield();
	}
	weft_atomic_sub(&changers, 1, release);
}

static void start_many(void *arg)
{
	for (int i = 0; i < 300 / test_slowdown(); i++)
		weft_group_go(arg, enter_room, NULL);
}

TEST_FLAVOURS(group_limit_may_change_at_any_time)
{
	weft_group g = {0};

	weft_group_set_limit(&g, 2);
	weft_atomic_store(&changers, 4, relaxed);
	for (int i = 0; i < 4; i++) {
		test_start(change_limit, &g);
		test_start(start_many, &g);
	}
	test_until(weft_atomic_load(&changers, acquire) == 0);
	weft_group_set_limit(&g, -1); /* nobody is left behind at a 0 */
	test_join_all();
	weft_group_set_limit(&g, 3);
	CHECK_EQ(weft_group_wait(&g), 0);
	for (int i = 0; i < 3; i++)	/* G3: three units, all there */
		CHECK(weft_sema_try_acquire(&g.priv_slots, 1));
	CHECK(!weft_sema_try_acquire(&g.priv_slots, 1));
}

/* ---- go_ctx ---- */

TEST_FLAVOURS(group_go_ctx_says_why_it_did_not_start)
{
	weft_group g;
	weft_ctx ctx, late;
	job j = {0};

	weft_group_init(&g, NULL);
	weft_ctx_init(&ctx, NULL);
	weft_ctx_init_timeout(&late, &ctx, WEFT_MS(1));
	CHECK_EQ(weft_group_go_ctx(&g, &late, run_job, &j), 0);
	weft_group_set_limit(&g, 0);
	CHECK_EQ(weft_group_go_ctx(&g, &late, run_job, &j), -ETIMEDOUT);
	weft_ctx_fini(&late);
	weft_ctx_cancel(&ctx, 0);
	CHECK_EQ(weft_group_go_ctx(&g, &ctx, run_job, &j), -ECANCELED);
	weft_group_set_limit(&g, 1);
	CHECK_EQ(weft_group_go_ctx(&g, &ctx, run_job, &j), 0); /* room wins */
	CHECK(!weft_ctx_done(weft_group_ctx(&g)));
	CHECK_EQ(weft_group_wait(&g), 0); /* left alone */
	CHECK_EQ(j.ended, 2);
	weft_ctx_fini(&ctx);
}

static void go_ctx_is_stopped(weft_group *g, weft_ctx *ctx, weft_ctx *stop)
{
	job never = {0};
	starter s = {.group = g, .ctx = ctx, .job = &never};

	weft_group_set_limit(g, 0);
	start_waiting(&s, 1);
	weft_ctx_cancel(stop, 0);
	test_join_all();
	CHECK_EQ(s.result, -ECANCELED);
	CHECK_EQ(weft_group_wait(g), 0);
	CHECK_EQ(never.begun, 0);
	CHECK_EQ(queue_length(&g->priv_slots), 0);
}

TEST_FLAVOURS(group_go_ctx_waits_for_two_contexts)
{
	for (int i = 0; i < 100 / test_slowdown(); i++) {
		weft_group g = {0};
		weft_ctx ctx, other;

		weft_ctx_init(&ctx, NULL);
		weft_ctx_init(&other, NULL);
		go_ctx_is_stopped(&g, &ctx, &ctx);
		weft_group_init(&g, NULL);
		go_ctx_is_stopped(&g, &other, weft_group_ctx(&g));
		weft_group_init(&g, NULL);
		go_ctx_is_stopped(&g, &other, &other);
		weft_ctx_fini(&ctx);
		weft_ctx_fini(&other);
	}
}

TEST_FLAVOURS(group_go_ctx_starts_when_there_is_room)
{
	weft_group g;
	weft_ctx ctx;
	job j = {.err = 2};
	starter s = {.group = &g, .ctx = &ctx, .job = &j};

	weft_group_init(&g, NULL);
	weft_ctx_init(&ctx, NULL);
	weft_group_set_limit(&g, 0);
	start_waiting(&s, 1);
	weft_group_set_limit(&g, 1);
	test_join_all();
	CHECK_EQ(s.result, 0);
	CHECK_EQ(weft_group_wait(&g), 2);
	weft_ctx_fini(&ctx);
}

/* ---- the rest ---- */

TEST_FLAVOURS(group_wait_ctx_gives_up_and_the_group_goes_on)
{
	weft_group g;
	weft_waitgroup gate = {0};
	weft_ctx late;
	job j = {.err = 3, .gate = &gate};

	weft_group_init(&g, NULL);
	weft_ctx_init_timeout(&late, NULL, WEFT_MS(2));
	weft_waitgroup_add(&gate, 1);
	weft_group_go(&g, run_job, &j);
	CHECK_EQ(weft_group_wait_ctx(&g, &late), -ETIMEDOUT);
	CHECK(!weft_ctx_done(weft_group_ctx(&g)));
	weft_waitgroup_done(&gate);
	CHECK_EQ(weft_group_wait_ctx(&g, NULL), 3);
	CHECK_EQ(weft_group_wait_ctx(&g, &late), 3);
	weft_ctx_fini(&late);
}

static int check_copy(weft_ctx *ctx, void *arg)
{
	uint8_t *bytes = arg;

	(void)ctx;
	CHECK_EQ((uintptr_t)arg % _Alignof(max_align_t), 0);
	weft_yield();
	for (int i = 0; i < 100; i++)
		CHECK_EQ(bytes[i], (uint8_t)(bytes[0] + i));
	return bytes[0] == 77 ? 77 : 0;
}

TEST_FLAVOURS(group_go_copy_gives_each_task_its_own)
{
	for (int limit = -1; limit < 3; limit += 3) {
		weft_group g = {0};
		uint8_t bytes[100];

		weft_group_set_limit(&g, limit);
		for (int i = 0; i < 200; i++) {
			for (int j = 0; j < 100; j++)
				bytes[j] = (uint8_t)(i + j);
			weft_group_go_copy(&g, check_copy, bytes, sizeof bytes);
		}
		memset(bytes, 0, sizeof bytes);
		CHECK_EQ(weft_group_wait(&g), 77);
	}
}

TEST_FLAVOURS(group_without_memory_has_an_error)
{
	weft_group g;
	job others[2] = {{.obeys = true}, {.obeys = true}};
	char byte = 0;

	weft_group_init(&g, NULL);
	weft_group_set_limit(&g, 3);
	weft_group_go(&g, run_job, &others[0]);
	weft_group_go(&g, run_job, &others[1]);
	weft_group_go_copy(&g, run_job, &byte, PTRDIFF_MAX - 256);
	CHECK_EQ(weft_ctx_cause(weft_group_ctx(&g)), -ENOMEM);
	CHECK_EQ(weft_group_wait(&g), -ENOMEM);
	CHECK_EQ(others[0].ended + others[1].ended, 2);
	for (int i = 0; i < 3; i++)	/* its slot came back */
		CHECK(weft_sema_try_acquire(&g.priv_slots, 1));
}

/* Divide in two down to 1; every level a group. */
static int add_up(weft_ctx *ctx, void *arg)
{
	int *range = arg; /* [0, 1): from, to; 2: the sum */
	int middle = (range[0] + range[1]) / 2;
	int halves[2][3] = {{range[0], middle, 0}, {middle, range[1], 0}};
	weft_group g;
	int err;

	if (range[1] - range[0] == 1) {
		range[2] = range[0];
		return range[0] == -1 ? 55 : 0;
	}
	weft_group_init(&g, ctx);
	weft_group_go(&g, add_up, halves[0]);
	weft_group_go(&g, add_up, halves[1]);
	err = weft_group_wait(&g);
	range[2] = halves[0][2] + halves[1][2];
	return err;
}

TEST_FLAVOURS(group_may_be_used_inside_the_tasks_of_another)
{
	int good[3] = {0, 1000, 0}, bad[3] = {-500, 500, 0};

	CHECK_EQ(add_up(NULL, good), 0);
	CHECK_EQ(good[2], 999 * 1000 / 2);
	CHECK_EQ(add_up(NULL, bad), 55);
}

static int start_more(weft_ctx *ctx, void *arg)
{
	weft_group *g = arg;
	static int left = 500;

	(void)ctx;
	for (int i = 0; i < 2; i++)
		if (weft_atomic_sub(&left, 1, relaxed) > 0)
			weft_group_go(g, start_more, g);
	return 0;
}

TEST_FLAVOURS(group_tasks_may_start_more)
{
	weft_group g = {0};

	weft_group_go(&g, start_more, &g);
	CHECK_EQ(weft_group_wait(&g), 0);
}

/* G1: wait, and take away what the group stood on. */
typedef struct {
	weft_group group;
	weft_ctx *parent;
} ground;

static int fail_at_random(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	if (test_random() % 8 == 0)
		weft_yield();
	return test_random() % 4 == 0;
}

static void wait_and_take_away(void *arg)
{
	ground *g = grave_open();
	uint64_t kind = test_random();

	if (kind & 1)
		weft_group_init(&g->group, arg);
	if (kind & 2)
		weft_group_set_limit(&g->group, 1 + (int)(kind >> 8 & 1));
	for (int i = 0; i < 3; i++)
		weft_group_go(&g->group, fail_at_random, NULL);
	weft_group_wait(&g->group);
	grave_close(g);
}

TEST_FLAVOURS(group_may_be_freed_when_wait_has_returned)
{
	int rounds = grave_rounds() / test_slowdown();

	test_limit(test_long() ? 300 : 30);
	for (int i = 0; i < rounds; i += 32) {
		weft_ctx parent;

		weft_ctx_init(&parent, NULL);
		for (int j = 0; j < 32; j++)
			test_start(wait_and_take_away, &parent);
		if (test_random() % 2)
			weft_ctx_cancel(&parent, 1);
		test_join_all();
		weft_ctx_fini(&parent);
	}
}

TEST_TRAP(group_go_of_a_null_function, "go of nil func value")
{
	weft_group g = {0};

	weft_group_go(&g, NULL, NULL);
}
