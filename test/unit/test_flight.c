/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/flight.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 12 };

/* A function to be called: what it does, and what became of it. */
typedef struct {
	int err;		/* what it returns */
	void *value;		/* what it stores */
	bool holds;		/* it waits for gate … */
	bool obeys;		/* … and for its context, whose error it returns */
	weft_waitgroup *gate;
	uint32_t begun, ended;	/* atomic: how often */
	int ctx_err;		/* what its context said at the end */
} job;

static int run_job(weft_ctx *ctx, void *arg, void **value)
{
	job *j = arg;
	int err = 0;

	weft_atomic_add(&j->begun, 1, acq_rel);
	CHECK(*value == NULL);
	if (j->obeys)
		err = weft_waitgroup_wait_ctx(j->gate, ctx);
	else if (j->holds)
		weft_waitgroup_wait(j->gate);
	weft_atomic_store(&j->ctx_err, weft_ctx_err(ctx), relaxed);
	*value = j->value;
	weft_atomic_add(&j->ended, 1, acq_rel);
	return err != 0 ? err : j->err;
}

static uint32_t begun(job *j)
{
	return weft_atomic_load(&j->begun, acquire);
}

/* One who asks. */
typedef struct {
	weft_flight *flight;
	weft_ctx *ctx;
	bool in_task;		/* do_ctx, not do */
	weft_key key;
	job *job;
	weft_result result;
	bool ended;		/* atomic */
} caller;

static void ask(void *arg)
{
	caller *c = arg;

	c->result = c->in_task ? weft_flight_do_ctx(c->flight, c->ctx, c->key,
						    run_job, c->job)
			       : weft_flight_do(c->flight, c->key, run_job,
						c->job);
	weft_atomic_store(&c->ended, true, release);
}

static bool ended(caller *c)
{
	return weft_atomic_load(&c->ended, acquire);
}

static size_t waiting(weft_flight *f, weft_key key)
{
	const void *call = weft__flight_address(f, key);

	return call != NULL ? queue_length(call) : 0;
}

/* Start c, which becomes the count-th to wait for the call. */
static void start_waiting(caller *c, size_t count)
{
	test_start(ask, c);
	test_until(waiting(c->flight, c->key) == count);
}

/* Start c, and wait until its function has begun. */
static void start_leading(caller *c)
{
	uint32_t before = begun(c->job);

	test_start(ask, c);
	test_until(begun(c->job) == before + 1);
}

static weft_key some_key(void)
{
	return weft_key_str("user:42");
}

/* ---- do ---- */

TEST_FLAVOURS(flight_do_returns_value_and_error)
{
	static weft_flight f;
	int value;
	job good = {.value = &value}, bad = {.err = 17, .value = &value};
	weft_result r = weft_flight_do(&f, some_key(), run_job, &good);

	CHECK(r.value == &value);
	CHECK_EQ(r.err, 0);
	CHECK(!r.shared);
	r = weft_flight_do(&f, some_key(), run_job, &bad);
	CHECK(r.value == &value);
	CHECK_EQ(r.err, 17);
	weft_result_release(&r);
	CHECK_EQ(good.begun, 1);
	weft_flight_fini(&f);
}

static void callers_share_one_call(bool first_in_task, bool others_in_task)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	int value;
	job j = {.value = &value, .err = -EIO, .holds = true, .gate = &gate};
	job never = {0};
	caller first = {&f, NULL, first_in_task, some_key(), &j, {0}, false};
	caller others[CROWD];

	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	for (int i = 0; i < CROWD; i++) {
		others[i] = first;
		others[i].job = &never;
		others[i].in_task = others_in_task;
		start_waiting(&others[i], (size_t)i + 1 + first_in_task);
	}
	CHECK(!ended(&first));
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK(first.result.shared);
	for (int i = 0; i < CROWD; i++) {
		CHECK(others[i].result.value == &value);
		CHECK_EQ(others[i].result.err, -EIO);
		CHECK(others[i].result.shared);
	}
	CHECK_EQ(j.begun, 1);
	CHECK_EQ(never.begun, 0);
	weft_flight_fini(&f);
}

TEST_FLAVOURS(flight_callers_of_a_key_share_one_call)
{
	callers_share_one_call(false, false);
}

TEST_FLAVOURS(flight_callers_with_contexts_share_one_call)
{
	callers_share_one_call(true, true);
}

TEST_FLAVOURS(flight_do_leads_callers_with_contexts)
{
	callers_share_one_call(false, true);
}

TEST_FLAVOURS(flight_do_joins_a_call_in_a_task)
{
	callers_share_one_call(true, false);
}

/* So long a key that the memory of a call goes back to the system with it. */
enum { LONG_KEY_BYTES = 1 << 20 };

static char long_key[LONG_KEY_BYTES];

/* Every other one sleeps with what a context needs, and lets go itself. */
static void callers_let_go(bool first_in_task)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	size_t before = mallinfo2().hblkhd;
	weft_key key = {long_key, sizeof long_key};
	weft_ctx ctx;
	job j = {.err = 5, .holds = true, .gate = &gate};
	caller first = {&f, NULL, first_in_task, key, &j, {0}, false};
	caller others[CROWD];

	weft_ctx_init(&ctx, NULL);
	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	for (int i = 0; i < CROWD; i++) {
		others[i] = first;
		others[i].in_task = i % 2 != 0;
		others[i].ctx = i % 4 == 3 ? &ctx : NULL;
		start_waiting(&others[i], (size_t)i + 1 + first_in_task);
	}
	weft_waitgroup_done(&gate);
	test_join_all();
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(others[i].result.err, 5);
	weft_flight_fini(&f);
	CHECK_EQ(weft_ctx_err(&ctx), 0);
	weft_ctx_fini(&ctx);
	CHECK_EQ(mallinfo2().hblkhd, before);
}

