/* SPDX-License-Identifier: MIT */
/* Contexts: what they are asked, and the waits that end with them. */
#include "door.h"
#include "proc.h"
#include "queue.h"
#include "test.h"

#include <weft/ctx.h>
#include <weft/sema.h>

#include <errno.h>
#include <stdlib.h>

enum { CAUSE = 4711, OTHER_CAUSE = 4712 };

static const char key, other_key;

static bool is_queued_for(const void *address)
{
	weft__bucket *b = weft__lot_lock(address);
	bool queued = weft__lot_first(b, address) != NULL;

	weft__lot_unlock(b);
	return queued;
}

static weft_time soon(void)
{
	return weft_now() + WEFT_MS(20);
}

static void check_open(const weft_ctx *c)
{
	CHECK(!weft_ctx_done(c));
	CHECK_EQ(weft_ctx_err(c), 0);
	CHECK_EQ(weft_ctx_cause(c), 0);
}

static void check_done(const weft_ctx *c, int err, int cause)
{
	CHECK(weft_ctx_done(c));
	CHECK_EQ(weft_ctx_err(c), err);
	CHECK_EQ(weft_ctx_cause(c), cause);
}

/* ---- cancelling ---- */

TEST(ctx_of_zero_bytes_can_be_cancelled)
{
	weft_ctx c = {0};

	check_open(&c);
	weft_ctx_cancel(&c, 0);
	check_done(&c, -ECANCELED, -ECANCELED);
	weft_ctx_fini(&c);
}

TEST(ctx_null_is_never_done)
{
	weft_time when = 1;

	check_open(NULL);
	CHECK(!weft_ctx_deadline(NULL, &when));
	CHECK_EQ(when, 1);
	CHECK(weft_ctx_value(NULL, &when) == NULL);
}

TEST(ctx_init_makes_one_that_is_not_done)
{
	weft_ctx c;

	weft_ctx_init(&c, NULL);
	check_open(&c);
	CHECK(!weft_ctx_deadline(&c, NULL));
	weft_ctx_fini(&c);
}

TEST(ctx_first_cancellation_and_its_cause_win)
{
	weft_ctx c;

	weft_ctx_init(&c, NULL);
	weft_ctx_cancel(&c, CAUSE);
	weft_ctx_cancel(&c, OTHER_CAUSE);
	weft_ctx_cancel(&c, 0);
	check_done(&c, -ECANCELED, CAUSE);
	weft_ctx_fini(&c);
	check_done(&c, -ECANCELED, CAUSE);
}

TEST(ctx_cancel_without_a_cause_is_not_replaced_by_one_with)
{
	weft_ctx c;

	weft_ctx_init(&c, NULL);
	weft_ctx_cancel(&c, 0);
	weft_ctx_cancel(&c, CAUSE);
	check_done(&c, -ECANCELED, -ECANCELED);
	weft_ctx_fini(&c);
}

enum { LEVELS = 4, NODES = 1 + 3 + 9 + 27 };

/* Node i has the children 3 i + 1 … 3 i + 3. */
static void init_tree(weft_ctx tree[NODES], weft_ctx *parent)
{
	weft_ctx_init(&tree[0], parent);
	for (int i = 1; i < NODES; i++)
		weft_ctx_init(&tree[i], &tree[(i - 1) / 3]);
}

static void fini_tree(weft_ctx tree[NODES])
{
	for (int i = NODES; i-- > 0;)
		weft_ctx_fini(&tree[i]);
}

static bool is_below(int node, int ancestor)
{
	while (node > ancestor)
		node = (node - 1) / 3;
	return node == ancestor;
}

TEST(ctx_cancel_ends_the_subtree_and_nothing_else)
{
	for (int root = 0; root < NODES; root++) {
		weft_ctx tree[NODES], parent;

		weft_ctx_init(&parent, NULL);
		init_tree(tree, &parent);
		weft_ctx_cancel(&tree[root], CAUSE);
		check_open(&parent);
		for (int i = 0; i < NODES; i++) {
			if (is_below(i, root))
				check_done(&tree[i], -ECANCELED, CAUSE);
			else
				check_open(&tree[i]);
		}
		fini_tree(tree);
		weft_ctx_fini(&parent);
	}
}

