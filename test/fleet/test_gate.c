/* SPDX-License-Identifier: MIT */
/* Gates: many callers in each of several processes, one at a time inside. */
#include "place.h"

#include <weft/ctx.h>

#include <errno.h>

/* What all who pass share, in all processes. */
typedef struct {
	uint32_t inside;
	uint32_t passed;
	uint64_t token, seq;	/* of the last passage */
	uint64_t longest;	/* seq, ever */
	uint32_t in_a_row, most_in_a_row;
	pid_t last;
	uint32_t ready;
	pid_t holder;
	uint32_t go;
	int err;
} room;

typedef struct {
	room *room;
	weft_fleet_gate *gate;
	weft_ctx *ctx;
	int times;
	weft_duration stays;
	int err;
} visitor;

static void note_passage(room *r, const weft_fleet_pass *pass)
{
	CHECK_EQ(weft_atomic_add(&r->inside, 1, acq_rel), 0);
	CHECK(pass->token > r->token ||
	      (pass->token == r->token && pass->seq == r->seq + 1));
	CHECK(pass->token == r->token || pass->seq == 1);
	r->token = pass->token;
	r->seq = pass->seq;
	if (r->longest < pass->seq)
		r->longest = pass->seq;
	r->in_a_row = r->last == getpid() ? r->in_a_row + 1 : 1;
	if (r->most_in_a_row < r->in_a_row)
		r->most_in_a_row = r->in_a_row;
	r->last = getpid();
	r->passed++;
	CHECK_EQ(weft_atomic_sub(&r->inside, 1, acq_rel), 1);
}

static void visit(void *arg)
{
	visitor *v = arg;
	weft_fleet_pass pass;

	for (int i = 0; i < v->times; i++) {
		CHECK_EQ(weft_fleet_gate_lock(v->gate, NULL, &pass), 0);
		note_passage(v->room, &pass);
		if (v->stays != 0)
			weft_sleep(NULL, v->stays);
		CHECK(weft_fleet_gate_held(v->gate));
		CHECK(!weft_ctx_done(pass.ctx));
		CHECK_EQ(weft_fleet_gate_unlock(v->gate), 0);
	}
}

enum { CROWD = 8 };

static enum weft_fleet_state state_of(weft_fleet *f)
{
	weft_fleet_entry e;

	CHECK_EQ(weft_fleet_show(f, NULL, weft_key_str("gate"), &e), 0);
	return e.state;
}

static weft_fleet_gate *make_gate(weft_fleet *f)
{
	static weft_fleet_gate gate;

	CHECK_EQ(weft_fleet_gate_init(&gate, f, weft_key_str("gate")), 0);
	return &gate;
}

TEST_FLAVOURS(gate_lets_one_caller_of_a_process_through_at_a_time)
{
	weft_fleet *f = place_open();
	weft_fleet_gate *g = make_gate(f);
	room r = {0};
	visitor v = {.room = &r, .gate = g, .times = 50};

	for (int i = 0; i < CROWD; i++)
		test_start(visit, &v);
	test_join_all();
	CHECK_EQ(r.passed, CROWD * 50);
	CHECK_EQ(state_of(f), WEFT_FLEET_IDLE);
	weft_fleet_gate_fini(g);
	weft_fleet_close(f);
}

static uint32_t in_line(weft_fleet_gate *g)
{
	return weft_atomic_load(&g->priv_queue, acquire);
}

static void visit_slowly(void *arg)
{
	visitor *v = arg;
	weft_fleet_pass pass;

	v->err = weft_fleet_gate_lock(v->gate, v->ctx, &pass);
	if (v->err != 0)
		return;
	note_passage(v->room, &pass);
	test_until(weft_atomic_load(&v->room->go, acquire) != 0);
	v->err = weft_fleet_gate_unlock(v->gate);
}