TEST_FLAVOURS(flight_lets_go_of_what_it_has_handed_out)
{
	if (!mallopt(M_MMAP_THRESHOLD, LONG_KEY_BYTES / 2))
		test_skip("the heap is a sanitizer's");
	callers_let_go(false);
	callers_let_go(true);
}

TEST_FLAVOURS(flight_keys_do_not_wait_for_each_other)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	job held = {.holds = true, .gate = &gate}, other = {.err = 3};
	caller first = {&f, NULL, false, some_key(), &held, {0}, false};

	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	for (uint64_t i = 0; i < 1000; i++)
		CHECK_EQ(weft_flight_do(&f, weft_key_u64(i), run_job, &other).err,
			 3);
	CHECK(!ended(&first));
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK_EQ(other.begun, 1000);
	CHECK(!first.result.shared);
	weft_flight_fini(&f);
}

static int ask_for_another(weft_ctx *ctx, void *arg, void **value)
{
	weft_result r = weft_flight_do(arg, weft_key_str("another"), run_job,
				       &(job){.err = 5});

	(void)ctx;
	(void)value;
	return r.err + 1;
}

TEST_FLAVOURS(flight_function_may_ask_for_other_keys)
{
	weft_flight f = {0};

	CHECK_EQ(weft_flight_do(&f, some_key(), ask_for_another, &f).err, 6);
	CHECK_EQ(weft_flight_do_ctx(&f, NULL, some_key(), ask_for_another, &f).err,
		 6);
	weft_flight_fini(&f);
}

/* F1: each call has a number; no caller sees one twice. */
static struct {
	weft_flight flight;
	uintptr_t calls;
	int running;
} numbered;

static int next_number(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)arg;
	CHECK_EQ(weft_atomic_add(&numbered.running, 1, acq_rel), 0);
	weft_yield();
	*value = (void *)(weft_atomic_add(&numbered.calls, 1, relaxed) + 1);
	CHECK_EQ(weft_atomic_sub(&numbered.running, 1, acq_rel), 1);
	return 0;
}

static void ask_for_numbers(void *arg)
{
	bool in_task = arg != NULL;
	void *last = NULL;

	for (int i = 0; i < 2000 / test_slowdown(); i++) {
		weft_result r = in_task ? weft_flight_do_ctx(&numbered.flight,
							     NULL, some_key(),
							     next_number, NULL)
					: weft_flight_do(&numbered.flight,
							 some_key(),
							 next_number, NULL);

		CHECK(r.value > last);
		last = r.value;
	}
}

TEST_FLAVOURS(flight_gives_a_caller_no_call_twice)
{
	for (int i = 0; i < 8; i++)
		test_start(ask_for_numbers, i % 2 ? "in a task" : NULL);
	test_join_all();
	weft_flight_fini(&numbered.flight);
}

/* ---- keys ---- */

TEST_FLAVOURS(flight_keys_are_bytes)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	job held = {.holds = true, .gate = &gate}, other = {.err = 3};
	uint64_t number = 0x3132333435363738;
	caller first = {&f, NULL, false, {"a\0b", 3}, &held, {0}, false};
	caller same = first, word = first;
	const weft_key others[] = {
		{"a\0c", 3}, {"a\0b", 2}, {"a\0b", 4}, {NULL, 0},
		weft_key_str(""), weft_key_str("a"), weft_key_u64(0),
		weft_key_u64(number + 1), weft_key_u64(UINT64_MAX),
	};

	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	same.key.data = (char[]){'a', 0, 'b'};
	start_waiting(&same, 1);
	word.key = weft_key_u64(number);
	start_leading(&word);
	same.key = (weft_key){&number, sizeof number};
	CHECK_EQ(weft__flight_address(&f, word.key) ==
		 weft__flight_address(&f, same.key), true);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		CHECK_EQ(weft_flight_do(&f, others[i], run_job, &other).err, 3);
	weft_waitgroup_done(&gate);
	test_join_all();
	weft_flight_fini(&f);
}

TEST_FLAVOURS(flight_copies_the_key)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	job held = {.holds = true, .gate = &gate};
	enum { LONG = 1 << 20 };
	char *key = malloc(LONG), *same = malloc(LONG);
	caller first = {&f, NULL, true, {key, LONG}, &held, {0}, false};
	caller other = {&f, NULL, true, {same, LONG}, &held, {0}, false};

	memset(key, 'x', LONG);
	memset(same, 'x', LONG);
	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	memset(key, 'y', LONG);
	start_waiting(&other, 2);
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK_EQ(held.begun, 1);
	free(key);
	free(same);
	weft_flight_fini(&f);
}

/* Enough calls at once that the chains grow, and shrink again afterwards. */
typedef struct {
	weft_flight flight;
	weft_waitgroup gate, begun, ended;
	weft_ctx ctx;
} many;