TEST(ctx_cancelled_before_its_parent_keeps_its_cause)
{
	weft_ctx parent, child, grandchild;

	weft_ctx_init(&parent, NULL);
	weft_ctx_init(&child, &parent);
	weft_ctx_init(&grandchild, &child);
	weft_ctx_cancel(&child, CAUSE);
	weft_ctx_cancel(&parent, OTHER_CAUSE);
	check_done(&parent, -ECANCELED, OTHER_CAUSE);
	check_done(&child, -ECANCELED, CAUSE);
	check_done(&grandchild, -ECANCELED, CAUSE);
	weft_ctx_fini(&grandchild);
	weft_ctx_fini(&child);
	weft_ctx_fini(&parent);
}

TEST(ctx_of_a_parent_that_is_done_is_done_at_once)
{
	weft_ctx parent, child, grandchild;

	weft_ctx_init(&parent, NULL);
	weft_ctx_cancel(&parent, CAUSE);
	weft_ctx_init(&child, &parent);
	weft_ctx_init_timeout(&grandchild, &child, WEFT_MINUTE);
	check_done(&child, -ECANCELED, CAUSE);
	check_done(&grandchild, -ECANCELED, CAUSE);
	weft_ctx_fini(&grandchild);
	weft_ctx_fini(&child);
	weft_ctx_fini(&parent);
}

TEST(ctx_fini_cancels_and_allows_another_init)
{
	weft_ctx parent, c;

	weft_ctx_init(&parent, NULL);
	weft_ctx_init(&c, &parent);
	weft_ctx_fini(&c);
	check_done(&c, -ECANCELED, -ECANCELED);
	check_open(&parent);
	weft_ctx_init(&c, &parent);
	check_open(&c);
	weft_ctx_cancel(&parent, CAUSE);
	check_done(&c, -ECANCELED, CAUSE);
	weft_ctx_fini(&c);
	weft_ctx_fini(&parent);
}

enum { MANY = 100000 };

static weft_ctx *many(void)
{
	weft_ctx *chain = calloc(MANY, sizeof *chain);

	CHECK(chain != NULL);
	return chain;
}

TEST_FLAVOURS(ctx_cancel_goes_down_a_chain_deeper_than_any_stack)
{
	weft_ctx *chain = many();

	weft_ctx_init_value(&chain[0], NULL, &key, chain);
	for (int i = 1; i < MANY; i++)
		weft_ctx_init(&chain[i], &chain[i - 1]);
	CHECK(weft_ctx_value(&chain[MANY - 1], &key) == chain);
	weft_ctx_cancel(&chain[0], CAUSE);
	for (int i = MANY; i-- > 0;) {
		check_done(&chain[i], -ECANCELED, CAUSE);
		weft_ctx_fini(&chain[i]);
	}
	free(chain);
}

TEST(ctx_cancel_reaches_many_children)
{
	weft_ctx *all = many();

	weft_ctx_init(&all[0], NULL);
	for (int i = 1; i < MANY; i++)
		weft_ctx_init(&all[i], &all[0]);
	for (int i = 1; i < MANY; i += 2)
		weft_ctx_fini(&all[i]);
	weft_ctx_cancel(&all[0], CAUSE);
	for (int i = 2; i < MANY; i += 2) {
		check_done(&all[i], -ECANCELED, CAUSE);
		weft_ctx_fini(&all[i]);
	}
	weft_ctx_fini(&all[0]);
	free(all);
}

/* ---- deadlines ---- */

TEST(ctx_deadline_is_told_and_stays_when_it_is_done)
{
	weft_time when = weft_now() + WEFT_MINUTE, told = 0;
	weft_ctx c;

	weft_ctx_init_deadline(&c, NULL, when);
	check_open(&c);
	CHECK(weft_ctx_deadline(&c, &told));
	CHECK_EQ(told, when);
	weft_ctx_cancel(&c, 0);
	told = 0;
	CHECK(weft_ctx_deadline(&c, &told));
	CHECK_EQ(told, when);
	CHECK(weft_ctx_deadline(&c, NULL));
	weft_ctx_fini(&c);
}