TEST_FLAVOURS(gate_asks_the_place_a_few_times_for_many_callers)
{
	weft_fleet *f = place_open();
	weft_fleet_gate *g = make_gate(f);
	room r = {0};
	visitor v[64];
	weft_fleet_counters n;

	for (int i = 0; i < 64; i++) {
		v[i] = (visitor){.room = &r, .gate = g};
		test_start(visit_slowly, &v[i]);
	}
	test_until(in_line(g) == 64);
	g->most_time = WEFT_MINUTE;
	weft_atomic_store(&r.go, 1, release);
	test_join_all();
	CHECK_EQ(r.passed, 64);
	weft_fleet_count(f, &n);
	CHECK_EQ(n.passes, 64);
	CHECK_EQ(n.leases, 1);
	CHECK_LE(n.commands, 5);	/* with a renewal, if it is that slow */
	weft_fleet_gate_fini(g);
	weft_fleet_close(f);
}

/* One who comes and leaves, again and again, when it is told to. */
typedef struct {
	weft_fleet_gate *gate;
	weft_ctx *ctx;
	uint32_t round;		/* atomic: it may begin */
	uint32_t done;		/* atomic: it has ended */
	int rounds;
} guest;

static void come_and_leave(void *arg)
{
	guest *v = arg;

	for (uint32_t i = 1; i <= (uint32_t)v->rounds; i++) {
		int err;

		test_until(weft_atomic_load(&v->round, acquire) == i);
		err = weft_fleet_gate_lock(v->gate, v->ctx, NULL);
		CHECK(err == 0 || err == -ECANCELED);
		if (err == 0)
			CHECK_EQ(weft_fleet_gate_unlock(v->gate), 0);
		weft_atomic_store(&v->done, i, release);
	}
}

static size_t leases_held(weft_fleet *f)
{
	weft_fleet_counters n;

	weft_fleet_count(f, &n);
	return n.running;
}

/* The one in line leaves while the one inside goes. */
static void part(weft_fleet_gate *g, weft_ctx *ctx, uint32_t round)
{
	int spins = (int)(test_random() % 400);

	weft_ctx_cancel(ctx, 0);
	for (int i = 0; i < spins; i++)
		weft_atomic_load(&round, relaxed);
	CHECK_EQ(weft_fleet_gate_unlock(g), 0);
}

TEST(gate_leaves_no_lease_behind_when_the_next_in_line_leaves)
{
	weft_fleet *f = place_open();
	weft_ctx ctx;
	guest v = {.gate = make_gate(f), .ctx = &ctx, .rounds = 3000};

	test_start(come_and_leave, &v);
	for (uint32_t i = 1; i <= (uint32_t)v.rounds; i++) {
		weft_ctx_init(&ctx, NULL);
		CHECK_EQ(weft_fleet_gate_lock(v.gate, NULL, NULL), 0);
		weft_atomic_store(&v.round, i, release);
		test_until(in_line(v.gate) == 2);
		part(v.gate, &ctx, i);
		test_until(weft_atomic_load(&v.done, acquire) == i);
		CHECK_EQ(leases_held(f), 0);
		weft_ctx_fini(&ctx);
	}
	test_join_all();
	CHECK_EQ(state_of(f), WEFT_FLEET_IDLE);
	weft_fleet_gate_fini(v.gate);
	weft_fleet_close(f);
}

static int waiters_of(weft_fleet *f)
{
	weft_fleet_entry e;

	CHECK_EQ(weft_fleet_show(f, NULL, weft_key_str("gate"), &e), 0);
	return e.waiters;
}