static int hold_key(weft_ctx *ctx, void *arg, void **value)
{
	many *m = ((void **)arg)[0];

	(void)ctx;
	weft_waitgroup_done(&m->begun);
	weft_waitgroup_wait(&m->gate);
	*value = ((void **)arg)[1];
	return 0;
}

static void ask_for_one_of_many(void *arg)
{
	many *m = ((void **)arg)[0];
	uintptr_t n = (uintptr_t)((void **)arg)[1];
	weft_result r = weft_flight_do(&m->flight, weft_key_u64(n), hold_key,
				       arg);

	CHECK(r.value == (void *)n);
	CHECK(!r.shared);
	weft_waitgroup_done(&m->ended);
}

/* count keys at a time. */
static void hold_many(many *m, int count)
{
	void *(*args)[2] = calloc((size_t)count, sizeof *args);

	weft_waitgroup_add(&m->gate, 1);
	weft_waitgroup_add(&m->begun, count);
	weft_waitgroup_add(&m->ended, count);
	for (int i = 0; i < count; i++) {
		args[i][0] = m;
		args[i][1] = (void *)(uintptr_t)(i + 1);
		CHECK_EQ(weft_go(ask_for_one_of_many, args[i]), 0);
	}
	weft_waitgroup_wait(&m->begun);
	weft_waitgroup_done(&m->gate);
	weft_waitgroup_wait(&m->ended);
	free(args);
}

TEST(flight_holds_many_calls_at_once)
{
	many m = {0};
	/* To the thread sanitizer each is a thread, of which it knows 8128. */
	int count = test_long() && test_slowdown() == 1 ? 100000 : 5000;

	for (int round = 0; round < 2; round++) {
		hold_many(&m, count);
		for (int i = 0; i < 1000; i++)
			CHECK_EQ(weft_flight_do(&m.flight, weft_key_u64((uint64_t)i),
						run_job, &(job){.err = 2}).err,
				 2);
	}
	weft_flight_fini(&m.flight);
}

enum { MANY = 4000, CALL_BYTES = 256 };

static size_t heap_bytes(void)
{
	return mallinfo2().uordblks;
}

/* The heap would give pages back with the last, and need them for the next. */
TEST(flight_keeps_the_memory_of_many_calls_for_a_second)
{
	many m = {0};
	size_t before, kept;

	if (heap_bytes() == 0)
		test_skip("the heap is a sanitizer's");
	hold_many(&m, 1);
	before = heap_bytes();
	hold_many(&m, MANY);
	kept = heap_bytes();
	CHECK_LE(before + MANY * CALL_BYTES, kept);
	hold_many(&m, MANY);
	CHECK_LT(heap_bytes(), kept + MANY * CALL_BYTES / 2);
	test_until(heap_bytes() < before + MANY * CALL_BYTES / 2);
	hold_many(&m, MANY);
	weft_flight_fini(&m.flight);
}

static int hold_many_of(void *m)
{
	hold_many(m, MANY);
	return 0;
}

TEST(flight_gives_the_memory_of_calls_back_when_the_runtime_ends)
{
	many m = {0};
	size_t before;

	if (heap_bytes() == 0)
		test_skip("the heap is a sanitizer's");
	if (test_simulated())
		test_skip("the heap is the machine's too");
	hold_many(&m, 1);
	before = heap_bytes();
	CHECK_EQ(weft_run(hold_many_of, &m), 0);
	weft_flight_fini(&m.flight);
	CHECK_LT(heap_bytes(), before + MANY * CALL_BYTES / 20);
}

static weft_result results[MANY];

static void release_results(void *unused)
{
	(void)unused;
	for (int i = 0; i < MANY; i++)
		weft_result_release(&results[i]);
}

static void drop_nothing(void *unused)
{
	(void)unused;
}

/* Nobody takes what is kept for workers, so it would become more and more. */
TEST(flight_does_not_keep_the_memory_of_what_plain_threads_call)
{
	weft_flight f = {.drop = drop_nothing};
	job j = {.value = &f};
	size_t before;

	if (heap_bytes() == 0)
		test_skip("the heap is a sanitizer's");
	test_start_task(release_results, NULL);
	test_join_all();
	before = heap_bytes();
	for (int i = 0; i < MANY; i++)
		results[i] = weft_flight_do(&f, weft_key_u64((uint64_t)i), run_job, &j);
	CHECK_LE(before + MANY * CALL_BYTES / 2, heap_bytes());
	test_start_task(release_results, NULL);
	test_join_all();
	weft_flight_fini(&f);
	CHECK_LT(heap_bytes(), before + 200 * CALL_BYTES);
}