TEST(ctx_deadline_that_has_passed_ends_it_at_once)
{
	const weft_time passed[] = {INT64_MIN, -1, 0, 1, weft_now()};
	weft_time when;

	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
		weft_ctx c, child;

		weft_ctx_init_deadline(&c, NULL, passed[i]);
		weft_ctx_init(&child, &c);
		CHECK(weft_ctx_deadline(&c, &when));
		CHECK_EQ(when, passed[i] > 0 ? passed[i] : 1);
		check_done(&child, -ETIMEDOUT, -ETIMEDOUT);
		check_done(&c, -ETIMEDOUT, -ETIMEDOUT);
		weft_ctx_fini(&child);
		weft_ctx_fini(&c);
	}
}

TEST(ctx_timeout_of_zero_or_less_ends_it_at_once)
{
	const weft_duration none[] = {INT64_MIN, -WEFT_SECOND, 0};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		weft_ctx c;

		weft_ctx_init_timeout(&c, NULL, none[i]);
		check_done(&c, -ETIMEDOUT, -ETIMEDOUT);
		weft_ctx_fini(&c);
	}
}

static void note(void *ran)
{
	*(bool *)ran = true;
}

/* Nobody has asked the context before. Who parks lets others go first. */
static int wait_in_vain(void *unused)
{
	bool ran = false;
	weft_sema none = {0};
	weft_ctx c;

	(void)unused;
	CHECK_EQ(weft_go(note, &ran), 0);
	weft_ctx_init_timeout(&c, NULL, 0);
	CHECK_EQ(weft_sema_acquire_ctx(&none, &c, 1), -ETIMEDOUT);
	CHECK(!ran);
	weft_ctx_fini(&c);
	weft_ctx_init_timeout(&c, NULL, 0);
	CHECK_EQ(weft_sleep(&c, WEFT_MINUTE), -ETIMEDOUT);
	CHECK(!ran);
	weft_ctx_fini(&c);
	while (!ran)
		weft_yield();
	return 0;
}

TEST(ctx_wait_after_its_deadline_does_not_begin)
{
	one_worker();
	CHECK_EQ(weft_run(wait_in_vain, NULL), 0);
}

TEST(ctx_deadline_of_never_is_none)
{
	weft_ctx a, b;

	weft_ctx_init_deadline(&a, NULL, WEFT_NEVER);
	weft_ctx_init_timeout(&b, NULL, INT64_MAX);
	CHECK(!weft_ctx_deadline(&a, NULL));
	CHECK(!weft_ctx_deadline(&b, NULL));
	check_open(&a);
	check_open(&b);
	weft_ctx_fini(&b);
	weft_ctx_fini(&a);
}

TEST(ctx_earlier_deadline_of_parent_and_child_counts)
{
	weft_time early = weft_now() + WEFT_MINUTE, late = 2 * early, told;
	weft_ctx parent, child;

	weft_ctx_init_deadline(&parent, NULL, early);
	weft_ctx_init_deadline(&child, &parent, late);
	CHECK(weft_ctx_deadline(&child, &told));
	CHECK_EQ(told, early);
	weft_ctx_fini(&child);
	weft_ctx_fini(&parent);

	weft_ctx_init_deadline(&parent, NULL, late);
	weft_ctx_init_deadline(&child, &parent, early);
	CHECK(weft_ctx_deadline(&child, &told));
	CHECK_EQ(told, early);
	weft_ctx_fini(&child);
	weft_ctx_init_value(&child, &parent, &told, NULL);
	CHECK(weft_ctx_deadline(&child, &told));
	CHECK_EQ(told, late);
	weft_ctx_fini(&child);
	weft_ctx_fini(&parent);
}