/* A directory counts the two of a process as one. */
TEST(gate_that_leaves_the_line_leaves_the_others_of_its_process_in_it)
{
	weft_fleet *f = place_open(), *g = place_open();
	weft_fleet_gate *holder = make_gate(f), leaver, stayer;
	int both = strncmp(place, "dir:", 4) == 0 ? 1 : 2;
	room r = {.go = 1};
	weft_ctx ctx;
	visitor leaves = {.room = &r, .gate = &leaver, .ctx = &ctx};
	visitor stays = {.room = &r, .gate = &stayer};

	weft_ctx_init(&ctx, NULL);
	CHECK_EQ(weft_fleet_gate_init(&leaver, g, weft_key_str("gate")), 0);
	CHECK_EQ(weft_fleet_gate_init(&stayer, g, weft_key_str("gate")), 0);
	CHECK_EQ(weft_fleet_gate_lock(holder, NULL, NULL), 0);
	test_start(visit_slowly, &stays);
	test_until(waiters_of(f) == 1);
	test_start(visit_slowly, &leaves);
	test_until(in_line(&leaver) == 1 && waiters_of(f) == both);
	weft_ctx_cancel(&ctx, 0);
	test_until(in_line(&leaver) == 0);
	CHECK_EQ(waiters_of(g), strncmp(place, "dir:", 4) == 0 ? 0 : 1);
	CHECK_EQ(weft_fleet_gate_unlock(holder), 0);
	test_join_all();
	CHECK_EQ(leaves.err, -ECANCELED);
	CHECK_EQ(stays.err, 0);
	weft_fleet_gate_fini(&stayer);
	weft_fleet_gate_fini(&leaver);
	weft_fleet_gate_fini(holder);
	weft_ctx_fini(&ctx);
	weft_fleet_close(g);
	weft_fleet_close(f);
}

TEST(gate_without_its_place_lets_nobody_through)
{
	weft_fleet *f;
	weft_fleet_gate *g;

	place_make();
	f = place_open();
	g = make_gate(f);
	place_remove();
	CHECK_EQ(weft_fleet_gate_lock(g, NULL, NULL), -EHOSTDOWN);
	CHECK_EQ(in_line(g), 0);
	weft_fleet_gate_fini(g);
	weft_fleet_close(f);
}

TEST_TRAP(gate_fini_panics_while_somebody_is_inside, "fleet: gate finished while it is used")
{
	weft_fleet *f = place_open();
	weft_fleet_gate *g = make_gate(f);

	CHECK_EQ(weft_fleet_gate_lock(g, NULL, NULL), 0);
	place_remove();	/* nobody else will */
	weft_fleet_gate_fini(g);
}

TEST_TRAP(gate_unlock_panics_while_nobody_is_inside, "fleet: gate unlocked by nobody")
{
	weft_fleet *f = place_open();
	weft_fleet_gate *g = make_gate(f);

	CHECK_EQ(weft_fleet_gate_lock(g, NULL, NULL), 0);
	CHECK_EQ(weft_fleet_gate_unlock(g), 0);
	place_remove();
	(void)!weft_fleet_gate_unlock(g);
}

/* ---- several processes ---- */

enum { PROCESSES = 3, TIMES = 60 };

static void be_a_node(void *arg)
{
	weft_fleet *f = place_open();
	visitor v = {.room = arg, .gate = make_gate(f), .times = TIMES,
		     .stays = WEFT_US(100)};	/* the others come meanwhile */

	weft_atomic_add(&v.room->ready, 1, acq_rel);
	test_until(weft_atomic_load(&v.room->ready, acquire) == PROCESSES);
	for (int i = 0; i < CROWD; i++)
		test_start_task(visit, &v);
	test_join_all();
	weft_fleet_gate_fini(v.gate);
	weft_fleet_close(f);
}

TEST(gate_lets_one_caller_of_all_processes_through_at_a_time)
{
	room *r = shared_bytes(sizeof *r);
	pid_t pids[PROCESSES];

	place_choose();
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = process_start(be_a_node, r);
	for (int i = 0; i < PROCESSES; i++)
		CHECK_EQ(process_join(pids[i]), 0);
	CHECK_EQ(r->passed, PROCESSES * CROWD * TIMES);
	/* Nobody had all its turns at once: the others were let in. */
	CHECK_LT(r->most_in_a_row, CROWD * TIMES);
}

/* One of many, so that some are always in line; until told to end. */
static void pass_all_the_time(void *arg)
{
	visitor *v = arg;

	while (weft_atomic_load(&v->room->go, acquire) == 0) {
		weft_fleet_pass pass;

		CHECK_EQ(weft_fleet_gate_lock(v->gate, NULL, &pass), 0);
		note_passage(v->room, &pass);
		CHECK_EQ(weft_fleet_gate_unlock(v->gate), 0);
	}
}