static void call_in_child(void *unused)
{
	weft_flight f = {.drop = drop_nothing};
	job j = {.value = &f};
	pid_t child;
	int status;

	(void)unused;
	weft__lock_take(&weft__blocks.lock);	/* another thread has it */
	child = fork();
	if (child == 0) {
		for (int i = 0; i < MANY; i++)
			results[i] = weft_flight_do(&f, weft_key_u64((uint64_t)i),
						    run_job, &j);
		release_results(NULL);
		_exit(0);
	}
	weft__lock_drop(&weft__blocks.lock);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

TEST(flight_in_a_child_of_a_fork_needs_nothing_of_its_parents_threads)
{
	test_start_task(call_in_child, NULL);
	test_join_all();
}

/* ---- forget ---- */

TEST_FLAVOURS(flight_forgotten_call_goes_on_beside_a_new_one)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0}, new_gate = {0};
	job old = {.err = 1, .holds = true, .gate = &gate};
	job new = {.err = 2, .holds = true, .gate = &new_gate};
	caller first = {&f, NULL, false, some_key(), &old, {0}, false};
	caller joined = first, second = first, third = first;

	second.job = third.job = &new;
	weft_waitgroup_add(&gate, 1);
	weft_waitgroup_add(&new_gate, 1);
	start_leading(&first);
	start_waiting(&joined, 1);
	weft_flight_forget(&f, some_key());
	start_leading(&second);
	weft_waitgroup_done(&gate); /* its end leaves the new call in the table */
	test_until(ended(&first) && ended(&joined));
	CHECK_EQ(first.result.err, 1);
	CHECK(first.result.shared);
	CHECK_EQ(joined.result.err, 1);
	start_waiting(&third, 1);
	weft_waitgroup_done(&new_gate);
	test_join_all();
	CHECK_EQ(second.result.err, 2);
	CHECK_EQ(third.result.err, 2);
	CHECK_EQ(new.begun, 1);
	weft_flight_fini(&f);
}

static int forget_and_ask(weft_ctx *ctx, void *arg, void **value)
{
	job inner = {.err = 8};

	(void)ctx;
	(void)value;
	weft_flight_forget(arg, some_key());
	return weft_flight_do(arg, some_key(), run_job, &inner).err + 1;
}

TEST_FLAVOURS(flight_function_may_forget_its_key_and_ask_again)
{
	weft_flight f = {0};

	CHECK_EQ(weft_flight_do(&f, some_key(), forget_and_ask, &f).err, 9);
	weft_flight_fini(&f);
}

TEST(flight_forget_without_a_call_is_nothing)
{
	weft_flight f = {0};

	weft_flight_forget(&f, some_key());
	CHECK(weft_flight_forget_unshared(&f, some_key()));
	weft_flight_do(&f, some_key(), run_job, &(job){0});
	weft_flight_forget(&f, some_key());
	CHECK(weft_flight_forget_unshared(&f, some_key()));
	weft_flight_fini(&f);
}

TEST_FLAVOURS(flight_forget_unshared_leaves_a_shared_call)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	weft_ctx leaver;
	job j = {.holds = true, .gate = &gate};
	caller first = {&f, NULL, false, some_key(), &j, {0}, false};
	caller other = {&f, &leaver, true, some_key(), &j, {0}, false};

	weft_ctx_init(&leaver, NULL);
	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	start_waiting(&other, 1);
	CHECK(!weft_flight_forget_unshared(&f, some_key()));
	CHECK(weft__flight_address(&f, some_key()) != NULL);
	weft_ctx_cancel(&leaver, 0);
	test_until(ended(&other));
	CHECK(weft_flight_forget_unshared(&f, some_key()));
	CHECK(weft__flight_address(&f, some_key()) == NULL);
	weft_waitgroup_done(&gate);
	test_join_all();
	weft_ctx_fini(&leaver);
	weft_flight_fini(&f);
}

/* ---- drop ---- */

static int dropped; /* atomic */

static void count_drop(void *value)
{
	CHECK(value != NULL);
	weft_atomic_add(&dropped, 1, acq_rel);
	free(value);
}

static int drops(void)
{
	return weft_atomic_load(&dropped, acquire);
}

static void last_release_drops(bool in_task)
{
	weft_flight f = {.drop = count_drop};
	weft_waitgroup gate = {0};
	job j = {.value = malloc(1), .holds = true, .gate = &gate};
	caller callers[CROWD];
	int before = drops();

	weft_waitgroup_add(&gate, 1);
	for (int i = 0; i < CROWD; i++) {
		callers[i] = (caller){&f, NULL, in_task, some_key(), &j, {0}, 0};
		if (i == 0)
			start_leading(&callers[0]);
		else
			start_waiting(&callers[i], (size_t)i + in_task);
	}
	weft_waitgroup_done(&gate);
	test_join_all();
	weft_flight_fini(&f); /* results outlive the flight */
	for (int i = 0; i < CROWD; i++) {
		CHECK(callers[i].result.value == j.value);
		CHECK_EQ(drops(), before);
		weft_result_release(&callers[i].result);
		CHECK(callers[i].result.value == NULL);
		weft_result_release(&callers[i].result);
	}
	CHECK_EQ(drops(), before + 1);
}

TEST_FLAVOURS(flight_last_release_drops_the_value)
{
	last_release_drops(false);
	last_release_drops(true);
}

TEST_FLAVOURS(flight_value_of_a_lone_call_is_dropped_by_its_release)
{
	weft_flight f = {.drop = count_drop};

	for (int i = 0; i < 500 / test_slowdown(); i++) {
		job j = {.value = malloc(1), .err = i % 3};
		weft_result r =
			i % 2 ? weft_flight_do(&f, some_key(), run_job, &j)
			      : weft_flight_do_ctx(&f, NULL, some_key(), run_job,
						   &j);

		CHECK_EQ(drops(), i);
		weft_result_release(&r); /* also together with an error */
		CHECK_EQ(drops(), i + 1);
	}
	weft_flight_fini(&f);
}