TEST(ctx_deadline_ends_it_and_all_below)
{
	weft_ctx parent, child, detached;

	weft_ctx_init_deadline(&parent, NULL, soon());
	weft_ctx_init(&child, &parent);
	weft_ctx_init_detached(&detached, &parent);
	test_until(weft_ctx_done(&child));
	check_done(&child, -ETIMEDOUT, -ETIMEDOUT);
	check_done(&parent, -ETIMEDOUT, -ETIMEDOUT);
	check_open(&detached);
	weft_ctx_fini(&detached);
	weft_ctx_fini(&child);
	weft_ctx_fini(&parent);
}

TEST(ctx_cancel_after_the_deadline_records_the_deadline)
{
	weft_ctx c, child;

	weft_ctx_init_deadline(&c, NULL, weft_now());
	weft_ctx_init(&child, &c);
	weft_ctx_cancel(&c, CAUSE);
	check_done(&c, -ETIMEDOUT, -ETIMEDOUT);
	check_done(&child, -ETIMEDOUT, -ETIMEDOUT);
	weft_ctx_fini(&child);
	weft_ctx_fini(&c);
}

TEST(ctx_cancel_before_the_deadline_stays_a_cancellation)
{
	weft_time when = soon();
	weft_ctx c;

	weft_ctx_init_deadline(&c, NULL, when);
	weft_ctx_cancel(&c, CAUSE);
	test_until(weft_now() > when);
	check_done(&c, -ECANCELED, CAUSE);
	weft_ctx_fini(&c);
}

TEST(ctx_expired_before_its_parent_is_cancelled_stays_expired)
{
	weft_ctx parent, child, grandchild, other;

	weft_ctx_init(&parent, NULL);
	weft_ctx_init_timeout(&child, &parent, 0);
	weft_ctx_init(&grandchild, &child);
	weft_ctx_init_timeout(&other, &parent, WEFT_MINUTE);
	weft_ctx_cancel(&parent, CAUSE);
	check_done(&grandchild, -ETIMEDOUT, -ETIMEDOUT);
	check_done(&child, -ETIMEDOUT, -ETIMEDOUT);
	check_done(&other, -ECANCELED, CAUSE);
	weft_ctx_fini(&other);
	weft_ctx_fini(&grandchild);
	weft_ctx_fini(&child);
	weft_ctx_fini(&parent);
}

/* ---- values ---- */

TEST(ctx_value_is_that_of_the_nearest)
{
	int one, two;
	weft_ctx a, b, c;

	weft_ctx_init_value(&a, NULL, &key, &one);
	weft_ctx_init(&b, &a);
	weft_ctx_init_value(&c, &b, &key, &two);
	CHECK(weft_ctx_value(&a, &key) == &one);
	CHECK(weft_ctx_value(&b, &key) == &one);
	CHECK(weft_ctx_value(&c, &key) == &two);
	CHECK(weft_ctx_value(&c, &other_key) == NULL);
	CHECK(weft_ctx_value(&c, NULL) == NULL);
	weft_ctx_fini(&c);
	weft_ctx_fini(&b);
	weft_ctx_fini(&a);
}

TEST(ctx_value_of_null_hides_outer_ones)
{
	weft_ctx a, b, c;

	weft_ctx_init_value(&a, NULL, &key, &a);
	weft_ctx_init_value(&b, &a, &key, NULL);
	weft_ctx_init(&c, &b);
	CHECK(weft_ctx_value(&c, &key) == NULL);
	weft_ctx_fini(&c);
	weft_ctx_fini(&b);
	weft_ctx_fini(&a);
}

TEST(ctx_with_a_value_is_cancelled_with_its_parent)
{
	weft_ctx a, b;

	weft_ctx_init(&a, NULL);
	weft_ctx_init_value(&b, &a, &key, &a);
	weft_ctx_cancel(&a, CAUSE);
	check_done(&b, -ECANCELED, CAUSE);
	CHECK(weft_ctx_value(&b, &key) == &a);
	weft_ctx_fini(&b);
	weft_ctx_fini(&a);
}