static void never_leave_it_alone(void *arg)
{
	weft_fleet *f = place_open_with((weft_fleet_options){
		.lease = WEFT_MINUTE});	/* no renewal says who waits */
	visitor v = {.room = arg, .gate = make_gate(f)};

	for (int i = 0; i < CROWD; i++)
		test_start_task(pass_all_the_time, &v);
	test_join_all();
	weft_fleet_gate_fini(v.gate);
	weft_fleet_close(f);
}

static void come_late(void *arg)
{
	room *r = arg;
	weft_fleet *f = place_open();
	weft_fleet_gate *g = make_gate(f);
	weft_time start = weft_now();
	weft_fleet_pass pass;

	CHECK_EQ(weft_fleet_gate_lock(g, NULL, &pass), 0);
	note_passage(r, &pass);
	CHECK_LT(weft_now() - start, WEFT_SECOND * test_slowdown());
	CHECK_EQ(weft_fleet_gate_unlock(g), 0);
	weft_fleet_gate_fini(g);
	weft_fleet_close(f);
}

TEST(gate_lets_a_process_in_that_comes_while_others_never_leave_it_alone)
{
	room *r = shared_bytes(sizeof *r);
	pid_t busy;

	place_choose();
	busy = process_start(never_leave_it_alone, r);
	/* It has passed so often that it knows that nobody waits. */
	test_until(weft_atomic_load(&r->passed, acquire) > 500);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(process_join(process_start(come_late, r)), 0);
	weft_atomic_store(&r->go, 1, release);
	CHECK_EQ(process_join(busy), 0);
}

static void hold_the_gate(void *arg)
{
	room *r = arg;
	weft_fleet *f = place_open_with((weft_fleet_options){
		.lease = WEFT_MS(200), .grace = WEFT_MS(100)});
	weft_fleet_gate *g = make_gate(f);
	weft_fleet_pass pass;

	CHECK_EQ(weft_fleet_gate_lock(g, NULL, &pass), 0);
	note_passage(r, &pass);
	weft_atomic_store(&r->holder, getpid(), release);
	test_until(weft_atomic_load(&r->go, acquire) != 0);
	test_until(weft_ctx_done(pass.ctx));
	CHECK_EQ(weft_ctx_cause(pass.ctx), -EOWNERDEAD);
	r->err = weft_fleet_gate_unlock(g);
	weft_fleet_gate_fini(g);
	weft_fleet_close(f);
}

static void pass_once(void *arg)
{
	weft_fleet *f = place_open_with((weft_fleet_options){
		.lease = WEFT_MS(200), .grace = WEFT_MS(100)});
	visitor v = {.room = arg, .gate = make_gate(f), .times = 1};

	visit(&v);
	weft_fleet_gate_fini(v.gate);
	weft_fleet_close(f);
}

TEST(gate_of_a_process_that_is_killed_is_opened)
{
	room *r = shared_bytes(sizeof *r);
	pid_t holder;

	place_choose();
	for (int i = 0; i < 5; i++) {	/* no key is given up for that */
		holder = process_start(hold_the_gate, r);
		test_until(weft_atomic_load(&r->holder, acquire) == holder);
		CHECK_EQ(kill(holder, SIGKILL), 0);
		CHECK_EQ(process_join(holder), SIGKILL);
		CHECK_EQ(process_join(process_start(pass_once, r)), 0);
	}
	CHECK_EQ(r->passed, 10);
}

TEST(gate_of_a_process_that_is_stopped_is_opened_and_it_finds_out)
{
	room *r = shared_bytes(sizeof *r);
	pid_t holder;

	place_choose();
	holder = process_start(hold_the_gate, r);
	test_until(weft_atomic_load(&r->holder, acquire) == holder);
	CHECK_EQ(kill(holder, SIGSTOP), 0);
	CHECK_EQ(process_join(process_start(pass_once, r)), 0);
	weft_atomic_store(&r->go, 1, release);
	CHECK_EQ(kill(holder, SIGCONT), 0);
	CHECK_EQ(process_join(holder), 0);
	CHECK_EQ(r->err, -EOWNERDEAD);
}