TEST(flight_without_a_value_drops_nothing)
{
	weft_flight f = {.drop = count_drop};
	weft_result r = weft_flight_do(&f, some_key(), run_job, &(job){0});

	weft_result_release(&r);
	r = weft_flight_do_ctx(&f, NULL, some_key(), run_job, &(job){.err = 1});
	weft_flight_fini(&f);
	CHECK_EQ(drops(), 0);
}

/* ---- leaving ---- */

TEST_FLAVOURS(flight_caller_leaves_and_the_others_stay)
{
	weft_flight f = {.drop = count_drop};
	weft_waitgroup gate = {0};
	weft_ctx leaver, late;
	job j = {.value = malloc(1), .obeys = true, .gate = &gate};
	caller first = {&f, &leaver, true, some_key(), &j, {0}, false};
	caller second = first, third = first;

	weft_ctx_init(&leaver, NULL);
	weft_ctx_init_timeout(&late, NULL, WEFT_MS(5));
	second.ctx = &late;
	third.ctx = NULL;
	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	test_until(waiting(&f, some_key()) == 1);
	test_start(ask, &third);
	test_until(waiting(&f, some_key()) == 2);
	test_start(ask, &second);
	test_until(ended(&second));
	CHECK_EQ(second.result.err, -ETIMEDOUT);
	CHECK(second.result.value == NULL);
	CHECK(!second.result.shared);
	weft_ctx_cancel(&leaver, 0);
	test_until(ended(&first));
	CHECK_EQ(first.result.err, -ECANCELED);
	weft_ctx_fini(&leaver);
	weft_ctx_fini(&late);
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK_EQ(third.result.err, 0);
	CHECK(third.result.value == j.value);
	CHECK(third.result.shared);
	CHECK_EQ(j.ctx_err, 0);
	CHECK_EQ(j.begun, 1);
	weft_result_release(&third.result);
	CHECK_EQ(drops(), 1);
	weft_flight_fini(&f);
}

TEST_FLAVOURS(flight_last_one_out_cancels_the_call)
{
	weft_flight f = {.drop = count_drop};
	weft_waitgroup gate = {0};
	weft_ctx ctx;
	job j = {.value = malloc(1), .obeys = true, .gate = &gate};
	caller callers[3];

	weft_ctx_init(&ctx, NULL);
	weft_waitgroup_add(&gate, 1);
	for (int i = 0; i < 3; i++) {
		callers[i] = (caller){&f, &ctx, true, some_key(), &j, {0}, 0};
		start_waiting(&callers[i], (size_t)i + 1);
	}
	weft_ctx_cancel(&ctx, 5);
	test_join_all();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(callers[i].result.err, -ECANCELED);
	weft_flight_fini(&f); /* waits for the call, and for its drop */
	CHECK_EQ(j.ended, 1);
	CHECK_EQ(j.ctx_err, -ECANCELED);
	CHECK_EQ(drops(), 1);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(flight_caller_that_stays_keeps_the_call_going)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	weft_ctx ctx;
	job j = {.err = 4, .obeys = true, .gate = &gate};
	caller first = {&f, &ctx, true, some_key(), &j, {0}, false};
	caller stays = {&f, NULL, false, some_key(), &j, {0}, false};

	weft_ctx_init(&ctx, NULL);
	weft_waitgroup_add(&gate, 1);
	start_waiting(&first, 1);
	start_waiting(&stays, 2);
	weft_ctx_cancel(&ctx, 0);
	test_until(ended(&first));
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK_EQ(stays.result.err, 4);
	weft_ctx_fini(&ctx);
	weft_flight_fini(&f);
}

TEST_FLAVOURS(flight_caller_whose_context_is_done_starts_nothing)
{
	weft_flight f = {0};
	weft_ctx ctx, late;
	job j = {0};

	weft_ctx_init(&ctx, NULL);
	weft_ctx_cancel(&ctx, 0);
	weft_ctx_init_timeout(&late, NULL, 0);
	CHECK_EQ(weft_flight_do_ctx(&f, &ctx, some_key(), run_job, &j).err,
		 -ECANCELED);
	CHECK_EQ(weft_flight_do_ctx(&f, &late, some_key(), run_job, &j).err,
		 -ETIMEDOUT);
	CHECK_EQ(j.begun, 0);
	weft_ctx_fini(&late);
	weft_ctx_fini(&ctx);
	weft_flight_fini(&f);
}

/* A call that was left by all and takes no notice. */
static void start_dying(caller *c, weft_ctx *ctx)
{
	weft_ctx_init(ctx, NULL);
	c->ctx = ctx;
	start_leading(c);
	test_until(waiting(c->flight, c->key) == 1);
	weft_ctx_cancel(ctx, 0);
	test_until(ended(c));
	weft_ctx_fini(ctx);
}