TEST(ctx_detached_has_the_values_but_not_the_end_of_its_parent)
{
	weft_ctx a, b, c;

	weft_ctx_init_value(&a, NULL, &key, &a);
	weft_ctx_init_timeout(&b, &a, WEFT_MINUTE);
	weft_ctx_init_detached(&c, &b);
	weft_ctx_cancel(&a, CAUSE);
	check_open(&c);
	CHECK(!weft_ctx_deadline(&c, NULL));
	CHECK(weft_ctx_value(&c, &key) == &a);
	weft_ctx_cancel(&c, OTHER_CAUSE);
	check_done(&c, -ECANCELED, OTHER_CAUSE);
	weft_ctx_fini(&c);
	weft_ctx_init_detached(&c, &b);	/* of one that is done */
	check_open(&c);
	weft_ctx_fini(&c);
	weft_ctx_fini(&b);
	weft_ctx_fini(&a);
}

/* ---- waiting ---- */

typedef struct {
	weft_ctx *c;
	weft_ctx *ctx;
	int written;	/* by the canceller, before */
	int returned;	/* atomic: how many */
	int wanted;
} waits;

static void wait_for_end(void *arg)
{
	waits *s = arg;

	CHECK_EQ(weft_ctx_wait(s->c), s->wanted);
	CHECK_EQ(weft_ctx_err(s->c), s->wanted);
	if (s->wanted == -ECANCELED) {
		CHECK_EQ(s->written, 1);
		CHECK_EQ(weft_ctx_cause(s->c), CAUSE);
	}
	weft_atomic_add(&s->returned, 1, relaxed);
}

enum { WAITERS = 20 };

TEST_FLAVOURS(ctx_wait_returns_when_it_is_cancelled)
{
	weft_ctx c;
	waits s = {.c = &c, .wanted = -ECANCELED};

	weft_ctx_init(&c, NULL);
	for (int i = 0; i < WAITERS; i++)
		test_start(wait_for_end, &s);
	test_until(ctx_waiters(&c) == WAITERS);
	CHECK_EQ(weft_atomic_load(&s.returned, relaxed), 0);
	s.written = 1;
	weft_ctx_cancel(&c, CAUSE);
	test_join_all();
	weft_ctx_fini(&c);
}

TEST_FLAVOURS(ctx_wait_of_a_descendant_returns_when_an_ancestor_is_cancelled)
{
	weft_ctx a, b, c;
	waits s = {.c = &c, .wanted = -ECANCELED};

	weft_ctx_init(&a, NULL);
	weft_ctx_init(&b, &a);
	weft_ctx_init_timeout(&c, &b, WEFT_MINUTE);
	for (int i = 0; i < WAITERS; i++)
		test_start(wait_for_end, &s);
	test_until(ctx_waiters(&c) == WAITERS);
	s.written = 1;
	weft_ctx_cancel(&a, CAUSE);
	test_join_all();
	weft_ctx_fini(&c);
	weft_ctx_fini(&b);
	weft_ctx_fini(&a);
}

TEST_FLAVOURS(ctx_wait_returns_at_the_deadline)
{
	weft_time when = soon();
	weft_ctx c;
	waits s = {.c = &c, .wanted = -ETIMEDOUT};

	weft_ctx_init_deadline(&c, NULL, when);
	for (int i = 0; i < WAITERS; i++)
		test_start(wait_for_end, &s);
	CHECK_EQ(weft_ctx_wait(&c), -ETIMEDOUT);
	CHECK_LE(when, weft_now());
	test_join_all();
	CHECK_EQ(ctx_waiters(&c), 0);
	weft_ctx_fini(&c);
}

TEST_FLAVOURS(ctx_wait_returns_at_once_if_it_is_done)
{
	weft_ctx c;
	waits s = {.c = &c, .wanted = -ECANCELED, .written = 1};

	weft_ctx_init(&c, NULL);
	weft_ctx_cancel(&c, CAUSE);
	test_start(wait_for_end, &s);
	wait_for_end(&s);
	test_join_all();
	weft_ctx_fini(&c);
	weft_ctx_init_timeout(&c, NULL, 0);
	CHECK_EQ(weft_ctx_wait(&c), -ETIMEDOUT);
	weft_ctx_fini(&c);
}