TEST_FLAVOURS(flight_new_caller_neither_joins_a_dying_call_nor_overlaps_it)
{
	weft_flight f = {.drop = count_drop};
	weft_waitgroup gate = {0}, open = {0};
	weft_ctx ctx, leaver;
	job dying = {.value = malloc(1), .holds = true, .gate = &gate};
	job next = {.err = 2, .holds = true, .gate = &open};
	caller first = {&f, NULL, true, some_key(), &dying, {0}, false};
	caller behind[3], leaves = {&f, &leaver, true, some_key(), &next, {0}, 0};

	weft_waitgroup_add(&gate, 1);
	start_dying(&first, &ctx);
	for (int i = 0; i < 3; i++) {
		behind[i] = (caller){&f, NULL, i != 0, some_key(), &next, {0}, 0};
		start_waiting(&behind[i], (size_t)i + 1);
	}
	weft_ctx_init(&leaver, NULL);
	start_waiting(&leaves, 4);
	weft_ctx_cancel(&leaver, 0);
	test_until(ended(&leaves));
	CHECK_EQ(leaves.result.err, -ECANCELED);
	CHECK_EQ(begun(&next), 0);
	weft_waitgroup_done(&gate);
	test_join_all();
	CHECK_EQ(dying.ctx_err, -ECANCELED);
	CHECK_EQ(drops(), 1);
	CHECK_LE(1, next.begun);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(behind[i].result.err, 2);
	weft_ctx_fini(&leaver);
	weft_flight_fini(&f);
}

TEST_FLAVOURS(flight_forgetting_a_dying_call_lets_those_behind_it_go)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	weft_ctx ctx;
	job dying = {.holds = true, .gate = &gate}, next = {.err = 2};
	caller first = {&f, NULL, true, some_key(), &dying, {0}, false};
	caller behind = {&f, NULL, false, some_key(), &next, {0}, false};

	weft_waitgroup_add(&gate, 1);
	start_dying(&first, &ctx);
	start_waiting(&behind, 1);
	CHECK(weft_flight_forget_unshared(&f, some_key()));
	test_until(ended(&behind));
	CHECK_EQ(behind.result.err, 2);
	CHECK_EQ(weft_atomic_load(&dying.ended, acquire), 0);
	weft_waitgroup_done(&gate);
	test_join_all();
	weft_flight_fini(&f);
	CHECK_EQ(dying.ended, 1);
}

TEST_FLAVOURS(flight_value_of_a_forgotten_call_that_all_left_is_dropped)
{
	weft_flight f = {.drop = count_drop};
	weft_waitgroup gate = {0};
	weft_ctx ctx;
	job j = {.value = malloc(1), .holds = true, .gate = &gate};
	caller first = {&f, &ctx, true, some_key(), &j, {0}, false};

	weft_ctx_init(&ctx, NULL);
	weft_waitgroup_add(&gate, 1);
	start_leading(&first);
	test_until(waiting(&f, some_key()) == 1);
	weft_flight_forget(&f, some_key());
	weft_ctx_cancel(&ctx, 0);
	test_until(ended(&first));
	weft_waitgroup_done(&gate);
	weft_flight_fini(&f);
	CHECK_EQ(drops(), 1);
	weft_ctx_fini(&ctx);
}

/* ---- what the function is given ---- */

static const char color, shape, size;

static int look_at_context(weft_ctx *ctx, void *arg, void **value)
{
	(void)value;
	weft_waitgroup_wait(arg);
	CHECK(!weft_ctx_deadline(ctx, NULL));
	CHECK(weft_ctx_value(ctx, &color) == &shape);
	CHECK(weft_ctx_value(ctx, &shape) == &size);
	CHECK(weft_ctx_value(ctx, &size) == NULL);
	return weft_ctx_err(ctx);
}

typedef struct {
	weft_flight flight;
	weft_waitgroup gate;
	weft_ctx *ctx;		/* atomic: the caller's */
} visit;

static weft_ctx_after at_the_end;

static void note(void *flag)
{
	weft_atomic_store((bool *)flag, true, release);
}

static int leave_a_note(weft_ctx *ctx, void *arg, void **value)
{
	*value = malloc(1);
	return weft_ctx_after_start(&at_the_end, ctx, note, arg);
}

TEST_FLAVOURS(flight_context_of_a_call_ends_with_its_function)
{
	weft_flight f = {.drop = count_drop};
	bool noted = false;
	weft_result r = weft_flight_do_ctx(&f, NULL, some_key(), leave_a_note,
					   &noted);

	CHECK_EQ(r.err, 0);
	test_until(weft_atomic_load(&noted, acquire));
	weft_result_release(&r);
	weft_flight_fini(&f);
}

static int look_at_visit(weft_ctx *ctx, void *arg, void **value)
{
	return look_at_context(ctx, &((visit *)arg)->gate, value);
}

static void ask_with_values(void *arg)
{
	weft_ctx *ctx = grave_open();
	visit *v = arg;

	weft_ctx_init_value(&ctx[0], NULL, &color, (void *)&color);
	weft_ctx_init_value(&ctx[1], &ctx[0], &shape, (void *)&size);
	weft_ctx_init_value(&ctx[2], &ctx[1], &color, (void *)&shape);
	weft_ctx_init_timeout(&ctx[3], &ctx[2], WEFT_MINUTE);
	weft_atomic_store(&v->ctx, &ctx[3], release);
	CHECK_EQ(weft_flight_do_ctx(&v->flight, &ctx[3], some_key(),
				    look_at_visit, v).err, -ECANCELED);
	for (int i = 3; i >= 0; i--)
		weft_ctx_fini(&ctx[i]);
	grave_close(ctx);
}