static void wait_for_end_with(void *arg)
{
	waits *s = arg;

	CHECK_EQ(weft_ctx_wait_ctx(s->c, s->ctx), s->wanted);
	weft_atomic_add(&s->returned, 1, relaxed);
}

/* Start waits for c with ctx, cancel end, and see them return wanted. */
static void check_wait_ctx(weft_ctx *c, weft_ctx *ctx, weft_ctx *end, int wanted)
{
	waits s = {.c = c, .ctx = ctx, .wanted = wanted};
	size_t waiters = c == ctx ? 2 * WAITERS : WAITERS;

	for (int i = 0; i < WAITERS; i++)
		test_start(wait_for_end_with, &s);
	test_until(ctx_waiters(c != NULL ? c : ctx) == waiters);
	if (ctx != NULL)
		test_until(ctx_waiters(ctx) == waiters);
	weft_ctx_cancel(end, CAUSE);
	test_join_all();
	if (c != NULL)
		CHECK_EQ(ctx_waiters(c), 0);
	if (ctx != NULL)
		CHECK_EQ(ctx_waiters(ctx), 0);
}

TEST_FLAVOURS(ctx_wait_ctx_returns_zero_when_its_object_is_cancelled)
{
	weft_ctx c = {0}, d = {0}, e = {0}, ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_MINUTE);
	check_wait_ctx(&c, &ctx, &c, 0);
	check_wait_ctx(&d, NULL, &d, 0);
	check_wait_ctx(&e, &e, &e, 0);
	weft_ctx_fini(&ctx);
}

TEST_FLAVOURS(ctx_wait_ctx_gives_up_when_its_context_is_cancelled)
{
	weft_ctx c, ctx, parent;

	weft_ctx_init_timeout(&c, NULL, WEFT_MINUTE);
	weft_ctx_init(&parent, NULL);
	weft_ctx_init(&ctx, &parent);
	check_wait_ctx(&c, &ctx, &parent, -ECANCELED);
	weft_ctx_fini(&ctx);
	weft_ctx_init(&ctx, NULL);
	check_wait_ctx(NULL, &ctx, &ctx, -ECANCELED);
	weft_ctx_fini(&ctx);
	weft_ctx_fini(&parent);
	weft_ctx_fini(&c);
}

TEST_FLAVOURS(ctx_wait_ctx_knows_whose_deadline_passed)
{
	weft_ctx early, late, none = {0};

	weft_ctx_init_timeout(&late, NULL, WEFT_MINUTE);
	weft_ctx_init_deadline(&early, NULL, soon());
	CHECK_EQ(weft_ctx_wait_ctx(&late, &early), -ETIMEDOUT);
	weft_ctx_fini(&early);
	weft_ctx_init_deadline(&early, NULL, soon());
	CHECK_EQ(weft_ctx_wait_ctx(&early, &late), 0);
	weft_ctx_fini(&early);
	weft_ctx_init_deadline(&early, NULL, soon());
	CHECK_EQ(weft_ctx_wait_ctx(&none, &early), -ETIMEDOUT);
	weft_ctx_fini(&early);
	weft_ctx_init_deadline(&early, NULL, soon());
	CHECK_EQ(weft_ctx_wait_ctx(&early, NULL), 0);
	CHECK_EQ(ctx_waiters(&early), 0);
	weft_ctx_fini(&early);
	weft_ctx_fini(&late);
}

TEST(ctx_wait_ctx_prefers_its_object)
{
	weft_ctx c = {0}, ctx = {0}, open = {0};

	weft_ctx_cancel(&ctx, 0);
	CHECK_EQ(weft_ctx_wait_ctx(&open, &ctx), -ECANCELED);
	weft_ctx_cancel(&c, 0);
	CHECK_EQ(weft_ctx_wait_ctx(&c, &open), 0);
	CHECK_EQ(weft_ctx_wait_ctx(&c, &ctx), 0);
	CHECK_EQ(weft_ctx_wait_ctx(&c, NULL), 0);
	CHECK_EQ(weft_ctx_wait_ctx(NULL, &ctx), -ECANCELED);
}

/* ---- parking with one: through an object's _ctx form ---- */

TEST(ctx_that_is_done_does_not_keep_from_what_is_there)
{
	weft_ctx c = {0};
	weft_sema s;

	weft_sema_init(&s, 1);
	weft_ctx_cancel(&c, 0);
	CHECK_EQ(weft_sema_acquire_ctx(&s, &c, 1), 0);
	CHECK_EQ(weft_sema_acquire_ctx(&s, &c, 1), -ECANCELED);
	CHECK(!is_queued_for(&s));
}

typedef struct {
	weft_ctx *c;
	weft_sema *s;
	int wanted;
} acquire;

static void acquire_one(void *arg)
{
	acquire *a = arg;

	CHECK_EQ(weft_sema_acquire_ctx(a->s, a->c, 1), a->wanted);
}

TEST_FLAVOURS(ctx_park_leaves_no_trace_in_its_context)
{
	weft_sema s = {0};
	weft_ctx c;
	acquire a = {.c = &c, .s = &s, .wanted = 0};

	weft_ctx_init_timeout(&c, NULL, WEFT_MINUTE);
	for (int i = 0; i < WAITERS; i++)
		test_start(acquire_one, &a);
	test_until(ctx_waiters(&c) == WAITERS);
	weft_sema_release(&s, WAITERS);
	test_join_all();
	CHECK_EQ(ctx_waiters(&c), 0);
	weft_ctx_fini(&c);
}

TEST_FLAVOURS(ctx_park_gives_up_when_it_is_cancelled)
{
	weft_sema s = {0};
	weft_ctx c;
	acquire a = {.c = &c, .s = &s, .wanted = -ECANCELED};

	weft_ctx_init(&c, NULL);
	for (int i = 0; i < WAITERS; i++)
		test_start(acquire_one, &a);
	test_until(ctx_waiters(&c) == WAITERS);
	weft_ctx_cancel(&c, 0);
	test_join_all();
	CHECK(!is_queued_for(&s));
	weft_ctx_fini(&c);
}

TEST_FLAVOURS(ctx_park_gives_up_at_the_deadline)
{
	weft_sema s = {0};
	weft_ctx c;
	acquire a = {.c = &c, .s = &s, .wanted = -ETIMEDOUT};

	weft_ctx_init_deadline(&c, NULL, soon());
	for (int i = 0; i < WAITERS; i++)
		test_start(acquire_one, &a);
	test_join_all();
	CHECK(!is_queued_for(&s));
	CHECK_EQ(ctx_waiters(&c), 0);
	weft_ctx_fini(&c);
}

enum { CROWD = 40 };

/* C8 */
static void check_scout(weft_ctx *c)
{
	weft__ctx_entry *scout;
	weft__link *link = c->priv_waiters;

	if (link == NULL)
		return;
	scout = weft__ctx_entry_of(link)->behind;
	while (scout != NULL && link->next != &scout->link) {
		link = link->next;
		CHECK(link->next != c->priv_waiters);
	}
	CHECK(scout == NULL || &scout->link != c->priv_waiters);
}

/* Whoever leaves, and then one after the other from the front, or the back. */
static void leave_crowd(int leaver, bool from_front)
{
	weft__ctx_entry e[CROWD + 1];
	weft_ctx c = {0};

	for (int i = 0; i < CROWD; i++) {
		CHECK(weft__ctx_enlist(&c, &e[i]));
		check_scout(&c);
	}
	weft__ctx_delist(&c, &e[leaver]);
	CHECK(weft__ctx_enlist(&c, &e[CROWD]));
	for (int i = 0; i <= CROWD; i++) {
		check_scout(&c);
		weft__ctx_delist(&c, &e[from_front ? i : CROWD - i]);
	}
	CHECK_EQ(ctx_waiters(&c), 0);
}

TEST(ctx_has_no_scout_that_has_left)
{
	for (int leaver = 0; leaver < CROWD; leaver++) {
		leave_crowd(leaver, true);
		leave_crowd(leaver, false);
	}
}