TEST_FLAVOURS(flight_values_of_the_first_caller_outlive_it)
{
	visit v = {0};

	weft_waitgroup_add(&v.gate, 1);
	test_start(ask_with_values, &v);
	test_until(waiting(&v.flight, some_key()) == 1);
	weft_ctx_cancel(weft_atomic_load(&v.ctx, acquire), 0);
	test_join_all();
	weft_waitgroup_done(&v.gate);
	weft_flight_fini(&v.flight);
}

typedef struct {
	weft_flight flight;
	weft_waitgroup gate;
	weft_ctx ctx;
} parcel;

typedef struct {
	parcel *parcel;
	uint8_t bytes[100];
} content;

static int sum_up(weft_ctx *ctx, void *arg, void **value)
{
	content *c = arg;

	(void)ctx;
	CHECK_EQ((uintptr_t)arg % _Alignof(max_align_t), 0);
	weft_waitgroup_wait(&c->parcel->gate);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(c->bytes[i], i);
	*value = malloc(1);
	return 0;
}

static void ask_with_copy(void *arg)
{
	parcel *p = arg;
	content c = {.parcel = p};

	for (int i = 0; i < 100; i++)
		c.bytes[i] = (uint8_t)i;
	CHECK_EQ(weft_flight_do_ctx_copy(&p->flight, &p->ctx, some_key(), sum_up,
					 &c, sizeof c).err, -ECANCELED);
	memset(&c, 0xff, sizeof c);
}

TEST_FLAVOURS(flight_owns_the_copy_of_an_argument)
{
	parcel p = {.flight = {.drop = count_drop}};

	weft_waitgroup_add(&p.gate, 1);
	weft_ctx_init(&p.ctx, NULL);
	test_start(ask_with_copy, &p);
	test_until(waiting(&p.flight, some_key()) == 1);
	weft_ctx_cancel(&p.ctx, 0);
	test_join_all();
	weft_waitgroup_done(&p.gate);
	weft_flight_fini(&p.flight);
	CHECK_EQ(drops(), 1);
	weft_ctx_fini(&p.ctx);
}

static int run_in_own_task(weft_ctx *ctx, void *arg, void **value)
{
	(void)value;
	CHECK(ctx != NULL);
	CHECK(weft__task_self() != NULL && weft__task_self() != arg);
	return 0;
}

static int run_in_caller(weft_ctx *ctx, void *arg, void **value)
{
	(void)value;
	CHECK(ctx == NULL);
	CHECK(weft__task_self() == arg);
	return 0;
}

TEST_FLAVOURS(flight_do_runs_in_the_caller_and_do_ctx_in_a_task)
{
	weft_flight f = {0};

	weft_flight_do(&f, some_key(), run_in_caller, weft__task_self());
	weft_flight_do_ctx(&f, NULL, some_key(), run_in_own_task,
			   weft__task_self());
	weft_flight_fini(&f);
}

TEST_FLAVOURS(flight_without_memory_says_so_and_the_key_stays_usable)
{
	weft_flight f = {.drop = count_drop};
	job j = {.err = 6};

	CHECK_EQ(weft_flight_do_ctx_copy(&f, NULL, some_key(), run_job, &j,
					 PTRDIFF_MAX - 64).err, -ENOMEM);
	CHECK_EQ(weft_flight_do_ctx_copy(&f, NULL, some_key(), run_job, &j,
					 SIZE_MAX).err, -ENOMEM);
	CHECK_EQ(j.begun, 0);
	CHECK_EQ(weft_flight_do(&f, some_key(), run_job, &j).err, 6);
	weft_flight_fini(&f);
}

/* ---- fini and lifetimes ---- */

TEST_FLAVOURS(flight_fini_gives_up_with_its_context)
{
	weft_flight f = {0};
	weft_waitgroup gate = {0};
	weft_ctx ctx, patience;
	job j = {.holds = true, .gate = &gate};
	caller first = {&f, NULL, true, some_key(), &j, {0}, false};

	weft_ctx_init_timeout(&patience, NULL, WEFT_MS(2));
	CHECK_EQ(weft_flight_fini_ctx(&f, &patience), 0);
	weft_waitgroup_add(&gate, 1);
	start_dying(&first, &ctx);
	CHECK_EQ(weft_flight_fini_ctx(&f, &patience), -ETIMEDOUT);
	weft_waitgroup_done(&gate);
	CHECK_EQ(weft_flight_do(&f, some_key(), run_job, &j).err, 0);
	CHECK_EQ(weft_flight_fini_ctx(&f, &patience), 0);
	CHECK_EQ(weft_flight_fini_ctx(&f, &patience), 0);
	weft_ctx_fini(&patience);
	CHECK_EQ(weft_flight_do(&f, some_key(), run_job, &j).err, 0);
	weft_flight_fini(&f);
}

static void drop_slowly(void *value)
{
	weft_sleep(NULL, WEFT_MS(3));
	count_drop(value);
}

TEST_FLAVOURS(flight_fini_waits_for_the_drop_of_what_nobody_wants)
{
	weft_flight f = {.drop = drop_slowly};
	weft_waitgroup gate = {0};
	weft_ctx ctx;
	job j = {.value = malloc(1), .holds = true, .gate = &gate};
	caller first = {&f, NULL, true, some_key(), &j, {0}, false};

	weft_waitgroup_add(&gate, 1);
	start_dying(&first, &ctx);
	weft_waitgroup_done(&gate);
	weft_flight_fini(&f);
	CHECK_EQ(drops(), 1);
}

/* F4: the last to return takes the flight, and what it stood on, away. */
typedef struct {
	weft_flight flight;
	weft_ctx ctx;
	job job;
	uint32_t callers;
} ground;

static void ask_and_take_away(void *arg)
{
	ground *g = arg;
	bool in_task = test_random() % 2;
	weft_result r = in_task ? weft_flight_do_ctx(&g->flight, &g->ctx,
						     some_key(), run_job, &g->job)
				: weft_flight_do(&g->flight, some_key(), run_job,
						 &g->job);

	if (test_random() % 4 == 0)
		weft_ctx_cancel(&g->ctx, 0);
	weft_result_release(&r);
	if (weft_atomic_sub(&g->callers, 1, acq_rel) == 1) {
		weft_flight_fini(&g->flight);
		weft_ctx_fini(&g->ctx);
		grave_close(g);
	}
}

TEST_FLAVOURS(flight_may_be_freed_when_the_last_caller_has_returned)
{
	int rounds = grave_rounds() / test_slowdown();

	test_limit(test_long() ? 300 : 30);
	for (int i = 0; i < rounds; i += 16) {
		for (int j = 0; j < 16; j++) {
			ground *g = grave_open();

			g->flight.drop = count_drop;
			weft_ctx_init(&g->ctx, NULL);
			g->callers = 3;
			for (int k = 0; k < 3; k++)
				test_start(ask_and_take_away, g);
		}
		test_join_all();
	}
}

/* Everything at once; the books must balance. */
static struct {
	weft_flight flight;
	int made, taken;
	int running[4];
	bool forgets;
} books;

static int make_value(weft_ctx *ctx, void *arg, void **value)
{
	int *running = &books.running[(uintptr_t)arg];
	int others = weft_atomic_add(running, 1, acq_rel);

	CHECK(books.forgets || others == 0);
	for (uint64_t i = test_random() % 4; i > 0; i--)
		weft_yield();
	if (test_random() % 8 == 0)
		weft_sleep(ctx, WEFT_US(50));
	if (test_random() % 4 != 0) {
		*value = malloc(16);
		memset(*value, (int)(uintptr_t)arg, 16);
		weft_atomic_add(&books.made, 1, relaxed);
	}
	weft_atomic_sub(running, 1, acq_rel);
	return test_random() % 4 == 0;
}

static weft_result ask_at_random(uintptr_t k)
{
	weft_ctx ctx;
	weft_result r;

	if (test_random() % 2)
		return weft_flight_do(&books.flight, weft_key_u64(k), make_value,
				      (void *)k);
	weft_ctx_init_timeout(&ctx, NULL,
			      (weft_duration)(test_random() % WEFT_US(60)));
	r = weft_flight_do_ctx(&books.flight, &ctx, weft_key_u64(k), make_value,
			       (void *)k);
	weft_ctx_fini(&ctx);
	return r;
}

static void work_at_random(void *arg)
{
	(void)arg;
	for (int i = 0; i < (test_long() ? 20000 : 1000) / test_slowdown(); i++) {
		uintptr_t k = test_random() % 4;
		weft_result r = ask_at_random(k);

		if (books.forgets && test_random() % 4 == 0)
			weft_flight_forget(&books.flight, weft_key_u64(k));
		if (r.value == NULL)
			continue;
		CHECK_EQ(*(char *)r.value, k);
		weft_atomic_add(&books.taken, 1, relaxed);
		weft_yield();
		CHECK_EQ(((char *)r.value)[15], k);
		weft_result_release(&r);
	}
}

static void balance_books(bool forgets)
{
	test_limit(test_long() ? 300 : 30);
	books.forgets = forgets;
	books.flight.drop = count_drop;
	for (int i = 0; i < 10; i++)
		test_start(work_at_random, NULL);
	test_join_all();
	weft_flight_fini(&books.flight);
	CHECK_EQ(drops(), books.made);
	CHECK_LT(0, books.taken);
}

TEST_FLAVOURS(flight_drops_every_value_once_whoever_leaves)
{
	balance_books(false);
}

TEST_FLAVOURS(flight_drops_every_value_once_whoever_leaves_and_forgets)
{
	balance_books(true);
}

static int finish_flight(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)value;
	weft_flight_fini(arg);
	return 0;
}

TEST_TRAP(flight_fini_while_callers_wait, "flight: fini while callers wait")
{
	weft_flight f = {0};

	weft_flight_do(&f, some_key(), finish_flight, &f);
}

/* From now on this thread dies, and all others, where it asks which CPUs it may use. */
static void forbid_to_count_cpus(void)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_getaffinity, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {4, steps};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		test_skip("system calls cannot be filtered here");
}

static void call_a_new_flight(void)
{
	weft_flight f = {0};
	job j = {.err = -EIO};
	weft_result r = weft_flight_do(&f, some_key(), run_job, &j);

	CHECK_EQ(r.err, -EIO);
	weft_result_release(&r);
	weft_flight_fini(&f);
}

/* It reads files for that: so flights would be dear that live for a few calls. */
TEST(flight_does_not_count_the_cpus_again_for_each_flight)
{
	call_a_new_flight();
	forbid_to_count_cpus();
	call_a_new_flight();
}
